"""Nobody can browse people (rule 7): user search shows somebody only their friends."""

import logging
from typing import Any

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.inside import SynapseTables
from synapse_capgroups.rules.friends import DirectChat, are_friends, listed_rooms
from synapse_capgroups.storage.database import Database

logger = logging.getLogger(__name__)

MOST_LOOKED_AT = 1000
"""How many people Synapse's own search is asked for: friends may be far down among them."""


class UserDirectory:
    """Filters what Synapse's search finds."""

    def __init__(self, api: ModuleApi, database: Database) -> None:
        self._api = api
        self._database = database

    async def shown(self, user_id: str, found: dict[str, Any], limit: int) -> dict[str, Any]:
        """What somebody sees of a search.

        A friendship counts here from its first moment: nobody learns anything by being shown
        somebody to whom they are talking.

        Args:
            found: `limited` and `results`, as Synapse answers; `MOST_LOOKED_AT` of them at most.
            limit: how many the client asked for.
        """
        people = [result["user_id"] for result in found["results"]]
        try:
            friends = await self._database.run(
                "directory", lambda txn: self._friends_among(txn, user_id, people)
            )
        except Exception:
            logger.exception("Could not look for the friends of %s", user_id)
            friends = frozenset()
        kept = [result for result in found["results"] if result["user_id"] in friends]
        return {"limited": found["limited"] or len(kept) > limit, "results": kept[:limit]}

    def _friends_among(
        self, txn: LoggingTransaction, user_id: str, people: list[str]
    ) -> frozenset[str]:
        """Those who are friends of this person. A few statements, however many they are."""
        own = SynapseTables.m_direct(txn, user_id)
        theirs = SynapseTables.m_directs(txn, [who for who in people if self._api.is_mine(who)])
        listed = {
            who: listed_rooms(own.get(who)) | listed_rooms(theirs.get(who, {}).get(user_id))
            for who in people
        }
        rooms = SynapseTables.joined_by(
            txn, frozenset().union(*listed.values()) if listed else frozenset(), user_id
        )
        present = SynapseTables.present_in(txn, rooms)
        chats = {room: DirectChat.of(there) for room, there in present.items()}
        return frozenset(
            who
            for who in people
            if are_friends(
                user_id, who, (chats[room] for room in listed[who] if room in chats),
                now=0, min_age=0,
            )
        )  # fmt: skip
