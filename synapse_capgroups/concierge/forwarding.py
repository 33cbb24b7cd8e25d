"""What somebody forwards to the concierge, or replies to, to have it announced."""

from collections.abc import Mapping
from typing import Any

from synapse_capgroups.concierge.asking import Asked
from synapse_capgroups.inside.tables.messages import Messages
from synapse_capgroups.storage.database import Database

MEDIA = frozenset({"m.image", "m.file", "m.video", "m.audio"})
"""The kinds of messages that are read although they are no text."""


class Forwarding:
    """Reads messages of a chat."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def replied_to(self, asked: Asked) -> Mapping[str, Any] | None:
        """The content of the person's own message to which they reply; None if they do not."""
        related = asked.content.get("m.relates_to")
        reply = related.get("m.in_reply_to") if isinstance(related, Mapping) else None
        event_id = reply.get("event_id") if isinstance(reply, Mapping) else None
        if not isinstance(event_id, str) or not event_id.isprintable():
            return None
        return await self._database.look_up(
            "replied_to",
            lambda txn: Messages.content(txn, asked.room_id, asked.user_id, event_id),
        )
