"""The classes by size in which groups are told of."""

from collections.abc import Sequence

import attrs


@attrs.frozen(order=True)
class SizeClass:
    """Groups of about the same size.

    Attributes:
        largest: None where there is no end.
    """

    smallest: int
    largest: int | None

    @property
    def words(self) -> str:
        if self.largest is None:
            return f"{self.smallest} and more"
        if self.smallest == self.largest:
            return str(self.smallest)
        return f"{self.smallest} to {self.largest}"


_BEGINNINGS = (1, 2, 3, 10, 30, 100, 200, 501)
CLASSES: Sequence[SizeClass] = tuple(
    SizeClass(begin, following - 1 if following else None)
    for begin, following in zip(_BEGINNINGS, (*_BEGINNINGS[1:], None), strict=True)
)


def class_of(members: int) -> SizeClass:
    """The class of a group with so many members, one or more."""
    return next(found for found in reversed(CLASSES) if members >= found.smallest)
