"""Turns a verdict into what Synapse is told, and writes the journal and the metrics (rule 8)."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from synapse.module_api import NOT_SPAM, JsonDict
from synapse.module_api.errors import Codes, SynapseError
from twisted.internet.defer import CancelledError

from synapse_capgroups.report.trial_counts import TrialCounts
from synapse_capgroups.rules.text import MalformedRequest
from synapse_capgroups.rules.verdict import Reason, Refusal, Verdict
from synapse_capgroups.storage.would_be import NO_ROOM
from synapse_capgroups.telemetry import journal, metrics
from synapse_capgroups.words.lookup import Audience, Words
from synapse_capgroups.words.refusal_fields import refusal_fields

logger = logging.getLogger(__name__)

Answer = Literal["NOT_SPAM"] | tuple[Codes, JsonDict]


class Answers:
    """Turns decisions into answers, and lets no unexpected exception through."""

    def __init__(self, enforce: bool, words: Words, trial: TrialCounts | None = None) -> None:
        """
        Args:
            enforce: False in a trial, in which refusals are only noted (rule 16).
            trial: counts them then.
        """
        self.enforce = enforce
        self._words = words
        self._trial = trial

    async def give(
        self,
        decision: str,
        audience: Audience,
        decide: Callable[[], Awaitable[Verdict | None]],
        **facts: Any,
    ) -> Answer:
        """Decide and answer.

        Args:
            decision: what is decided, for the journal and the metrics: `join`, `invitation`, …
            audience: who reads a refusal.
            decide: reaches the verdict; None if no group is concerned. If it raises an unexpected
                exception, the answer is no.
            facts: what the journal line says beside the reason.

        Returns:
            `NOT_SPAM`, or the refusal; never a refusal in a trial, unless it is an `always` one.

        Raises:
            SynapseError: a refusal of Synapse's own or of another module, as it is; 400 if the
                request is malformed.
        """
        try:
            with metrics.DECISION_SECONDS.labels(decision).time():
                verdict = await decide()
        except CancelledError:  # The client has gone; Synapse wants to know.
            raise
        except SynapseError:
            # What the module asked of Synapse for this person was refused by Synapse or by another
            # module: their sentence is passed on, and nothing here is broken.
            metrics.DECISIONS.labels(decision, "passed_on").inc()
            raise
        except MalformedRequest as e:
            metrics.DECISIONS.labels(decision, "malformed").inc()
            raise SynapseError(400, str(e), Codes.BAD_JSON) from e
        except Exception:
            logger.exception("Could not decide: %s %r", decision, facts)
            metrics.ERRORS.labels(decision).inc()
            verdict = Refusal(Reason.UNDECIDED)
        if verdict is None:
            return NOT_SPAM
        if not isinstance(verdict, Refusal):
            metrics.DECISIONS.labels(decision, "allowed").inc()
            return NOT_SPAM
        metrics.DECISIONS.labels(decision, verdict.reason.value).inc()
        enforced = self.enforce or verdict.always
        journal.refused(verdict, enforced=enforced, decision=decision, **facts)
        if not enforced:
            if self._trial is not None:
                self._trial.count(decision, verdict.reason, facts.get("group", NO_ROOM))
            return NOT_SPAM
        return self.refused(verdict, audience)

    def refused(self, refusal: Refusal, audience: Audience) -> Answer:
        """The answer to a request that is refused, in a trial too."""
        return Codes.FORBIDDEN, refusal_fields(self._words, refusal, audience)


def raise_refusal(answer: Answer) -> None:
    """For the callbacks that can refuse with a sentence only by an exception.

    Raises:
        SynapseError: the answer is a refusal.
    """
    if answer != NOT_SPAM:
        errcode, fields = answer
        raise SynapseError(403, fields["error"], errcode, additional_fields=fields)
