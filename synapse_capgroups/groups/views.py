"""What people look at: their groups, and for those who may share a group who is in it and how it
grew. Each list comes in pages, and each page takes a number of transactions that does not grow.
"""

from collections.abc import Collection

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.direct_record import is_listed
from synapse_capgroups.groups.members import GroupState, Members, Sharer
from synapse_capgroups.inside.tables.rooms_of_two import RoomsOfTwo
from synapse_capgroups.inside.tables.state_history import StateHistory
from synapse_capgroups.inside.tables.within import Within
from synapse_capgroups.inside.transactions import batches
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.limits.table import MEMBER_LISTS, VIEWS
from synapse_capgroups.rules.friends import DirectChat, are_friends
from synapse_capgroups.storage.admissions import Admission, Admissions, GrowthOfDay
from synapse_capgroups.storage.database import Database

DAYS = 366
"""How far back growth is told."""
_MOST_CHATS = 300
_MOST_MEMBERS = 5000
_FRIENDS_AT_ONCE = 20


@attrs.frozen
class OwnGroup:
    """A group as one of its members sees it in a list."""

    room_id: str
    room_name: str | None
    state: GroupState


@attrs.frozen
class Person:
    """A member of a group, as those see it who may share it.

    Attributes:
        name: what they are called there, if anything.
        came: how they came in last; None if that is not on record.
        friends: how many of the other members are friends of theirs, by what counts as one here.
    """

    user_id: str
    name: str | None
    came: Admission | None
    friends: int


class Views:
    """Reads lists."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        limits: RateLimits,
        members: Members,
        *,
        min_age: int,
    ) -> None:
        """
        Args:
            min_age: how old a friendship must be to count, in milliseconds.
        """
        self._api = api
        self._database = database
        self._limits = limits
        self._members = members
        self._min_age = min_age

    async def groups(self, user_id: str, after: str, most: int) -> list[OwnGroup]:
        """A person's groups by room ID, without their direct chats.

        Args:
            after: the room ID of the last one of the page before.

        Raises:
            SynapseError: 429, they look too often.
        """
        await self._limits.spend(VIEWS, user_id)
        named = await self._members.some_of_person(user_id, after, most)
        members = [member for member, _ in named]
        states = await self._members.describe_all(members)
        return [
            OwnGroup(member.group.room_id, name, states[member.group.room_id])
            for member, name in named
        ]

    async def people(self, sharer: Sharer, after: str, most: int) -> list[Person]:
        """A group's members by Matrix ID.

        Raises:
            SynapseError: 429, they look too often.
        """
        await self._limits.spend(MEMBER_LISTS, sharer.user_id)
        room_id, now = sharer.group.room_id, self._api.get_current_time_msec()

        def look(
            txn: LoggingTransaction,
        ) -> tuple[list[tuple[str, str | None]], dict[str, Admission], frozenset[str]]:
            page = Within.members_page(txn, room_id, after, most)
            came = Admissions.latest_of(txn, room_id, [user_id for user_id, _ in page])
            return page, came, frozenset(Within.members(txn, room_id, _MOST_MEMBERS))

        page, came, inside = await self._database.run("people", look)
        friends: dict[str, int] = {}
        # Each member can have filled their chats with the others: not all in one transaction.
        for some in batches([user_id for user_id, _ in page], _FRIENDS_AT_ONCE):
            friends |= await self._friends_of(some, inside, now)
        return [
            Person(user_id, name, came.get(user_id), friends[user_id]) for user_id, name in page
        ]

    async def _friends_of(
        self, user_ids: Collection[str], inside: frozenset[str], now: int
    ) -> dict[str, int]:
        def look(txn: LoggingTransaction) -> dict[str, int]:
            return {user_id: self._friends(txn, user_id, inside, now) for user_id in user_ids}

        return await self._database.run("friends_inside", look)

    def _friends(
        self, txn: LoggingTransaction, user_id: str, inside: frozenset[str], now: int
    ) -> int:
        """How many of the others are friends, by the latest chats of two that somebody has here."""
        found = set()
        for room_id, other in RoomsOfTwo.latest(txn, user_id, _MOST_CHATS):
            if other in inside and other not in found:
                if not is_listed(txn, self._api.is_mine, room_id, user_id, other):
                    continue
                since = 0
                if self._min_age:
                    pair = (user_id, other)
                    since = max(StateHistory.joined_since(txn, room_id, who) for who in pair)
                chat = DirectChat(frozenset({user_id, other}), since=since)
                if are_friends(user_id, other, [chat], now=now, min_age=self._min_age):
                    found.add(other)
        return len(found)

    async def record(self, sharer: Sharer, before: tuple[int, str], most: int) -> list[Admission]:
        """A group's admissions, the latest first.

        Args:
            before: the time and the Matrix ID of the last one of the page before.

        Raises:
            SynapseError: 429, they look too often.
        """
        await self._limits.spend(VIEWS, sharer.user_id)
        room_id = sharer.group.room_id
        return await self._database.run(
            "record", lambda txn: Admissions.page(txn, room_id, before, most)
        )

    async def growth(self, sharer: Sharer) -> list[GrowthOfDay]:
        """The days of the last year on which somebody came, the first one first.

        Raises:
            SynapseError: 429, they look too often.
        """
        await self._limits.spend(VIEWS, sharer.user_id)
        since = self._api.get_current_time_msec() - DAYS * 24 * 60 * 60 * 1000
        room_id = sharer.group.room_id
        return await self._database.run(
            "growth", lambda txn: Admissions.growth(txn, room_id, since)
        )
