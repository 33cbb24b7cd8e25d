"""Decides invitations to people of other servers, which take a seat, and judges them anew.

Their own server may join them without asking here, so the seat must be theirs before they are
invited, and the answer must not become no while the invitation stands (rule 10).
"""

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.facts import Facts
from synapse_capgroups.admission.holds import Holds
from synapse_capgroups.config import Config
from synapse_capgroups.rules.joining import Mode, decide_join, decide_pending
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.rules.verdict import ALLOWED, Reason, Refusal, Verdict
from synapse_capgroups.storage.code_invitations import CodeInvitations
from synapse_capgroups.storage.codes import Codes
from synapse_capgroups.storage.database import Database, lock_room
from synapse_capgroups.storage.remote_invitations import RemoteInvitation, RemoteInvitations
from synapse_capgroups.storage.seats import Hold, Seats


class HeldInvitations:
    """Decides invitations to people of other servers, and holds a seat while one is sent."""

    def __init__(
        self, api: ModuleApi, database: Database, holds: Holds, facts: Facts, config: Config
    ) -> None:
        self._api = api
        self._database = database
        self._holds = holds
        self._facts = facts
        self._limits = config.limits

    async def decide(
        self, group: Group, inviter: str, invitee: str, *, by_code: bool, by_admin: bool
    ) -> tuple[Verdict, Hold | None]:
        """Decide whether an invitation may be sent, and hold a seat if it may.

        Args:
            by_code: whether a code has let the person in already; there must be a seat all the
                same.
            by_admin: whether a server admin invites them, who is above all rules but the cap.

        Returns:
            The verdict, and the seat that `sent` must hear of.
        """

        def decide(txn: LoggingTransaction) -> tuple[Verdict, Hold | None]:
            arrival = self._facts.arrival(txn, group, invitee, inviter)
            there, now = arrival.there, arrival.now
            if there.standing.membership == "join" or not there.inviter_is_member:
                return ALLOWED, None  # Synapse refuses, and a stranger learns nothing.
            if by_code or by_admin:
                verdict = self._seat_for(there.seats_taken)
            else:
                verdict = decide_join(self._facts.of_invitation(txn, arrival), self._limits)
            if verdict != ALLOWED:
                return verdict, None
            if not by_code:
                # From now on a person invites them, and no code does any more.
                CodeInvitations.remove(txn, group.room_id, invitee)
            RemoteInvitations.add(txn, group.room_id, invitee, now)
            place = there.standing.stream_ordering
            return verdict, Seats.reserve(
                txn, group.room_id, invitee, place, now, now, for_invitation=True
            )

        verdict, hold = await self._database.run("remote_invitation", decide)
        if hold is not None:
            self._holds.add(hold)
        return verdict, hold

    def _seat_for(self, taken: int) -> Verdict:
        if self._limits.mode(taken) is Mode.FULL:
            return Refusal(Reason.FULL, taken, self._limits.cap)
        return ALLOWED

    async def sent(self, group: Group, invitee: str, hold: Hold) -> None:
        """Stop holding a seat: the invitation holds it itself now, or was not sent."""
        self._holds.discard(hold)

        def end(txn: LoggingTransaction) -> None:
            Seats.release(txn, hold)
            if not RemoteInvitations.is_open(txn, group.room_id, invitee):
                RemoteInvitations.remove(txn, group.room_id, invitee)

        await self._database.run("invited", end)


class PendingInvitations:
    """Judges invitations to people of other servers that have not been answered."""

    def __init__(self, api: ModuleApi, database: Database, facts: Facts, config: Config) -> None:
        self._api = api
        self._database = database
        self._facts = facts
        self._limits = config.limits

    async def judge(self, group: Group, invitation: RemoteInvitation) -> Verdict:
        """Whether an invitation still stands. One that was answered is forgotten."""
        user_id = invitation.user_id

        def look(txn: LoggingTransaction) -> Verdict:
            lock_room(txn, group.room_id)
            now = self._api.get_current_time_msec()
            if not RemoteInvitations.is_open(txn, group.room_id, user_id):
                if Seats.any_for_invitation(txn, group.room_id, user_id, now):
                    return ALLOWED  # It is being sent at this moment.
                RemoteInvitations.remove(txn, group.room_id, user_id)
                return ALLOWED
            RemoteInvitations.judged(txn, group.room_id, user_id, now)
            if (by_code := self._by_code(txn, group, user_id)) is not None:
                return by_code
            arrival = self._facts.arrival(txn, group, user_id, None)
            facts = self._facts.of_join(txn, arrival)
            return decide_pending(facts, self._limits, age_ms=now - invitation.invited_at)

        return await self._database.run("pending_invitation", look)

    @staticmethod
    def _by_code(txn: LoggingTransaction, group: Group, user_id: str) -> Verdict | None:
        """The verdict on somebody whom a code has invited; None if a person has."""
        code_id = CodeInvitations.code_of(txn, group.room_id, user_id)
        if code_id is None:
            return None
        code = Codes.by_id(txn, code_id)
        died_of = Reason.CODE_REVOKED if code is None else code.died_of
        return ALLOWED if died_of is None else Refusal(died_of, always=True)

    async def forget(self, invitation: RemoteInvitation) -> None:
        """Forget an invitation to a room that is no group any more."""
        await self._database.run(
            "forget_invitation",
            lambda txn: RemoteInvitations.remove(txn, invitation.room_id, invitation.user_id),
        )
