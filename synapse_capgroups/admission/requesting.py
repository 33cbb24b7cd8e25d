"""Requests: somebody whom a code would let in asks the group's moderators first (rule 13)."""

from collections.abc import Callable

from synapse.module_api import LoggingTransaction

from synapse_capgroups.admission.decision import JoinDecision
from synapse_capgroups.admission.facts import Arrival
from synapse_capgroups.admission.moderators import Moderators
from synapse_capgroups.config import Config
from synapse_capgroups.rules.approval import REQUEST_LIFETIME_MS, RequestFacts, decide_request
from synapse_capgroups.rules.verdict import Reason, Refusal
from synapse_capgroups.storage.codes import Code
from synapse_capgroups.storage.database import lock_person
from synapse_capgroups.storage.requests import Request, Requests


class Asking:
    """Decides, inside a transaction, who may ask, and writes the request down. It takes no seat."""

    def __init__(self, config: Config) -> None:
        self._enforce = config.enforce
        self._moderators = Moderators(config)

    def must(self, txn: LoggingTransaction, arrival: Arrival) -> bool:
        """Whether a moderator has to agree to somebody whom a code would let in.

        Not if one of them has invited the person. A trial asks nobody.
        """
        there = arrival.there
        if not (there.has_approval and self._enforce):
            return False
        inviter = there.standing.sender if there.standing.membership == "invite" else None
        return inviter is None or not self._moderators.is_one(txn, arrival.group.room_id, inviter)

    def ask(self, txn: LoggingTransaction, arrival: Arrival, code: Code) -> JoinDecision:
        """Let somebody wait, once. The answer at the door is no in any case."""
        room_id, user_id, now = arrival.group.room_id, arrival.user_id, arrival.now
        since = now - REQUEST_LIFETIME_MS
        # In a series they wait once, and who is refused by one group is refused by all.
        last = (
            Requests.latest_of_series(txn, code.room_id, user_id)
            if code.is_live
            else Requests.latest_of(txn, room_id, user_id)
        )
        if last is not None and last.waits and last.asked_at <= since:
            Requests.end(txn, last.number)  # Its time is over, and the sweep has not seen it yet.
            last = None
        lock_person(txn, user_id)  # Else two codes at once would find the same place free.
        facts = RequestFacts(
            waits=last is not None and last.waits,
            was_refused=was_refused(last, since),
            by_code=Requests.count_waiting_by_code(txn, code.code_id, since),
            of_person=Requests.count_waiting_of(txn, user_id, since),
        )
        verdict = decide_request(facts)
        if isinstance(verdict, Refusal):
            return JoinDecision(Refusal(verdict.reason, always=True))
        request = Requests.add(txn, room_id, user_id, code.code_id, now)
        return JoinDecision(Refusal(Reason.AWAITING_APPROVAL, always=True), request=request)


def was_refused(request: Request | None, since: int) -> bool:
    """Whether the answer to somebody's last request was no, and that still stands."""
    return (
        request is not None
        and request.answered_at is not None
        and request.answered_at > since
        and request.approved is False
    )


class Bell:
    """Rings when somebody has asked, and when somebody was refused.

    Those who tell people of it live on a higher floor, and put themselves here.
    """

    def __init__(self) -> None:
        self.asked: Callable[[Request], None] = _nobody_hears
        self.refused: Callable[[Request], None] = _nobody_hears


def _nobody_hears(request: Request) -> None:
    pass
