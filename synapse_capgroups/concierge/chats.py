"""The concierge's rooms: one for each person, with nobody else in it, ever (rule 7).

A code's secret is written there. So nobody but the concierge can invite anybody, the room never
leaves this server, the module refuses whoever else would come in, server admins included, and what
earlier versions left open is shut at start.
"""

import contextlib
import logging
from collections.abc import Mapping
from typing import Any

from synapse.module_api import JsonDict, LoggingTransaction, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.inside.creations import create_plain_room
from synapse_capgroups.inside.membership_changes import MembershipChange, set_membership
from synapse_capgroups.inside.tables.directory import DirectoryTables
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.limits.table import CONCIERGE_CHATS
from synapse_capgroups.rules.verdict import Reason, Refusal
from synapse_capgroups.storage.chats import Chat, Chats
from synapse_capgroups.storage.codes import Codes
from synapse_capgroups.storage.database import Database

logger = logging.getLogger(__name__)

_LEVELS = {"invite": 100, "kick": 100, "ban": 100, "redact": 100, "state_default": 100}
_PAGE = 500
_OPENING_MS = 30 * 1000
_IN_THE_MAKING_MS = 10 * 60 * 1000


class ChatRooms:
    """Who talks to the concierge in which room; takes a cache's place with `ModuleApi`.

    Other processes hear of a new chat, and of one that has ended, by the notice that Synapse sends
    when a cache is invalidated.
    """

    __name__ = "concierge_rooms"

    def __init__(self) -> None:
        self._people: dict[str, str] = {}

    def person_of(self, room_id: str) -> str | None:
        """Who may be there beside the concierge; None if it is no room of theirs."""
        return self._people.get(room_id)

    def remember(self, people: Mapping[str, str]) -> None:
        """All rooms that there are, with their people."""
        self._people.update(people)

    def invalidate(self, key: tuple[Any, ...]) -> None:
        """A process has opened a room for this person; or closed it, if that is nobody."""
        room_id, user_id = key
        if user_id:
            self._people[room_id] = user_id
        else:
            self._people.pop(room_id, None)

    def invalidate_all(self) -> None:
        """Never sent for this name, and nothing here is a copy that could be read again."""


class ConciergeChats:
    """Opens chats, keeps others out of them and closes them."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        scope: Scope,
        limits: RateLimits,
        user_id: str,
        words: Mapping[str, str],
        *,
        enforce: bool,
    ) -> None:
        """
        Args:
            user_id: the concierge's.
            words: one of `concierge_words.LANGUAGES`.
            enforce: false in a trial, in which no chat is opened.
        """
        self._api = api
        self._database = database
        self._scope = scope
        self._limits = limits
        self.user_id = user_id
        self._words = words
        self._enforce = enforce
        self._rooms = ChatRooms()
        api.register_cached_function(self._rooms)  # type: ignore[arg-type]
        self._after = ""
        self._missing: dict[str, int] = {}

    async def remember_rooms(self) -> None:
        """At start, on every process."""
        self._rooms.remember(await self._database.run("chats", Chats.all_rooms))

    def person_of(self, room_id: str) -> str | None:
        """Who may be in a room beside the concierge; None if it is no chat. In memory."""
        return self._rooms.person_of(room_id)

    def keeps_out(self, room_id: str, user_id: str) -> Refusal | None:
        """Why somebody cannot come into a room; None if it is no chat, or theirs."""
        person = self.person_of(room_id)
        if person is None or user_id in (person, self.user_id):
            return None
        return Refusal(Reason.CONCIERGE_CHAT)

    async def refusal(self, change: MembershipChange) -> Refusal | None:
        """Why a membership must not change so, whoever asks for it; None if it may."""
        if change.action not in ("join", "invite", "knock"):
            return None
        if change.target == self.user_id and change.action != "invite":
            # It would take a seat, and hear what is said there.
            own = await self._scope.is_concierges(change.room_id)
            return None if own or not self._enforce else Refusal(Reason.CONCIERGE_OUTSIDE)
        return self.keeps_out(change.room_id, change.target)

    def changed_soon(self, change: MembershipChange) -> None:
        """A membership has changed: come, or go, after it has its place."""
        if change.target == self.user_id and change.action == "invite":
            if change.sender != self.user_id and self._enforce:
                self._api.run_as_background_process(
                    "capgroups_declining", self._decline, change.room_id, change.sender
                )
        elif change.action in ("leave", "kick", "ban"):
            person = self.person_of(change.room_id)
            if person is not None and change.target in (person, self.user_id):
                self._api.run_as_background_process(
                    "capgroups_leaving", self._close, Chat(person, change.room_id, True)
                )

    def greet_soon(self, user_id: str) -> None:
        """Open a chat with this person, unless there is one."""
        self._api.run_as_background_process("capgroups_greeting", self._greet, user_id)

    async def _greet(self, user_id: str) -> None:
        with contextlib.suppress(SynapseError):  # They have left too many.
            await self._open(user_id)

    async def _open(self, user_id: str) -> None:
        """Open a chat with somebody who has none.

        Raises:
            SynapseError: 429, they have left too many.
        """
        if await self._has_chat(user_id):
            return
        await self._limits.spend(CONCIERGE_CHATS, user_id)
        room_id = await create_plain_room(
            self._api,
            self.user_id,
            {
                "preset": "private_chat",
                "is_direct": True,
                "creation_content": {"m.federate": False},
                "power_level_content_override": _LEVELS,
                "initial_state": [
                    {"type": "m.room.guest_access", "content": {"guest_access": "forbidden"}}
                ],
            },
        )
        # Everybody knows whose room it is before anybody is told of it.
        if not await self._database.run("chat", lambda txn: Chats.add(txn, user_id, room_id)):
            await self._api.delete_room(room_id)  # Two were opened at once; the other was first.
            return
        await self._tell_all(room_id, user_id)
        try:
            await set_membership(
                self._api, self.user_id, user_id, room_id, "invite", {"is_direct": True}
            )
        except SynapseError as e:
            # They, or another module, want no invitations.
            logger.info("The concierge cannot invite %s: %s", user_id, e)
            await self._close(Chat(user_id, room_id, True))
            return
        await self.say(room_id, self._words["greeting"])

    async def _has_chat(self, user_id: str) -> bool:
        room_id = await self._database.run("chat", lambda txn: Chats.with_person(txn, user_id))
        if room_id is None:
            return False
        if await self._membership(room_id, user_id) in ("join", "invite"):
            return True
        await self._close(Chat(user_id, room_id, True))
        return False

    async def _decline(self, room_id: str, inviter: str) -> None:
        """Somebody invites the concierge: it comes to nobody's room, but opens its own chat."""
        reason = "declined"
        if self._api.is_mine(inviter):
            try:
                await self._open(inviter)
            except SynapseError:
                reason = "too_often"
        for _ in range(50):  # Another process may have to write the invitation first.
            if await self._membership(room_id, self.user_id) == "invite":
                await set_membership(
                    self._api, self.user_id, self.user_id, room_id, "leave",
                    {"reason": self._words[reason]},
                )  # fmt: skip
                return
            await self._api.sleep(0.1)

    async def _membership(self, room_id: str, user_id: str) -> str | None:
        def look(txn: LoggingTransaction) -> str | None:
            return Memberships.membership(txn, room_id, user_id).membership

        return await self._database.run("membership", look)

    async def say(self, room_id: str, text: str) -> None:
        await self.send(room_id, {"msgtype": "m.notice", "body": text})

    async def send(self, room_id: str, content: JsonDict) -> None:
        """Send a message of the concierge's."""
        await self._api.create_and_send_event_into_room(
            {
                "type": "m.room.message",
                "room_id": room_id,
                "sender": self.user_id,
                "content": content,
            }
        )

    async def _tell_all(self, room_id: str, user_id: str) -> None:
        """Let every process know whose room this is."""
        await self._api.invalidate_cache(self._rooms, (room_id, user_id))  # type: ignore[arg-type]

    async def _close(self, chat: Chat) -> None:
        """Leave a chat, and let its room disappear."""

        def forget(txn: LoggingTransaction) -> bool:
            return Chats.remove(txn, chat.user_id, chat.room_id)

        if not await self._database.run("chat", forget):
            return
        await self._tell_all(chat.room_id, "")
        with contextlib.suppress(SynapseError):  # It is being deleted.
            await self._api.delete_room(chat.room_id)

    async def mend(self) -> None:
        """At start: shut what earlier versions left open, clear up what killed processes left."""
        self._after = ""
        while True:
            await self.sweep()
            if not self._after:
                break
        await self._clear_up()

    async def sweep(self) -> None:
        """Look at some of the chats: is each a room of two? On one process only."""

        def look(txn: LoggingTransaction) -> tuple[list[Chat], dict[str, list[tuple[str, str]]]]:
            chats = Chats.page(txn, self._after, _PAGE)
            return chats, Memberships.present_in(txn, [chat.room_id for chat in chats])

        chats, present = await self._database.run("sweep_chats", look)
        for chat in chats:
            there = {user_id for user_id, _ in present.get(chat.room_id, ())}
            try:
                if others := there - {chat.user_id, self.user_id}:
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
        """Close a room whose person is not there, unless another process is just opening it."""
        now = self._api.get_current_time_msec()
        if not chat.holds_two or now - self._missing.setdefault(chat.room_id, now) > _OPENING_MS:
            await self._close(chat)
            self._missing.pop(chat.room_id, None)

    async def _disperse(self, chat: Chat, others: set[str]) -> None:
        """Close a room with more people. Its person gets another one when they ask."""
        for user_id in others:
            # People of other servers, too, whom a deletion does not reach.
            await set_membership(self._api, self.user_id, user_id, chat.room_id, "leave")
        await self._close(chat)

    async def _shut(self, chat: Chat) -> None:
        """Let nobody but the concierge invite anybody into a room of an earlier version."""
        key = ("m.room.power_levels", "")
        levels = (await self._api.get_room_state(chat.room_id, [key])).get(key)
        await self._api.create_and_send_event_into_room(
            {
                "type": key[0],
                "state_key": key[1],
                "room_id": chat.room_id,
                "sender": self.user_id,
                "content": {**(levels.content if levels else {}), **_LEVELS},
            }
        )
        await self._database.run("chat", lambda txn: Chats.shut(txn, chat.user_id, chat.room_id))

    async def _clear_up(self) -> None:
        """Leave rooms that the concierge has no business in.

        They are groups into which Synapse, or an admin, once pulled it; and rooms of its own that
        nothing is known of, because a process was killed before it noted or deleted them.
        """

        def look(txn: LoggingTransaction) -> list[str]:
            known = Chats.all_rooms(txn).keys() | Codes.all_rooms(txn)
            return [
                room for room in Memberships.joined_rooms(txn, self.user_id) if room not in known
            ]

        for room_id in await self._database.run("unknown_rooms", look):
            await self._leave_unknown(room_id)

    async def _leave_unknown(self, room_id: str) -> None:
        try:
            await self._leave_or_delete(room_id)
        except Exception:
            logger.exception("Could not clear up the room %s", room_id)

    async def _leave_or_delete(self, room_id: str) -> None:
        if not await self._scope.is_concierges(room_id):
            await set_membership(self._api, self.user_id, self.user_id, room_id, "leave")
            return

        def is_empty(txn: LoggingTransaction) -> bool:
            since = Memberships.membership(txn, room_id, self.user_id).since
            return (
                since < self._api.get_current_time_msec() - _IN_THE_MAKING_MS
                and len(Memberships.present(txn, room_id, 2)) == 1
                and not DirectoryTables.has_address(txn, room_id)
            )

        if await self._database.run("unknown_room", is_empty):
            with contextlib.suppress(SynapseError):
                await self._api.delete_room(room_id)
