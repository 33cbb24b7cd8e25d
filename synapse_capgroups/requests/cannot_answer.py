"""Why a request is not answered."""

from synapse_capgroups.rules.verdict import Refusal


class CannotAnswerError(Exception):
    """The rules are against it: the person cannot come in, or the moderator's account is suspended.

    Attributes:
        is_over: whether the request is forgotten, since it can never succeed; else it waits on.
    """

    def __init__(self, refusal: Refusal, *, is_over: bool = False) -> None:
        super().__init__(refusal.reason.value)
        self.refusal = refusal
        self.is_over = is_over
