"""The commands of moderators about newcomers: `approval`, `requests`, `yes` and `no`."""

from synapse.module_api.errors import SynapseError

from synapse_capgroups.admission.approving import (
    AlreadyAnsweredError,
    NoSuchRequestError,
    NotAModeratorError,
)
from synapse_capgroups.concierge.asking import Answer, Asked, refused, sorry
from synapse_capgroups.concierge.meaning import GroupsMeant
from synapse_capgroups.concierge.newcomers import Newcomers
from synapse_capgroups.concierge.parsing import group_and_switch, numbers
from synapse_capgroups.concierge.understanding import about
from synapse_capgroups.concierge.voice import shortened
from synapse_capgroups.concierge.who_is_who import WhoIsWho
from synapse_capgroups.requests.assembly import RequestParts
from synapse_capgroups.requests.cannot_answer import CannotAnswerError
from synapse_capgroups.rules.verdict import Reason, Refusal
from synapse_capgroups.words.lookup import Audience, Words

_A_PAGE = 50


class RequestCommands:
    """Tells moderators who waits, and takes their answers."""

    def __init__(
        self,
        requests: RequestParts,
        groups: GroupsMeant,
        newcomers: Newcomers,
        who: WhoIsWho,
        words: Words,
    ) -> None:
        self._requests = requests
        self._groups = groups
        self._newcomers = newcomers
        self._who = who
        self._words = words

    def answers(self) -> dict[str, Answer]:
        """All commands about requests, by their words."""
        return {
            "approval": self._approval,
            "requests": self._list,
            "yes": self._yes,
            "no": self._no,
        }

    async def _approval(self, asked: Asked) -> str:
        said, on = group_and_switch(asked.rest)
        if on is None:
            raise sorry(self._words, "which_approval")
        named = await self._groups.one(asked.user_id, said)
        try:
            await self._requests.approvals.turn(named.member, on=on)
        except NotAModeratorError as e:
            raise refused(self._words, Refusal(Reason.NOT_ENTITLED)) from e
        except CannotAnswerError as e:
            return self._words.refusal(e.refusal, Audience.INVITING)
        return self._words.say("approval_on" if on else "approval_off", group=named.called)

    async def _list(self, asked: Asked) -> str:
        most = _A_PAGE + 1
        if await self._groups.is_named(asked.user_id, asked.rest):
            named = await self._groups.one(asked.user_id, asked.rest)
            try:
                found = await self._requests.waiting.page(named.member, most)
            except NotAModeratorError as e:
                raise refused(self._words, Refusal(Reason.NOT_ENTITLED)) from e
        else:
            found = await self._requests.waiting.of_all(asked.user_id, most)
        lines = await self._newcomers.lines(asked.user_id, found[:_A_PAGE])
        if len(found) > _A_PAGE:
            lines.append(self._words.say("requests_after_these"))
        return "\n".join(lines) or self._words.say("nobody_waits")

    async def _yes(self, asked: Asked) -> str:
        return await self._answered(asked, approve=True)

    async def _no(self, asked: Asked) -> str:
        return await self._answered(asked, approve=False)

    async def _answered(self, asked: Asked, *, approve: bool) -> str:
        wanted = numbers(asked.rest) or numbers(about(asked.rest))
        if not wanted:
            raise sorry(self._words, "which_request")
        lines = [await self._one(asked.user_id, number, approve=approve) for number in wanted]
        return "\n".join(lines)

    async def _one(self, user_id: str, number: int, *, approve: bool) -> str:
        """What became of one answer. The next one is carried out whatever it is."""
        words = self._words
        try:
            member, request = await self._requests.answering.of_number(user_id, number)
            called = await self._who.to(user_id)
            who = await self._newcomers.person(request.user_id, called)
            await self._requests.answering.answer(member, request.user_id, approve=approve)
        except (NoSuchRequestError, NotAModeratorError):
            return words.say("no_such_request", number=number)
        except AlreadyAnsweredError as e:
            key = "request_approved_before" if e.request.approved else "request_refused_before"
            return words.say(key, by=called(e.request.answered_by or ""))
        except CannotAnswerError as e:
            why = words.refusal(e.refusal, Audience.INVITING)
            key = "request_over" if e.is_over else "request_waits_on"
            return words.say(key, number=number, who=who, why=why)
        except SynapseError as e:
            error = shortened(e.msg, 300)
            return words.say("request_waits_on", number=number, who=who, why=error)
        if not approve:
            return words.say("said_no", who=who)
        key = "said_yes" if self._newcomers.is_here(request.user_id) else "said_yes_afar"
        return words.say(key, who=who, group=await self._newcomers.group(request.room_id))
