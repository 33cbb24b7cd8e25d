"""The deeds of moderators: seeing who waits, and answering (rule 13). The first answer counts."""

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.approving import (
    Answer,
    Approving,
    NoSuchRequestError,
    NotAModeratorError,
)
from synapse_capgroups.admission.decision import Elsewhere
from synapse_capgroups.admission.moderators import Moderators
from synapse_capgroups.admission.requesting import Bell
from synapse_capgroups.codes.bringing_in import BringingIn, NotInvitedError
from synapse_capgroups.codes.outcomes import Outcomes
from synapse_capgroups.groups.members import Member, Members, NoSuchGroupError
from synapse_capgroups.requests.cannot_answer import CannotAnswerError
from synapse_capgroups.rules.verdict import Reason, Refusal
from synapse_capgroups.series.next_group import GroupMaking
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.requests import Request, Requests
from synapse_capgroups.telemetry import journal, metrics

_MOST_TURNS = 20
"""Each turn is a group of a series that was full, or was made, while a moderator waited."""


class LettingIn:
    """Brings in a person to whom a moderator has agreed, in the moderator's name."""

    def __init__(
        self,
        api: ModuleApi,
        approving: Approving,
        bringing_in: BringingIn,
        outcomes: Outcomes,
        making: GroupMaking,
    ) -> None:
        self._api = api
        self._approving = approving
        self._bringing_in = bringing_in
        self._outcomes = outcomes
        self._making = making

    async def make_room(self, series_id: str) -> bool:
        """Have a series' next group made; False if there can be no more.

        Raises:
            SynapseError: Synapse or another module is against the creation.
        """
        return await self._making.make_room(series_id)

    async def let_in(self, member: Member, answer: Answer) -> None:
        """Join a local person, or invite one of another server. If that fails they wait again.

        Raises:
            CannotAnswerError: they cannot be invited, for a reason that the module has words for.
            SynapseError: Synapse or another module is against it.
        """
        try:
            if answer.decision.admission is not None:
                await self._join(member, answer)
            elif not self._api.is_mine(answer.request.user_id):
                await self._invite(member, answer.request)
        except NotInvitedError as e:
            raise CannotAnswerError(Refusal(e.reason)) from e

    async def _join(self, member: Member, answer: Answer) -> None:
        decision, user_id = answer.decision, answer.request.user_id
        try:
            await self._bringing_in.join(member.group, member.user_id, user_id, decision.alias)
        except Exception:
            await self._outcomes.settle(decision, joined=False)
            raise
        await self._outcomes.settle(decision, joined=True)

    async def _invite(self, member: Member, request: Request) -> None:
        try:
            await self._bringing_in.invite_remote(member.group, member.user_id, request.user_id)
        except Exception:
            await self._approving.failed(request)
            raise


class Answering:
    """What the HTTP API and the concierge do for moderators."""

    def __init__(
        self,
        database: Database,
        members: Members,
        approving: Approving,
        letting_in: LettingIn,
        bell: Bell,
    ) -> None:
        """
        Args:
            bell: rings when somebody was refused.
        """
        self._database = database
        self._members = members
        self._approving = approving
        self._letting_in = letting_in
        self._bell = bell

    async def answer(self, member: Member, user_id: str, *, approve: bool) -> Request:
        """Answer the request of a person in the member's group.

        Returns:
            The request as it was.

        Raises:
            NotAModeratorError: the member has not the power.
            NoSuchRequestError: the person does not wait.
            AlreadyAnsweredError: another moderator was first.
            CannotAnswerError: they agree, and the person cannot come in.
            SynapseError: the same, by a rule of Synapse's or another module's.
        """
        user_id = user_id if user_id.isprintable() else ""  # PostgreSQL could not look for it.
        for _ in range(_MOST_TURNS):
            answer = await self._approving.answer(
                member.group, user_id, member.user_id, approve=approve
            )
            if isinstance(answer, Answer):
                break
            member = await self._elsewhere(member, answer)
        else:
            raise CannotAnswerError(Refusal(Reason.UNDECIDED))
        request, verdict = answer.request, answer.decision.verdict
        if isinstance(verdict, Refusal):
            if answer.is_over:
                metrics.REQUESTS.labels("ended").inc()
                journal.request_ended(request, verdict.reason.value)
            raise CannotAnswerError(verdict, is_over=answer.is_over)
        if approve:
            await self._letting_in.let_in(member, answer)
        metrics.REQUESTS.labels("approved" if approve else "refused").inc()
        journal.answered(request, member.user_id, approved=approve)
        if not approve:
            self._bell.refused(request)
        return request

    async def _elsewhere(self, member: Member, elsewhere: Elsewhere) -> Member:
        """The moderator as a member of the group that the series fills now."""
        if elsewhere.room_id is not None:
            return await self._members.member(member.user_id, elsewhere.room_id)
        if not await self._letting_in.make_room(elsewhere.series_id):
            raise CannotAnswerError(Refusal(Reason.SERIES_FULL))
        return member

    async def of_number(self, user_id: str, number: int) -> tuple[Member, Request]:
        """A request by its number, and the moderator as a member of its group.

        Whether they have the power is decided when they answer.

        Raises:
            NoSuchRequestError: there is none, or not in a group that they are in.
        """
        request = await self._database.run("request", lambda txn: Requests.by_number(txn, number))
        if request is None:
            raise NoSuchRequestError
        try:
            return await self._members.member(user_id, request.room_id), request
        except NoSuchGroupError as e:
            raise NoSuchRequestError from e


class Waiting:
    """Who waits in which groups, for their moderators."""

    def __init__(self, database: Database, members: Members, moderators: Moderators) -> None:
        self._database = database
        self._members = members
        self._moderators = moderators

    async def page(
        self, member: Member, most: int, later_than: tuple[int, int] = (0, 0)
    ) -> list[Request]:
        """Who waits in a group, those who asked first before the others.

        Args:
            later_than: `asked_at` and the number of the last one of the page before.

        Raises:
            NotAModeratorError: the member has not the power.
        """
        room_id = member.group.room_id

        def look(txn: LoggingTransaction) -> list[Request]:
            if not self._moderators.is_one(txn, room_id, member.user_id):
                raise NotAModeratorError
            return Requests.page(txn, room_id, later_than, most)

        return await self._database.run("requests", look)

    async def of_all(self, user_id: str, most: int) -> list[Request]:
        """Who waits in any group of which a person is a moderator."""

        def look(txn: LoggingTransaction) -> list[Request]:
            found: list[Request] = []
            for room_id in Requests.groups_of_member(txn, user_id):
                if len(found) < most and self._moderators.has_power(txn, room_id, user_id):
                    found += Requests.page(txn, room_id, (0, 0), most - len(found))
            return found

        return await self._database.run("requests", look)
