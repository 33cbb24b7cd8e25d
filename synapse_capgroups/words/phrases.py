"""What people write to the concierge, in all languages at once: whoever speaks two mixes them."""

from collections.abc import Collection, Mapping
from functools import cache

import attrs

from synapse_capgroups.words.languages import LANGUAGES, own_texts

COMMANDS = (
    "help", "groups", "code", "codes", "me", "revoke", "name", "who", "approval", "requests", "yes",
    "no", "remark", "series", "announce", "assign", "twice", "quiet", "console",
    "courtesy", "language",
)  # fmt: skip
"""The keys of `phrases` in the languages' files that are commands; each is a phrase for itself."""

_MS = {"minutes": 60_000, "hours": 3_600_000, "days": 86_400_000, "weeks": 604_800_000}


@attrs.frozen
class Phrases:
    """Everything is in `plain` form, with single spaces.

    Attributes:
        commands: the command that a phrase stands for.
        languages: the language of a phrase that belongs to one only; None if to several.
        fillers: what people say around that, and means nothing here.
        links: the same between a command and what it is about.
        units: milliseconds of a unit of time.
        people: what is counted when the uses of a code are said.
        numbers: what a number is called.
        before: what stands before a number with a unit.
    """

    commands: Mapping[str, str]
    languages: Mapping[str, str | None]
    fillers: frozenset[str]
    links: frozenset[str]
    units: Mapping[str, int]
    people: frozenset[str]
    numbers: Mapping[str, int]
    on: frozenset[str]
    off: frozenset[str]
    page: frozenset[str]
    end: frozenset[str]
    widget: frozenset[str]
    before: frozenset[str]


_LONGEST = 40
"""No phrase is longer (tests/test_understanding.py)."""
_SAME_WIDTH: dict[int, int | str] = {
    **{full: full - 0xFEE0 for full in range(0xFF01, 0xFF5F)},
    0x3000: " ",
    ord("\N{RIGHT SINGLE QUOTATION MARK}"): "'",
}


def same_width(text: str) -> str:
    """A text with the usual letters and digits in place of full-width ones, one for one."""
    return text.translate(_SAME_WIDTH)


def plain(text: str) -> str:
    """A text as phrases are compared, of the same length but for white space at its ends."""
    one_each = (low if len(low := c.lower()) == 1 else c for c in same_width(text))
    return "".join(" " if c.isspace() else c for c in one_each)


@cache
def everywhere() -> Phrases:
    """The phrases of all languages."""
    commands = {command: command for command in COMMANDS}
    for command in COMMANDS:
        commands |= dict.fromkeys(_all(command), command)
    return Phrases(
        commands=commands,
        languages=_languages(),
        fillers=frozenset(_all("fillers")),
        links=frozenset(_all("links")),
        units={said: ms for unit, ms in _MS.items() for said in _all(unit)},
        people=frozenset(_all("people")),
        numbers=_numbers(),
        on=frozenset(_all("on")),
        off=frozenset(_all("off")),
        page=frozenset(_all("page")),
        end=frozenset(_all("end")),
        widget=frozenset(_all("widget")),
        before=frozenset(_all("before_amounts")),
    )


def _all(key: str) -> list[str]:
    return [said for language in LANGUAGES for said in _own(language, key)]


def _own(language: str, key: str) -> list[str]:
    said_so = own_texts(language)["phrases"][key].split(",")
    return [" ".join(plain(said).split()) for said in said_so if said.strip()]


def _languages() -> dict[str, str | None]:
    # The commands themselves are the same in all languages.
    found: dict[str, str | None] = dict.fromkeys(COMMANDS)
    for language in LANGUAGES:
        for key in (*COMMANDS, "fillers", "links"):
            for said in _own(language, key):
                found[said] = language if found.get(said, language) == language else None
    return found


def _numbers() -> dict[str, int]:
    found: dict[str, int] = {}
    for language in LANGUAGES:
        for number, names in enumerate(own_texts(language)["phrases"]["numbers"].split(), 1):
            found |= dict.fromkeys(names.split("/"), number)
    return found


def beginning(text: str, start: int, said: Collection[str]) -> int | None:
    """Where the longest of some phrases ends that a plain text has from `start` on, as whole words.

    Chinese is written without spaces, and a number may follow directly: `qr3`.
    """
    for end in range(min(len(text), start + _LONGEST), start, -1):
        if text[start:end] in said and not (
            _is_latin(text[end - 1]) and end < len(text) and _is_letter(text[end])
        ):
            return end
    return None


def ending(text: str, said: Collection[str]) -> int | None:
    """Where the longest of some phrases begins that a plain text ends with, as whole words."""
    for start in range(max(0, len(text) - _LONGEST), len(text)):
        if text[start:] in said and is_start(text, start):
            return start
    return None


def is_start(text: str, start: int) -> bool:
    """Whether a word can begin there."""
    return start == 0 or not (_is_latin(text[start]) and _is_latin(text[start - 1]))


def _is_latin(character: str) -> bool:
    return character.isalnum() and not "\u3400" <= character <= "\u9fff"


def _is_letter(character: str) -> bool:
    return _is_latin(character) and not character.isdecimal()
