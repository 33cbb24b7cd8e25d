"""The deeds of a group's members: finding their groups, looking at them, naming themselves."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.presence import Presence
from synapse_capgroups.groups.aliases import choose_name
from synapse_capgroups.groups.names import group_name
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.inside.tables.account_data import AccountData
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.inside.tables.profiles import Profiles
from synapse_capgroups.inside.tables.within import Within
from synapse_capgroups.rules.joining import Limits, Mode
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.storage.admissions import Admission, Admissions
from synapse_capgroups.storage.chats import Chats
from synapse_capgroups.storage.database import Database


class NoSuchGroupError(Exception):
    """There is no such group, or the person is not in it: nobody learns which."""


@attrs.frozen
class Member:
    """A person in a group. Only `Members` makes one, after it has looked.

    Every deed of members takes one, so no caller can forget to look.
    """

    group: Group
    user_id: str


@attrs.frozen
class Sharer(Member):
    """A member who may make join codes. Only `codes.sharing` makes one, after it has looked."""


@attrs.frozen
class GroupState:
    """A group as one of its members sees it.

    Attributes:
        members: how many it has.
        seats_taken: the same with the seats of joins under way and of invited remote people.
        name: the member's own display name in it, if any.
        approval: whether a moderator agrees to each newcomer.
    """

    mode: Mode
    members: int
    seats_taken: int
    cap: int
    code_limit: int
    name: str | None
    approval: bool

    @property
    def seats_left(self) -> int:
        """How many more people can join."""
        return max(0, self.cap - self.seats_taken)


@attrs.frozen
class GroupRecord:
    """Who came into a group, and how.

    Attributes:
        admissions: the newest first.
        has_remote_members: whether people of other servers are in it now.
        names: the room display names of those who were named in it, if they are members.
        time_zone: what the person who asks has written into their profile.
    """

    admissions: list[Admission]
    has_remote_members: bool
    names: Mapping[str, str]
    time_zone: str | None


class Members:
    """What the HTTP API and the concierge do for members."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        scope: Scope,
        presence: Presence,
        limits: Limits,
    ) -> None:
        self._api = api
        self._database = database
        self._scope = scope
        self._presence = presence
        self._limits = limits

    async def member(self, user_id: str, room_id: str) -> Member:
        """A person as a member of this group.

        Raises:
            NoSuchGroupError: there is no such group, or they are not in it.
        """
        group = await self._scope.group(room_id) if room_id.isprintable() else None
        if group is None or not await self._presence.is_member(room_id, user_id):
            raise NoSuchGroupError
        return Member(group, user_id)

    async def of_person(self, user_id: str) -> list[tuple[Member, str | None]]:
        """A person's groups without their direct chats, each with its name."""
        return await self.some_of_person(user_id, "", None)

    async def some_of_person(
        self, user_id: str, after: str, most: int | None
    ) -> list[tuple[Member, str | None]]:
        """The same by room ID, from behind one on, so many at most."""

        def look(txn: LoggingTransaction) -> tuple[list[str], dict[str, object]]:
            chat = Chats.with_person(txn, user_id)
            joined = [room for room in Memberships.joined_rooms(txn, user_id) if room != chat]
            return joined, AccountData.m_direct(txn, user_id)

        room_ids, direct = await self._database.run("groups_of", look)
        found = []
        for room_id in sorted(room for room in room_ids if room > after):
            group = await self._scope.group(room_id)
            if group is not None and not _lists(direct, room_id):
                found.append((Member(group, user_id), await group_name(self._api, room_id)))
                if len(found) == most:
                    break
        return found

    async def room_name(self, member: Member) -> str | None:
        """What the group is called; None if it has no name."""
        return await group_name(self._api, member.group.room_id)

    async def count(self, member: Member) -> int:
        """How many members the group has."""
        return await self._presence.members(member.group)

    async def describe(self, member: Member) -> GroupState:
        """The state of a member's group."""
        return (await self.describe_all([member]))[member.group.room_id]

    async def describe_all(self, members: Sequence[Member]) -> dict[str, GroupState]:
        """The states of a few groups, each as a member of it sees it, by room ID."""
        counts = await self._presence.members_and_seats([member.group for member in members])
        limits, found = self._limits, {}
        for member in members:
            count, taken, approval = counts[member.group.room_id]
            name = (await self._content(member)).get("displayname")
            found[member.group.room_id] = GroupState(
                limits.mode(taken), count, taken, limits.cap, limits.code_limit, name, approval
            )
        return found

    async def rename(self, member: Member, name: str) -> None:
        """Set a member's display name in this group; an empty one clears it.

        Raises:
            SynapseError: as Synapse answers a state event by which a client does the same.
        """
        await choose_name(self._api, member.group.room_id, member.user_id, name)

    async def record(self, sharer: Sharer, most: int) -> GroupRecord:
        """The latest so many admissions of a group, for those who may make codes."""
        room_id, here = sharer.group.room_id, self._api.server_name

        def look(txn: LoggingTransaction) -> GroupRecord:
            admissions = Admissions.latest(txn, room_id, most)
            people = {who for a in admissions for who in (a.user_id, a.inviter) if who}
            return GroupRecord(
                admissions,
                Memberships.any_remote(txn, room_id, here),
                Within.names_of(txn, room_id, people),
                Profiles.time_zone(txn, sharer.user_id),
            )

        return await self._database.run("who", look)

    async def _content(self, member: Member) -> Mapping[str, Any]:
        """The content of the member's `m.room.member`."""
        key = ("m.room.member", member.user_id)
        state = await self._api.get_room_state(member.group.room_id, [key])
        return state[key].content if key in state else {}


def _lists(m_direct: dict[str, object], room_id: str) -> bool:
    """Whether anybody's list of direct chats in `m.direct` has this room."""
    return any(isinstance(rooms, list) and room_id in rooms for rooms in m_direct.values())
