"""Rule 11: what a series may be called, and how large it may be."""

from typing import TypeGuard

from synapse_capgroups.rules.text import is_text

PLACE_OF_NUMBER = "{n}"
HELPERS_LEVEL = 50
"""The power level of helpers in each group."""
MOST_SERIES = 20
"""How many living series one person may have."""
MOST_HELPERS = 10
"""How many helpers a series may have: each is in all of its groups."""

_LONGEST_NAME = 40
_LONGEST_PATTERN = 200


def is_name(name: object) -> TypeGuard[str]:
    """Whether a series can be called so: by one word that people can write in a command."""
    return (
        isinstance(name, str)
        and 0 < len(name) <= _LONGEST_NAME
        and is_text(name)
        and name.isprintable()
        and not any(letter.isspace() or letter in "<>\"'@!#/" for letter in name)
    )


def is_pattern(pattern: object) -> TypeGuard[str]:
    """Whether groups can be called by this: text with the place of their number exactly once."""
    return (
        isinstance(pattern, str)
        and len(pattern) <= _LONGEST_PATTERN
        and is_text(pattern)
        and pattern.isprintable()
        and pattern == pattern.strip()
        and pattern.count(PLACE_OF_NUMBER) == 1
    )


def is_number(number: object, most: int) -> TypeGuard[int]:
    """Whether this is a whole number from 1 to `most`; in Python true is one, too."""
    return isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= most


def called_alike(name: str, other: str) -> bool:
    """Whether a person would take two names of series for one."""
    return name.casefold() == other.casefold()
