"""Which rooms are chats with the concierge: asked about every message, so answered from memory."""

from functools import partial

from synapse.module_api import ModuleApi

from synapse_capgroups.concierge.chat_rooms import ChatRooms
from synapse_capgroups.storage.chats import Chats
from synapse_capgroups.storage.database import Database

_PAGE = 5000


class KnownChats:
    """What every process knows of all chats."""

    def __init__(self, api: ModuleApi, database: Database) -> None:
        self._api = api
        self._database = database
        self._rooms = ChatRooms()
        api.register_cached_function(self._rooms)  # type: ignore[arg-type]

    async def remember(self) -> None:
        """Read all chats into memory, a page at a time. At start, on every process."""
        self._rooms.expect(await self._database.run("chats", Chats.count))
        after = ""
        while chats := await self._database.run(
            "chats", partial(Chats.page, after=after, most=_PAGE)
        ):
            self._rooms.remember((chat.room_id, chat.user_id) for chat in chats)
            after = chats[-1].user_id

    def has(self, room_id: str) -> bool:
        """Whether a room is a chat, or by rare chance another (`ChatRooms`). In memory."""
        return self._rooms.has(room_id)

    def is_of(self, room_id: str, user_id: str) -> bool:
        """Whether a room is somebody's chat. In memory."""
        return self._rooms.is_of(room_id, user_id)

    async def person_of(self, room_id: str) -> str | None:
        """The person of a chat; None if the room is no chat."""
        return await self._database.run("chat", lambda txn: Chats.person_of(txn, room_id))

    async def tell_all(self, room_id: str, user_id: str) -> None:
        """Tell every process whose chat a room is; an empty person, that it is none any more."""
        await self._api.invalidate_cache(self._rooms, (room_id, user_id))  # type: ignore[arg-type]
