"""Memberships and events where other servers are concerned (rule 10).

`user_may_invite` is not asked about server admins, and cannot hold a seat until the invitation is
made. So people of other servers are decided about where each change of a membership passes.
"""

from functools import partial
from typing import Any

from synapse.module_api import EventBase, ModuleApi

from synapse_capgroups.admission.decision import admitting, being_invited
from synapse_capgroups.callbacks.answers import Answers, raise_refusal
from synapse_capgroups.federation.guard import Guard
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.inside.authority import acts_for_server
from synapse_capgroups.inside.endings import when_done
from synapse_capgroups.inside.membership_changes import MembershipChange
from synapse_capgroups.rules.federation import local_creators
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.rules.verdict import ALLOWED, Reason, Refusal, Verdict
from synapse_capgroups.storage.seats import Hold
from synapse_capgroups.words.lookup import Audience


class Federating:
    """Decides invitations to people of other servers, and hears what these do."""

    def __init__(self, api: ModuleApi, answers: Answers, scope: Scope, guard: Guard | None) -> None:
        """
        Args:
            guard: None where only what passes through this server is judged.
        """
        self._api = api
        self._answers = answers
        self._scope = scope
        self._guard = guard

    async def membership_changes(self, change: MembershipChange) -> None:
        """Decide an invitation before it is made, whoever asks for it.

        Raises:
            SynapseError: it is refused.
        """
        guard = self._guard
        if guard is None or change.action != "invite" or self._api.is_mine(change.target):
            return
        answer = await self._answers.give(
            "invitation", Audience.INVITING, partial(self._invitation, guard, change),
            group=change.room_id, user=change.target, by=change.sender,
        )  # fmt: skip
        raise_refusal(answer)

    async def _invitation(self, guard: Guard, change: MembershipChange) -> Verdict | None:
        group = await self._scope.group(change.room_id)
        if group is None:
            return None
        if guard.local_only:
            return group.concerned(Refusal(Reason.LOCAL_ONLY))
        return group.concerned(await self._seat_and_entry(guard, group, change))

    async def _seat_and_entry(
        self, guard: Guard, group: Group, change: MembershipChange
    ) -> Verdict:
        """Decide, hold a seat, and see that the person will have no power, in this order."""
        invitee = change.target
        by_code = admitting.get() == (group.room_id, invitee)
        verdict, hold = await guard.invitations.decide(
            group,
            change.sender,
            invitee,
            by_code=by_code,
            by_admin=not by_code and await self._by_server_admin(change),
        )
        if hold is None:
            return verdict
        when_done(partial(self._invited, guard, group, invitee, hold))
        # In a creation it stands in the room's first power levels. One more event would be a fork:
        # Synapse has fixed by then which event comes before each invitation.
        if not change.new_room:
            verdict = await guard.levels.ensure(group, invitee)
        if verdict == ALLOWED:
            being_invited.set((group.room_id, invitee))
        return verdict

    async def _by_server_admin(self, change: MembershipChange) -> bool:
        """Whether a server admin invites, in their own or another's name."""
        if await acts_for_server(self._api, change.requester):
            return True
        in_anothers_name = change.authority != change.sender
        return in_anothers_name and await self._api.is_user_admin(change.authority)

    @staticmethod
    async def _invited(
        guard: Guard, group: Group, invitee: str, hold: Hold, _: bool, __: Any
    ) -> None:
        await guard.invitations.sent(group, invitee, hold)

    async def membership_changed(self, change: MembershipChange) -> None:
        """Note that somebody has left: invitations may have rested on that. Must not wait."""
        if self._guard is not None and change.action in ("leave", "kick", "ban"):
            self._guard.withdrawing.left_soon(change.room_id, change.target)

    def hear(self, event: EventBase) -> None:
        """Look at an event from another server. In memory, for each event of every room."""
        if self._guard is None:
            return
        if self._guard.afar.may_be(event):
            self._guard.afar.look_soon(event)
        if event.type == "m.room.member" and event.content.get("membership") in ("leave", "ban"):
            self._guard.withdrawing.leaves_soon(event)

    async def creators(self, old_room_id: str, creators: list[str]) -> list[str]:
        """Who may be a creator of a group's successor: nobody could take their power away."""
        if self._guard is None or await self._scope.group(old_room_id) is None:
            return creators
        return local_creators(creators, self._api.server_name)

    async def exchanged(self, room_id: str) -> None:
        """Refuse that another server turns an invitation by e-mail into one of a person.

        No power level is asked for that, and the person would have no entry.

        Raises:
            SynapseError: the room is a group.
        """
        if self._guard is not None and await self._scope.group(room_id) is not None:
            refusal = Refusal(Reason.INVITE_REQUIRED)
            raise_refusal(self._answers.refused(refusal, Audience.JOINING))
