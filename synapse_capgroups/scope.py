"""Which rooms are groups (rule 0): gathers the facts for `rules.scope` and remembers the answer."""

from collections import OrderedDict
from typing import Any

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups import inside
from synapse_capgroups.config import ExemptConfig
from synapse_capgroups.rules.scope import Kind, RoomFacts, kind_of, room_type
from synapse_capgroups.rules.seclusion import predecessor
from synapse_capgroups.storage.database import Database

_REMEMBERED_ROOMS = 10_000


@attrs.frozen
class Group:
    """A room that the module governs.

    Attributes:
        created_at: milliseconds since 1970.
        predecessor: the room ID of the room that it replaces, None if it replaces none.
    """

    room_id: str
    creator: str
    created_at: int
    predecessor: str | None = None


class Scope:
    """Tells groups from other rooms.

    What decides is in the room's create event, its creator's account and the configuration, and
    none of these changes while a process runs: the memory needs no invalidation on any worker.
    """

    def __init__(
        self, api: ModuleApi, database: Database, exempt: ExemptConfig, concierge: str
    ) -> None:
        self._api = api
        self._database = database
        self._concierge = concierge
        self._exempt = exempt
        self._remembered: OrderedDict[str, tuple[Kind, Group]] = OrderedDict()

    async def group(self, room_id: str) -> Group | None:
        """The group with this ID; None if the room is none, or not known on this server."""
        kind, room = await self._room(room_id)
        return room if kind is Kind.GROUP else None

    async def is_concierges(self, room_id: str) -> bool:
        """Whether the room is one of the module's own, such as a door."""
        return (await self._room(room_id))[0] is Kind.CONCIERGE

    async def _room(self, room_id: str) -> tuple[Kind, Group | None]:
        if room_id in self._remembered:
            self._remembered.move_to_end(room_id)
            return self._remembered[room_id]
        state = await self._api.get_room_state(room_id, [("m.room.create", "")])
        created = state.get(("m.room.create", ""))
        if created is None:
            # Not remembered: an invitation from elsewhere may be accepted later.
            return Kind.ELSEWHERE, None
        kind = await self._kind(created.sender, created.content, room_id)
        old = predecessor({"creation_content": created.content})
        found = kind, Group(room_id, created.sender, created.origin_server_ts, old)
        self._remembered[room_id] = found
        if len(self._remembered) > _REMEMBERED_ROOMS:
            self._remembered.popitem(last=False)
        return found

    async def would_be_group(self, creator: str, creation_content: Any) -> bool:
        """Whether a room that this user is about to create will be a group."""
        return await self._kind(creator, creation_content, None) is Kind.GROUP

    async def _kind(self, creator: str, creation_content: Any, room_id: str | None) -> Kind:
        local = self._api.is_mine(creator)
        facts = RoomFacts(
            creator_is_local=local,
            room_type=room_type(creation_content),
            creator_is_server_notices=creator == inside.server_notices_user(self._api),
            creator_is_concierge=creator == self._concierge,
            exempt=room_id in self._exempt.rooms or self._exempt.creator(creator),
        )
        if kind_of(facts) is Kind.GROUP:

            def owned(txn: LoggingTransaction) -> bool:
                return inside.SynapseTables.is_application_service_user(txn, creator)

            facts = attrs.evolve(
                facts,
                creator_is_application_service=await self._database.run("creator", owned),
            )
        return kind_of(facts)
