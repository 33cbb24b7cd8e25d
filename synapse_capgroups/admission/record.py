"""Puts admissions and groups on record, and reserves the seats of admissions."""

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.decision import JoinDecision
from synapse_capgroups.admission.direct_record import is_joined_as_direct
from synapse_capgroups.admission.facts import Arrival
from synapse_capgroups.admission.naming import Naming
from synapse_capgroups.admission.uses import count_use
from synapse_capgroups.config import Config
from synapse_capgroups.rules.joining import JoinFacts, Mode
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.rules.verdict import ALLOWED, Verdict
from synapse_capgroups.storage.admissions import Admission, Admissions, How
from synapse_capgroups.storage.codes import Code, Codes
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.groups import Groups
from synapse_capgroups.storage.notices import Notices
from synapse_capgroups.storage.requests import Request, Requests
from synapse_capgroups.storage.seats import Seats
from synapse_capgroups.storage.situations import Situation
from synapse_capgroups.storage.together import together


class Record:
    """Writes what was decided. Only `created` opens a transaction of its own."""

    def __init__(self, api: ModuleApi, database: Database, config: Config) -> None:
        self._api = api
        self._database = database
        self._limits = config.limits
        self._naming = Naming(api, config)

    async def created(self, group: Group) -> None:
        """Put a new group and its creator on record."""
        mode = self._limits.mode(1)
        await self._database.run("created", lambda txn: meet(txn, group, mode))

    def note_mode(
        self, txn: LoggingTransaction, group: Group, there: Situation, seats_taken: int
    ) -> None:
        """Note a group's mode if it has changed.

        A room of two people may be a direct chat, which leaves no record, so it is noted only if it
        is on record already.
        """
        if there.mode_on_record is None and there.seats_taken <= 2:
            return
        mode = self._limits.mode(seats_taken)
        if there.mode_on_record is not mode:
            meet(txn, group, mode)

    def admit(
        self,
        txn: LoggingTransaction,
        arrival: Arrival,
        facts: JoinFacts,
        verdict: Verdict,
        code: Code | None = None,
        *,
        approved: bool = False,
    ) -> JoinDecision:
        """Reserve the seat and put the admission on record.

        If another attempt of theirs may be under way, its admission, and its use of a code, stand
        for both.

        Args:
            verdict: a refusal if this is a trial.
            code: the code that they came by, as it is now; None for an invitation.
            approved: whether a moderator has agreed to them just now (rule 13).
        """
        room_id, user_id = arrival.group.room_id, arrival.user_id
        there, now = arrival.there, arrival.now
        mode_after = self._limits.mode(facts.seats_taken + 1)
        admitted_at = now if there.attempt is None else there.attempt.admitted_at
        request = self._request(txn, arrival, facts, admitted_at)
        agreed = request is not None and (approved or not request.waits)
        if request is not None and agreed:
            code = Codes.by_id(txn, request.code_id)
        by_code = code is not None or agreed
        on_record = by_code or not self._is_direct_chat(txn, arrival)
        if on_record and there.mode_on_record is not mode_after:
            # A group may be new here, and then its creator comes first on the record.
            meet(txn, arrival.group, mode_after)
        admission = Admission(
            room_id,
            user_id,
            _how(verdict, by_code=by_code, agreed=agreed),
            inviter=facts.inviter,
            inviter_was_friend=facts.inviter_is_friend,
            mode=self._limits.mode(facts.seats_taken),
            members_after=facts.seats_taken + 1,
            admitted_at=now,
            code_id=_code_id(request if agreed else None, code),
            after_stream_ordering=there.standing.stream_ordering,
        )
        after = there.standing.stream_ordering
        with together(txn) as both:
            if there.attempt is None and on_record:
                Admissions.record(both, admission)
            hold = Seats.reserve(both, room_id, user_id, after, admitted_at, now)
        alias = None
        ends_codes = mode_after is not Mode.OPEN and there.has_codes
        if code is not None:
            uses = code.uses + 1
            if there.attempt is None:
                uses = count_use(txn, code.code_id, user_id, now)
            ends_codes = ends_codes or (code.max_uses is not None and uses >= code.max_uses)
        if by_code:
            alias = self._naming.alias(txn, room_id, user_id)
        return JoinDecision(verdict, admission, ends_codes, alias, hold, on_record)

    def _request(
        self, txn: LoggingTransaction, arrival: Arrival, facts: JoinFacts, admitted_at: int
    ) -> Request | None:
        """The request of somebody who comes in, as it was until now; None if it is not about this.

        One that waits is answered by it: whoever lets the person in has agreed. If the join fails,
        it waits again.
        """
        room_id, user_id = arrival.group.room_id, arrival.user_id
        if not (arrival.there.has_approval or arrival.there.waits):
            return None
        request = Requests.latest_of(txn, room_id, user_id)
        if request is None:
            return None
        if request.waits:
            by = facts.inviter or user_id
            Requests.answer(txn, request.number, by, admitted_at, approved=True)
            Notices.forget_if_nobody_waits(txn, room_id)
            return request
        # A person of another server joins by the invitation of the moderator who has agreed.
        return request if request.approved and request.answered_by == facts.inviter else None

    def _is_direct_chat(self, txn: LoggingTransaction, arrival: Arrival) -> bool:
        """Whether an invited person is the second in a direct chat; a third makes it a group."""
        room_id, there = arrival.group.room_id, arrival.there
        return (
            there.mode_on_record is None
            and there.seats_taken <= 1
            and there.inviter is not None
            and is_joined_as_direct(txn, self._api.is_mine, room_id, arrival.user_id, there.inviter)
            # By what is on record, the sweep finds codes whose end a killed process missed.
            and not there.has_codes
        )


def meet(txn: LoggingTransaction, group: Group, mode: Mode) -> None:
    """Note a group's mode; if the group is new here, its creator's admission too."""
    if Groups.meet(txn, group.room_id, mode):
        Admissions.record(
            txn,
            Admission(
                group.room_id,
                group.creator,
                How.CREATOR,
                inviter=None,
                inviter_was_friend=False,
                mode=Mode.OPEN,
                members_after=1,
                admitted_at=group.created_at,
            ),
        )


def _code_id(request: Request | None, code: Code | None) -> str | None:
    if request is not None:
        return request.code_id
    return None if code is None else code.code_id


def _how(verdict: Verdict, *, by_code: bool, agreed: bool) -> How:
    if verdict != ALLOWED:
        return How.UNENFORCED
    if agreed:
        return How.APPROVED
    return How.CODE if by_code else How.INVITE
