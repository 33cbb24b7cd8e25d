"""Admissions: who came into which group, how, and by whom. The record of who vouched for whom."""

from collections.abc import Collection, Sequence
from enum import Enum
from typing import Any

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.tables.conditions import IS_JOINED
from synapse_capgroups.inside.transactions import batches
from synapse_capgroups.rules.joining import Mode

DAY_MS = 24 * 60 * 60 * 1000

_EVER = 2**62
_COLUMNS = "user_id, how, inviter, inviter_was_friend, mode, members_after, admitted_at, code_id"


class How(Enum):
    """The way in."""

    CREATOR = "creator"
    INVITE = "invite"
    CODE = "code"
    APPROVED = "approved"
    """By a code, and a moderator who agreed."""
    UNENFORCED = "unenforced"
    """Against the rules, while `enforce` is false."""


@attrs.frozen
class Admission:
    """One row of the record.

    Attributes:
        mode: the group's mode when it was decided.
        members_after: the group's members with this one, seats of joins under way included.
        admitted_at: milliseconds since 1970.
        after_stream_ordering: the place of the membership event from which it was decided. From
            one standing somebody is admitted once. None for a creator, who had none.
    """

    room_id: str
    user_id: str
    how: How
    inviter: str | None
    inviter_was_friend: bool
    mode: Mode
    members_after: int
    admitted_at: int
    code_id: str | None = None
    after_stream_ordering: int | None = None


@attrs.frozen
class GrowthOfDay:
    """A day on which somebody came into a group.

    Attributes:
        day: milliseconds since 1970, when it began in UTC.
        came: people, each counted once.
        are_in: how many of them are members now.
        members: the most that the group had at one of these entries, seats of joins included.
    """

    day: int
    came: int
    are_in: int
    members: int


class Admissions:
    """The statements on `capgroups_admissions`."""

    @staticmethod
    def record(txn: LoggingTransaction, admission: Admission) -> None:
        """Put an admission on record, in place of one of the same person from the same standing."""
        txn.execute(
            """
            INSERT INTO capgroups_admissions
                (room_id, user_id, how, inviter, inviter_was_friend, mode, members_after,
                 admitted_at, code_id, after_stream_ordering)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (room_id, user_id, after_stream_ordering) DO UPDATE SET
                how = EXCLUDED.how, inviter = EXCLUDED.inviter,
                inviter_was_friend = EXCLUDED.inviter_was_friend, mode = EXCLUDED.mode,
                members_after = EXCLUDED.members_after, admitted_at = EXCLUDED.admitted_at,
                code_id = EXCLUDED.code_id
            """,
            (
                admission.room_id,
                admission.user_id,
                admission.how.value,
                admission.inviter,
                admission.inviter_was_friend,
                admission.mode.value,
                admission.members_after,
                admission.admitted_at,
                admission.code_id,
                admission.after_stream_ordering,
            ),
        )

    @staticmethod
    def codes_of(
        txn: LoggingTransaction, room_id: str, user_id: str, admitted_at: int
    ) -> list[str]:
        """The ID of the code that an admission is by; empty if it is by none."""
        txn.execute(
            """
            SELECT code_id FROM capgroups_admissions
            WHERE room_id = ? AND user_id = ? AND admitted_at = ? AND code_id IS NOT NULL
            """,
            (room_id, user_id, admitted_at),
        )
        return [code_id for (code_id,) in txn.fetchall()]

    @staticmethod
    def strike(txn: LoggingTransaction, room_id: str, user_id: str, admitted_at: int) -> None:
        """Take an admission off the record."""
        txn.execute(
            """
            DELETE FROM capgroups_admissions
            WHERE room_id = ? AND user_id = ? AND admitted_at = ?
            """,
            (room_id, user_id, admitted_at),
        )

    @staticmethod
    def latest(txn: LoggingTransaction, room_id: str, most: int) -> list[Admission]:
        """A group's latest admissions, the newest first."""
        return Admissions.page(txn, room_id, (_EVER, ""), most)

    @staticmethod
    def page(
        txn: LoggingTransaction, room_id: str, before: tuple[int, str], most: int
    ) -> list[Admission]:
        """A group's admissions from before a time, the newest first.

        Args:
            before: the time and the Matrix ID of the last one of the page before.
        """
        admitted_at, user_id = before
        txn.execute(
            f"""
            SELECT {_COLUMNS} FROM capgroups_admissions
            WHERE room_id = ? AND admitted_at <= ? AND (admitted_at < ? OR user_id > ?)
            ORDER BY admitted_at DESC, user_id LIMIT ?
            """,
            (room_id, admitted_at, admitted_at, user_id, most),
        )
        return [_admission(room_id, row) for row in txn.fetchall()]

    @staticmethod
    def latest_of(
        txn: LoggingTransaction, room_id: str, user_ids: Collection[str]
    ) -> dict[str, Admission]:
        """The latest admission of each of a few people into a group, of those on record."""
        found: dict[str, Admission] = {}
        for batch in batches(sorted(user_ids)):
            txn.execute(
                f"""
                SELECT {_COLUMNS} FROM capgroups_admissions
                WHERE room_id = ? AND user_id IN ({", ".join("?" * len(batch))})
                ORDER BY admitted_at
                """,
                (room_id, *batch),
            )
            found |= {row[0]: _admission(room_id, row) for row in txn.fetchall()}
        return found

    @staticmethod
    def growth(txn: LoggingTransaction, room_id: str, since: int) -> list[GrowthOfDay]:
        """Who came since a time, by day; the first day first."""
        is_in = IS_JOINED.format(row="a", user="user_id")
        txn.execute(
            f"""
            SELECT day, COUNT(*), SUM(is_in), MAX(members) FROM (
                SELECT admitted_at / {DAY_MS} AS day, MAX(members_after) AS members,
                    CASE WHEN {is_in} THEN 1 ELSE 0 END AS is_in
                FROM capgroups_admissions AS a WHERE room_id = ? AND admitted_at >= ?
                GROUP BY room_id, user_id, admitted_at / {DAY_MS}
            ) AS people GROUP BY day ORDER BY day
            """,
            (room_id, since),
        )
        return [
            GrowthOfDay(int(day) * DAY_MS, int(came), int(are_in), int(members))
            for day, came, are_in, members in txn.fetchall()
        ]

    @staticmethod
    def came_by_codes(
        txn: LoggingTransaction, inviter: str, since: int, until: int
    ) -> list[tuple[str, int]]:
        """How many people came into each group by one person's codes; most first."""
        txn.execute(
            """
            SELECT room_id, COUNT(DISTINCT user_id) AS number FROM capgroups_admissions
            WHERE inviter = ? AND admitted_at >= ? AND admitted_at <= ? AND how = 'code'
            GROUP BY room_id ORDER BY number DESC, room_id
            """,
            (inviter, since, until),
        )
        return [(room_id, int(number)) for room_id, number in txn.fetchall()]

    @staticmethod
    def some_who_came(
        txn: LoggingTransaction, inviter: str, room_id: str, span: tuple[int, int], most: int
    ) -> list[str]:
        """A few of those who came into a group by one person's codes, the first ones."""
        txn.execute(
            """
            SELECT user_id FROM capgroups_admissions
            WHERE inviter = ? AND admitted_at >= ? AND admitted_at <= ? AND how = 'code'
            AND room_id = ? GROUP BY user_id ORDER BY MIN(admitted_at) LIMIT ?
            """,
            (inviter, *span, room_id, most),
        )
        return [user_id for (user_id,) in txn.fetchall()]

    @staticmethod
    def vouches(txn: LoggingTransaction, inviter: str, now: int) -> int:
        """How many people this person brought in, in mode `friends`, in the last 24 hours."""
        txn.execute(
            """
            SELECT COUNT(*) FROM capgroups_admissions
            WHERE inviter = ? AND admitted_at > ? AND mode = 'friends'
            """,
            (inviter, now - DAY_MS),
        )
        row = txn.fetchone()
        return int(row[0]) if row else 0


def _admission(room_id: str, row: Sequence[Any]) -> Admission:
    return Admission(room_id, row[0], How(row[1]), row[2], bool(row[3]), Mode(row[4]), *row[5:])
