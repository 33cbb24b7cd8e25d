"""Statements on people who are not in a room: invited, removed or banned."""

from collections.abc import Collection

from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.transactions import batches


class Outside:
    """Statements on `current_state_events` and `events`."""

    @staticmethod
    def invited(txn: LoggingTransaction, room_id: str, pattern: str) -> frozenset[str]:
        """Whose invitation is open, of those whose Matrix ID is like a pattern."""
        txn.execute(
            """
            SELECT state_key FROM current_state_events
            WHERE room_id = ? AND type = 'm.room.member' AND membership = 'invite'
            AND state_key LIKE ?
            """,
            (room_id, pattern),
        )
        return frozenset(user_id for (user_id,) in txn)

    @staticmethod
    def removed_from(txn: LoggingTransaction, room_ids: Collection[str]) -> list[tuple[str, str]]:
        """Who is banned from one of the rooms, or was removed by somebody, with the membership.

        Who is banned from one of them comes last.
        """
        found: list[tuple[str, str]] = []
        for batch in batches(sorted(room_ids)):
            txn.execute(
                f"""
                SELECT own.state_key, own.membership
                FROM current_state_events AS own JOIN events AS e ON e.event_id = own.event_id
                WHERE own.type = 'm.room.member' AND own.membership IN ('leave', 'ban')
                AND own.room_id IN ({", ".join("?" * len(batch))})
                AND (own.membership = 'ban' OR e.sender <> own.state_key)
                """,
                batch,
            )
            found.extend((user_id, membership) for user_id, membership in txn)
        return sorted(found, key=lambda one: one[1] == "ban")
