"""What a report counts over the whole server: statements on several tables, each by an index."""

from collections.abc import Mapping
from typing import Any

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.storage.admissions import DAY_MS
from synapse_capgroups.storage.codes import SERIES_MARK
from synapse_capgroups.storage.forgetting import ERASED
from synapse_capgroups.storage.would_be import NO_ROOM, OTHER_ROOMS

Row = Mapping[str, Any]


@attrs.frozen
class Brought:
    """Somebody was brought into a group, or made one.

    Attributes:
        inviter: None of whoever made it.
    """

    room_id: str
    user_id: str
    inviter: str | None
    admitted_at: int


class ReportCounts:
    """Counts groups' entries, codes, series and requests. A row is what a report has of it."""

    @staticmethod
    def oldest(txn: LoggingTransaction) -> int | None:
        """When the oldest entry on record was, in milliseconds since 1970."""
        txn.execute("SELECT MIN(admitted_at) FROM capgroups_admissions")
        row = txn.fetchone()
        return int(row[0]) if row and row[0] is not None else None

    @staticmethod
    def growth(txn: LoggingTransaction, since: int) -> list[tuple[int, str, int]]:
        """By day (its beginning, in milliseconds since 1970) and way in: how many came."""
        txn.execute(
            f"""
            SELECT admitted_at / {DAY_MS}, how, COUNT(*) FROM capgroups_admissions
            WHERE admitted_at >= ? GROUP BY admitted_at / {DAY_MS}, how ORDER BY 1, 2
            """,
            (since,),
        )
        return [(int(day) * DAY_MS, how, int(count)) for day, how, count in txn.fetchall()]

    @staticmethod
    def growth_of_group(
        txn: LoggingTransaction, room_id: str, since: int
    ) -> list[tuple[int, str, int]]:
        """The same of one group."""
        txn.execute(
            f"""
            SELECT admitted_at / {DAY_MS}, how, COUNT(*) FROM capgroups_admissions
            WHERE room_id = ? AND admitted_at >= ?
            GROUP BY admitted_at / {DAY_MS}, how ORDER BY 1, 2
            """,
            (room_id, since),
        )
        return [(int(day) * DAY_MS, how, int(count)) for day, how, count in txn.fetchall()]

    @staticmethod
    def vouchers(txn: LoggingTransaction, since: int, most: int) -> list[Row]:
        """Who brought most people in since a time, by invitations and by codes."""
        txn.execute(
            """
            SELECT inviter, COUNT(*), COUNT(DISTINCT room_id),
                SUM(CASE WHEN code_id IS NULL THEN 0 ELSE 1 END),
                SUM(CASE WHEN inviter_was_friend THEN 1 ELSE 0 END)
            FROM capgroups_admissions
            WHERE admitted_at >= ? AND inviter IS NOT NULL AND inviter <> ?
            GROUP BY inviter ORDER BY COUNT(*) DESC, inviter LIMIT ?
            """,
            (since, ERASED, most),
        )
        names = ("user_id", "brought_in", "groups", "by_code", "friends")
        return [_row(names, row) for row in txn.fetchall()]

    @staticmethod
    def vouchers_of_group(txn: LoggingTransaction, room_id: str, most: int) -> list[Row]:
        """Who brought most people into one group."""
        txn.execute(
            """
            SELECT inviter, COUNT(*), SUM(CASE WHEN code_id IS NULL THEN 0 ELSE 1 END),
                SUM(CASE WHEN inviter_was_friend THEN 1 ELSE 0 END)
            FROM capgroups_admissions WHERE room_id = ? AND inviter IS NOT NULL
            GROUP BY inviter ORDER BY COUNT(*) DESC, inviter LIMIT ?
            """,
            (room_id, most),
        )
        return [_row(("user_id", "brought_in", "by_code", "friends"), r) for r in txn.fetchall()]

    @staticmethod
    def brought(
        txn: LoggingTransaction, before: int | None, least: int
    ) -> tuple[list[Brought], int | None]:
        """The latest entries on record before a time: `least` of them, and all of the same moment.

        Returns:
            The entries, and the time before which the next slice begins; None if it was the last.
        """
        until = before if before is not None else 2**62
        txn.execute(
            """
            SELECT admitted_at FROM capgroups_admissions WHERE admitted_at < ?
            ORDER BY admitted_at DESC LIMIT 1 OFFSET ?
            """,
            (until, least - 1),
        )
        row = txn.fetchone()
        begin = int(row[0]) if row else 0
        txn.execute(
            """
            SELECT room_id, user_id, inviter, admitted_at FROM capgroups_admissions
            WHERE admitted_at < ? AND admitted_at >= ?
            """,
            (until, begin),
        )
        return [Brought(*found) for found in txn.fetchall()], begin if row else None

    @staticmethod
    def living_codes(txn: LoggingTransaction, now: int) -> list[Row]:
        """Codes that live, by what they open."""
        txn.execute(
            f"""
            SELECT {_OPENS}, COUNT(*), SUM(uses), SUM(CASE WHEN uses = 0 THEN 1 ELSE 0 END)
            FROM capgroups_codes WHERE died_of IS NULL AND expires_at > ? GROUP BY 1 ORDER BY 1
            """,
            (now,),
        )
        return [
            {"opens": opens, "became": "alive", **_row(_OF_CODES, row)}
            for opens, *row in txn.fetchall()
        ]

    @staticmethod
    def dead_codes(txn: LoggingTransaction, now: int, since: int) -> list[Row]:
        """What became of the codes that have died since a time, by what they opened."""
        txn.execute(
            f"""
            SELECT opens, became, COUNT(*), SUM(uses), SUM(CASE WHEN uses = 0 THEN 1 ELSE 0 END)
            FROM (
                SELECT {_OPENS} AS opens, died_of AS became, uses FROM capgroups_codes
                WHERE died_of IS NOT NULL AND died_at >= ?
                UNION ALL
                SELECT {_OPENS} AS opens, 'code_expired' AS became, uses FROM capgroups_codes
                WHERE died_of IS NULL AND expires_at <= ?
            ) AS dead GROUP BY opens, became ORDER BY opens, became
            """,
            (since, now),
        )
        return [
            {"opens": opens, "became": became, **_row(_OF_CODES, row)}
            for opens, became, *row in txn.fetchall()
        ]

    @staticmethod
    def codes_of_group(txn: LoggingTransaction, room_id: str, now: int) -> list[Row]:
        """What became of the codes of one group."""
        txn.execute(
            """
            SELECT COALESCE(died_of, CASE WHEN expires_at > ? THEN 'alive' ELSE 'code_expired' END)
                AS became, COUNT(*), SUM(uses), SUM(CASE WHEN uses = 0 THEN 1 ELSE 0 END)
            FROM capgroups_codes WHERE room_id = ? GROUP BY 1 ORDER BY 1
            """,
            (now, room_id),
        )
        return [{"became": became, **_row(_OF_CODES, row)} for became, *row in txn.fetchall()]

    @staticmethod
    def series(txn: LoggingTransaction) -> list[Row]:
        """Series by their state, with their groups. One row of the table for each series."""
        txn.execute(
            """
            SELECT every.state, COUNT(*), COALESCE(SUM((
                SELECT COUNT(*) FROM capgroups_series_groups AS part
                WHERE part.series_id = every.series_id AND part.room_id IS NOT NULL
            )), 0)
            FROM capgroups_series AS every GROUP BY every.state ORDER BY every.state
            """
        )
        return [_row(("state", "series", "groups"), row) for row in txn.fetchall()]

    @staticmethod
    def requests(txn: LoggingTransaction, since: int, room_id: str | None = None) -> Row:
        """Requests that wait, and what became of those that were answered since a time."""
        of_room = "" if room_id is None else "AND room_id = ?"
        room = () if room_id is None else (room_id,)
        txn.execute(
            f"SELECT COUNT(*) FROM capgroups_requests WHERE answered_at IS NULL {of_room}", room
        )
        waiting = _number(txn.fetchone())
        txn.execute(
            f"""
            SELECT COALESCE(SUM(CASE WHEN approved THEN 1 ELSE 0 END), 0), COUNT(*)
            FROM capgroups_requests WHERE answered_at >= ? {of_room}
            """,
            (since, *room),
        )
        approved, answered = txn.fetchone() or (0, 0)
        return {
            "waiting": waiting,
            "approved": int(approved),
            "not_approved": int(answered) - int(approved),
        }

    @staticmethod
    def remote_invitations(txn: LoggingTransaction, room_id: str | None = None) -> int:
        """How many people of other servers are invited and have not answered."""
        where, parameters = ("", ()) if room_id is None else ("WHERE room_id = ?", (room_id,))
        txn.execute(f"SELECT COUNT(*) FROM capgroups_remote_invitations {where}", parameters)
        return _number(txn.fetchone())

    @staticmethod
    def would_be(txn: LoggingTransaction, since: str) -> list[Row]:
        """What a trial would have refused since a day, by day, reason and decision."""
        txn.execute(
            """
            SELECT day, reason, decision, SUM(times),
                SUM(CASE WHEN room_id IN (?, ?) THEN 0 ELSE 1 END)
            FROM capgroups_would_be WHERE day >= ?
            GROUP BY day, reason, decision ORDER BY day, reason, decision
            """,
            (NO_ROOM, OTHER_ROOMS, since),
        )
        names = ("day", "reason", "decision", "times", "rooms")
        return [_row(names, row) for row in txn.fetchall()]

    @staticmethod
    def would_be_by_room(txn: LoggingTransaction, since: str, most: int) -> list[Row]:
        """The rooms in which it would have refused most."""
        txn.execute(
            """
            SELECT room_id, SUM(times) FROM capgroups_would_be
            WHERE day >= ? AND room_id NOT IN (?, ?)
            GROUP BY room_id ORDER BY SUM(times) DESC, room_id LIMIT ?
            """,
            (since, NO_ROOM, OTHER_ROOMS, most),
        )
        return [_row(("room_id", "times"), row) for row in txn.fetchall()]

    @staticmethod
    def would_be_of_group(txn: LoggingTransaction, room_id: str) -> list[Row]:
        """What it would have refused in one group."""
        txn.execute(
            """
            SELECT day, reason, decision, times FROM capgroups_would_be WHERE room_id = ?
            ORDER BY day, reason, decision
            """,
            (room_id,),
        )
        return [_row(("day", "reason", "decision", "times"), row) for row in txn.fetchall()]


_OF_CODES = ("codes", "uses", "never_used")
_OPENS = f"""
    CASE WHEN room_id = sharer THEN 'direct chat'
        WHEN SUBSTR(room_id, 1, {len(SERIES_MARK)}) = '{SERIES_MARK}' THEN 'series' ELSE 'group' END
"""


def _row(names: tuple[str, ...], values: Any) -> Row:
    """PostgreSQL's sums are decimals."""
    return {
        name: value if isinstance(value, str) else int(value)
        for name, value in zip(names, values, strict=True)
    }


def _number(row: Any) -> int:
    return int(row[0]) if row else 0
