"""What happens to somebody at a door (rule 5): they are let in, invited, or told why not.

Within the callback for their join of the door, a local person is invited to the group in the
sharer's name and joined to it. Then the door lets them pass, or tells them why not. The group
itself never stops being invitation-only.
"""

from synapse.module_api import ModuleApi

from synapse_capgroups.codes.bringing_in import BringingIn, NotInvitedError
from synapse_capgroups.codes.closing import Closing
from synapse_capgroups.codes.judging import Judging
from synapse_capgroups.codes.outcomes import Outcomes
from synapse_capgroups.codes.personal import PersonalCodes
from synapse_capgroups.codes.visits import DoorVisits
from synapse_capgroups.rules.verdict import Reason, Refusal, Verdict
from synapse_capgroups.storage.codes import Code


def is_kept_out(verdict: Verdict) -> bool:
    """Whether a verdict on somebody at a door keeps them out."""
    return isinstance(verdict, Refusal) and verdict.always


class GroupEntry:
    """Lets people at the doors of groups and series in."""

    def __init__(
        self,
        api: ModuleApi,
        judging: Judging,
        bringing_in: BringingIn,
        outcomes: Outcomes,
        *,
        local_only: bool = False,
    ) -> None:
        """
        Args:
            local_only: whether nobody of another server comes in.
        """
        self._api = api
        self._judging = judging
        self._bringing_in = bringing_in
        self._outcomes = outcomes
        self._local_only = local_only

    async def let_in(self, code: Code, user_id: str) -> Verdict:
        """Decide for somebody at a door, and if they may, join them, or invite a remote user.

        Raises:
            NotInvitedError: they cannot be invited, for a reason that the module has words for.
            SynapseError: Synapse or another module is against it. Nothing is left of the attempt.
        """
        local = self._api.is_mine(user_id)
        if self._local_only and not local:
            return Refusal(Reason.LOCAL_ONLY, always=True)
        judged = await self._judging.at_door(code, user_id)
        group, decision = judged.group, judged.decision
        if group is None or is_kept_out(decision.verdict):
            return decision.verdict
        inviter = decision.inviter or code.sharer
        if decision.admission:
            try:
                await self._bringing_in.join(group, inviter, user_id, decision.alias)
            except Exception:
                await self._outcomes.settle(decision, joined=False)
                raise
            await self._outcomes.settle(decision, joined=True)
        elif not local:
            # They accept at their own server, and `RemoteJoins` judges them then.
            await self._bringing_in.invite_remote(group, inviter, user_id)
        return decision.verdict


class Entry:
    """Lets people at doors in, and notes their visits."""

    def __init__(
        self, group: GroupEntry, personal: PersonalCodes, visits: DoorVisits, closing: Closing
    ) -> None:
        self._group = group
        self._personal = personal
        self._visits = visits
        self._closing = closing

    async def let_in(self, code: Code, user_id: str) -> Verdict:
        """Decide for somebody at a code's door, and if they may, bring or invite them in.

        Args:
            code: it has its door.

        Returns:
            The verdict. A refusal that is not `always` let them in: this is a trial.

        Raises:
            SynapseError: Synapse or another module is against it. Nothing is left of the attempt.
        """
        assert code.door is not None
        if code.is_personal:
            verdict = await self._personal.let_in(code, user_id)
            self._closing.clear_up_soon()
        else:
            verdict = await self._into_group(code, user_id)
        if not is_kept_out(verdict):
            self._closing.changes += 1
            await self._visits.note(code.door, user_id)
        return verdict

    async def _into_group(self, code: Code, user_id: str) -> Verdict:
        try:
            verdict = await self._group.let_in(code, user_id)
        except NotInvitedError as e:
            return Refusal(e.reason, always=True)
        if is_kept_out(verdict):
            self._closing.clear_up_soon()
        return verdict
