"""What people are told unasked, and when a group is nearly full. No Synapse, no I/O."""

from enum import Enum

from synapse_capgroups.rules.verdict import Reason


class NewsKind(Enum):
    """What a row of news is about; the order is that of the lines of a message."""

    CODE_DIED = "code_died"
    """The reader's join code, by its ID."""
    NEAR_CODE_LIMIT = "near_code_limit"
    """A group of theirs, by its room ID, whose codes end soon."""
    NEAR_CAP = "near_cap"
    """A group of theirs, by its room ID, which soon has no places left."""
    CAME = "came"
    """Everybody who came by their codes, about nothing in particular."""
    NEWCOMER = "newcomer"
    """A group that they have come into by a code, by its room ID."""


DEATHS_TOLD = (
    Reason.CODE_EXPIRED,
    Reason.CODE_USED_UP,
    Reason.CODE_CLOSED,
    Reason.CODE_REVOKED,
)
"""Nobody is told by this module that their account is suspended."""


def nearly_full_from(limit: int) -> int:
    """The number of members from which on a group is nearly full: 90 %, rounded up."""
    return -(-limit * 9 // 10)


def well_below(limit: int) -> int:
    """The number of members below which it is told anew that a group is nearly full: 80 %."""
    return limit * 8 // 10
