"""Keeps everybody out of a chat but its person and the concierge, server admins included."""

from synapse_capgroups.concierge.chats import ConciergeChats
from synapse_capgroups.concierge.front_door import FrontDoor
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.inside.membership_changes import MembershipChange
from synapse_capgroups.rules.verdict import Reason, Refusal
from synapse_capgroups.series.tending import Tending


class ChatGuard:
    """Looks at each change of a membership that concerns the concierge or its chats."""

    def __init__(
        self,
        scope: Scope,
        chats: ConciergeChats,
        front_door: FrontDoor,
        tending: Tending,
        *,
        enforce: bool,
    ) -> None:
        """
        Args:
            enforce: false in a trial, in which no chat is opened.
        """
        self._scope = scope
        self._chats = chats
        self._front_door = front_door
        self._tending = tending
        self._enforce = enforce

    async def keeps_out(self, room_id: str, user_id: str) -> Refusal | None:
        """Why somebody cannot join a room; None if it is no chat, or if it is theirs."""
        known = self._chats.known
        if user_id == self._chats.user_id or not known.may_have(room_id):
            return None
        person = await known.person_of(room_id)
        return None if person in (None, user_id) else Refusal(Reason.CONCIERGE_CHAT)

    async def refusal(self, change: MembershipChange) -> Refusal | None:
        """Why a membership must not change in this way; None if it may. Binds server admins too."""
        if change.action not in ("join", "invite", "knock"):
            return None
        if change.target == self._chats.user_id and change.action != "invite":
            # The concierge would take a seat and could read the group.
            own = await self._chats.may_enter(change.room_id) or (
                await self._scope.is_concierges(change.room_id)
            )
            return None if own or not self._enforce else Refusal(Reason.CONCIERGE_OUTSIDE)
        return await self.keeps_out(change.room_id, change.target)

    def changed_soon(self, change: MembershipChange) -> None:
        """After a change: answer an invitation, close a chat that somebody has left, or bring a
        helper who has joined an organisers' space into their groups.
        """
        if change.target == self._chats.user_id and change.action == "invite":
            if change.sender != self._chats.user_id and self._enforce:
                self._front_door.rung(change)
        elif change.action == "join" and self._scope.is_organisers_space(change.room_id):
            self._tending.joined_soon(change.room_id, change.target)
        elif change.action in ("leave", "kick", "ban"):
            self._chats.left_soon(change.room_id, change.target)
