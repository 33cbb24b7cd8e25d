"""Why a code is not made."""

from enum import Enum

from synapse_capgroups.rules.verdict import Reason


class CodeProblem(Enum):
    """Why a code is not made."""

    NOT_ENTITLED = "not_entitled"
    LIFETIME = "lifetime"
    USES = "uses"
    LABEL = "label"
    CLOSED = "closed"
    TOO_MANY = "too_many"
    SUSPENDED = "suspended_sharer"
    REPLACED = "replaced"
    SERIES_ENDED = "series_ended"

    @property
    def reason(self) -> Reason | None:
        """The reason of the refusal that tells it; None if the request itself is malformed."""
        return _REASONS.get(self)


_REASONS = {
    CodeProblem.NOT_ENTITLED: Reason.NOT_ENTITLED,
    CodeProblem.CLOSED: Reason.CODE_CLOSED,
    CodeProblem.TOO_MANY: Reason.TOO_MANY_CODES,
    CodeProblem.SUSPENDED: Reason.SUSPENDED,
    CodeProblem.REPLACED: Reason.CODE_REVOKED,
    CodeProblem.SERIES_ENDED: Reason.SERIES_ENDED,
}


class CodeRequestError(Exception):
    """Somebody asked for a code that cannot be made.

    Attributes:
        members: how many members the group has, where the code limit is the problem.
    """

    def __init__(self, problem: CodeProblem, members: int | None = None) -> None:
        super().__init__(problem.value)
        self.problem = problem
        self.members = members
