"""Which rooms are chats with the concierge: asked about every message, so answered from memory."""

from functools import partial

from synapse.module_api import ModuleApi

from synapse_capgroups.concierge.chat_rooms import ChatRooms
from synapse_capgroups.storage.chats import Chats
from synapse_capgroups.storage.database import Database

_PAGE = 2000


class KnownChats:
    """What every process knows of all chats."""

    def __init__(self, api: ModuleApi, database: Database, rooms: ChatRooms | None = None) -> None:
        self._api = api
        self._database = database
        self._rooms = ChatRooms() if rooms is None else rooms
        api.register_cached_function(self._rooms)  # type: ignore[arg-type]

    async def remember(self) -> None:
        """Read all chats into memory, a page at a time. At start, on every process."""
        after = ""
        while room_ids := await self._database.run(
            "chats", partial(Chats.room_ids, after=after, most=_PAGE)
        ):
            for room_id in room_ids:
                self._rooms.add(room_id)
            after = room_ids[-1]

    def may_have(self, room_id: str) -> bool:
        """Whether a room is a chat, or by rare chance another (`Fingerprints`). In memory."""
        return self._rooms.may_have(room_id)

    async def has(self, room_id: str) -> bool:
        """Whether a room is a chat. In memory for nearly all that are none."""
        return self.may_have(room_id) and await self.person_of(room_id) is not None

    async def is_of(self, room_id: str, user_id: str) -> bool:
        """Whether a room is somebody's chat. In memory for nearly all that are no chats."""
        return self.may_have(room_id) and await self.person_of(room_id) == user_id

    async def person_of(self, room_id: str) -> str | None:
        """The person of a chat; None if the room is no chat. Asks the database once, by index."""
        try:
            return self._rooms.remembered(room_id)
        except LookupError:
            pass
        changes = self._rooms.changes
        person = await self._database.look_up("chat", lambda txn: Chats.person_of(txn, room_id))
        self._rooms.remember(room_id, person, changes)
        return person

    async def tell_all(self, room_id: str, user_id: str) -> None:
        """Tell every process whose chat a room is; an empty person, that it is none any more."""
        await self._api.invalidate_cache(self._rooms, (room_id, user_id))  # type: ignore[arg-type]
