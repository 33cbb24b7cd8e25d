"""Prints a report: tables for people, JSON or CSV for programs."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, TextIO

from synapse_capgroups.admin.showing import cell, day, plain, short
from synapse_capgroups.report.sizes import SizeClass

_WIDEST = 44
_MOST_ROWS = 31


def as_json(found: Mapping[str, Any], out: TextIO) -> None:
    """One object."""
    json.dump(found, out, ensure_ascii=False, indent=2)
    out.write("\n")


def as_csv(found: Mapping[str, Any], out: TextIO) -> None:
    """One value a line: the section, the number of the row in it, the field, the value."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("section", "row", "field", "value"))
    for section, value in found.items():
        for row, field, single in _flat(value):
            writer.writerow((section, row, cell(field), cell(single)))


def _flat(value: Any, row: str = "", field: str = "") -> Iterator[tuple[str, str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(inner, row, f"{field}.{name}" if field else str(name))
    elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        for number, item in enumerate(value, 1):
            yield from _flat(item, f"{row}.{number}" if row else str(number), field)
    else:
        yield row, field, "" if value is None else value


def as_table(found: Mapping[str, Any], out: TextIO) -> None:
    """For people."""
    if "tables" in found:
        lines = _person(found)
    elif "room_id" in found:
        lines = _group(found)
    else:
        lines = _server(found)
    for line in lines:
        print(line.rstrip(), file=out)


def _server(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"The groups of {found['server_name']} on {day(found['at'])}"
    if not found["enforced"]:
        yield "This is a trial: nothing is refused yet."
    if not found["complete"]:
        yield "The server has more rooms than were looked at."
    groups = found["groups"]
    yield f"\n{groups['groups']:,} groups with {groups['members']:,} members"
    for kind, count in groups["other_rooms"].items():
        yield f"{count:>10,}  other rooms: {kind.replace('_', ' ')}"
    by_mode = [{"mode": mode, **tally} for mode, tally in groups["by_mode"].items()]
    yield from _section("By mode", by_mode)
    yield from _section("By size", [_with_size(row) for row in groups["by_size"]])
    yield from _section(
        "Members who have a friend in their group, by its size",
        [{**_with_size(row), "share": f"{row['share']:.1%}"} for row in found["friends"]],
    )
    if "record_since" not in found:
        yield "\nThe module has no tables here yet: nothing else is known."
        return
    since = found["record_since"]
    yield f"\nThe record begins on {day(since)}." if since else "\nNothing is on record yet."
    yield from _section(f"Who came, of the last {found['days']} days", found["growth"])
    yield from _trial(found)
    yield from _section("Codes, and what became of them", found["codes"])
    yield from _section(f"Who brought most people in, in {found['days']} days", found["vouchers"])
    trees = found["trees"]
    more = "" if trees["complete"] else ", of the latest entries on record"
    yield from _section(f"The largest trees of who brought whom{more}", trees["largest"])
    yield from _section("Series", found["series"])
    yield from _section("Requests to moderators", [found["requests"]])
    yield from _section("People of other servers", [found["remote"]])
    if (federating := found["federating"]) is not None:
        title = f"{federating['groups']:,} groups that people of other servers can be in"
        yield from _section(title, federating["largest"])


def _trial(found: Mapping[str, Any]) -> Iterator[str]:
    would_be = found["would_be"]
    if found["enforced"] and not would_be["by_day"]:
        yield "\nRefusals are in the metric capgroups_decisions_total. A trial keeps them here."
        return
    times: Counter[tuple[str, str]] = Counter()
    for row in would_be["by_day"]:
        times[row["reason"], row["decision"]] += row["times"]
    in_all = [
        {"reason": reason, "decision": decision, "times": count}
        for (reason, decision), count in times.most_common()
    ]
    yield from _section("What the trial would have refused, in all", in_all)
    yield from _section("The same by day, the latest first", would_be["by_day"][::-1])
    yield from _section("The rooms in which it would have refused most", would_be["by_room"])


def _person(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"What the module stores of {plain(found['user_id'])}"
    for stored in found["tables"]:
        rows = stored["rows"]
        # What is said already, and what no row has, would only make lines longer.
        told = [
            name
            for name in rows[0]
            if name != stored["column"] and any(row[name] is not None for row in rows)
        ]
        title = f"{stored['table']}, as {stored['column']}"
        yield from _section(title, [{name: row[name] for name in told} for row in rows])
        if stored["more"]:
            yield "  … and more"
    remarks = [{"person": who, "name": name} for who, name in found["remarks"].items()]
    yield from _section("Names that they gave others, in their own account data", remarks)
    if not found["tables"] and not remarks:
        yield "\nNothing."


_OF_A_GROUP = {
    "growth": "Who came, of the last 30 days",
    "vouchers": "Who brought most people in",
    "codes": "Codes, and what became of them",
    "requests": "Requests to moderators",
    "would_be": "What the trial would have refused",
}


def _group(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"{plain(found['name'] or 'A room without a name')}  {plain(found['room_id'])}\n"
    for name, value in found.items():
        if name not in ("name", "room_id", *_OF_A_GROUP):
            shown = (", ".join(value) or "none") if isinstance(value, list) else value
            yield f"  {name.replace('_', ' '):<16} {_shown(name, shown) or 'none'}"
    for name, title in _OF_A_GROUP.items():
        value = found.get(name, [])
        yield from _section(title, [value] if isinstance(value, Mapping) else value)


def _with_size(row: Mapping[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in row.items() if name not in ("smallest", "largest")}
    return {"size": SizeClass(row["smallest"], row["largest"]).words, **rest}


def _section(title: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A title and a table with a column for each field; nothing if there are no rows."""
    if not rows:
        return
    yield f"\n{title}"
    left, rows = rows[_MOST_ROWS:], rows[:_MOST_ROWS]
    names = list(rows[0])
    numeric = {
        name
        for name in names
        if all(isinstance(row[name], int) and not _is_time(name) for row in rows)
    }
    shown = [[_shown(name, row[name]) for name in names] for row in rows]
    widths = [
        max(len(name), *(len(line[column]) for line in shown)) for column, name in enumerate(names)
    ]
    for line in ([name.replace("_", " ") for name in names], *shown):
        yield "  " + "  ".join(
            text.rjust(width) if name in numeric else text.ljust(width)
            for name, text, width in zip(names, line, widths, strict=True)
        )
    if left:
        yield f"  … and {len(left):,} more: -o csv has them all"


def _is_time(name: str) -> bool:
    return name.endswith("_at") or name in ("at", "last_activity", "told_until")


def _shown(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and _is_time(name) and value > 10**11:
        moment = datetime.fromtimestamp(value / 1000, timezone.utc)
        return moment.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, int):
        return f"{value:,}"
    return short(str(value), _WIDEST)
