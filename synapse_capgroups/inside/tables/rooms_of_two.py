"""Statements on the rooms that somebody shares with one other person and nobody else."""

from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.tables.account_data import read_m_direct

# Without an order, PostgreSQL may look for three rows of a room in the whole table.
_OTHERS = """
    SELECT state_key, membership FROM current_state_events AS there
    WHERE there.room_id = mine.room_id AND there.type = 'm.room.member'
    AND there.membership IN ('join', 'invite') ORDER BY there.state_key
"""
_ROOMS = f"""
    SELECT mine.room_id AS room_id, (
        SELECT state_key FROM ({_OTHERS} LIMIT 2) AS two WHERE state_key <> ?
        AND membership = 'join' LIMIT 1
    ) AS other FROM (
        SELECT room_id FROM current_state_events
        WHERE type = 'm.room.member' AND state_key = ? AND membership = 'join'
        ORDER BY COALESCE(event_stream_ordering, 0) DESC LIMIT ?
    ) AS mine
    WHERE (SELECT COUNT(*) FROM ({_OTHERS} LIMIT 3) AS three) = 2
"""


class RoomsOfTwo:
    """Statements on `current_state_events`, and on `account_data` beside it.

    In each room no more than three rows are read, as nobody else may be invited either.
    """

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
