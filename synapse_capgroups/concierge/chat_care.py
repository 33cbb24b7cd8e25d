"""Mends the concierge's chats after a start, and looks after them once a minute."""

import contextlib
import logging

from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.concierge.chats import CLOSED_LEVELS, ConciergeChats
from synapse_capgroups.concierge.moving import Moving
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.inside.membership_changes import set_membership
from synapse_capgroups.inside.tables.directory import DirectoryTables
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.storage.chats import Chat, Chats
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.dead_ends import DeadEndRooms

logger = logging.getLogger(__name__)

_PAGE = 500
_BETWEEN_PAGES = 0.1
_OPENING_MS = 30 * 1000
_MOST_UNKNOWN = 1000
_IN_THE_MAKING_MS = 10 * 60 * 1000


class ChatCare:
    """Closes chats of more or fewer than two people, and rooms that nothing is known about."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        scope: Scope,
        chats: ConciergeChats,
        moving: Moving | None,
    ) -> None:
        """
        Args:
            moving: None in a trial, which changes no account.
        """
        self._api = api
        self._database = database
        self._scope = scope
        self._chats = chats
        self._moving = moving
        self._concierge = chats.user_id
        self._after = ""
        self._missing: dict[str, int] = {}

    async def remember_rooms(self) -> None:
        """Read all chats into memory. At start, on every process."""
        await self._chats.known.remember()

    async def move_in(self) -> None:
        """At start: let nothing lead to rooms of accounts that the concierge had before."""
        if self._moving is not None:
            await self._moving.move_in()

    async def mend(self) -> None:
        """After a start: shut chats of earlier versions, and remove what killed processes left.

        A million chats take some minutes, with pauses: what people do goes before.
        """
        self._after = ""
        while True:
            await self.sweep()
            if not self._after:
                break
            await self._api.sleep(_BETWEEN_PAGES)
        await self._clear_up()

    async def sweep(self) -> None:
        """Check the next page of chats: each must be a room of two. On one process only."""

        def look(txn: LoggingTransaction) -> tuple[list[Chat], dict[str, list[tuple[str, str]]]]:
            chats = Chats.page(txn, self._after, _PAGE)
            return chats, Memberships.present_in(txn, [chat.room_id for chat in chats])

        chats, present = await self._database.run("sweep_chats", look)
        for chat in chats:
            there = {user_id for user_id, _ in present.get(chat.room_id, ())}
            try:
                if others := there - {chat.user_id, self._concierge}:
                    await self._disperse(chat, others)
                elif chat.user_id not in there:
                    await self._close_if_left(chat)
                elif not chat.holds_two:
                    await self._shut(chat)
                if chat.user_id in there:
                    self._missing.pop(chat.room_id, None)
            except Exception:
                logger.exception("Could not mend the concierge's room %s", chat.room_id)
        self._after = chats[-1].user_id if len(chats) == _PAGE else ""

    async def _close_if_left(self, chat: Chat) -> None:
        """Close a chat without its person, unless another process is just opening it."""
        now = self._api.get_current_time_msec()
        if not chat.holds_two or now - self._missing.setdefault(chat.room_id, now) > _OPENING_MS:
            await self._chats.close(chat)
            self._missing.pop(chat.room_id, None)

    async def _disperse(self, chat: Chat, others: set[str]) -> None:
        """Close a chat with more people in it. Its person gets another one when they ask."""
        for user_id in others:
            # A deletion does not reach people of other servers. In a room that its person made, the
            # concierge may have no power.
            with contextlib.suppress(SynapseError):
                await set_membership(self._api, self._concierge, user_id, chat.room_id, "leave")
        await self._chats.close(chat)

    async def _shut(self, chat: Chat) -> None:
        """Let only the concierge invite people into a chat of an earlier version."""
        key = ("m.room.power_levels", "")
        levels = (await self._api.get_room_state(chat.room_id, [key])).get(key)
        await self._api.create_and_send_event_into_room(
            {
                "type": key[0],
                "state_key": key[1],
                "room_id": chat.room_id,
                "sender": self._concierge,
                "content": {**(levels.content if levels else {}), **CLOSED_LEVELS},
            }
        )
        await self._database.run("chat", lambda txn: Chats.shut(txn, chat.user_id, chat.room_id))

    async def _clear_up(self) -> None:
        """Leave rooms in which the concierge has nothing to do.

        These are groups that Synapse or an admin once put it into, and rooms of its own without a
        row, because a process was killed before it wrote one or deleted the room.
        """

        def look(txn: LoggingTransaction) -> list[str]:
            found = Chats.rooms_without_a_row(txn, self._concierge, _MOST_UNKNOWN)
            dead_ends = DeadEndRooms.rooms(txn)
            return [room_id for room_id in found if room_id not in dead_ends]

        for room_id in await self._database.run("unknown_rooms", look):
            await self._leave_unknown(room_id)

    async def _leave_unknown(self, room_id: str) -> None:
        try:
            await self._leave_or_delete(room_id)
        except Exception:
            logger.exception("Could not clear up the room %s", room_id)

    async def _leave_or_delete(self, room_id: str) -> None:
        if not await self._scope.is_concierges(room_id):
            await set_membership(self._api, self._concierge, self._concierge, room_id, "leave")
            return

        def is_empty(txn: LoggingTransaction) -> bool:
            since = Memberships.membership(txn, room_id, self._concierge).since
            return (
                since < self._api.get_current_time_msec() - _IN_THE_MAKING_MS
                and len(Memberships.present(txn, room_id, 2)) == 1
                and not DirectoryTables.has_address(txn, room_id)
            )

        if await self._database.run("unknown_room", is_empty):
            with contextlib.suppress(SynapseError):
                await self._api.delete_room(room_id)
