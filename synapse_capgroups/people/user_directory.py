"""Nobody can browse people (rule 7): a user search shows only friends."""

import logging
from typing import Any

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.inside.tables.account_data import AccountData
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.inside.user_search import filter_user_search
from synapse_capgroups.rules.friends import listed_rooms
from synapse_capgroups.storage.database import Database

logger = logging.getLogger(__name__)

MOST_LOOKED_AT = 1000
"""How many people Synapse's own search is asked for: friends may be far down in its results."""

_MOST_ROOMS = 20_000
"""How many of the searcher's rooms are looked at, the latest first."""


def show_only_friends(api: ModuleApi, database: Database) -> None:
    """Let a search of the user directory show only friends of the person who searches."""
    filter_user_search(api, MOST_LOOKED_AT, UserDirectory(api, database).shown)


class UserDirectory:
    """Filters what Synapse's search finds."""

    def __init__(self, api: ModuleApi, database: Database) -> None:
        self._api = api
        self._database = database

    async def shown(self, user_id: str, found: dict[str, Any], limit: int) -> dict[str, Any]:
        """Filter the results of a search for the person who searches.

        A friendship counts here from its first moment, whatever `friends.min_age` says: a search
        that shows people to whom one is talking tells nothing new.

        Args:
            found: `limited` and `results`, as Synapse answers: `MOST_LOOKED_AT` people at most.
            limit: how many people the client asked for.

        Returns:
            The same fields; nobody if the friends could not be looked up.
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
        """Find a person's friends among others, by the person's own chats.

        Lists of strangers are never read, so the work depends only on how many chats the person
        who searches has, and at most `_MOST_ROOMS` of them are looked at (rule 9).
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
