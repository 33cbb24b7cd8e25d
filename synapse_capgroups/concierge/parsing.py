"""Parses what people write to the concierge. No Synapse, no I/O."""

import re

import attrs

_DURATION = re.compile(r"([0-9]{1,4})([mhdw])", re.IGNORECASE)
_MS_PER_UNIT = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
MOST_NUMBERS = 20
"""How many requests one command answers."""
MOST_LINES = 5
"""How many commands of one message are read."""


@attrs.frozen
class Command:
    """One line. `rest` is what follows the keyword; `word` is in lower case."""

    word: str
    rest: str


_TAKES_ALL = frozenset({"announce"})
"""The words of commands to which all lines that follow belong."""


def commands(body: str) -> list[Command]:
    """The commands of a message, one on each line. Quoted lines of a reply do not count."""
    return _all(body)[:MOST_LINES]


def dropped(body: str) -> int:
    """How many commands of a message are not read."""
    return max(0, len(_all(body)) - MOST_LINES)


def _all(body: str) -> list[Command]:
    found = []
    lines = body.splitlines()
    for number, whole in enumerate(lines, 1):
        line = whole.strip()
        if not line or line.startswith(">"):
            continue
        word, _, rest = line.partition(" ")
        if word.lower() in _TAKES_ALL:
            rest = "\n".join([rest, *lines[number:]])
        found.append(Command(word.lower(), rest.strip()))
        if word.lower() in _TAKES_ALL:
            break
    return found


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
    """Parse what follows `code`, from its end: the name of a group may contain numbers."""
    words = rest.split()
    max_uses = lifetime = None
    if len(words) >= 3 and words[-1].lower() in ("use", "uses") and words[-2].isdecimal():
        max_uses = int(words[-2][:9])
        words = words[:-2]
    if len(words) >= 2 and (match := _DURATION.fullmatch(words[-1])):
        lifetime = int(match[1]) * _MS_PER_UNIT[match[2].lower()]
        words = words[:-1]
    return CodeWish(" ".join(words), lifetime, max_uses)


def group_and_page(rest: str) -> tuple[str, int]:
    """`<group> [page 2]`."""
    words = rest.split()
    if len(words) >= 2 and words[-2].lower() == "page" and re.fullmatch("[0-9]{1,4}", words[-1]):
        return " ".join(words[:-2]), max(1, int(words[-1]))
    return rest, 1


def group_and_rest(rest: str) -> tuple[str, str]:
    """`<group> <something>`, where the group is one word: a number or a part of the name."""
    group, _, something = rest.partition(" ")
    return group, something.strip()


def group_and_switch(rest: str) -> tuple[str, bool | None]:
    """`<group> on` or `<group> off`; None if it is neither."""
    words = rest.split()
    on = {"on": True, "off": False}.get(words[-1].lower()) if len(words) >= 2 else None
    return " ".join(words[:-1]), on


def numbers(rest: str) -> list[int]:
    """The numbers of `1234 5678`, each once, so many at most; empty if it is anything else."""
    words = rest.replace(",", " ").split()
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
