"""Nobody can browse people (rule 7): a user search shows only friends."""

import logging
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

import attrs
from synapse.module_api import ModuleApi

from synapse_capgroups.inside.tables.rooms_of_two import RoomsOfTwo
from synapse_capgroups.inside.user_search import MOST_LOOKED_AT, Find, narrow_user_search
from synapse_capgroups.people.others_lists import OthersLists
from synapse_capgroups.rules.friends import listed_rooms
from synapse_capgroups.storage.database import Database

logger = logging.getLogger(__name__)

T = TypeVar("T")

_MOST_ROOMS = 20_000
"""How many of the searcher's rooms are looked at, the latest first."""


def show_only_friends(api: ModuleApi, database: Database) -> None:
    """Let a search of the user directory show only friends of the person who searches."""
    narrow_user_search(api, UserDirectory(api, database).shown)


@attrs.frozen
class DirectChats:
    """The people with whom somebody shares a room of two.

    Attributes:
        friends: those whom the person's own `m.direct` lists.
        perhaps: the rooms with each local person who may list them.
    """

    friends: frozenset[str] = frozenset()
    perhaps: Mapping[str, frozenset[str]] = attrs.field(factory=dict)


class UserDirectory:
    """Searches among the friends of the person who searches."""

    def __init__(self, api: ModuleApi, database: Database) -> None:
        self._api = api
        self._database = database
        self._others_lists = OthersLists(database)

    async def shown(self, user_id: str, limit: int, find: Find) -> dict[str, Any]:
        """Search for somebody.

        A friendship counts here from its first moment, whatever `friends.min_age` says: a search
        that shows people to whom one is talking tells nothing new.

        Args:
            limit: how many people the client asked for.
            find: Synapse's search among some people, see `narrow_user_search`.

        Returns:
            `limited` and `results`, as Synapse answers; nobody if the friends could not be looked
            up.
        """
        direct = await self._or_else(user_id, self._direct_chats(user_id), DirectChats())
        perhaps = direct.perhaps.keys()
        friends = direct.friends
        if not friends and not perhaps:
            return {"limited": False, "results": []}
        # Where `perhaps` turn out to be no friends, there is still one more than was asked for.
        most = min(limit + len(perhaps), max(limit, MOST_LOOKED_AT))
        found = await find(friends | perhaps, most)
        people = {result["user_id"] for result in found["results"]}
        rooms = {who: direct.perhaps[who] for who in perhaps & people}
        if rooms:
            listing = self._others_lists.listing(user_id, rooms)
            friends |= await self._or_else(user_id, listing, frozenset())
        kept = [result for result in found["results"] if result["user_id"] in friends]
        return {"limited": found["limited"] or len(kept) > limit, "results": kept[:limit]}

    async def _direct_chats(self, user_id: str) -> DirectChats:
        """Look at the person's own chats.

        Lists of strangers are never read, so the work depends only on how many chats the person
        who searches has, and at most `_MOST_ROOMS` of them are looked at (rule 9).
        """
        rooms, own = await self._database.look_up(
            "directory", lambda txn: RoomsOfTwo.with_m_direct(txn, user_id, _MOST_ROOMS)
        )
        chats: dict[str, set[str]] = {}
        for room_id, other in rooms:
            chats.setdefault(other, set()).add(room_id)
        friends = {who for who in chats if not listed_rooms(own.get(who)).isdisjoint(chats[who])}
        others = {
            who: frozenset(chats[who]) for who in chats.keys() - friends if self._api.is_mine(who)
        }
        return DirectChats(frozenset(friends), others)

    async def _or_else(self, user_id: str, asked: Awaitable[T], otherwise: T) -> T:
        """What was asked of the database, or something else if that failed."""
        try:
            return await asked
        except Exception:
            logger.exception("Could not look for the friends of %s", user_id)
            return otherwise
