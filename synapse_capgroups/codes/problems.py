"""Why a code is not made."""

from enum import Enum


class CodeProblem(Enum):
    """Why a code is not made."""

    NOT_ENTITLED = "not_entitled"
    LIFETIME = "lifetime"
    USES = "uses"
    CLOSED = "closed"
    TOO_MANY = "too_many"
    SUSPENDED = "suspended_sharer"
    REPLACED = "replaced"


class CodeRequestError(Exception):
    """Somebody asked for a code that cannot be made.

    Attributes:
        members: how many members the group has, where the code limit is the problem.
    """

    def __init__(self, problem: CodeProblem, members: int | None = None) -> None:
        super().__init__(problem.value)
        self.problem = problem
        self.members = members
