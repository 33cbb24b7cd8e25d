"""What the concierge does when somebody invites it: it comes into a chat, and into nothing else.

A chat is a room that a client made for two. If it can be read and its person has none yet, it
becomes their chat. If it is encrypted, or they have one, the concierge says where that is and
leaves. It declines every other invitation, and opens a chat of its own instead.
"""

import contextlib
import logging
from typing import Any
from urllib.parse import quote

from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.concierge.chats import ConciergeChats
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.inside.endings import when_done
from synapse_capgroups.inside.membership_changes import MembershipChange, forget, set_membership
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.storage.database import Database
from synapse_capgroups.words.lookup import Words

logger = logging.getLogger(__name__)

_ENCRYPTION = ("m.room.encryption", "")


class FrontDoor:
    """Answers invitations, in the background."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        scope: Scope,
        chats: ConciergeChats,
        words: Words,
    ) -> None:
        self._api = api
        self._database = database
        self._scope = scope
        self._chats = chats
        self._words = words

    def rung(self, invitation: MembershipChange) -> None:
        """Answer an invitation in the background, once all is done that belongs to it.

        The creation of a room may invite others after the concierge.
        """

        async def answer_soon(_succeeded: bool, _result: Any) -> None:
            self._api.run_as_background_process("capgroups_invited", self._answer, invitation)

        if not when_done(answer_soon):
            self._api.run_as_background_process("capgroups_invited", self._answer, invitation)

    async def _answer(self, invitation: MembershipChange) -> None:
        room_id, inviter, content = invitation.room_id, invitation.sender, invitation.content
        # So the inviter's client says that it is a chat for two.
        is_direct = isinstance(content, dict) and content.get("is_direct") is True
        try:
            async with self._chats.languages.speaking_to(inviter):
                await self._come(room_id, inviter, is_direct=is_direct)
        except SynapseError as e:
            # They have left too many chats, have taken the invitation back, or do not want one.
            logger.info("The concierge does not come into %s: %s", room_id, e)
            with contextlib.suppress(SynapseError):
                await self._chats.turn_down(room_id, "too_often" if e.code == 429 else "declined")

    async def _come(self, room_id: str, inviter: str, *, is_direct: bool) -> None:
        if not (is_direct and await self._is_for_two(room_id, inviter)):
            await self._chats.decline(room_id, inviter)
        elif not await self._can_be_read(room_id):
            await self._visit(room_id, inviter, "encrypted_here")
        elif not await self._chats.adopt(room_id, inviter):
            await self._visit(room_id, inviter, "have_chat")

    async def _is_for_two(self, room_id: str, inviter: str) -> bool:
        """Whether a room of this server holds only those two, and is a group in which rules hold.

        Otherwise others could come in, or read what is said from outside.
        """
        if not self._api.is_mine(inviter) or await self._scope.group(room_id) is None:
            return False
        for _ in range(50):  # Another process may have to write the invitation first.
            there = await self._database.run("chat_for_two", lambda txn: _present(txn, room_id))
            if self._chats.user_id in there:
                return there == {inviter: "join", self._chats.user_id: "invite"}
            await self._api.sleep(0.1)
        return False

    async def _can_be_read(self, room_id: str) -> bool:
        return _ENCRYPTION not in await self._api.get_room_state(room_id, [_ENCRYPTION])

    async def _visit(self, room_id: str, inviter: str, key: str) -> None:
        """Come in, say where to go, and leave.

        Raises:
            SynapseError: 429, they did that too often.
        """
        me = self._chats.user_id
        chat = await self._chats.for_visitor(inviter)
        link = f"https://matrix.to/#/{quote(chat)}?via={self._api.server_name}"
        with self._chats.visiting(room_id):
            await set_membership(self._api, me, me, room_id, "join")
            try:
                await self._chats.say(room_id, self._words.say(key, link=link))
            finally:
                await set_membership(self._api, me, me, room_id, "leave")
                await forget(self._api, me, room_id)


def _present(txn: LoggingTransaction, room_id: str) -> dict[str, str]:
    return dict(Memberships.present(txn, room_id, 3))
