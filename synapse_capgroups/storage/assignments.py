"""Assignments: whom a plan puts into which group of a series, and how far that is (rule 14).

A plan is kept as rows, not as the JSON that its hash is of: so a person can disappear from it.
"""

from collections.abc import Iterable, Sequence
from enum import Enum

import attrs
from synapse.module_api import LoggingTransaction


class AssignmentState(Enum):
    """Where an assignment stands."""

    PLANNED = "planned"
    APPLYING = "applying"
    STOPPED = "stopped"
    DONE = "done"


class RowState(Enum):
    """What has become of one person."""

    DUE = "due"
    DONE = "done"
    FAILED = "failed"


@attrs.frozen
class Assignment:
    """A row of `capgroups_assignments`. Times are milliseconds since 1970.

    Attributes:
        author: who had it planned.
        hash: of the plan's canonical JSON.
        applied_by: in whose name people are invited; None before that.
    """

    assignment_id: str
    series_id: str
    author: str
    hash: str
    state: AssignmentState = attrs.field(converter=AssignmentState)
    created_at: int
    applied_by: str | None = None


@attrs.frozen
class Progress:
    """How far an assignment is.

    Attributes:
        people: whom it has a place for; who is gone meanwhile does not count.
        done: who is in a group or is invited to one.
    """

    assignment: Assignment
    people: int
    done: int
    failed: int


@attrs.frozen
class Target:
    """A group that gets people.

    Attributes:
        number: in the series.
        room_id: None while it is still to be made.
        label: what its people have in common, as it is stored.
        is_new: whether it is made for this assignment.
        was_empty: whether nobody was in it when it was planned.
        is_reserved: whether its number is kept in the series until it is made.
    """

    assignment_id: str
    number: int
    room_id: str | None
    label: str
    is_new: bool = attrs.field(converter=bool)
    was_empty: bool = attrs.field(converter=bool)
    is_reserved: bool = attrs.field(converter=bool, default=False)


@attrs.frozen
class AssignedRow:
    """One person of an assignment, and the number of their group."""

    assignment_id: str
    user_id: str
    number: int


_COLUMNS = "assignment_id, series_id, author, hash, state, created_at, applied_by"
_TARGET = "assignment_id, number, room_id, label, is_new, was_empty, is_reserved"


class Assignments:
    """The statements on `capgroups_assignments`."""

    @staticmethod
    def add(
        txn: LoggingTransaction,
        assignment: Assignment,
        targets: Iterable[Target],
        people: Iterable[tuple[str, int]],
    ) -> None:
        """Store a plan.

        Args:
            people: Matrix IDs, with the numbers of their groups.
        """
        row = attrs.asdict(assignment) | {"state": assignment.state.value}
        txn.execute(
            f"INSERT INTO capgroups_assignments ({', '.join(row)}) "
            f"VALUES ({', '.join('?' * len(row))})",
            tuple(row.values()),
        )
        txn.execute_batch(
            f"INSERT INTO capgroups_assignment_groups ({_TARGET}) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [attrs.astuple(target) for target in targets],
        )
        txn.execute_batch(
            "INSERT INTO capgroups_assignment_rows (assignment_id, user_id, number, state) "
            "VALUES (?, ?, ?, 'due')",
            [(assignment.assignment_id, user_id, number) for user_id, number in people],
        )

    @staticmethod
    def by_id(txn: LoggingTransaction, assignment_id: str) -> Assignment | None:
        found = _assignments(txn, "assignment_id = ?", assignment_id)
        return found[0] if found else None

    @staticmethod
    def of_series(txn: LoggingTransaction, series_id: str, most: int) -> list[Assignment]:
        """The assignments of a series, the newest first."""
        return _assignments(
            txn,
            "series_id = ? ORDER BY created_at DESC, assignment_id DESC LIMIT ?",
            series_id,
            most,
        )

    @staticmethod
    def old_plans(txn: LoggingTransaction, series_id: str, keep: int) -> list[str]:
        """The plans of a series that nobody has applied, without the newest of them."""
        found = _assignments(
            txn,
            "series_id = ? AND state = 'planned' ORDER BY created_at DESC, assignment_id DESC",
            series_id,
        )
        return [assignment.assignment_id for assignment in found[keep:]]

    @staticmethod
    def progress(txn: LoggingTransaction, assignment: Assignment) -> Progress:
        txn.execute(
            """
            SELECT state, COUNT(*) FROM capgroups_assignment_rows WHERE assignment_id = ?
            GROUP BY state
            """,
            (assignment.assignment_id,),
        )
        count = dict(txn.fetchall())
        return Progress(
            assignment, sum(count.values()), count.get("done", 0), count.get("failed", 0)
        )

    @staticmethod
    def set_state(
        txn: LoggingTransaction,
        assignment_id: str,
        state: AssignmentState,
        applied_by: str | None = None,
    ) -> None:
        """Note where an assignment stands, and who applies it from now on, if that is said."""
        txn.execute(
            """
            UPDATE capgroups_assignments SET state = ?, applied_by = COALESCE(?, applied_by)
            WHERE assignment_id = ?
            """,
            (state.value, applied_by, assignment_id),
        )

    @staticmethod
    def under_way(txn: LoggingTransaction) -> list[str]:
        """The assignments that are applied now, those of the oldest plans first."""
        found = _assignments(txn, "state = 'applying' ORDER BY created_at")
        return [assignment.assignment_id for assignment in found]

    @staticmethod
    def created_before(txn: LoggingTransaction, time: int) -> list[Assignment]:
        return _assignments(txn, "created_at < ? LIMIT 100", time)

    @staticmethod
    def forget(txn: LoggingTransaction, assignment_ids: Iterable[str]) -> None:
        """Remove assignments. What they have reserved is given back before."""
        for assignment_id in assignment_ids:
            for table in ("assignment_rows", "assignment_groups", "assignments"):
                txn.execute(
                    f"DELETE FROM capgroups_{table} WHERE assignment_id = ?", (assignment_id,)
                )

    @staticmethod
    def forget_series(txn: LoggingTransaction, series_id: str) -> None:
        """Remove all assignments of a series."""
        found = _assignments(txn, "series_id = ?", series_id)
        Assignments.forget(txn, [assignment.assignment_id for assignment in found])

    @staticmethod
    def forget_person(txn: LoggingTransaction, user_id: str) -> None:
        """A person is put into no group any more, and nobody applies what they have planned."""
        txn.execute("DELETE FROM capgroups_assignment_rows WHERE user_id = ?", (user_id,))
        found = _assignments(txn, "author = ? AND state = 'planned'", user_id)
        Assignments.forget(txn, [assignment.assignment_id for assignment in found])


class Targets:
    """The statements on `capgroups_assignment_groups`."""

    @staticmethod
    def of(txn: LoggingTransaction, assignment_id: str) -> list[Target]:
        txn.execute(
            f"""
            SELECT {_TARGET} FROM capgroups_assignment_groups WHERE assignment_id = ?
            ORDER BY number
            """,
            (assignment_id,),
        )
        return [Target(*row) for row in txn.fetchall()]

    @staticmethod
    def by_number(txn: LoggingTransaction, assignment_id: str, number: int) -> Target | None:
        txn.execute(
            f"""
            SELECT {_TARGET} FROM capgroups_assignment_groups
            WHERE assignment_id = ? AND number = ?
            """,
            (assignment_id, number),
        )
        row = txn.fetchone()
        return Target(*row) if row else None

    @staticmethod
    def made(txn: LoggingTransaction, target: Target, room_id: str) -> None:
        """Note the room of a group that was made."""
        txn.execute(
            """
            UPDATE capgroups_assignment_groups SET room_id = ?
            WHERE assignment_id = ? AND number = ?
            """,
            (room_id, target.assignment_id, target.number),
        )

    @staticmethod
    def replace_room(txn: LoggingTransaction, old: str, new: str) -> None:
        """Put an upgraded group's successor in its place."""
        txn.execute(
            "UPDATE capgroups_assignment_groups SET room_id = ? WHERE room_id = ?", (new, old)
        )

    @staticmethod
    def reserve(txn: LoggingTransaction, target: Target, *, reserved: bool) -> None:
        """Note whether the number of a group is reserved in the series for this assignment."""
        txn.execute(
            """
            UPDATE capgroups_assignment_groups SET is_reserved = ?
            WHERE assignment_id = ? AND number = ?
            """,
            (reserved, target.assignment_id, target.number),
        )


class AssignmentRows:
    """The statements on `capgroups_assignment_rows`."""

    @staticmethod
    def due(txn: LoggingTransaction, assignment_id: str, most: int) -> list[AssignedRow]:
        """The next people, group by group."""
        txn.execute(
            """
            SELECT assignment_id, user_id, number FROM capgroups_assignment_rows
            WHERE assignment_id = ? AND state = 'due' ORDER BY number, user_id LIMIT ?
            """,
            (assignment_id, most),
        )
        return [AssignedRow(*row) for row in txn.fetchall()]

    @staticmethod
    def is_due(txn: LoggingTransaction, row: AssignedRow) -> bool:
        txn.execute(
            """
            SELECT state FROM capgroups_assignment_rows WHERE assignment_id = ? AND user_id = ?
            """,
            (row.assignment_id, row.user_id),
        )
        found = txn.fetchone()
        return found is not None and found[0] == RowState.DUE.value

    @staticmethod
    def end(
        txn: LoggingTransaction,
        row: AssignedRow,
        now: int,
        reason: str | None = None,
        *,
        by_this: bool = False,
    ) -> None:
        """Note what has become of a person.

        Args:
            reason: a sentence that says why they have no place; None if they have one.
            by_this: whether they were invited by this assignment.
        """
        txn.execute(
            """
            UPDATE capgroups_assignment_rows SET state = ?, reason = ?, invited_at = ?
            WHERE assignment_id = ? AND user_id = ? AND state = 'due'
            """,
            (
                (RowState.DONE if reason is None else RowState.FAILED).value, reason,
                now if by_this else None, row.assignment_id, row.user_id,
            ),
        )  # fmt: skip

    @staticmethod
    def failures(
        txn: LoggingTransaction, assignment_id: str, after: str, most: int
    ) -> list[tuple[str, str]]:
        """Who has no place, and why, in the order of Matrix IDs."""
        txn.execute(
            """
            SELECT user_id, reason FROM capgroups_assignment_rows
            WHERE assignment_id = ? AND state = 'failed' AND user_id > ? ORDER BY user_id LIMIT ?
            """,
            (assignment_id, after, most),
        )
        return [(user_id, reason) for user_id, reason in txn.fetchall()]

    @staticmethod
    def invitations_since(
        txn: LoggingTransaction, author: str, people: Sequence[str], time: int
    ) -> dict[str, int]:
        """How often each of some people was invited in a person's name by assignments."""
        txn.execute(
            f"""
            SELECT own.user_id, COUNT(*)
            FROM capgroups_assignment_rows AS own
            JOIN capgroups_assignments AS whole ON whole.assignment_id = own.assignment_id
            WHERE own.user_id IN ({", ".join("?" * len(people))})
            AND own.invited_at > ? AND whole.applied_by = ?
            GROUP BY own.user_id
            """,
            (*people, time, author),
        )
        return dict(txn.fetchall())


def _assignments(txn: LoggingTransaction, where: str, *parameters: object) -> list[Assignment]:
    txn.execute(f"SELECT {_COLUMNS} FROM capgroups_assignments WHERE {where}", parameters)
    return [Assignment(*row) for row in txn.fetchall()]
