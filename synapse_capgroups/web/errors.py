"""What the HTTP API answers when a deed cannot be done."""

from typing import get_args

from synapse.module_api.errors import Codes as ErrorCodes
from synapse.module_api.errors import SynapseError

from synapse_capgroups.admission.approving import (
    AlreadyAnsweredError,
    NoSuchRequestError,
    NotAModeratorError,
)
from synapse_capgroups.assignments.objections import NoSuchAssignmentError
from synapse_capgroups.codes.problems import CodeProblem, CodeRequestError
from synapse_capgroups.codes.sharing import DeadCodeError, NoSuchCodeError, NotASharerError
from synapse_capgroups.config import Config
from synapse_capgroups.groups.members import NoSuchGroupError
from synapse_capgroups.requests.cannot_answer import CannotAnswerError
from synapse_capgroups.rules.verdict import Reason, Refusal
from synapse_capgroups.series.mistakes import SeriesProblem, SeriesRequestError
from synapse_capgroups.series.organisers import NoSuchSeriesError
from synapse_capgroups.storage.forgetting import ERASED
from synapse_capgroups.storage.requests import Request
from synapse_capgroups.words.lookup import Audience, Words
from synapse_capgroups.words.refusal_fields import refusal_fields

DeedError = (
    NoSuchGroupError
    | NoSuchCodeError
    | NotASharerError
    | DeadCodeError
    | NotAModeratorError
    | NoSuchRequestError
    | AlreadyAnsweredError
    | CannotAnswerError
    | NoSuchSeriesError
    | SeriesRequestError
    | NoSuchAssignmentError
)
"""Raised by deeds of the nouns, and translated for every call alike."""

DEED_ERRORS = get_args(DeedError)

_MALFORMED = {
    CodeProblem.LIFETIME: "'lifetime_ms' must be a number from 1 to {longest}",
    CodeProblem.USES: "'max_uses' must be null or a number, 1 or more",
    CodeProblem.LABEL: "'label' must be null or a line of 1 to 64 characters",
}


def translated(error: DeedError, words: Words) -> SynapseError:
    """The answer to a deed that cannot be done."""
    match error:
        case NoSuchSeriesError():
            return not_found(words.say("series_unknown"))
        case NoSuchAssignmentError():
            return not_found(words.say("assignment_unknown"))
        case SeriesRequestError():
            return _of_series(error, words)
        case NoSuchGroupError():
            return not_found(words.say("group_unknown"))
        case NoSuchCodeError():
            return not_found(words.say("code_of_group_unknown"))
        case NotASharerError() | NotAModeratorError():
            return forbidden(words, Refusal(Reason.NOT_ENTITLED))
        case NoSuchRequestError():
            return not_found(words.say("request_unknown"))
        case AlreadyAnsweredError(request=request):
            return answered_before(words, request)
        case CannotAnswerError(refusal=refusal):
            return forbidden(words, refusal, Audience.INVITING)
        case DeadCodeError(died_of=died_of):
            return SynapseError(
                404, words.refusal(Refusal(died_of), Audience.JOINING), ErrorCodes.NOT_FOUND,
                {"org.capgroups.reason": died_of.value},
            )  # fmt: skip


def _of_series(error: SeriesRequestError, words: Words) -> SynapseError:
    problem, text = error.problem, words.say(error.problem.value, limit=error.limit)
    if problem is SeriesProblem.NOT_ENTITLED:
        return forbidden(words, Refusal(Reason.NOT_ENTITLED))
    if problem.is_malformed:
        return SynapseError(400, text, ErrorCodes.INVALID_PARAM)
    if problem.is_missing:
        return not_found(text)
    suspended = problem is SeriesProblem.SUSPENDED
    code = ErrorCodes.USER_ACCOUNT_SUSPENDED if suspended else ErrorCodes.FORBIDDEN
    return SynapseError(403, text, code)


def not_made(error: CodeRequestError, config: Config) -> SynapseError:
    """The answer to somebody whose code cannot be made."""
    if error.problem in _MALFORMED:
        text = _MALFORMED[error.problem].format(longest=config.codes.max_lifetime)
        return SynapseError(400, text, ErrorCodes.INVALID_PARAM)
    if error.problem is CodeProblem.SUSPENDED:
        # As Synapse refuses what suspended people cannot do.
        text = config.words.refusal(Refusal(Reason.SUSPENDED), Audience.SHARING)
        return SynapseError(403, text, ErrorCodes.USER_ACCOUNT_SUSPENDED)
    assert error.problem.reason is not None
    limit = config.code_limit if error.problem is CodeProblem.CLOSED else None
    return forbidden(config.words, Refusal(error.problem.reason, error.members, limit))


def forbidden(
    words: Words, refusal: Refusal, audience: Audience = Audience.SHARING
) -> SynapseError:
    """A refusal as the one who shares a code, or invites somebody, reads it."""
    fields = refusal_fields(words, refusal, audience)
    errcode = ErrorCodes.FORBIDDEN
    if refusal.reason is Reason.SUSPENDED:  # As Synapse refuses what suspended people cannot do.
        errcode = ErrorCodes.USER_ACCOUNT_SUSPENDED
    return SynapseError(403, fields["error"], errcode, fields)


def answered_before(words: Words, request: Request) -> SynapseError:
    """The answer to a moderator who was not the first to answer."""
    by = None if request.answered_by == ERASED else request.answered_by
    key = "request_approved_before" if request.approved else "request_refused_before"
    text = words.say(key, by=by or words.say("erased"))
    fields = {
        "org.capgroups.reason": "already_answered",
        "org.capgroups.approved": bool(request.approved),
        "org.capgroups.answered_by": by,
    }
    return SynapseError(409, text, ErrorCodes.UNKNOWN, fields)


def not_found(text: str) -> SynapseError:
    """The answer about something that does not exist, or not for the caller."""
    return SynapseError(404, text, ErrorCodes.NOT_FOUND)
