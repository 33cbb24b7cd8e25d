"""How joins ended, and the codes that died by it."""

from synapse_capgroups.admission.decision import JoinDecision
from synapse_capgroups.admission.settling import Settling
from synapse_capgroups.codes.closing import Closing


class Outcomes:
    """Records the outcomes of joins that were allowed."""

    def __init__(self, settling: Settling, closing: Closing) -> None:
        self._settling = settling
        self._closing = closing

    async def settle(self, decision: JoinDecision, *, joined: bool) -> None:
        """Record the outcome of a join, and close the doors of codes that died by it."""
        if await self._settling.settle(decision, joined=joined):
            self._closing.clear_up_soon()

    def abandon(self, decision: JoinDecision) -> None:
        """Give up on a join whose outcome nobody will report: its seat expires by itself."""
        self._settling.abandon(decision)
