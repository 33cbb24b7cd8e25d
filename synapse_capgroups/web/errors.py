"""What the HTTP API answers when a deed cannot be done."""

from synapse.module_api.errors import Codes as ErrorCodes
from synapse.module_api.errors import SynapseError

from synapse_capgroups.codes.problems import CodeProblem, CodeRequestError
from synapse_capgroups.codes.sharing import DeadCodeError, NoSuchCodeError, NotASharerError
from synapse_capgroups.config import Config
from synapse_capgroups.groups.members import NoSuchGroupError
from synapse_capgroups.rules.verdict import Reason, Refusal
from synapse_capgroups.words.lookup import Audience, Words
from synapse_capgroups.words.refusal_fields import refusal_fields

DEED_ERRORS = (NoSuchGroupError, NoSuchCodeError, NotASharerError, DeadCodeError)
"""Raised by deeds of `groups` and `codes`, and translated for every call alike."""

_MALFORMED = {
    CodeProblem.LIFETIME: "'lifetime_ms' must be a number from 1 to {longest}",
    CodeProblem.USES: "'max_uses' must be null or a number, 1 or more",
    CodeProblem.LABEL: "'label' must be null or a line of 1 to 64 characters",
}


def translated(
    error: NoSuchGroupError | NoSuchCodeError | NotASharerError | DeadCodeError, words: Words
) -> SynapseError:
    """The answer to a deed that cannot be done."""
    match error:
        case NoSuchGroupError():
            return not_found(words.say("group_unknown"))
        case NoSuchCodeError():
            return not_found(words.say("code_of_group_unknown"))
        case NotASharerError():
            return forbidden(words, Refusal(Reason.NOT_ENTITLED))
        case DeadCodeError(died_of=died_of):
            return SynapseError(
                404, words.refusal(Refusal(died_of), Audience.JOINING), ErrorCodes.NOT_FOUND,
                {"org.capgroups.reason": died_of.value},
            )  # fmt: skip


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


def forbidden(words: Words, refusal: Refusal) -> SynapseError:
    """A refusal as the one who shares a code reads it."""
    fields = refusal_fields(words, refusal, Audience.SHARING)
    return SynapseError(403, fields["error"], ErrorCodes.FORBIDDEN, fields)


def not_found(text: str) -> SynapseError:
    """The answer about something that does not exist, or not for the caller."""
    return SynapseError(404, text, ErrorCodes.NOT_FOUND)
