"""Slices: some rows of a table in the order of a key, among which something is looked for."""

from collections.abc import Collection

import attrs


@attrs.frozen
class Slice:
    """What a slice of a table has of what is looked for.

    Attributes:
        end: where the next slice begins; empty if this was the last.
    """

    found: tuple[str, ...]
    end: str

    @classmethod
    def of_rows(cls, rows: Collection[tuple[str, object]], most: int) -> "Slice":
        """By rows of a key and whether it is looked for, in the keys' order.

        Args:
            most: how many rows were asked for.
        """
        keys = [key for key, _ in rows]
        found = tuple(key for key, is_looked_for in rows if is_looked_for)
        return cls(found, keys[-1] if len(keys) == most else "")
