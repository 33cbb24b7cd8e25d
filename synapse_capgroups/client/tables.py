"""A table of words and numbers for the terminal."""

from collections.abc import Collection, Sequence
from unicodedata import combining, east_asian_width


def table(rows: Sequence[Sequence[object]], numbers: Collection[int] = ()) -> list[str]:
    """Lines with columns below each other.

    Args:
        numbers: the columns that end at the same place.
    """
    shown = [[printable(cell).replace("\n", " ") for cell in row] for row in rows]
    widths = [max(_width(cell) for cell in column) for column in zip(*shown, strict=True)]
    lines = []
    for row in shown:
        padded = []
        for column, (cell, wide) in enumerate(zip(row, widths, strict=True)):
            space = " " * (wide - _width(cell))
            padded.append(space + cell if column in numbers else cell + space)
        lines.append("  ".join(padded).rstrip())
    return lines


def printable(text: object) -> str:
    """Text that a terminal only shows: no control characters, and none that turn the line round."""
    return "".join(
        c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in str(text)
    )


def _width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in ("W", "F") else 1 for c in text)
