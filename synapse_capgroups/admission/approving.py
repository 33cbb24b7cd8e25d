"""Decides a moderator's answer to a request, in one transaction under the group's lock (rule 13).

To agree is to invite: whatever would refuse the moderator's own invitation refuses this too.
"""

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.contacts import Contacts
from synapse_capgroups.admission.decision import Elsewhere, JoinDecision
from synapse_capgroups.admission.facts import Facts
from synapse_capgroups.admission.holds import Holds
from synapse_capgroups.admission.moderators import Moderators
from synapse_capgroups.admission.places import Places
from synapse_capgroups.admission.record import Record
from synapse_capgroups.config import Config
from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.rules.approval import REQUEST_LIFETIME_MS
from synapse_capgroups.rules.joining import decide_join
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.rules.verdict import ALLOWED, Reason, Refusal
from synapse_capgroups.storage.code_invitations import CodeInvitations
from synapse_capgroups.storage.codes import Codes
from synapse_capgroups.storage.database import Database, lock_room, lock_series
from synapse_capgroups.storage.notices import Notices
from synapse_capgroups.storage.requests import Request, Requests
from synapse_capgroups.storage.series import SeriesHelpers, SeriesRows, SeriesState


class NotAModeratorError(Exception):
    """The member has not the power to answer requests of this group."""


class NoSuchRequestError(Exception):
    """Nobody of this name waits in this group, or did in the last days."""


class AlreadyAnsweredError(Exception):
    """Another moderator was first."""

    def __init__(self, request: Request) -> None:
        super().__init__(request.number)
        self.request = request


@attrs.frozen
class Answer:
    """What a moderator's answer led to.

    Attributes:
        decision: its verdict is a refusal if they agreed and the person cannot come in all the
            same. With an admission, `Settling` must hear how the join ended.
        is_over: whether the request is forgotten, since it can never succeed.
    """

    request: Request
    decision: JoinDecision
    is_over: bool = False


_NEVER = frozenset({Reason.BANNED, Reason.NO_GUESTS, Reason.REQUESTER_GONE})
"""Refusals after which nobody need be asked again."""


class Approving:
    """Decides answers. The first one counts."""

    def __init__(self, api: ModuleApi, database: Database, holds: Holds, config: Config) -> None:
        self._api = api
        self._database = database
        self._holds = holds
        self._limits = config.limits
        self._facts = Facts(api, Contacts(api, database, config.verified_contact), config)
        self._moderators = Moderators(config)
        self._record = Record(api, database, config)
        self._places = Places(api.server_name, config)

    async def answer(
        self, group: Group, user_id: str, moderator: str, *, approve: bool
    ) -> Answer | Elsewhere:
        """Decide an answer to the request of a person.

        If a local person may come in, a seat is held for them. A request that is refused waits on,
        unless it can never succeed.

        Returns:
            `Elsewhere` if somebody came by a live code and the series fills another group now: the
            request waits there.

        Raises:
            NotAModeratorError, NoSuchRequestError, AlreadyAnsweredError.
        """
        answer = await self._database.run(
            "answer",
            lambda txn: (
                self._approve(txn, group, user_id, moderator)
                if approve
                else self._refuse(txn, group, user_id, moderator)
            ),
        )
        if isinstance(answer, Answer) and answer.decision.hold is not None:
            self._holds.add(answer.decision.hold)
        return answer

    async def failed(self, request: Request) -> None:
        """Let somebody of another server wait again, who could not be invited."""

        def reopen(txn: LoggingTransaction) -> None:
            lock_room(txn, request.room_id)
            now = Requests.by_number(txn, request.number)
            if now is not None and now.answered_at is not None:
                Requests.reopen(txn, request.room_id, request.user_id, now.answered_at)

        await self._database.run("reopen", reopen)

    def _refuse(
        self, txn: LoggingTransaction, group: Group, user_id: str, moderator: str
    ) -> Answer:
        lock_room(txn, group.room_id)
        now = self._api.get_current_time_msec()
        request, refusal = self._waiting(txn, group, user_id, moderator, now)
        if refusal is not None:
            return Answer(request, JoinDecision(refusal))
        Requests.answer(txn, request.number, moderator, now, approved=False)
        Notices.forget_if_nobody_waits(txn, group.room_id)
        return Answer(request, JoinDecision(ALLOWED))

    def _approve(
        self, txn: LoggingTransaction, group: Group, user_id: str, moderator: str
    ) -> Answer | Elsewhere:
        if elsewhere := self._elsewhere(txn, group, user_id, moderator):
            return elsewhere
        arrival = self._facts.arrival(txn, group, user_id, moderator)
        now = arrival.now
        request, refusal = self._waiting(txn, group, user_id, moderator, now)
        if refusal is None:
            refusal = self._requesters(txn, user_id)
        if refusal is not None:
            return self._refused(txn, request, refusal)
        facts = self._facts.of_join(txn, arrival)
        verdict = decide_join(facts, self._limits)
        if isinstance(verdict, Refusal):
            return self._refused(txn, request, verdict)
        if facts.membership != "join" and self._api.is_mine(user_id):
            decision = self._record.admit(txn, arrival, facts, verdict, approved=True)
            return Answer(request, decision)
        # Only their own server can join a person of another one, and it is asked about it then. A
        # member has come in by another way meanwhile.
        Requests.answer(txn, request.number, moderator, now, approved=True)
        Notices.forget_if_nobody_waits(txn, group.room_id)
        CodeInvitations.remove(txn, group.room_id, user_id)
        return Answer(request, JoinDecision(verdict))

    def _elsewhere(
        self, txn: LoggingTransaction, group: Group, user_id: str, moderator: str
    ) -> Elsewhere | None:
        """The group with a place for somebody who came by a live code, if it is not this one.

        Organisers agree to newcomers of the series, which fills its groups in order. Any other
        moderator agrees to newcomers of their group, as if they invited them.
        """
        request = Requests.latest_of(txn, group.room_id, user_id)
        code = Codes.by_id(txn, request.code_id) if request and request.waits else None
        series = SeriesRows.by_id(txn, code.room_id) if code and code.is_live else None
        if request is None or series is None or series.state is SeriesState.ENDED:
            return None
        organisers = SeriesHelpers.organisers(txn, series)
        if moderator not in organisers:
            return None
        lock_series(txn, series.series_id)
        now = self._api.get_current_time_msec()
        inviters = sorted(organisers, key=lambda who: who != moderator)
        place = self._places.take(txn, series, inviters, user_id, None, now)
        if place is None:
            return Elsewhere(series.series_id, None)
        if place.room_id == group.room_id or place.inviter != moderator:
            return None
        lock_room(txn, group.room_id)
        Requests.move(txn, request.number, place.room_id)
        Notices.forget_if_nobody_waits(txn, group.room_id)
        return Elsewhere(series.series_id, place.room_id)

    def _waiting(
        self, txn: LoggingTransaction, group: Group, user_id: str, moderator: str, now: int
    ) -> tuple[Request, Refusal | None]:
        """The request that waits, and why this moderator cannot answer it at the moment."""
        account = Users.account(txn, moderator)
        # A shadow-banned one is not told why.
        if not account.is_active or not self._moderators.is_one(txn, group.room_id, moderator):
            raise NotAModeratorError
        request = Requests.latest_of(txn, group.room_id, user_id)
        since = now - REQUEST_LIFETIME_MS
        if request is None or (request.answered_at or request.asked_at) <= since:
            raise NoSuchRequestError
        if not request.waits:
            raise AlreadyAnsweredError(request)
        return request, Refusal(Reason.SUSPENDED) if account.is_suspended else None

    def _requesters(self, txn: LoggingTransaction, user_id: str) -> Refusal | None:
        """What the person's own account has against it."""
        if not self._api.is_mine(user_id):
            return None
        account = Users.account(txn, user_id)
        if account.is_gone:
            return Refusal(Reason.REQUESTER_GONE)
        kept_out = account.is_suspended or account.is_locked
        return Refusal(Reason.REQUESTER_SUSPENDED) if kept_out else None

    @staticmethod
    def _refused(txn: LoggingTransaction, request: Request, refusal: Refusal) -> Answer:
        is_over = refusal.reason in _NEVER
        if is_over:
            Requests.end(txn, request.number)
            Notices.forget_if_nobody_waits(txn, request.room_id)
        return Answer(request, JoinDecision(refusal), is_over)
