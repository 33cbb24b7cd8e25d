"""Asks for the one decision of all ways in, for somebody who holds a code."""

from synapse_capgroups.admission.deciding import Deciding
from synapse_capgroups.admission.decision import JoinDecision
from synapse_capgroups.admission.ways import ByCode
from synapse_capgroups.groups.rights import SharingRights
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.storage.codes import Code


class Judging:
    """Decides entries by codes."""

    def __init__(self, rights: SharingRights, deciding: Deciding) -> None:
        self._rights = rights
        self._deciding = deciding

    async def decide(
        self, group: Group, code: Code, user_id: str, *, invites: bool = False
    ) -> JoinDecision:
        """Decide whether somebody may enter a group by a code.

        Args:
            invites: whether the person is only invited now, and will be judged again as they join.
        """
        sharer_may_share = await self._rights.is_kept(group, code)
        return await self._deciding.enter(group, user_id, ByCode(code, sharer_may_share, invites))
