"""What is counted over all groups of series: statements on several tables, each by an index."""

from collections.abc import Collection

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.tables.conditions import IS_JOINED
from synapse_capgroups.storage.admissions import DAY_MS

_MOST_ROWS = 2000


@attrs.frozen
class Came:
    """How many people came into the groups of a series in one way on one day.

    Attributes:
        day: milliseconds since 1970, when it began in UTC.
        by_code: whether they used a code, of the series or of one of its groups.
        label: of that code, None if it has none or is forgotten.
        came: people, each counted once for each group.
        are_in: how many of them are members now.
    """

    day: int
    by_code: bool
    label: str | None
    came: int
    are_in: int

    @property
    def left(self) -> int:
        """How many of them are members no more."""
        return self.came - self.are_in


class SeriesCounts:
    """Counts groups and people of series."""

    @staticmethod
    def came(
        txn: LoggingTransaction, series_id: str, organisers: Collection[str], since: int
    ) -> list[Came]:
        """Who came since a time, by day and label; the latest day first. No organisers."""
        is_in = IS_JOINED.format(row="a", user="user_id")
        no_organisers = ", ".join("?" * len(organisers))
        txn.execute(
            f"""
            SELECT day, by_code, label, COUNT(*), SUM(is_in) FROM (
                SELECT a.admitted_at / {DAY_MS} AS day, a.code_id IS NOT NULL AS by_code,
                    code.label AS label, CASE WHEN {is_in} THEN 1 ELSE 0 END AS is_in
                FROM capgroups_series_groups AS part
                JOIN capgroups_admissions AS a ON a.room_id = part.room_id
                LEFT JOIN capgroups_codes AS code ON code.code_id = a.code_id
                WHERE part.series_id = ? AND a.admitted_at >= ? AND a.how <> 'creator'
                AND a.user_id NOT IN ({no_organisers})
                GROUP BY a.room_id, a.user_id, a.admitted_at / {DAY_MS}, a.code_id IS NOT NULL,
                    code.label
            ) AS people
            GROUP BY day, by_code, label ORDER BY day DESC, by_code DESC, label LIMIT ?
            """,
            (series_id, since, *organisers, _MOST_ROWS),
        )
        return [
            Came(int(day) * DAY_MS, bool(by_code), label, int(came), int(are_in))
            for day, by_code, label, came, are_in in txn.fetchall()
        ]

    @staticmethod
    def groups(txn: LoggingTransaction, series_ids: Collection[str]) -> dict[str, int]:
        """How many groups each of these series has, if any, those being made included."""
        if not series_ids:
            return {}
        marks = ", ".join("?" * len(series_ids))
        txn.execute(
            f"""
            SELECT series_id, COUNT(*) FROM capgroups_series_groups
            WHERE series_id IN ({marks}) GROUP BY series_id
            """,
            tuple(series_ids),
        )
        return {series_id: int(count) for series_id, count in txn.fetchall()}

    @staticmethod
    def members(txn: LoggingTransaction, series_id: str) -> int:
        """How many memberships there are in all groups of a series together."""
        txn.execute(
            """
            SELECT COUNT(*) FROM capgroups_series_groups AS part
            JOIN current_state_events AS own ON own.room_id = part.room_id
            WHERE part.series_id = ? AND own.type = 'm.room.member' AND own.membership = 'join'
            """,
            (series_id,),
        )
        row = txn.fetchone()
        return int(row[0]) if row else 0

    @staticmethod
    def in_several(
        txn: LoggingTransaction,
        series_id: str,
        organisers: Collection[str],
        after: str,
        most: int,
    ) -> list[str]:
        """Who is in more than one group of a series, by Matrix ID. Organisers do not count."""
        no_organisers = ", ".join("?" * len(organisers))
        txn.execute(
            f"""
            SELECT own.state_key FROM capgroups_series_groups AS part
            JOIN current_state_events AS own ON own.room_id = part.room_id
            WHERE part.series_id = ? AND own.type = 'm.room.member' AND own.membership = 'join'
            AND own.state_key > ? AND own.state_key NOT IN ({no_organisers})
            GROUP BY own.state_key HAVING COUNT(*) > 1 ORDER BY own.state_key LIMIT ?
            """,
            (series_id, after, *organisers, most),
        )
        return [user_id for (user_id,) in txn.fetchall()]

    @staticmethod
    def sample(txn: LoggingTransaction, room_id: str, server_name: str, most: int) -> list[str]:
        """Some of a group's local members, always the same: by what nobody chooses."""
        txn.execute(
            """
            SELECT state_key FROM current_state_events
            WHERE room_id = ? AND type = 'm.room.member' AND membership = 'join'
            AND state_key LIKE ? ORDER BY event_id LIMIT ?
            """,
            (room_id, f"%:{server_name}", most),
        )
        return [user_id for (user_id,) in txn.fetchall()]

    @staticmethod
    def joined_among(txn: LoggingTransaction, room_id: str, user_ids: Collection[str]) -> list[str]:
        """Those of a few people who are members of a room."""
        if not user_ids:
            return []
        txn.execute(
            f"""
            SELECT state_key FROM current_state_events
            WHERE room_id = ? AND type = 'm.room.member' AND membership = 'join'
            AND state_key IN ({", ".join("?" * len(user_ids))})
            """,
            (room_id, *user_ids),
        )
        return [user_id for (user_id,) in txn.fetchall()]
