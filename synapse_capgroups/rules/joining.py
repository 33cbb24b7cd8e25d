"""Rules 2, 4 and 10: who may join a group, who may be invited, the cap, and pending invitations.

An invitation is judged as the join that it would lead to, so the two can never disagree.
"""

from enum import Enum

import attrs

from synapse_capgroups.rules.verdict import ALLOWED, Reason, Refusal, Verdict

INVITATION_LIFETIME_MS = 7 * 24 * 60 * 60 * 1000
"""How long a remote person's invitation holds a seat without an answer."""


class Mode(Enum):
    """How people come in, by how many seats are taken."""

    OPEN = "open"
    FRIENDS = "friends"
    FULL = "full"


@attrs.frozen
class Limits:
    """The numbers that an administrator sets."""

    cap: int
    code_limit: int
    max_vouches_per_day: int | None = None

    def mode(self, seats_taken: int) -> Mode:
        if seats_taken >= self.cap:
            return Mode.FULL
        if seats_taken >= self.code_limit:
            return Mode.FRIENDS
        return Mode.OPEN


@attrs.frozen
class JoinFacts:
    """What is known about a person and a group at the moment of a join.

    Attributes:
        membership: the person's `membership` in the group, None if they never had one.
        seats_taken: members and seats reserved for joins under way, of everybody else.
        guest: whether the person has a guest account.
        has_contact: whether they have the verified address that the server asks for.
        inviter: who sent the invitation that stands, None if there is none.
        inviter_is_member: whether that person is a member now.
        inviter_is_friend: whether the two are friends (rule 3).
        vouches_today: how many people the inviter brought in, in mode `friends`, in 24 hours.
        needs_approval: whether the group asks a moderator about each newcomer, and this one is
            invited by somebody who is none, and none has agreed to them (rule 13).
    """

    membership: str | None
    seats_taken: int
    guest: bool = False
    has_contact: bool = True
    inviter: str | None = None
    inviter_is_member: bool = False
    inviter_is_friend: bool = False
    vouches_today: int = 0
    needs_approval: bool = False


def decide_join(facts: JoinFacts, limits: Limits) -> Verdict:
    """Rule 2, in its order."""
    if facts.membership == "join":
        return ALLOWED
    if facts.membership == "ban":
        return Refusal(Reason.BANNED)
    if facts.guest:
        return Refusal(Reason.NO_GUESTS)
    if not facts.has_contact:
        return Refusal(Reason.CONTACT_REQUIRED)

    invited = facts.inviter is not None and facts.inviter_is_member
    mode = limits.mode(facts.seats_taken)
    if mode is Mode.FULL:
        return Refusal(Reason.FULL, facts.seats_taken, limits.cap)
    if invited and facts.needs_approval:
        return Refusal(Reason.APPROVAL_REQUIRED)
    if mode is Mode.OPEN:
        return ALLOWED if invited else Refusal(Reason.INVITE_REQUIRED)
    if not (invited and facts.inviter_is_friend):
        return Refusal(Reason.FRIENDS_ONLY, facts.seats_taken, limits.code_limit)
    most = limits.max_vouches_per_day
    if most is not None and facts.vouches_today >= most:
        return Refusal(Reason.VOUCH_LIMIT, limit=most)
    return ALLOWED


def decide_pending(facts: JoinFacts, limits: Limits, *, age_ms: int) -> Verdict:
    """Whether a remote person's unanswered invitation still holds (rule 10).

    It is judged as the join that it leads to, since that join may never be asked about here.

    Args:
        facts: of the invited person, whose own seat is not in `seats_taken`.
        age_ms: how old the invitation is, in milliseconds.
    """
    verdict = decide_join(facts, limits)
    if verdict == ALLOWED and facts.membership != "join" and age_ms > INVITATION_LIFETIME_MS:
        return Refusal(Reason.INVITE_REQUIRED)
    return verdict


def decide_address_invitation(
    seats_taken: int, limits: Limits, *, needs_approval: bool = False
) -> Verdict:
    """An invitation to an e-mail address or phone number that belongs to no account yet.

    Whoever that is going to be, they are nobody's friend now.
    """
    facts = JoinFacts(
        None, seats_taken, inviter="", inviter_is_member=True, needs_approval=needs_approval
    )
    return decide_join(facts, limits)


def decide_creation_invitations(invited: int, limits: Limits, *, guests: bool) -> Verdict:
    """Whether a room may be created with invitations to this many people, some of them guests.

    Only the creator is a member while they are sent, and one member is always mode `open`.
    """
    if guests:
        return Refusal(Reason.NO_GUESTS)
    if 1 + invited > limits.cap:
        return Refusal(Reason.FULL, 1 + invited, limits.cap)
    return ALLOWED
