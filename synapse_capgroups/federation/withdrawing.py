"""Takes invitations to people of other servers back once the answer has become no (rule 10).

Their own server may let them in without asking here, so an invitation that could only be refused
must not stay: after the code limit, after the inviter has left, after the end of a friendship.
"""

import logging
from collections.abc import Callable, Sequence

from synapse.module_api import EventBase, LoggingTransaction, ModuleApi

from synapse_capgroups.admission.remote_invitations import PendingInvitations
from synapse_capgroups.federation.removing import Removing
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.inside.received import becomes_state
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.rules.verdict import Refusal
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.remote_invitations import RemoteInvitation, RemoteInvitations
from synapse_capgroups.storage.report_counts import ReportCounts
from synapse_capgroups.telemetry import metrics

logger = logging.getLogger(__name__)

_UNJUDGED_MS = 60 * 1000
_SLICE = 200
"""How many invitations one sweep looks at."""
_CHAT = 3
"""With more people than two, a room is no direct chat."""


class Withdrawing:
    """Judges invitations again that have not been answered."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        scope: Scope,
        pending: PendingInvitations,
        removing: Removing,
    ) -> None:
        self._api = api
        self._database = database
        self._scope = scope
        self._pending = pending
        self._removing = removing

    def changed_soon(self, room_id: str) -> None:
        """Look at a group's invitations: it has more members now."""
        self._api.run_as_background_process(
            "capgroups_withdrawals",
            self._judge,
            lambda txn: RemoteInvitations.of_group(txn, room_id),
        )

    def left_soon(self, room_id: str, user_id: str) -> None:
        """Look at the invitations that may rest on somebody's membership, which has ended."""
        self._api.run_as_background_process("capgroups_withdrawals", self._left, room_id, user_id)

    async def _left(self, room_id: str, user_id: str) -> None:
        # Where nobody of another server is invited, a leave costs this one look.
        if await self._database.look_up("pending_invitations", RemoteInvitations.any):
            await self._judge(lambda txn: self._resting_on(txn, room_id, user_id))

    def leaves_soon(self, event: EventBase) -> None:
        """The same for a leave that another server has sent, once it is the room's state."""
        self._api.run_as_background_process("capgroups_withdrawals", self._leaves, event)

    async def _leaves(self, event: EventBase) -> None:
        def find(txn: LoggingTransaction) -> list[RemoteInvitation]:
            return self._resting_on(txn, event.room_id, event.state_key)

        # People leave rooms all the time; only for few of them there is something to wait for.
        if await self._database.run("pending_invitations", find) and await becomes_state(
            self._api, event
        ):
            await self._judge(find)

    def _resting_on(
        self, txn: LoggingTransaction, room_id: str, user_id: str
    ) -> list[RemoteInvitation]:
        """The invitations that may rest on somebody's membership.

        They may have invited people to this room, or it was a direct chat that made them friends.
        """
        found = RemoteInvitations.of_group(txn, room_id)
        others = [user for user, _ in Memberships.present(txn, room_id, most=_CHAT)]
        for other in {user_id, *(others or Memberships.ever_present(txn, room_id, most=_CHAT))}:
            if not self._api.is_mine(other):
                found += RemoteInvitations.of_person(txn, other)
        return found

    async def sweep(self) -> None:
        """Look at those that were not looked at for longest; there may be no news of a friendship.

        Time alone ends an invitation, too.
        """
        before = self._api.get_current_time_msec() - _UNJUDGED_MS
        await self._judge(lambda txn: RemoteInvitations.longest_unjudged(txn, before, _SLICE))
        held = await self._database.run("pending_invitations", ReportCounts.remote_invitations)
        metrics.REMOTE_SEATS.set(held)

    async def _judge(
        self, find: Callable[[LoggingTransaction], Sequence[RemoteInvitation]]
    ) -> None:
        for invitation in await self._database.run("pending_invitations", find):
            await self._judge_one(invitation)

    async def _judge_one(self, invitation: RemoteInvitation) -> None:
        try:
            await self._withdraw_if_refused(invitation)
        except Exception:
            logger.exception(
                "Could not judge the invitation of %s to %s anew",
                invitation.user_id,
                invitation.room_id,
            )

    async def _withdraw_if_refused(self, invitation: RemoteInvitation) -> None:
        group = await self._scope.group(invitation.room_id)
        if group is None:
            await self._pending.forget(invitation)
            return
        verdict = await self._pending.judge(group, invitation)
        if isinstance(verdict, Refusal):
            await self._removing.remove(group, invitation.user_id, verdict)
