"""Statements on the rooms that somebody shares with one other person and nobody else."""

from collections.abc import Collection

from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.tables.account_data import read_m_direct
from synapse_capgroups.inside.transactions import batches

# Without an order, PostgreSQL may look for three rows of a room in the whole table.
_PRESENT = """
    SELECT state_key, membership FROM current_state_events AS there
    WHERE there.room_id = mine.room_id AND there.type = 'm.room.member'
    AND there.membership IN ('join', 'invite') ORDER BY there.state_key
"""
_IS_OF_TWO = f"(SELECT COUNT(*) FROM ({_PRESENT} LIMIT 3) AS three) = 2"
_ROOMS = f"""
    SELECT mine.room_id AS room_id, (
        SELECT state_key FROM ({_PRESENT} LIMIT 2) AS two WHERE state_key <> ?
        AND membership = 'join' LIMIT 1
    ) AS other FROM (
        SELECT room_id FROM current_state_events
        WHERE type = 'm.room.member' AND state_key = ? AND membership = 'join'
        ORDER BY COALESCE(event_stream_ordering, 0) DESC LIMIT ?
    ) AS mine
    WHERE {_IS_OF_TWO}
"""


class RoomsOfTwo:
    """Statements on `current_state_events`, and on `account_data` beside it.

    In each room no more than three rows are read, as nobody else may be invited either.
    """

    @staticmethod
    def among(txn: LoggingTransaction, room_ids: Collection[str], a: str, b: str) -> list[str]:
        """Those of the rooms that these two people share with nobody else."""
        found: list[str] = []
        for batch in batches(sorted(room_ids)):
            # The limit lets PostgreSQL look only at rooms of both for who else is there.
            txn.execute(
                f"""
                SELECT room_id FROM (
                    SELECT one.room_id
                    FROM current_state_events AS one JOIN current_state_events AS two
                    ON two.room_id = one.room_id
                    WHERE one.type = 'm.room.member' AND one.state_key = ?
                    AND one.membership = 'join'
                    AND two.type = 'm.room.member' AND two.state_key = ?
                    AND two.membership = 'join'
                    AND one.room_id IN ({", ".join("?" * len(batch))})
                    LIMIT ?
                ) AS mine
                WHERE {_IS_OF_TWO}
                """,
                (a, b, *batch, len(batch)),
            )
            found.extend(room_id for (room_id,) in txn.fetchall())
        return found

    @staticmethod
    def latest(txn: LoggingTransaction, user_id: str, most: int) -> list[tuple[str, str]]:
        """The latest ones.

        Args:
            most: how many of somebody's rooms are looked at.

        Returns:
            The room's ID and the other person's.
        """
        txn.execute(_ROOMS, (user_id, user_id, most))
        return [(room_id, other) for room_id, other in txn.fetchall() if other is not None]

    @staticmethod
    def with_m_direct(
        txn: LoggingTransaction, user_id: str, most: int
    ) -> tuple[list[tuple[str, str]], dict[str, object]]:
        """The same and the content of somebody's `m.direct`, by a single statement."""
        txn.execute(
            f"""
            SELECT room_id, other FROM ({_ROOMS}) AS rooms
            UNION ALL SELECT NULL, content FROM account_data
            WHERE user_id = ? AND account_data_type = 'm.direct'
            """,
            (user_id, user_id, most, user_id),
        )
        rooms, direct = [], {}
        for room_id, found in txn.fetchall():
            if room_id is None:
                direct = read_m_direct(found)
            elif found is not None:
                rooms.append((room_id, found))
        return rooms, direct
