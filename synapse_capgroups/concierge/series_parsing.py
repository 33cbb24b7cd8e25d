"""Parses what follows `series`. No Synapse, no I/O."""

import re

import attrs

from synapse_capgroups.concierge.parsing import code_wish

_MARKS = "\"'\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb\u300c\u300d"
_QUOTED = re.compile(rf"[{_MARKS}](.*?)[{_MARKS}](?:\s+|$)(.*)", re.DOTALL)
_KEYWORDS = ("from", "fill", "max")


@attrs.frozen
class StartWish:
    """`<name> "<pattern>" [from <group>] [fill 50] [max 10]`; empty is what was not said."""

    name: str
    pattern: str
    group: str = ""
    fill: int | None = None
    max_groups: int | None = None


def start_wish(rest: str) -> StartWish:
    """Parse what follows `series start`. The pattern may stand without quotation marks."""
    name, _, rest = rest.strip().partition(" ")
    rest = rest.strip()
    numbers: dict[str, int | None] = {"fill": None, "max": None}
    words = rest.split()
    while len(words) >= 2 and words[-2].lower() in numbers and words[-1].isdecimal():
        numbers[words[-2].lower()] = int(words[-1][:9])
        rest = rest[: rest.rindex(words[-2], 0, rest.rindex(words[-1]))].strip()
        words = words[:-2]
    quoted = _QUOTED.fullmatch(rest)
    if quoted:
        pattern, rest = quoted[1], quoted[2]
    else:
        pattern, rest = _until_keyword(rest)
    group = rest[5:].strip() if rest.lower().startswith("from ") else ""
    return StartWish(name, pattern.strip(), group, numbers["fill"], numbers["max"])


def _until_keyword(rest: str) -> tuple[str, str]:
    words = rest.split(" ")
    for i, word in enumerate(words):
        if word.lower() in _KEYWORDS and i:
            return " ".join(words[:i]), " ".join(words[i:])
    return rest, ""


def deed_and_rest(rest: str, deeds: frozenset[str]) -> tuple[str, str]:
    """`[<deed>] <something>`: a deed stands before something, or alone where it needs nothing."""
    word, _, something = rest.strip().partition(" ")
    if word.lower() in deeds and something.strip():
        return word.lower(), something.strip()
    return "", rest.strip()


def name_and_rest(rest: str) -> tuple[str, str]:
    """`<series> <something>`: the name of a series is one word."""
    name, _, something = rest.strip().partition(" ")
    return name, something.strip()


@attrs.frozen
class LiveCodeWish:
    """`[7d] [20 uses] [label …]`. `lifetime` is in milliseconds; None is the server's default."""

    lifetime: int | None = None
    max_uses: int | None = None
    label: str | None = None


def live_code_wish(rest: str) -> LiveCodeWish | None:
    """Parse what follows `series code <series>`; None if it is nothing of the kind."""
    match = re.search(r"(?:^|\s)label\s+(.+)$", rest, re.IGNORECASE)
    label = unquoted(match[1].strip()) if match else None
    wish = code_wish(rest[: match.start()] if match else rest)
    if wish.group:
        return None
    return LiveCodeWish(wish.lifetime, wish.max_uses, label)


def unquoted(text: str) -> str:
    """A text without the quotation marks around it."""
    match = _QUOTED.fullmatch(text)
    return match[1].strip() if match and not match[2] else text


def person(said: str, server_name: str) -> str:
    """The Matrix ID that somebody writes, with or without this server's name."""
    said = said.strip()
    full = said if said.startswith("@") else f"@{said}"
    return full if ":" in full else f"{full}:{server_name}"
