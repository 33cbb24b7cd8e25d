"""Turns approval on and off: whether a moderator agrees to each newcomer of a group."""

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.approving import NotAModeratorError
from synapse_capgroups.admission.moderators import Moderators
from synapse_capgroups.groups.members import Member
from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.requests.cannot_answer import CannotAnswerError
from synapse_capgroups.rules.verdict import Reason, Refusal
from synapse_capgroups.storage.approval import Approval
from synapse_capgroups.storage.database import Database, lock_room
from synapse_capgroups.telemetry import journal


class Approvals:
    """What moderators decide about their groups."""

    def __init__(self, api: ModuleApi, database: Database, moderators: Moderators) -> None:
        self._api = api
        self._database = database
        self._moderators = moderators

    async def turn(self, member: Member, *, on: bool) -> None:
        """Turn approval on or off. Those who wait still do afterwards.

        Raises:
            NotAModeratorError: the member has not the power.
            CannotAnswerError: their account is suspended.
        """
        room_id, user_id = member.group.room_id, member.user_id
        now = self._api.get_current_time_msec()

        def turn(txn: LoggingTransaction) -> bool:
            lock_room(txn, room_id)  # Who is let in just now was decided before or after it.
            account = Users.account(txn, user_id)
            if not account.is_active or not self._moderators.is_one(txn, room_id, user_id):
                raise NotAModeratorError
            if account.is_suspended:
                raise CannotAnswerError(Refusal(Reason.SUSPENDED))
            if on:
                return Approval.turn_on(txn, room_id, user_id, now)
            return Approval.turn_off(txn, room_id)

        if await self._database.run("approval", turn):
            journal.approval(room_id, user_id, on=on)
