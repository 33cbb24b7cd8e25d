"""Asks for the one decision of all ways in, for somebody who holds a code."""

import attrs
from synapse.module_api import ModuleApi

from synapse_capgroups.admission.deciding import Deciding
from synapse_capgroups.admission.decision import JoinDecision
from synapse_capgroups.admission.ways import ByCode
from synapse_capgroups.groups.rights import SharingRights
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.rules.verdict import Reason, Refusal
from synapse_capgroups.series.filling import Filling
from synapse_capgroups.storage.codes import Code

LEADS_NOWHERE = Refusal(Reason.CODE_REVOKED, always=True)
"""The verdict at a door that opens nothing."""


@attrs.frozen
class Judged:
    """A decision on somebody at a door, and the group that it lets them into, if it does."""

    decision: JoinDecision
    group: Group | None = None


class Judging:
    """Decides entries by codes, into a group or into the group that a series fills."""

    def __init__(
        self,
        api: ModuleApi,
        scope: Scope,
        rights: SharingRights,
        deciding: Deciding,
        filling: Filling,
    ) -> None:
        self._api = api
        self._scope = scope
        self._rights = rights
        self._deciding = deciding
        self._filling = filling

    async def at_door(self, code: Code, user_id: str) -> Judged:
        """Decide whether somebody at a code's door may come in.

        A person of another server is only invited now, and will be judged again as they join.
        """
        invites = not self._api.is_mine(user_id)
        if code.is_live:
            group, decision = await self._filling.enter(code, user_id, invites=invites)
            return Judged(decision, group)
        found = await self._scope.group(code.room_id)
        if found is None:  # It was deleted, or has become exempt.
            return Judged(JoinDecision(LEADS_NOWHERE))
        return Judged(await self.decide(found, code, user_id, invites=invites), found)

    async def decide(
        self, group: Group, code: Code, user_id: str, *, invites: bool = False
    ) -> JoinDecision:
        """Decide whether somebody may enter this group by a code.

        Args:
            invites: whether the person is only invited now, and will be judged again as they join.
        """
        # Of a live code, the right is not the group's to give: the decision looks it up.
        sharer_may_share = code.is_live or await self._rights.is_kept(group, code)
        return await self._deciding.enter(group, user_id, ByCode(code, sharer_may_share, invites))
