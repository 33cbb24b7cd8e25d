"""Shows what `capgroups check` has found: as a table for people, as JSON or CSV for programs."""

import csv
import heapq
import json
import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import TextIO

import attrs

from synapse_capgroups.admin.server_facts import Fact, Weight
from synapse_capgroups.groups.survey import Finding, Tally
from synapse_capgroups.report.found_rooms import FIELDS, record
from synapse_capgroups.rules.breaches import Breach, Note
from synapse_capgroups.rules.joining import Limits
from synapse_capgroups.rules.scope import Kind

_WIDTH = 100
_MEANINGS = {
    Breach.LISTED: "The room directory shows it. It stays there until somebody takes it out.",
    Breach.PUBLIC: "Anybody could join. With the module, only invited people can.",
    Breach.WORLD_READABLE: "People who are not in it can read it, with the module as well.",
    Breach.GUESTS: "Guests could join. With the module, they cannot.",
    Breach.ADDRESSED: "It has an address, which stays until somebody removes it.",
    Breach.ABOVE_CAP: "It has more than {cap} members. They stay, and nobody else can join.",
    Breach.REMOTE_MODERATORS: "People of other servers have power in it.",
    Breach.REMOTE_INVITES: "People of other servers could invite others into it.",
    Note.ABOVE_CODE_LIMIT: "It has {code_limit} members or more: only friends can bring people in.",
    Note.GUESTS_ALLOWED: "It is open to guests, whom this server does not have. No harm.",
}
_KINDS = {
    Kind.EXEMPT: "exempt",
    Kind.SPACE: "exempt spaces",
    Kind.APPLICATION_SERVICE: "of application services",
    Kind.SERVER_NOTICES: "server notices",
    Kind.SERVER: "made by the server for an admin",
    Kind.CONCIERGE: "of the concierge",
    Kind.ELSEWHERE: "made on other servers, or left by everybody here",
}


@attrs.frozen
class Checked:
    """All that a check has found.

    Attributes:
        findings: read while they are shown; `tally` is complete when they are at their end.
    """

    server_name: str
    version: str
    limits: Limits
    facts: Sequence[Fact]
    findings: Iterator[Finding]
    tally: Tally


def as_table(checked: Checked, out: TextIO, rows: int) -> None:
    """For people: the facts, the counts, and the largest groups of those that break a rule."""
    print(f"What the module would mean for {checked.server_name}\n", file=out)
    for fact in checked.facts:
        print(f"{fact.weight.value:>6}  {fact.subject:<24} {plain(fact.found)}", file=out)
        for line in textwrap.wrap(plain(fact.advice), _WIDTH - 10):
            print(f"{'':>6}    {line}", file=out)

    # Those that break a rule first, the largest first.
    largest = heapq.nlargest(
        rows, checked.findings, key=lambda f: (bool(f.breaches), f.members, f.room_id)
    )
    tally = checked.tally
    groups = tally.rooms[Kind.GROUP]
    print(f"\n{tally.rooms.total():,} rooms, {groups:,} of them groups", file=out)
    for kind, words in _KINDS.items():
        if tally.rooms[kind]:
            print(f"{tally.rooms[kind]:>10,}  {words}", file=out)
    print(f"\n{tally.breaking:,} groups break a rule", file=out)
    _counts(checked, out)

    if largest:
        print(f"\n{'members':>7}  {'active':<10}  {'owner':<24}  what, and which room", file=out)
    for found in largest:
        print(
            f"{found.members:>7}  {day(found.last_activity):<10}  "
            f"{short(found.owner or 'nobody', 24):<24}  {', '.join(_said(found))}",
            file=out,
        )
        print(f"{'':>19}  {found.room_id}  {short(found.name or '', 60)}".rstrip(), file=out)
    listed = tally.breaking + tally.only_large
    if listed > len(largest):
        print(f"\n… and {listed - len(largest):,} more: -o csv has them all", file=out)


def _counts(checked: Checked, out: TextIO) -> None:
    limits = {"cap": checked.limits.cap, "code_limit": checked.limits.code_limit}
    counts: list[tuple[Breach | Note, int]] = [
        *((breach, checked.tally.breaches[breach]) for breach in Breach),
        *((note, checked.tally.notes[note]) for note in Note),
    ]
    for what, count in counts:
        if count:
            print(f"{count:>10,}  {what.value:<18} {_MEANINGS[what].format(**limits)}", file=out)


def as_json(checked: Checked, out: TextIO) -> None:
    """One object. Groups are written as they are found, and the counts come last."""
    head = {
        "server_name": checked.server_name,
        "version": checked.version,
        "facts": [{**attrs.asdict(fact), "weight": fact.weight.value} for fact in checked.facts],
    }
    out.write(json.dumps(head, ensure_ascii=False)[:-1])
    out.write(', "rooms": [')
    for number, found in enumerate(checked.findings):
        out.write(",\n" if number else "\n")
        out.write(json.dumps(record(found), ensure_ascii=False))
    tally = checked.tally
    counts = {
        "breaking": tally.breaking,
        "rooms": {kind.value: tally.rooms[kind] for kind in Kind},
        "breaches": {breach.value: tally.breaches[breach] for breach in Breach},
        "notes": {note.value: tally.notes[note] for note in Note},
    }
    out.write(f'\n], "counts": {json.dumps(counts)}}}\n')


def as_csv(checked: Checked, out: TextIO) -> None:
    """The groups alone, one a line."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(FIELDS)
    for found in checked.findings:
        writer.writerow([cell(value) for value in record(found).values()])


def cell(value: object) -> object:
    """A value as a cell of CSV.

    A spreadsheet calculates what begins like a formula, and members choose the names of rooms and,
    after the `@`, their own.
    """
    if isinstance(value, list):
        value = " ".join(map(str, value))
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value


def _said(found: Finding) -> list[str]:
    return [item.value for item in (*found.breaches, *found.notes) if item is not _HARMLESS]


_HARMLESS = Note.GUESTS_ALLOWED


def day(milliseconds: int | None) -> str:
    """The day of a time since 1970, in UTC."""
    if milliseconds is None:
        return "unknown"
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc).strftime("%Y-%m-%d")


def short(text: str, width: int) -> str:
    """A text that takes so many columns at most."""
    text = plain(text)
    return text if len(text) <= width else f"{text[: width - 1]}…"


def plain(text: str) -> str:
    """Without what moves a terminal's cursor: members choose the names of rooms."""
    return "".join(character if character.isprintable() else "�" for character in text)


def is_a_stop(facts: Sequence[Fact]) -> bool:
    """Whether Synapse would not start with the module."""
    return any(fact.weight is Weight.STOP for fact in facts)
