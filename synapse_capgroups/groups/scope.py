"""Tells which rooms are groups (rule 0): gathers the facts for `rules.scope`, keeps the answer."""

from collections import OrderedDict
from typing import Any

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.config import ExemptConfig
from synapse_capgroups.inside.registration import server_notices_user
from synapse_capgroups.inside.tables.directory import DirectoryTables
from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.rules.scope import SPACE, Group, Kind, RoomFacts, kind_of, room_type
from synapse_capgroups.rules.seclusion import predecessor
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.server_rooms import ServerRooms

_REMEMBERED_ROOMS = 10_000


class Scope:
    """Tells groups from other rooms.

    What decides is in the room's create event, its creator's account and the configuration, and
    none of these changes while a process runs: the memory needs no invalidation on any worker. An
    address of `exempt.rooms` can move from room to room, so it is looked up each time.
    """

    def __init__(
        self, api: ModuleApi, database: Database, exempt: ExemptConfig, concierge: str
    ) -> None:
        """
        Args:
            concierge: its Matrix ID. The rooms that it creates are the module's own.
        """
        self._api = api
        self._database = database
        self.concierge = concierge
        self._exempt = exempt
        self._addresses = sorted(exempt.addresses)
        self._remembered: OrderedDict[str, tuple[Kind, Group]] = OrderedDict()

    async def group(self, room_id: str) -> Group | None:
        """The group with this ID; None if the room is no group, or unknown to this server."""
        kind, room = await self._room(room_id)
        if kind is not Kind.GROUP or await self._has_exempt_address(room_id):
            return None
        return room

    def is_exempt_address(self, address: str) -> bool:
        """Whether a room with this address is not a group, by `exempt.rooms`."""
        return address in self._exempt.addresses

    async def note_server_room(self, room_id: str) -> None:
        """Store that the server made this room on an admin's behalf, so it is not a group."""
        await self._database.run("server_room", lambda txn: ServerRooms.add(txn, room_id))
        self._remembered.pop(room_id, None)  # Somebody may have asked about it while it was made.

    async def _has_exempt_address(self, room_id: str) -> bool:
        if not self._addresses:
            return False

        def look(txn: LoggingTransaction) -> bool:
            return DirectoryTables.has_one_address_of(txn, room_id, self._addresses)

        return await self._database.look_up("exempt_address", look)

    async def is_concierges(self, room_id: str) -> bool:
        """Whether the room is one of the module's own, such as a door."""
        return (await self._room(room_id))[0] is Kind.CONCIERGE

    def is_organisers_space(self, room_id: str) -> bool:
        """Whether the room is a space of the module's own. In memory: False if nobody asked yet."""
        kind, room = self._remembered.get(room_id, (Kind.ELSEWHERE, None))
        return kind is Kind.CONCIERGE and room is not None and room.is_space

    async def _room(self, room_id: str) -> tuple[Kind, Group | None]:
        if room_id in self._remembered:
            self._remembered.move_to_end(room_id)
            return self._remembered[room_id]
        state = await self._api.get_room_state(room_id, [("m.room.create", "")])
        created = state.get(("m.room.create", ""))
        if created is None:
            # Not remembered: an invitation from another server may be accepted later.
            return Kind.ELSEWHERE, None
        kind = await self._kind(created.sender, created.content, room_id)
        old = predecessor({"creation_content": created.content})
        is_space = room_type(created.content) == SPACE
        found = kind, Group(room_id, created.sender, created.origin_server_ts, old, is_space)
        self._remembered[room_id] = found
        if len(self._remembered) > _REMEMBERED_ROOMS:
            self._remembered.popitem(last=False)
        return found

    async def would_be_group(
        self, creator: str, creation_content: Any, address: str | None = None
    ) -> bool:
        """Whether a room that this user is about to create will be a group.

        Args:
            address: the room's address, if the creator has the right to give exempt addresses.
        """
        if address is not None and self.is_exempt_address(address):
            return False
        return await self._kind(creator, creation_content, None) is Kind.GROUP

    async def _kind(self, creator: str, creation_content: Any, room_id: str | None) -> Kind:
        local = self._api.is_mine(creator)
        facts = RoomFacts(
            creator_is_local=local,
            room_type=room_type(creation_content),
            creator_is_server_notices=creator == server_notices_user(self._api),
            creator_is_concierge=creator == self.concierge,
            exempt=room_id in self._exempt.rooms or self._exempt.creator(creator),
            spaces_are_exempt=self._exempt.spaces,
        )
        if kind_of(facts) is Kind.GROUP:

            def look(txn: LoggingTransaction) -> RoomFacts:
                return attrs.evolve(
                    facts,
                    creator_is_application_service=(
                        Users.is_application_service_user(txn, creator)
                    ),
                    made_by_server=room_id is not None and ServerRooms.has(txn, room_id),
                )

            facts = await self._database.run("creator", look)
        return kind_of(facts)
