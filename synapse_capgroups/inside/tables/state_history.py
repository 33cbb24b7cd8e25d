"""Statements on what happened in rooms, by this server's order of events."""

import json

from synapse.module_api import LoggingTransaction

_MOST_RIGHTS = 100
_MOST_HISTORY = 1000
MOST_CHANGES = 2000
"""How many changes of memberships of one room are read while others wait for a group."""
NEVER = 2**62
"""A time that does not come."""


class StateHistory:
    """Statements on `events`, `event_auth`, `room_memberships` and `current_state_delta_stream`."""

    @staticmethod
    def latest_stream_ordering(txn: LoggingTransaction) -> int:
        """The place of the latest event in this server's order of events."""
        txn.execute("SELECT MAX(stream_ordering) FROM events")
        row = txn.fetchone()
        return int(row[0] or 0) if row else 0

    @staticmethod
    def was_out_since(
        txn: LoggingTransaction,
        room_id: str,
        user_id: str,
        *,
        place: int | None,
        time: int,
        by_others: bool,
    ) -> bool | None:
        """Whether somebody was out of a room at any time since, whatever they are now.

        Args:
            place: since which place in the order of events; None if only the time is known.
            time: since when, in milliseconds since 1970.
            by_others: whether only removals count, and not that they left by themselves.

        Returns:
            None if their history there is too long to be read while others wait: somebody has
            changed their name a thousand times.
        """
        since = "e.received_ts >= ?" if place is None else "e.stream_ordering > ?"
        txn.execute(
            f"""
            SELECT COUNT(*), MAX(CASE WHEN history.membership IN ('leave', 'ban')
                AND {"history.sender <> history.user_id AND" if by_others else ""}
                {since} THEN 1 ELSE 0 END)
            FROM (
                SELECT user_id, sender, membership, event_id FROM room_memberships
                WHERE user_id = ? AND room_id = ? LIMIT ?
            ) AS history LEFT JOIN events AS e ON e.event_id = history.event_id
            """,
            (time if place is None else place, user_id, room_id, _MOST_HISTORY + 1),
        )
        row = txn.fetchone()
        assert row is not None
        events, was_out = row
        if was_out:
            return True
        return None if events > _MOST_HISTORY else False

    @staticmethod
    def came_by(txn: LoggingTransaction, room_id: str, user_id: str, event_id: str) -> bool:
        """Whether somebody who is a member came in by the invitation with this event ID.

        A join into a closed room names the invitation among the events that allow it, whoever
        makes it, and a change of a name names the join.
        """
        txn.execute(
            """
            SELECT MAX(e.stream_ordering)
            FROM room_memberships AS history
            JOIN event_auth AS named ON named.event_id = history.event_id
            JOIN events AS e ON e.event_id = history.event_id
            WHERE history.user_id = ? AND history.room_id = ? AND history.membership = 'join'
            AND named.auth_id = ?
            """,
            (user_id, room_id, event_id),
        )
        row = txn.fetchone()
        if row is None or row[0] is None:
            return False
        was_out = StateHistory.was_out_since(
            txn, room_id, user_id, place=row[0], time=0, by_others=False
        )
        return was_out is not True  # A history that is too long is one of names.

    @staticmethod
    def became_state(txn: LoggingTransaction, event_id: str) -> bool:
        """Whether an event is or was the state of its room: it was neither refused nor ignored.

        By the index on `stream_id`: a change is written with the place of the first event of the
        few that are persisted together.
        """
        txn.execute(
            """
            SELECT 1 FROM events AS e JOIN current_state_delta_stream AS change
            ON change.room_id = e.room_id AND change.event_id = e.event_id
            AND change.stream_id > e.stream_ordering - 1000
            AND change.stream_id <= e.stream_ordering
            WHERE e.event_id = ?
            """,
            (event_id,),
        )
        return txn.fetchone() is not None

    @staticmethod
    def joined_since(txn: LoggingTransaction, room_id: str, user_id: str) -> int:
        """When a member's unbroken membership began, in milliseconds since 1970.

        By this server's clock (`received_ts`): the other timestamp of an event is its sender's
        word. A name change is a join after a join and begins nothing. Others wait for the group
        meanwhile, so a room with more changes than `MOST_CHANGES` is not read: nobody is a member
        there for any time at all.
        """
        txn.execute(
            """
            SELECT changes.user_id, changes.membership, e.received_ts
            FROM (
                SELECT event_id, user_id, membership FROM room_memberships WHERE room_id = ?
                LIMIT ?
            ) AS changes JOIN events AS e ON e.event_id = changes.event_id
            ORDER BY e.stream_ordering DESC
            """,
            (room_id, MOST_CHANGES + 1),
        )
        changes = txn.fetchall()
        if len(changes) > MOST_CHANGES:
            return NEVER
        since = 0
        for who, membership, received_ts in changes:
            if who == user_id:
                if membership != "join":
                    break
                since = received_ts or 0
        return since

    @staticmethod
    def rights_since(
        txn: LoggingTransaction, room_id: str, place: int
    ) -> list[tuple[str, dict[str, object]]] | None:
        """The type and content of each power-level event and tombstone that became a room's state
        since, in this order.

        By the index on (room_id, stream_id).

        Args:
            place: since which place in the order of events.

        Returns:
            None if there are too many to be read: 100 or more.
        """
        txn.execute(
            """
            SELECT change.type, event.json
            FROM current_state_delta_stream AS change
            JOIN event_json AS event ON event.event_id = change.event_id
            WHERE change.room_id = ? AND change.stream_id > ?
            AND change.type IN ('m.room.power_levels', 'm.room.tombstone')
            ORDER BY change.stream_id LIMIT ?
            """,
            (room_id, place, _MOST_RIGHTS),
        )
        rows = txn.fetchall()
        if len(rows) == _MOST_RIGHTS:
            return None
        return [(kind, json.loads(event)["content"]) for kind, event in rows]
