"""Reports groups that somebody above the rules has opened: a server admin, or another server.

Synapse does not ask about an admin's state events (`user_may_send_state_event`), and another
server's cannot be refused. `check_event_for_spam` is shown all of them, without the room's state.
"""

from synapse.module_api import EventBase, ModuleApi

from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.inside.received import becomes_state
from synapse_capgroups.rules import seclusion
from synapse_capgroups.rules.verdict import Refusal
from synapse_capgroups.telemetry import journal, metrics

# Synapse itself sends these, when a member invites an e-mail address.
_WATCHED = seclusion.SECLUDING - {seclusion.THIRD_PARTY_INVITE}


class Breaches:
    """Puts each opening of a group into the journal and the metrics."""

    def __init__(self, api: ModuleApi, scope: Scope, *, enforce: bool) -> None:
        """
        Args:
            enforce: False in a trial, in which groups may be opened.
        """
        self._api = api
        self._scope = scope
        self._enforce = enforce

    def may_be(self, event: EventBase) -> bool:
        """Whether an event would open a group. In memory, for each event of every room."""
        return (
            self._enforce
            and event.type in _WATCHED
            and isinstance(seclusion.decide_state(event.type, event.content), Refusal)
        )

    def look_soon(self, event: EventBase) -> None:
        """Report the event once it is the state of a group."""
        self._api.run_as_background_process("capgroups_breach", self._look, event)

    async def _look(self, event: EventBase) -> None:
        verdict = seclusion.decide_state(event.type, event.content)
        if not isinstance(verdict, Refusal) or await self._scope.group(event.room_id) is None:
            return
        if not await becomes_state(self._api, event):
            return
        metrics.BREACHES.labels(verdict.reason.value).inc()
        journal.breach(event.room_id, event.event_id, event.sender, event.type, verdict.reason)
