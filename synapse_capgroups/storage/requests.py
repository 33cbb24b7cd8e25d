"""Requests: the people who have scanned a code of a group with approval (rule 13)."""

import secrets

import attrs
from synapse.module_api import LoggingTransaction

_COLUMNS = (
    "number, room_id, user_id, code_id, asked_at, told_at, answered_at, answered_by, approved"
)
_DIGITS = (4, 4, 4, 4, 6, 6, 6, 9, 12, 15)
"""How long a new number is, by the attempt: short, as people write it, while there are enough."""


@attrs.frozen
class Request:
    """A row. Times are milliseconds since 1970.

    Attributes:
        number: what moderators call it by. It says nothing of how many there are.
        code_id: the code that the person has scanned.
        told_at: when all those knew of it who are to be told: of one that waits the moderators, of
            one that was refused the person.
        answered_by: who answered; None while it waits.
        approved: the answer.
    """

    number: int
    room_id: str
    user_id: str
    code_id: str
    asked_at: int
    told_at: int | None = None
    answered_at: int | None = None
    answered_by: str | None = None
    approved: bool | None = attrs.field(default=None, converter=attrs.converters.optional(bool))

    @property
    def waits(self) -> bool:
        """Whether nobody has answered."""
        return self.answered_at is None


class Requests:
    """The statements on `capgroups_requests`. A group's lock is held where one is written."""

    @staticmethod
    def add(txn: LoggingTransaction, room_id: str, user_id: str, code_id: str, now: int) -> Request:
        """Note that somebody waits, who has no request in this group that waits.

        No two of a group were made at the same moment: by it, moderators are told up to where.
        """
        txn.execute(
            """
            SELECT MAX(asked_at) FROM capgroups_requests
            WHERE room_id = ? AND answered_at IS NULL
            """,
            (room_id,),
        )
        row = txn.fetchone()
        asked_at = max(now, (row[0] or 0) + 1) if row else now
        for digits in _DIGITS:
            least = 10 ** (digits - 1)
            number = least + secrets.randbelow(9 * least)
            txn.execute(
                """
                INSERT INTO capgroups_requests (number, room_id, user_id, code_id, asked_at)
                VALUES (?, ?, ?, ?, ?) ON CONFLICT (number) DO NOTHING
                """,
                (number, room_id, user_id, code_id, asked_at),
            )
            if txn.rowcount:
                return Request(number, room_id, user_id, code_id, asked_at)
        raise RuntimeError("No number is free")

    @staticmethod
    def by_number(txn: LoggingTransaction, number: int) -> Request | None:
        return _one(txn, "number = ?", number)

    @staticmethod
    def latest_of(txn: LoggingTransaction, room_id: str, user_id: str) -> Request | None:
        """The one of a person that waits, or else the last one that was answered."""
        return _one(
            txn,
            """
            room_id = ? AND user_id = ?
            ORDER BY CASE WHEN answered_at IS NULL THEN 0 ELSE 1 END, asked_at DESC LIMIT 1
            """,
            room_id,
            user_id,
        )

    @staticmethod
    def latest_of_series(txn: LoggingTransaction, series_id: str, user_id: str) -> Request | None:
        """The same among the groups of a series."""
        return _one(
            txn,
            """
            user_id = ? AND room_id IN (
                SELECT room_id FROM capgroups_series_groups WHERE series_id = ?
            )
            ORDER BY CASE WHEN answered_at IS NULL THEN 0 ELSE 1 END, asked_at DESC LIMIT 1
            """,
            user_id,
            series_id,
        )

    @staticmethod
    def move(txn: LoggingTransaction, number: int, room_id: str) -> None:
        """Let somebody wait in another group of the same series, where they have a place."""
        txn.execute(
            """
            UPDATE capgroups_requests SET room_id = ?
            WHERE number = ? AND answered_at IS NULL
            """,
            (room_id, number),
        )

    @staticmethod
    def count_waiting_by_code(txn: LoggingTransaction, code_id: str, asked_after: int) -> int:
        """How many people wait who have scanned this code."""
        return _count(txn, "code_id = ? AND asked_at > ?", code_id, asked_after)

    @staticmethod
    def count_waiting_of(txn: LoggingTransaction, user_id: str, asked_after: int) -> int:
        """In how many groups somebody waits."""
        return _count(txn, "user_id = ? AND asked_at > ?", user_id, asked_after)

    @staticmethod
    def page(
        txn: LoggingTransaction, room_id: str, later_than: tuple[int, int], most: int
    ) -> list[Request]:
        """A group's requests that wait, the oldest first.

        Args:
            later_than: `asked_at` and the number of the last one of the page before.
        """
        asked_at, number = later_than
        return some(
            txn,
            """
            room_id = ? AND answered_at IS NULL AND asked_at >= ? AND (asked_at > ? OR number > ?)
            ORDER BY asked_at, number LIMIT ?
            """,
            room_id,
            asked_at,
            asked_at,
            number,
            most,
        )

    @staticmethod
    def groups_of_member(txn: LoggingTransaction, user_id: str) -> list[str]:
        """The groups in which people wait, of those that somebody is a member of."""
        txn.execute(
            """
            SELECT own.room_id FROM current_state_events AS own
            WHERE own.type = 'm.room.member' AND own.state_key = ? AND own.membership = 'join'
            AND EXISTS (
                SELECT 1 FROM capgroups_requests AS request
                WHERE request.room_id = own.room_id AND request.answered_at IS NULL
            )
            """,
            (user_id,),
        )
        return [room_id for (room_id,) in txn.fetchall()]

    @staticmethod
    def answer(
        txn: LoggingTransaction, number: int, answered_by: str, now: int, *, approved: bool
    ) -> None:
        """Write an answer down. Of a no, the person is to be told."""
        txn.execute(
            """
            UPDATE capgroups_requests
            SET answered_by = ?, answered_at = ?, approved = ?, told_at = ?
            WHERE number = ? AND answered_at IS NULL
            """,
            (answered_by, now, approved, now if approved else None, number),
        )

    @staticmethod
    def reopen(txn: LoggingTransaction, room_id: str, user_id: str, answered_at: int) -> None:
        """Let somebody wait again who was agreed to at this moment, and whose join failed."""
        txn.execute(
            """
            UPDATE capgroups_requests SET answered_by = NULL, answered_at = NULL, approved = NULL
            WHERE room_id = ? AND user_id = ? AND answered_at = ? AND approved
            AND NOT EXISTS (
                SELECT 1 FROM capgroups_requests AS other WHERE other.room_id = ?
                AND other.user_id = ? AND other.answered_at IS NULL
            )
            """,
            (room_id, user_id, answered_at, room_id, user_id),
        )

    @staticmethod
    def end(txn: LoggingTransaction, number: int) -> bool:
        """Forget a request; False if that has been done."""
        txn.execute("DELETE FROM capgroups_requests WHERE number = ?", (number,))
        return bool(txn.rowcount)

    @staticmethod
    def waiting_since_before(
        txn: LoggingTransaction, asked_before: int, most: int
    ) -> list[Request]:
        """Those that have waited longest, since before a time."""
        return some(
            txn,
            "answered_at IS NULL AND asked_at < ? ORDER BY asked_at LIMIT ?",
            asked_before,
            most,
        )

    @staticmethod
    def forget_answered(txn: LoggingTransaction, answered_before: int) -> None:
        """Forget those that were answered before a time."""
        txn.execute("DELETE FROM capgroups_requests WHERE answered_at < ?", (answered_before,))


def some(txn: LoggingTransaction, where: str, *parameters: object) -> list[Request]:
    """The requests that meet a condition."""
    txn.execute(f"SELECT {_COLUMNS} FROM capgroups_requests WHERE {where}", parameters)
    return [Request(*row) for row in txn.fetchall()]


def _one(txn: LoggingTransaction, where: str, *parameters: object) -> Request | None:
    found = some(txn, where, *parameters)
    return found[0] if found else None


def _count(txn: LoggingTransaction, where: str, *parameters: object) -> int:
    txn.execute(
        f"SELECT COUNT(*) FROM capgroups_requests WHERE answered_at IS NULL AND {where}",
        parameters,
    )
    row = txn.fetchone()
    return int(row[0]) if row else 0
