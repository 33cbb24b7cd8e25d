"""The commands of a message, one on each line. No Synapse, no I/O."""

import attrs

from synapse_capgroups.concierge.understanding import Understood, understood

MOST_LINES = 5
"""How many commands of one message are read."""
_TAKES_ALL = "announce"
"""To this command all lines that follow belong."""


def commands(body: str) -> list[Understood]:
    """The commands of a message. Quoted lines of a reply do not count."""
    found: list[Understood] = []
    lines = body.splitlines()
    for number in _spoken(lines):
        one = understood(lines[number])
        if one.word == _TAKES_ALL:
            rest = "\n".join([one.rest, *lines[number + 1 :]]).strip()
            return [*found, attrs.evolve(one, rest=rest)]
        found.append(one)
        if len(found) == MOST_LINES:
            break
    return found


def dropped(body: str) -> int:
    """How many commands of a message are not read."""
    read = commands(body)
    if read and read[-1].word == _TAKES_ALL:
        return 0
    return max(0, len(_spoken(body.splitlines())) - MOST_LINES)


def _spoken(lines: list[str]) -> list[int]:
    return [number for number, line in enumerate(lines) if line.strip() and line.lstrip()[0] != ">"]
