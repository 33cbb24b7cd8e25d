"""Who may join a room (rules 2, 4 and 5), also where Synapse itself asks nobody.

Synapse asks `user_may_join_room` about the joins of local people, but not about those of server
admins, of people who are in the room already, and of other servers' people. All three are asked
about here, too.
"""

from functools import partial
from typing import Any

from synapse.module_api import NOT_SPAM

from synapse_capgroups.admission.deciding import Deciding
from synapse_capgroups.admission.decision import JoinDecision
from synapse_capgroups.admission.ways import ByInvitation
from synapse_capgroups.callbacks.answers import Answer, Answers, raise_refusal
from synapse_capgroups.codes.dead_ends import DeadEnds
from synapse_capgroups.codes.doors import Doors
from synapse_capgroups.codes.life import Deaths
from synapse_capgroups.codes.outcomes import Outcomes
from synapse_capgroups.codes.remote_entry import RemoteJoins
from synapse_capgroups.concierge.chat_guard import ChatGuard
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.inside.endings import when_done
from synapse_capgroups.inside.membership_changes import MembershipChange, membership_change
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.rules.verdict import Verdict
from synapse_capgroups.telemetry import journal
from synapse_capgroups.words.lookup import Audience


class GroupJoins:
    """Decides joins of groups, and records their outcome."""

    def __init__(self, remote_joins: RemoteJoins, deciding: Deciding, outcomes: Outcomes) -> None:
        self._remote_joins = remote_joins
        self._deciding = deciding
        self._outcomes = outcomes

    async def join(self, group: Group, user_id: str, *, is_invited: bool) -> Verdict:
        """Decide a join, and have its outcome recorded once it has ended."""
        decision = await self._remote_joins.accept(group, user_id)
        if decision is None:
            decision = await self._deciding.enter(group, user_id, ByInvitation(is_invited))
        if decision.admission and not when_done(partial(self._join_ended, decision)):
            self._outcomes.abandon(decision)
        return decision.verdict

    async def _join_ended(self, decision: JoinDecision, succeeded: bool, _: Any) -> None:
        await self._outcomes.settle(decision, joined=succeeded)


class Joining:
    """Decides joins of groups, doors and the concierge's chats."""

    def __init__(
        self,
        answers: Answers,
        scope: Scope,
        chat_guard: ChatGuard,
        doors: Doors,
        groups: GroupJoins,
    ) -> None:
        self._answers = answers
        self._scope = scope
        self._chat_guard = chat_guard
        self._doors = doors
        self._groups = groups

    async def user_may_join_room(self, user_id: str, room_id: str, is_invited: bool) -> Answer:
        """Decide a join. Synapse also asks for each name or avatar change of a member."""
        change = membership_change.get()
        if change is not None and change.action == "join" and change.sender != user_id:
            # Nobody joins in another's name, and Synapse says so, but only after it has asked here.
            # A seat would be reserved for somebody who never asked, or a code's door bring them in.
            return NOT_SPAM
        decide = partial(self._join, user_id, room_id, is_invited)
        return await self._answers.give(
            "join", Audience.JOINING, decide, group=room_id, user=user_id
        )

    async def unasked(self, change: MembershipChange) -> Answer:
        """Decide a join before it is made, where `user_may_join_room` is not asked about it."""
        decide = partial(self._join_unasked, change)
        return await self._answers.give(
            "door", Audience.JOINING, decide, group=change.room_id, user=change.target
        )

    async def _join_unasked(self, change: MembershipChange) -> Verdict | None:
        if await self._scope.is_concierges(change.room_id):
            return await self._doors.enter_unasked(change)
        return None

    async def _join(self, user_id: str, room_id: str, is_invited: bool) -> Verdict | None:
        if await self._scope.is_concierges(room_id):
            out = await self._chat_guard.keeps_out(room_id, user_id)
            return out or await self._doors.enter(room_id, user_id, is_invited=is_invited)
        if user_id == self._scope.concierge:
            return None  # A chat that its person made; the guard lets it into nothing else.
        group = await self._scope.group(room_id)
        if group is None:
            return None
        return group.concerned(await self._groups.join(group, user_id, is_invited=is_invited))


class Unasked:
    """Decides what Synapse asks no callback about: remote joins, and other membership changes."""

    def __init__(
        self,
        answers: Answers,
        joining: Joining,
        chat_guard: ChatGuard,
        deaths: Deaths,
        dead_ends: DeadEnds,
    ) -> None:
        self._answers = answers
        self._joining = joining
        self._chat_guard = chat_guard
        self._deaths = deaths
        self._dead_ends = dead_ends

    async def remote_join(self, user_id: str, room_id: str) -> None:
        """Decide the join of a person of another server who joins through this one.

        Raises:
            SynapseError: the join is refused.
        """
        await self._refuse_at_dead_ends(room_id, user_id)
        raise_refusal(await self._joining.user_may_join_room(user_id, room_id, False))

    async def membership_changes(self, change: MembershipChange) -> None:
        """Decide a membership change before it is made, whoever asks for it.

        Raises:
            SynapseError: the change is refused.
        """
        if (refusal := await self._chat_guard.refusal(change)) is not None:
            journal.refused(
                refusal, enforced=True, decision=change.action, group=change.room_id,
                user=change.target, by=change.sender,
            )  # fmt: skip
            audience = Audience.INVITING if change.action == "invite" else Audience.JOINING
            raise_refusal(self._answers.refused(refusal, audience))
        if change.action != "join":
            return
        await self._refuse_at_dead_ends(change.room_id, change.target)
        if change.sender == change.target and not change.new_room:
            raise_refusal(await self._joining.unasked(change))

    async def _refuse_at_dead_ends(self, room_id: str, user_id: str) -> None:
        """Refuse a join of a dead end: to server admins as well, and in a trial too (rule 5)."""
        if (refusal := await self._dead_ends.refusal(room_id, user_id)) is not None:
            raise_refusal(self._answers.refused(refusal, Audience.JOINING))

    async def membership_changed(self, change: MembershipChange) -> None:
        """Note a membership change that was made.

        Synapse still holds the room's lock: nothing here may wait for anything.
        """
        if change.action in ("leave", "kick", "ban"):
            self._deaths.left_soon(change.room_id, change.target)
        self._chat_guard.changed_soon(change)
