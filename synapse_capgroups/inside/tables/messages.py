"""Statements on messages: which were sent, edited and redacted."""

import json
from typing import Any

from synapse.module_api import LoggingTransaction

_MOST_EVENTS = 2000


class Messages:
    """Statements on `events`, `event_json`, `event_relations` and `redactions`."""

    @staticmethod
    def marked(
        txn: LoggingTransaction, room_id: str, sender: str, place: int, key: str, value: str
    ) -> str | bool:
        """A message of somebody with this value in its content, sent after a place.

        By the index on (room_id, stream_ordering).

        Args:
            place: in the server's order of events.

        Returns:
            Its event ID; False if there is none, and True if too much was sent to look.
        """
        txn.execute(
            """
            SELECT COUNT(*) FROM (
                SELECT 1 FROM events WHERE room_id = ? AND stream_ordering > ? LIMIT ?
            ) AS history
            """,
            (room_id, place, _MOST_EVENTS + 1),
        )
        row = txn.fetchone()
        if row is None or row[0] > _MOST_EVENTS:
            return True
        txn.execute(
            """
            SELECT history.event_id, event.json FROM (
                SELECT event_id, sender, type FROM events
                WHERE room_id = ? AND stream_ordering > ? LIMIT ?
            ) AS history JOIN event_json AS event ON event.event_id = history.event_id
            WHERE history.sender = ? AND history.type = 'm.room.message'
            """,
            (room_id, place, _MOST_EVENTS, sender),
        )
        for event_id, text in txn.fetchall():
            if json.loads(text)["content"].get(key) == value:
                return str(event_id)
        return False

    @staticmethod
    def with_edits(txn: LoggingTransaction, event_id: str, sender: str) -> list[str]:
        """A message of somebody's and their edits of it, but for what is redacted."""
        txn.execute(
            """
            SELECT copy.event_id FROM events AS copy
            WHERE copy.event_id IN (
                SELECT edit.event_id FROM event_relations AS edit
                WHERE edit.relates_to_id = ? AND edit.relation_type = 'm.replace'
                UNION ALL SELECT ?
            ) AND copy.sender = ? AND NOT EXISTS (
                SELECT 1 FROM redactions WHERE redactions.redacts = copy.event_id
            )
            ORDER BY copy.stream_ordering DESC
            """,
            (event_id, event_id, sender),
        )
        return [found for (found,) in txn.fetchall()]

    @staticmethod
    def content(
        txn: LoggingTransaction, room_id: str, sender: str, event_id: str
    ) -> dict[str, Any] | None:
        """The content of somebody's message in a room; None if there is none, or it is redacted."""
        txn.execute(
            """
            SELECT event.json FROM events AS sent
            JOIN event_json AS event ON event.event_id = sent.event_id
            WHERE sent.event_id = ? AND sent.room_id = ? AND sent.sender = ?
            AND sent.type = 'm.room.message' AND NOT EXISTS (
                SELECT 1 FROM redactions WHERE redactions.redacts = sent.event_id
            )
            """,
            (event_id, room_id, sender),
        )
        row = txn.fetchone()
        return dict(json.loads(row[0])["content"]) if row else None

    @staticmethod
    def is_encrypted(txn: LoggingTransaction, room_id: str) -> bool:
        """Whether the clients in a room encrypt what they send."""
        txn.execute(
            """
            SELECT 1 FROM current_state_events
            WHERE room_id = ? AND type = 'm.room.encryption' AND state_key = ''
            """,
            (room_id,),
        )
        return txn.fetchone() is not None

    @staticmethod
    def pinned(txn: LoggingTransaction, room_id: str) -> dict[str, Any]:
        """The content of `m.room.pinned_events`.

        From the tables, since a worker's caches of a room's state can be behind, and what is
        pinned is written anew with one entry more.
        """
        txn.execute(
            """
            SELECT event.json FROM current_state_events AS state
            JOIN event_json AS event ON event.event_id = state.event_id
            WHERE state.room_id = ? AND state.type = 'm.room.pinned_events'
            AND state.state_key = ''
            """,
            (room_id,),
        )
        row = txn.fetchone()
        return dict(json.loads(row[0])["content"]) if row else {}
