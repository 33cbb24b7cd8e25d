"""What a rule answers (rule 8): allow, or refuse with a reason and its numbers."""

from enum import Enum

import attrs


class Reason(Enum):
    """Why something was refused; the value is what clients see as `org.capgroups.reason`."""

    FULL = "full"
    INVITE_REQUIRED = "invite_required"
    FRIENDS_ONLY = "friends_only"
    NOT_LISTED = "not_listed"
    NO_PUBLIC_ROOMS = "no_public_rooms"
    NO_ADDRESSES = "no_addresses"
    CODE_EXPIRED = "code_expired"
    CODE_USED_UP = "code_used_up"
    CODE_REVOKED = "code_revoked"
    CODE_CLOSED = "code_closed"
    SUSPENDED = "suspended"
    CONTACT_REQUIRED = "contact_required"
    NOT_ENTITLED = "not_entitled"
    TOO_MANY_CODES = "too_many_codes"
    VOUCH_LIMIT = "vouch_limit"
    APPROVAL_REQUIRED = "approval_required"
    AWAITING_APPROVAL = "awaiting_approval"
    NOT_APPROVED = "not_approved"
    TOO_MANY_REQUESTS = "too_many_requests"
    TOO_MANY_OWN_REQUESTS = "too_many_own_requests"
    REQUESTER_SUSPENDED = "requester_suspended"
    REQUESTER_GONE = "requester_gone"
    INVITATIONS_BLOCKED = "invitations_blocked"
    BANNED = "banned"
    NO_GUESTS = "no_guests"
    CONCIERGE_CHAT = "concierge_chat"
    CONCIERGE_OUTSIDE = "concierge_outside"
    REMOTE_NO_INVITE = "remote_no_invite"
    LOCAL_ONLY = "local_only"
    NO_LOCAL_MODERATOR = "no_local_moderator"
    TOO_MANY_REMOTE = "too_many_remote"
    SERIES_FULL = "series_full"
    SERIES_PAUSED = "series_paused"
    SERIES_ENDED = "series_ended"
    ALREADY_IN_SERIES = "already_in_series"
    UNDECIDED = "undecided"
    """Something broke before a decision was reached; the safe answer is no."""


@attrs.frozen
class Allowed:
    """The rules have nothing against it."""


@attrs.frozen
class Refusal:
    """The rules are against it.

    `members` and `limit` are set where a limit decided: the group's members (with the seats of
    joins under way) and the limit that they met. `always` refusals hold in a trial, too: those of a
    door, behind which there would be nothing.
    """

    reason: Reason
    members: int | None = None
    limit: int | None = None
    always: bool = False
    of_space: bool = False
    """Whether a space is refused, which a server admin may exempt (`exempt.spaces`)."""
    group: str | None = None
    """What the group is called that the sentence names; None if it names none."""


Verdict = Allowed | Refusal

ALLOWED = Allowed()
