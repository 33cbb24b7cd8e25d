"""Parses what people write to the concierge. No Synapse, no I/O."""

import re
from collections.abc import Collection

import attrs

from synapse_capgroups.words.phrases import ending, everywhere, is_start, plain, same_width

MOST_NUMBERS = 20
"""How many requests one command answers."""


@attrs.frozen
class AnnouncementWish:
    """`<series> [@room] [pin] <text>`. What is empty was not written."""

    series: str
    text: str
    mention_room: bool = False
    pin: bool = False


def announcement_wish(rest: str) -> AnnouncementWish:
    """Parse what follows `announce`. The text keeps its lines."""
    parts = rest.split(maxsplit=1)
    series, text = (*parts, "", "")[:2]
    switches = set()
    while (switch := text.split(maxsplit=1)[:1]) and switch[0].lower() in ("@room", "pin"):
        switches.add(switch[0].lower())
        text = text[len(switch[0]) :].lstrip()
    return AnnouncementWish(series, text, "@room" in switches, "pin" in switches)


@attrs.frozen
class CodeWish:
    """`<group> [7d] [20 uses]`. `lifetime` is in milliseconds; None is the server's default."""

    group: str
    lifetime: int | None = None
    max_uses: int | None = None


def code_wish(rest: str) -> CodeWish:
    """Parse what follows `code`, from its end: the name of a group may contain numbers.

    As people write it: `2 days`, `for 20 people`, `a week`, `两天`, in any order.
    """
    phrases = everywhere()
    max_uses = lifetime = None
    while (found := _amount(rest)) is not None:
        start, number, unit = found
        if unit in phrases.units and lifetime is None:
            lifetime = number * phrases.units[unit]
        elif unit in phrases.people and max_uses is None:
            max_uses = number
        else:
            break
        rest = _without_end(rest[:start], phrases.before)
    return CodeWish(rest.strip(), lifetime, max_uses)


_MARKS = " \t.,;!?\u3002\uff0c\u3001"
_DIGITS = re.compile("[0-9]{1,9}$")
_LONGEST = 100  # No number with its unit is longer; what stands before it is not looked at.


def _amount(rest: str) -> tuple[int, int, str] | None:
    """The number with its unit that a text ends with, and where it begins."""
    phrases = everywhere()
    rest = rest.rstrip(_MARKS)
    offset = max(0, len(rest) - _LONGEST)
    text = plain(rest[offset:])
    unit_at = ending(text, phrases.units.keys() | phrases.people)
    if unit_at is None:
        unit_at = _after_digits(text, phrases.units.keys() | phrases.people)
    if unit_at is None:
        return None
    unit, before = text[unit_at:], text[:unit_at].rstrip()
    if (digits := _DIGITS.search(before)) and is_start(before, digits.start()):
        return offset + digits.start(), int(digits[0]), unit
    number_at = ending(before, phrases.numbers.keys())
    if number_at is None:
        return None
    return offset + number_at, phrases.numbers[before[number_at:]], unit


def _after_digits(text: str, units: Collection[str]) -> int | None:
    """Where the unit begins that stands directly behind a number: `7d`."""
    match = re.search(r"[0-9]([^\W\d]+)$", text)
    return match.start(1) if match and match[1] in units else None


def _without_end(text: str, said: Collection[str]) -> str:
    while True:
        text = text.rstrip(_MARKS)
        tail = plain(text[-_LONGEST:])
        start = ending(tail, said)
        if start is None:
            return text
        text = text[: len(text) - len(tail) + start]


def group_and_page(rest: str) -> tuple[str, int]:
    """`<group> [page 2]`."""
    words = rest.split()
    page = everywhere().page
    if len(words) >= 2 and words[-2].lower() in page and re.fullmatch("[0-9]{1,4}", words[-1]):
        return " ".join(words[:-2]), max(1, int(words[-1]))
    return rest, 1


def group_and_rest(rest: str) -> tuple[str, str]:
    """`<group> <something>`, where the group is one word: a number or a part of the name."""
    group, _, something = rest.partition(" ")
    return group, something.strip()


def group_and_switch(rest: str) -> tuple[str, bool | None]:
    """`<group> on` or `<group> off`; None if it is neither."""
    words = rest.split()
    last = plain(words[-1]).strip(".!") if words else ""
    on = True if last in everywhere().on else False if last in everywhere().off else None
    return " ".join(words[:-1]) if on is not None else rest, on


def numbers(rest: str) -> list[int]:
    """The numbers of `1234 5678`, each once, so many at most; empty if it is anything else."""
    words = same_width(rest).replace(",", " ").replace("#", " ").strip(" .!").split()
    if not all(word.isascii() and word.isdecimal() and len(word) <= 15 for word in words):
        return []
    return list(dict.fromkeys(int(word) for word in words))[:MOST_NUMBERS]


def matching(said: str, names: list[str]) -> list[int]:
    """The indexes of the names that somebody may mean, from 0.

    A number is an index from 1. A whole name goes before names that contain it.
    """
    if said.isdecimal() and len(said) < 6:
        number = int(said)
        return [number - 1] if 1 <= number <= len(names) else []
    wanted = said.casefold()
    whole = [i for i, name in enumerate(names) if name.casefold() == wanted]
    return whole or [i for i, name in enumerate(names) if wanted and wanted in name.casefold()]


def splits(rest: str, names: list[str]) -> list[tuple[str, str]]:
    """The ways in which `<group> <something>` may be meant, the likeliest first.

    `3 Bob`, `Tea on Sundays: Bob`, `"Tea on Sundays" Bob`, the longest name of a group that it
    begins with, a word, `Bob in Tea`.
    """
    rest = rest.strip()
    found = []
    if match := re.match(r"#?([0-9]{1,5})[\s:.]+(.+)", rest, re.DOTALL):
        found.append((match[1], match[2]))
    if match := re.match(r"([^:\uff1a]+)[:\uff1a]\s*(.+)", rest, re.DOTALL):
        found.append((match[1].strip(), match[2]))
    if match := re.match(
        '["\u201c\u201e\u00ab\u300c](.+?)["\u201c\u201d\u00bb\u300d]\\s*(.+)', rest, re.DOTALL
    ):
        found.append((match[1], match[2]))
    for name in sorted(names, key=len, reverse=True):
        head, tail = rest[: len(name)], rest[len(name) :]
        if head.casefold() == name.casefold() and tail[:1].isspace():
            found.append((name, tail.strip()))
            break
    first, _, others = rest.partition(" ")
    if others.strip() and any(first.casefold() in name.casefold() for name in names):
        found.append((first, others.strip()))
    if match := re.match(r"(.+)\s+(?:in|im|at)\s+(.+)", rest, re.DOTALL | re.IGNORECASE):
        found.append((match[2], match[1]))
    return [
        (group, something)
        for group, something in found
        if something.strip() and (group.isdecimal() or matching(group, names))
    ]
