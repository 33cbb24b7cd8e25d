"""The concierge's rooms: one for each person, with nobody else in it, ever (rule 7).

A code's secret is written there. So nobody else can be invited, and a room that the concierge makes
never leaves this server. `front_door` tells which rooms of others become a chat, `chat_guard` keeps
others out, `chat_care` mends what is wrong at start.
"""

import contextlib
import logging
from collections.abc import Iterator

from synapse.module_api import JsonDict, LoggingTransaction, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.concierge.known_chats import KnownChats
from synapse_capgroups.concierge.languages_spoken import Languages
from synapse_capgroups.concierge.portrait import Portrait
from synapse_capgroups.concierge.voice import one_line
from synapse_capgroups.groups.names import group_name
from synapse_capgroups.inside.creations import create_plain_room
from synapse_capgroups.inside.locks import one_process_at_a_time
from synapse_capgroups.inside.membership_changes import set_membership
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.limits.table import CONCIERGE_CHATS
from synapse_capgroups.storage.chats import Chat, Chats
from synapse_capgroups.storage.database import Database
from synapse_capgroups.words.lookup import Words

logger = logging.getLogger(__name__)

CLOSED_LEVELS = {"invite": 100, "kick": 100, "ban": 100, "redact": 100, "state_default": 100}
"""Power levels by which only the concierge can do anything but write."""


class ConciergeChats:
    """Opens chats, speaks in them and closes them."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        limits: RateLimits,
        user_id: str,
        words: Words,
    ) -> None:
        """
        Args:
            user_id: the concierge's.
            words: what it says.
        """
        self._api = api
        self._database = database
        self._limits = limits
        self.user_id = user_id
        self._words = words
        self.languages = Languages(api, database, words.language)
        self.known = KnownChats(api, database)
        self._portrait = Portrait(api, user_id)
        self._visited: set[str] = set()

    async def may_enter(self, room_id: str) -> bool:
        """Whether the concierge may join a room that somebody else made."""
        return room_id in self._visited or await self.known.has(room_id)

    @contextlib.contextmanager
    def visiting(self, room_id: str) -> Iterator[None]:
        """Within this, the concierge may join a room."""
        self._visited.add(room_id)
        try:
            yield
        finally:
            self._visited.discard(room_id)

    def greet_soon(self, user_id: str, made: str) -> None:
        """Open a chat in the background with who has just made a group, unless they have one."""
        self._api.run_as_background_process("capgroups_greeting", self._greet, user_id, made)

    async def _greet(self, user_id: str, made: str) -> None:
        with contextlib.suppress(SynapseError):  # They have left too many.
            await self._open(user_id, made)

    async def _open(self, user_id: str, made: str | None = None) -> None:
        """Open a chat with somebody who has none.

        Args:
            made: the group because of which it is opened.

        Raises:
            SynapseError: 429, they have left too many.
        """
        if await self.chat_with(user_id) is not None:
            return
        # Another process may be opening one, whose invitation is not written yet.
        async with one_process_at_a_time(self._api, "chat", user_id):
            if await self._has_chat(user_id):
                return
            await self._limits.spend(CONCIERGE_CHATS, user_id)
            await self._make(user_id, made)

    async def _make(self, user_id: str, made: str | None = None) -> None:
        await self._portrait.hang()
        room_id = await create_plain_room(
            self._api,
            self.user_id,
            {
                "preset": "private_chat",
                "is_direct": True,
                "creation_content": {"m.federate": False},
                "power_level_content_override": CLOSED_LEVELS,
                "initial_state": [
                    {"type": "m.room.guest_access", "content": {"guest_access": "forbidden"}}
                ],
            },
        )
        # Every process knows whose room it is before the person is invited.
        if not await self._database.run("chat", lambda txn: Chats.add(txn, user_id, room_id)):
            await self._api.delete_room(room_id)  # Two were opened at once; the other was first.
            return
        await self.known.tell_all(room_id, user_id)
        try:
            await set_membership(
                self._api, self.user_id, user_id, room_id, "invite", {"is_direct": True}
            )
        except SynapseError as e:
            # The person or another module does not want the invitation.
            logger.info("The concierge cannot invite %s: %s", user_id, e)
            await self.close(Chat(user_id, room_id, True))
            return
        async with self.languages.speaking_to(user_id):
            await self.say(room_id, await _greeting(self._api, self._words, made))

    async def room_of(self, user_id: str) -> str | None:
        """The chat with a local person, opened if they have none; None if they do not want one."""
        try:
            await self._open(user_id)
        except SynapseError:  # They have left too many.
            return None
        return await self._room_of(user_id)

    async def _has_chat(self, user_id: str) -> bool:
        if await self.chat_with(user_id) is not None:
            return True
        room_id = await self._room_of(user_id)
        if room_id is not None:
            await self.close(Chat(user_id, room_id, True))
        return False

    async def chat_with(self, user_id: str) -> str | None:
        """The chat that somebody is in or invited to."""
        room_id = await self._room_of(user_id)
        if room_id is None or await self._membership(room_id, user_id) not in ("join", "invite"):
            return None
        return room_id

    async def _room_of(self, user_id: str) -> str | None:
        return await self._database.run("chat", lambda txn: Chats.with_person(txn, user_id))

    async def adopt(self, room_id: str, user_id: str) -> bool:
        """Come into a room that somebody made for the two; False if they have a chat.

        Raises:
            SynapseError: 429, they have left too many; or the concierge cannot come in.
        """
        async with one_process_at_a_time(self._api, "chat", user_id):
            if await self._has_chat(user_id):
                return False
            await self._limits.spend(CONCIERGE_CHATS, user_id)
            chat = Chat(user_id, room_id, True)
            if not await self._database.run("chat", lambda txn: Chats.add(txn, user_id, room_id)):
                return False
            await self.known.tell_all(room_id, user_id)
            try:
                await set_membership(self._api, self.user_id, self.user_id, room_id, "join")
            except BaseException:
                await self._forget(chat)
                raise
        await self.say(room_id, self._words.say("greeting"))
        return True

    async def for_visitor(self, user_id: str) -> str:
        """The chat of somebody who has opened another, which costs as much as a new one.

        Raises:
            SynapseError: 429, they did that too often; 403, they do not want the concierge's.
        """
        if await self.chat_with(user_id) is not None:
            await self._limits.spend(CONCIERGE_CHATS, user_id)
        else:
            await self._open(user_id)
        room_id = await self.chat_with(user_id)
        if room_id is None:
            raise SynapseError(403, "They have no chat")
        return room_id

    async def replace(self, chat: Chat) -> None:
        """Leave a chat that its person has encrypted, for one of the concierge's own.

        Raises:
            SynapseError: 429, they have left too many.
        """
        await self._limits.spend(CONCIERGE_CHATS, chat.user_id)
        if await self._forget(chat):
            await self._make(chat.user_id)
            me = self.user_id
            await self.say(chat.room_id, self._words.say("encrypted_left"))
            await set_membership(self._api, me, me, chat.room_id, "leave")

    async def decline(self, room_id: str, inviter: str) -> None:
        """Decline an invitation, and open a chat with the inviter instead."""
        reason = "declined"
        if self._api.is_mine(inviter):
            try:
                await self._open(inviter)
            except SynapseError:
                reason = "too_often"
        await self.turn_down(room_id, reason)

    async def turn_down(self, room_id: str, reason: str) -> None:
        """Decline an invitation; the reason is the key of a text."""
        for _ in range(50):  # Another process may have to write the invitation first.
            if await self._membership(room_id, self.user_id) == "invite":
                await set_membership(
                    self._api, self.user_id, self.user_id, room_id, "leave",
                    {"reason": self._words.say(reason)},
                )  # fmt: skip
                return
            await self._api.sleep(0.1)

    async def _membership(self, room_id: str, user_id: str) -> str | None:
        def look(txn: LoggingTransaction) -> str | None:
            return Memberships.membership(txn, room_id, user_id).membership

        return await self._database.run("membership", look)

    async def say(self, room_id: str, text: str) -> None:
        """Send a text as the concierge."""
        await self.send(room_id, {"msgtype": "m.notice", "body": text})

    async def send(self, room_id: str, content: JsonDict) -> None:
        """Send a message as the concierge."""
        await self._api.create_and_send_event_into_room(
            {
                "type": "m.room.message",
                "room_id": room_id,
                "sender": self.user_id,
                "content": content,
            }
        )

    async def close(self, chat: Chat) -> None:
        """Forget a chat and delete its room."""
        if await self._forget(chat):
            with contextlib.suppress(SynapseError):  # It is being deleted.
                await self._api.delete_room(chat.room_id)

    def left_soon(self, room_id: str, who: str) -> None:
        """Close a chat that one of the two has left, in the background."""
        if self.known.may_have(room_id):
            self._api.run_as_background_process("capgroups_leaving", self._left, room_id, who)

    async def _left(self, room_id: str, who: str) -> None:
        person = await self.known.person_of(room_id)
        if person is not None and who in (person, self.user_id):
            await self.close(Chat(person, room_id, True))

    async def _forget(self, chat: Chat) -> bool:
        """False if that has been done."""

        def forget(txn: LoggingTransaction) -> bool:
            return Chats.remove(txn, chat.user_id, chat.room_id)

        if not await self._database.run("chat", forget):
            return False
        await self.known.tell_all(chat.room_id, "")
        return True


async def _greeting(api: ModuleApi, words: Words, made: str | None) -> str:
    """What is said first, to somebody who has just made a group or to anybody else."""
    greeting = words.say("greeting")
    name = one_line(await group_name(api, made) or "") if made else ""
    return "\n".join([greeting, words.say("greeting_group", group=name)]) if name else greeting
