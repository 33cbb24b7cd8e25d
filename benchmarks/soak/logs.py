"""What the processes' logs say of errors: tracebacks by their kind, and errors of the module."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

_LINE = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2},\d{3} (\S+) ([A-Z]+) \S+ (.*)")
_FRAME = re.compile(r"  File \".*\", line \d+, in (\S+)")
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(:|$)")
_NAMES = re.compile(r"[!@$#][\w=+/~.-]+(:[\w.]+)?")
"""IDs of rooms, people and events."""
_TRACEBACK = "Traceback (most recent call last)"
_OURS = "synapse_capgroups"
_LONGEST = 160

EXPECTED: Mapping[str, str] = {
    r"task_scheduler: .*SynapseError: 400: Users are still joined to this room": (
        "somebody came into a dead code's door while Synapse deleted it; when they are out, it is "
        "deleted again"
    ),
    r"synapse\.handlers\.room: .*SynapseError: 404: Not a known room": (
        "two processes had Synapse delete one door; the second found nobody in it any more"
    ),
    r'task_scheduler: DETAIL: .* from table "sliding_sync_joined_rooms_to_recalculate"': (
        "Synapse's deletion of rooms does not know a table that its background update fills on a "
        "young server; the module asks for the deletion again"
    ),
    r"^(synapse\.util|twisted): RuntimeError: dictionary changed size .* in interval$": (
        "for its debug log, Synapse reads which transactions took longest "
        "(`PerformanceCounters.interval`) while its database threads write it"
    ),
}
"""Kinds of tracebacks that are there although all is well, as regular expressions, with the reason.
All of them are Synapse's, and follow from what happens at one moment in several processes."""


@attrs.frozen
class Entry:
    """A line of a log, with what follows it up to the next."""

    logger: str
    level: str
    message: str
    rest: tuple[str, ...]

    @property
    def kind(self) -> str | None:
        """The kind of its traceback; None if it has none.

        Who logged it, the exception, and the function that raised it. What is named by an ID in it
        is left out.
        """
        if not any(_TRACEBACK in line for line in (self.message, *self.rest)):
            return None
        ends = [line for line in self.rest if _TRACEBACK not in line and _EXCEPTION.match(line)]
        end = _NAMES.sub("…", ends[-1]) if ends else "unknown"
        frames = [match[1] for line in self.rest if (match := _FRAME.match(line))]
        where = f" in {frames[-1]}" if frames else ""
        return f"{self.logger}: {end}"[:_LONGEST] + where


@attrs.frozen
class Errors:
    """What was found.

    Attributes:
        tracebacks: how often each kind of traceback is there.
        examples: the message before the first of each kind, and its last line.
        ours: messages of the module's own loggers at the level of an error.
    """

    tracebacks: Counter[str]
    examples: dict[str, str]
    ours: Counter[str]

    @property
    def unexpected(self) -> list[str]:
        return [kind for kind in self.tracebacks if reason_for(kind) is None]


def reason_for(kind: str) -> str | None:
    """Why a kind of traceback is there although nothing is wrong; None if there is no reason."""
    return next((why for what, why in EXPECTED.items() if re.search(what, kind)), None)


def entries(lines: Iterable[str]) -> Iterator[Entry]:
    """The entries of a log."""
    head: Sequence[str] | None = None
    rest: list[str] = []
    for line in lines:
        if match := _LINE.match(line):
            if head:
                yield Entry(head[0], head[1], head[2], tuple(rest))
            head, rest = match.groups(), []
        else:
            rest.append(line.rstrip("\n"))
    if head:
        yield Entry(head[0], head[1], head[2], tuple(rest))


def errors_of(logs: Iterable[Iterable[str]]) -> Errors:
    """All errors in some logs."""
    found = Errors(Counter(), {}, Counter())
    for log in logs:
        for entry in entries(log):
            if (kind := entry.kind) is not None:
                found.tracebacks[kind] += 1
                end = next((line for line in reversed(entry.rest) if line.strip()), "")
                found.examples.setdefault(kind, f"{entry.message} … {end.strip()}"[:300])
            if entry.logger.startswith(_OURS) and entry.level in ("ERROR", "CRITICAL"):
                found.ours[f"{entry.logger}: {entry.message}"[:200]] += 1
    return found
