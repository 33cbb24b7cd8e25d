"""Rule 13: who may ask a group's moderators to be let in."""

import attrs

from synapse_capgroups.rules.verdict import ALLOWED, Reason, Refusal, Verdict

REQUEST_LIFETIME_MS = 7 * 24 * 60 * 60 * 1000
"""How long a request waits, and how long a no stands."""

MOST_BY_CODE = 50
"""How many people may wait at a time who have scanned one code."""
MOST_OF_PERSON = 10
"""In how many groups one person may wait at a time."""


@attrs.frozen
class RequestFacts:
    """What is known of somebody whom a code would let in if nobody had to agree.

    Attributes:
        waits: whether they have a request in this group that nobody has answered.
        was_refused: whether a moderator has said no to the last one, and that still stands.
        by_code: how many others wait who have scanned the same code.
        of_person: in how many other groups the person waits.
    """

    waits: bool
    was_refused: bool
    by_code: int
    of_person: int


def decide_request(facts: RequestFacts) -> Verdict:
    """Whether somebody may ask. One who waits already has asked."""
    if facts.waits:
        return Refusal(Reason.AWAITING_APPROVAL)
    if facts.was_refused:
        return Refusal(Reason.NOT_APPROVED)
    if facts.by_code >= MOST_BY_CODE:
        return Refusal(Reason.TOO_MANY_REQUESTS)
    if facts.of_person >= MOST_OF_PERSON:
        return Refusal(Reason.TOO_MANY_OWN_REQUESTS)
    return ALLOWED
