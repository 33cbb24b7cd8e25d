"""A decided join, and what it put on record."""

from contextvars import ContextVar

import attrs

from synapse_capgroups.rules.names import Alias
from synapse_capgroups.rules.verdict import Verdict
from synapse_capgroups.storage.admissions import Admission
from synapse_capgroups.storage.requests import Request
from synapse_capgroups.storage.seats import Hold

admitting: ContextVar[tuple[str, str] | None] = ContextVar("capgroups_admitting", default=None)
"""The group and the person whom a code's door invites and joins at this moment.

Their seat is reserved and their admission is on record, so both steps are let through.
"""


being_invited: ContextVar[tuple[str, str] | None] = ContextVar(
    "capgroups_being_invited", default=None
)
"""The group and the person of another server whose invitation was decided a moment ago."""


@attrs.frozen
class JoinDecision:
    """A verdict, and what was put on record if it let somebody in.

    A member's change of name, and a member at a door, are allowed without an admission. A caller
    that gets an admission must report how the join ended, by `Settling`.

    Attributes:
        ends_codes: whether codes die by this admission, once the person is in.
        alias: the name that the person bears from their first event on; None for their usual one.
        hold: their seat until then.
        on_record: whether the admission is on record; that of a direct chat is not (rule 15).
        inviter: in whose name somebody at a code's door comes in or is invited.
        places_left: in a group of a series, how many people can still come in by live codes.
        request: what was put on record where a moderator has to agree first (rule 13).
    """

    verdict: Verdict
    admission: Admission | None = None
    ends_codes: bool = False
    alias: Alias | None = None
    hold: Hold | None = None
    on_record: bool = True
    inviter: str | None = None
    places_left: int | None = None
    request: Request | None = None


@attrs.frozen
class Elsewhere:
    """The group that was asked about is not the one that its series fills now.

    Attributes:
        room_id: the one that is; None if no group of the series has a place.
    """

    series_id: str
    room_id: str | None
