"""How joins ended, and the codes that died by it."""

from synapse_capgroups.admission.decision import JoinDecision
from synapse_capgroups.admission.settling import Settling
from synapse_capgroups.codes.closing import Closing
from synapse_capgroups.federation.guard import Guard


class Outcomes:
    """Records the outcomes of joins that were allowed."""

    def __init__(
        self, settling: Settling, closing: Closing, guard: Guard | None, code_limit: int
    ) -> None:
        """
        Args:
            guard: None where people of other servers are not guarded against.
        """
        self._settling = settling
        self._closing = closing
        self._guard = guard
        self._code_limit = code_limit

    async def settle(self, decision: JoinDecision, *, joined: bool) -> None:
        """Record the outcome of a join, and close the doors of codes that died by it.

        From the code limit on, a friend must have invited whoever comes. An invited person of
        another server has a seat and does not count themselves, so for them that is one later.
        """
        if await self._settling.settle(decision, joined=joined):
            self._closing.clear_up_soon()
        admission = decision.admission
        if not joined or admission is None or self._guard is None:
            return
        if admission.members_after == self._code_limit + 1:
            self._guard.withdrawing.changed_soon(admission.room_id)

    def abandon(self, decision: JoinDecision) -> None:
        """Give up on a join whose outcome nobody will report: its seat expires by itself."""
        self._settling.abandon(decision)
