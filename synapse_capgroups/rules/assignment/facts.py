"""What an assignment is decided by, beside the table itself."""

from collections.abc import Mapping
from enum import Enum

import attrs

Label = tuple[tuple[str, str], ...]
"""What the people of a group have in common: columns with their values, sorted by column."""


class Why(Enum):
    """Why a person is left out; the value is what clients see as `reason`."""

    NO_ACCOUNT = "no_account"
    GUEST = "guest"
    ORGANISER = "organiser"
    """They run the series, and so are in each of its groups."""
    BANNED = "banned"
    """From a group of the series."""
    REMOVED = "removed"
    """By somebody, from a group of the series."""
    BLOCKED = "blocked"
    """They block invitations."""
    OVER_LIMIT = "over_limit"
    REMOTE = "remote"
    """Their account is on another server, and the groups are for this one's."""
    IN_TWO_ROWS = "in_two_rows"
    NO_VALUE = "no_value"
    UNKNOWN_GROUP = "unknown_group"
    GROUP_FULL = "group_full"
    TOO_FEW = "too_few"
    """Too few people with their value are left for a group of the least size."""
    NO_GROUP_LEFT = "no_group_left"
    """The series has as many groups as it may have."""


@attrs.frozen
class Candidate:
    """A row of the table: a person, and their values in the columns that are asked about."""

    user: str
    values: tuple[str, ...]


@attrs.frozen
class PresentGroup:
    """A group that the series has.

    Attributes:
        number: in the series.
        people: members, and those whose invitation is open, without organisers and helpers.
        places: how many more may come in below `fill`. Everybody counts for that.
        label: what its people have in common; empty if nothing was said.
        name: by which a table may call it.
    """

    number: int
    people: int
    places: int
    label: Label = ()
    name: str = ""


@attrs.frozen
class SeriesFacts:
    """The series at the moment of the plan.

    Attributes:
        groups: in any order.
        next_number: of the next group that is made.
        fill: up to how many members a group is filled.
        staff: how many of these are organisers and helpers, who are in each new group.
        max_groups: how many groups the series may have.
        placed: who is in which group already, or has its invitation; a group's number.
        barred: who cannot be placed, and why.
    """

    groups: tuple[PresentGroup, ...]
    next_number: int
    fill: int
    max_groups: int
    staff: int = 1
    placed: Mapping[str, int] = attrs.field(factory=dict)
    barred: Mapping[str, Why] = attrs.field(factory=dict)

    @property
    def may_be_made(self) -> int:
        """How many more groups the series may have."""
        return max(0, self.max_groups - len(self.groups))

    @property
    def places_in_new(self) -> int:
        """For how many people a new group has a place."""
        return max(0, self.fill - self.staff)


@attrs.frozen
class Asked:
    """What the organiser asks for.

    Attributes:
        by: the columns whose values are kept apart.
        group: the column that names each person's group, in place of the two others.
        least: the smallest group that may be opened.
        most: the largest group; None is what the series' `fill` allows.
    """

    by: tuple[str, ...] = ()
    group: str | None = None
    least: int = 1
    most: int | None = None
