"""How PostgreSQL runs each statement of the module, and how long it takes."""

import inspect
import re
import textwrap
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import attrs
from synapse.storage.engines import PostgresEngine

from synapse_capgroups.inside.tables.account_data import AccountData
from synapse_capgroups.inside.tables.directory import DirectoryTables
from synapse_capgroups.inside.tables.memberships import Membership, Memberships
from synapse_capgroups.inside.tables.power import PowerTables
from synapse_capgroups.inside.tables.rooms_of_two import RoomsOfTwo
from synapse_capgroups.inside.tables.state_history import StateHistory
from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.rules.announcements import Beside, Undelivered
from synapse_capgroups.rules.joining import Mode
from synapse_capgroups.rules.news import NewsKind
from synapse_capgroups.rules.verdict import Reason
from synapse_capgroups.storage.accounts import Accounts
from synapse_capgroups.storage.admissions import Admission, Admissions, How
from synapse_capgroups.storage.announcements import (
    Announcement,
    Announcements,
    AnnouncementState,
    CopyState,
    Outbox,
    OutboxRow,
)
from synapse_capgroups.storage.approval import Approval
from synapse_capgroups.storage.assignments import (
    AssignedRow,
    Assignment,
    AssignmentRows,
    Assignments,
    AssignmentState,
    Target,
    Targets,
)
from synapse_capgroups.storage.chats import Chats
from synapse_capgroups.storage.code_invitations import CodeInvitations
from synapse_capgroups.storage.code_uses import CodeUses
from synapse_capgroups.storage.codes import Code, Codes, Page
from synapse_capgroups.storage.dead_codes import DeadCodes
from synapse_capgroups.storage.groups import Groups
from synapse_capgroups.storage.living_codes import CodeSlice, LivingCodes
from synapse_capgroups.storage.news import News, NewsItem
from synapse_capgroups.storage.notices import Notices
from synapse_capgroups.storage.readers import Readers
from synapse_capgroups.storage.registration_tokens import RegistrationTokens
from synapse_capgroups.storage.remote_invitations import RemoteInvitations
from synapse_capgroups.storage.requests import Requests
from synapse_capgroups.storage.seats import Hold, Seats
from synapse_capgroups.storage.series import (
    Series,
    SeriesGroup,
    SeriesGroups,
    SeriesHelpers,
    SeriesRows,
    SeriesState,
)
from synapse_capgroups.storage.series_counts import SeriesCounts
from synapse_capgroups.storage.series_spaces import SeriesSpaces
from synapse_capgroups.storage.situations import Situations
from synapse_capgroups.storage.visits import Visits

TABLES = (
    Situations, Seats, Admissions, Groups, Codes, LivingCodes, DeadCodes, RegistrationTokens,
    CodeUses, CodeInvitations, Visits,
    RemoteInvitations, Approval, Requests, Notices, News, Readers, SeriesRows, SeriesHelpers,
    SeriesGroups, SeriesSpaces, SeriesCounts, Announcements, Outbox, Assignments, Targets,
    AssignmentRows,
    PowerTables, Chats, Accounts, Memberships, RoomsOfTwo, StateHistory, Users, AccountData,
    DirectoryTables,
)  # fmt: skip

_SCAN = re.compile(r"Seq Scan on (\w+).*?rows=(\d+)")
_FEW_ROWS = 10_000


@attrs.frozen
class Step:
    """One statement that a method ran. `seconds` is its time, the second time it ran."""

    method: str
    statement: str
    plan: str
    seconds: float

    def scanned(self) -> list[str]:
        """The tables that are read from one end to the other and have more than a few rows."""
        return [table for table, rows in _SCAN.findall(self.plan) if int(rows) > _FEW_ROWS]


class Planner:
    """Takes a transaction's place: explains each statement, then runs it."""

    database_engine = PostgresEngine({})

    def __init__(self, cursor: Any, method: str) -> None:
        self._cursor = cursor
        self._method = method
        self.steps: list[Step] = []

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        sql = textwrap.dedent(sql).strip()
        query = sql.replace("?", "%s")
        self._cursor.execute(f"EXPLAIN {query}", parameters)
        plan = "\n".join(line for (line,) in self._cursor.fetchall())
        self._cursor.execute("SAVEPOINT twice")
        self._cursor.execute(query, parameters)
        self._cursor.execute("ROLLBACK TO SAVEPOINT twice")
        started = time.perf_counter()
        self._cursor.execute(query, parameters)
        seconds = time.perf_counter() - started
        self.steps.append(Step(self._method, sql, plan, seconds))

    def execute_batch(self, sql: str, rows: Collection[Sequence[Any]]) -> None:
        for parameters in rows:
            self.execute(sql, parameters)

    @property
    def rowcount(self) -> int:
        return int(self._cursor.rowcount)

    def fetchone(self) -> Any:
        return self._cursor.fetchone()

    def fetchall(self) -> Any:
        return self._cursor.fetchall()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._cursor)


def methods() -> Iterator[tuple[str, Callable[..., Any]]]:
    """All methods of the module that run statements."""
    for table in TABLES:
        for name, member in vars(table).items():
            if isinstance(member, staticmethod):
                yield f"{table.__name__}.{name}", member.__func__


def arguments(method: Callable[..., Any], examples: Mapping[str, Any]) -> dict[str, Any]:
    """Something for each parameter but the transaction, by name: its example, or any value."""
    hints = get_type_hints(method)
    return {
        name: examples[name] if name in examples else _anything(hints[name])
        for name in list(inspect.signature(method).parameters)[1:]
    }


def _anything(hint: Any) -> Any:
    plain = {
        str: "x", int: 5, bool: True, Mode: Mode.OPEN, Reason: Reason.CODE_REVOKED, Hold: Hold("x"),
        Page: Page(20), CodeSlice: CodeSlice("code10", "code104"),
        Mapping[str, str]: {"code1": "x"}, Membership: Membership(),
        AssignmentState: AssignmentState.APPLYING,
        Undelivered: Undelivered.BROKEN, Beside: Beside.NOT_PINNED,
        Series: Series("new", "@a", "tea", "Tea {n}", 50, 20, "!r", SeriesState.RUNNING, 5),
        SeriesGroup: SeriesGroup("series1", 2, None, 5, 5, False, None),
        Announcement: Announcement(
            "new", "series1", "@a", {}, False, False, AnnouncementState.DRAFT, 1, "!r", 5
        ),
        OutboxRow: OutboxRow(
            "news1", "!r", 1, "m", CopyState.DUE, 0, 0, 0, None, None, None, None, None
        ),
        Assignment: Assignment("new", "series1", "@a", "x", AssignmentState.PLANNED, 5),
        Target: Target("plan1", 1, None, "{}", True, False),
        AssignedRow: AssignedRow("plan1", "@a", 1),
        NewsKind: NewsKind.NEAR_CAP, NewsItem: NewsItem(NewsKind.NEAR_CAP, "!r", 5),
    }  # fmt: skip
    if hint in plain:
        return plain[hint]
    if NoneType in get_args(hint):
        return None
    origin = get_origin(hint)
    if origin is tuple:
        return tuple(_anything(part) for part in get_args(hint))
    if isinstance(origin, type) and issubclass(origin, Iterable):
        return [_anything(get_args(hint)[0])]
    raise LookupError(f"benchmarks/query_plans.py needs an example of {hint}")


def examples(
    room_id: str, user_id: str, friend: str, rooms: Collection[str], now: int
) -> dict[str, Any]:
    """What the methods are called with, by the name of the parameter."""
    code = Code("new", "new", room_id, user_id, now, now, None)
    admission = Admission(
        room_id, user_id, How.INVITE, friend, False, Mode.FRIENDS, members_after=5, admitted_at=now
    )
    return {
        "room_id": room_id,
        "user_id": user_id,
        "a": user_id,
        "b": friend,
        "but": user_id,
        "concierge": user_id,
        "owner": user_id,
        "other": friend,
        "inviter": user_id,
        "sharer": user_id,
        "creator": user_id,
        "room_ids": rooms,
        "user_ids": [user_id, friend],
        "code": code,
        "hold": Hold("a"),
        "code_id": "code1",
        "admission": admission,
        "now": now,
        "created_at": now,
        "made_before": now,
        "died_before": now - 30 * 24 * 60 * 60 * 1000,
        "most": 20,
        "later_than": (now, 5),
        "series_id": "series1",
        "announcement_id": "news1",
        "assignment_id": "plan1",
        "organisers": [user_id, friend],
        "author": user_id,
    }


def explain(connection: Any, values: Mapping[str, Any]) -> list[Step]:
    """Run every method with these values. What they change is taken back."""
    steps: list[Step] = []
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        for name, method in methods():
            planner = Planner(cursor, name)
            cursor.execute("SAVEPOINT method")
            method(planner, **arguments(method, values))
            cursor.execute("ROLLBACK TO SAVEPOINT method")
            steps += planner.steps
        cursor.execute("ROLLBACK")
    return steps


def page(steps: Sequence[Step], about: str, benchmark: str) -> str:
    """All of it as Markdown.

    Args:
        benchmark: its name.
    """
    scanned = [step for step in steps if step.scanned()]
    lines = [
        "# Query plans",
        "",
        about,
        "",
        f"Made by `python -m benchmarks {benchmark}`. A method appears once for each statement "
        "that it ran. The time is that of the statement alone, in milliseconds, when it was run "
        "again.",
        "",
        f"Statements that read a table of more than {_FEW_ROWS:,} rows from one end to the other: "
        + (", ".join(f"`{step.method}`" for step in scanned) or "none")
        + ".",
        "",
        "| method | ms | by |",
        "| --- | ---: | --- |",
    ]
    lines += [f"| `{s.method}` | {1000 * s.seconds:.2f} | {_ways(s.plan)} |" for s in steps]
    for step in steps:
        lines += ["", f"## {step.method}", "", "```sql", step.statement, "```", ""]
        lines += ["```", step.plan, "```"]
    return "\n".join(lines) + "\n"


def _ways(plan: str) -> str:
    """The indexes of a plan, and the tables that are read without one."""
    indexes = re.findall(r"(?:using|Bitmap Index Scan on) (\w+)", plan)
    tables = [f"all of {table}" for table in re.findall(r"Seq Scan on (\w+)", plan)]
    return ", ".join(dict.fromkeys([*(f"`{index}`" for index in indexes), *tables])) or "-"
