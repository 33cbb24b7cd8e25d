"""Plans as people read them: a table for the terminal, or CSV for a spreadsheet."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from synapse_capgroups.client.tables import table
from synapse_capgroups.rules.assignment.csv_text import csv_text
from synapse_capgroups.words.lookup import in_language

_LISTED = 20  # people or rows of one kind; CSV has all of them

Json = Mapping[str, Any]


def plan_text(plan: Json) -> str:
    """A plan as a table, and below it who is left out."""
    totals = plan["totals"]
    rows = [
        [
            str(group["number"]),
            _label(group["label"]),
            "new" if group["new"] else "",
            str(group["before"]),
            f"+{len(group['people'])}",
            str(group["before"] + len(group["people"])),
        ]
        for group in plan["groups"]
    ]
    lines = [
        f"{_counted(totals['placed'], 'person gets', 'people get')} a place in "
        f"{_counted(totals['groups'], 'group', 'groups')}, {totals['new_groups']} of them new. "
        f"{_counted(totals['staying'], 'person is', 'people are')} in a group already. "
        f"{_counted(totals['left_out'], 'person is', 'people are')} left out."
    ]
    if rows:
        head = ["group", "for", "", "people", "", "then"]
        lines += ["", *table([head, *rows], numbers=(0, 3, 4, 5))]
    lines += _left_out(plan["left_out"])
    lines += _bad_rows(plan.get("bad_rows", []))
    return "\n".join(lines)


def plan_csv(plan: Json) -> str:
    """A plan as CSV: a row for each person, sorted."""
    rows = []
    for group in plan["groups"]:
        where = "new group" if group["new"] else "group"
        rows += [
            [user, str(group["number"]), _label(group["label"]), f"added to {where}"]
            for user in group["people"]
        ]
    rows += [[stays["user"], str(stays["group"]), "", "stays"] for stays in plan["staying"]]
    rows += [[left["user"], "", "", _why(left["reason"])] for left in plan["left_out"]]
    return csv_text([["user", "group", "for", "what"], *sorted(rows)])


def _label(label: Json) -> str:
    return ", ".join(f"{column}: {value}" for column, value in sorted(label.items()))


def _left_out(left_out: Sequence[Json]) -> Iterator[str]:
    reasons = defaultdict(list)
    for left in left_out:
        reasons[left["reason"]].append(left["user"])
    for reason, users in sorted(reasons.items()):
        yield ""
        yield f"Left out ({len(users)}): {_why(reason)}"
        yield from (f"  {user}" for user in users[:_LISTED])
        if len(users) > _LISTED:
            yield f"  and {len(users) - _LISTED} more; --format csv lists all of them"


def _bad_rows(rows: Sequence[Json]) -> Iterator[str]:
    if not rows:
        return
    yield ""
    yield f"Rows that cannot be read ({len(rows)}):"
    for row in rows[:_LISTED]:
        lines = f"{row['line']}" if row["line"] == row["end"] else f"{row['line']} to {row['end']}"
        yield f"  {lines}: {row['error']}"
    if len(rows) > _LISTED:
        yield f"  and {len(rows) - _LISTED} more; --format json lists all of them"


def _why(reason: str) -> str:
    try:
        return in_language("en").say(f"left_out_{reason}")
    except KeyError:
        return reason  # Of a newer server.


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
