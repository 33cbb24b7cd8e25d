"""Statements on the members of one room."""

from collections.abc import Collection

from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.transactions import batches


class Within:
    """Statements on `current_state_events` and `room_memberships`."""

    @staticmethod
    def members(txn: LoggingTransaction, room_id: str, most: int) -> list[str]:
        """The members of a room, `most` of them at most."""
        txn.execute(
            """
            SELECT state_key FROM current_state_events
            WHERE room_id = ? AND type = 'm.room.member' AND membership = 'join'
            ORDER BY state_key LIMIT ?
            """,
            (room_id, most),
        )
        return [user_id for (user_id,) in txn.fetchall()]

    @staticmethod
    def members_page(
        txn: LoggingTransaction, room_id: str, after: str, most: int
    ) -> list[tuple[str, str | None]]:
        """The members of a room with their names there, by Matrix ID."""
        txn.execute(
            """
            SELECT c.state_key, m.display_name
            FROM current_state_events AS c JOIN room_memberships AS m ON m.event_id = c.event_id
            WHERE c.room_id = ? AND c.type = 'm.room.member' AND c.membership = 'join'
            AND c.state_key > ? ORDER BY c.state_key LIMIT ?
            """,
            (room_id, after, most),
        )
        return [(user_id, name) for user_id, name in txn.fetchall()]

    @staticmethod
    def names_of_members(txn: LoggingTransaction, room_id: str) -> list[str]:
        txn.execute(
            """
            SELECT m.display_name
            FROM current_state_events AS c JOIN room_memberships AS m ON m.event_id = c.event_id
            WHERE c.room_id = ? AND c.type = 'm.room.member' AND c.membership = 'join'
            """,
            (room_id,),
        )
        return [name for (name,) in txn if name]

    @staticmethod
    def names_of(
        txn: LoggingTransaction, room_id: str, user_ids: Collection[str]
    ) -> dict[str, str]:
        """The names in a room of those of a few people who are members and have one."""
        found: dict[str, str] = {}
        for batch in batches(sorted(user_ids)):
            txn.execute(
                f"""
                SELECT c.state_key, m.display_name
                FROM current_state_events AS c JOIN room_memberships AS m ON m.event_id = c.event_id
                WHERE c.room_id = ? AND c.type = 'm.room.member' AND c.membership = 'join'
                AND c.state_key IN ({", ".join("?" * len(batch))})
                """,
                (room_id, *batch),
            )
            found |= {user_id: name for user_id, name in txn.fetchall() if name}
        return found
