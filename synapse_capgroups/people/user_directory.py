"""Nobody can browse people (rule 7): user search shows somebody only their friends."""

import logging
from typing import Any

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.inside.tables.account_data import AccountData
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.rules.friends import listed_rooms
from synapse_capgroups.storage.database import Database

logger = logging.getLogger(__name__)

MOST_LOOKED_AT = 1000
"""How many people Synapse's own search is asked for: friends may be far down among them."""


_MOST_ROOMS = 20_000
"""How many of the searcher's rooms are looked at, the latest first."""


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
        """Those who are friends of this person, by the chats that this person has.

        What strangers list is never read. It is whoever searches that makes the server work, and
        the more so the more chats they have: `_MOST_ROOMS` of them are looked at.
        """
        wanted = set(people)
        chats: dict[str, list[str]] = {}
        for room_id, other in Memberships.rooms_of_two(txn, user_id, _MOST_ROOMS):
            if other in wanted:
                chats.setdefault(other, []).append(room_id)
        if not chats:
            return frozenset()
        own = AccountData.m_direct(txn, user_id)
        return frozenset(
            who
            for who, rooms in chats.items()
            if not listed_rooms(own.get(who)).isdisjoint(rooms)
            or (
                self._api.is_mine(who)
                and not listed_rooms(AccountData.listed_as_direct(txn, who, user_id)).isdisjoint(
                    rooms
                )
            )
        )
