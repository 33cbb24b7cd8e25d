"""Rule 5: when a join code is dead, and whom its door lets into the group."""

from collections.abc import Mapping
from typing import Any

import attrs

from synapse_capgroups.rules.joining import JoinFacts, Limits, Mode
from synapse_capgroups.rules.verdict import ALLOWED, Reason, Refusal, Verdict

MAX_LIVING_CODES = 20
"""How many living codes one person may have in one group."""


@attrs.frozen
class CodeFacts:
    """What is known about a code at some moment.

    Attributes:
        expires_at: milliseconds since 1970.
        max_uses: after how many people it is used up; None is never.
        uses: how many people came in by it.
        sharer_may_share: whether the sharer is a member who may still make codes, and has been one
            without a break since the code was made.
        died_of: why it is dead already, None if nobody has found it dead so far.
        sharer_is_suspended: whether the sharer's account is suspended.
    """

    expires_at: int
    max_uses: int | None
    uses: int
    sharer_may_share: bool
    died_of: Reason | None = None
    sharer_is_suspended: bool = False


def cause_of_death(code: CodeFacts, *, now: int, members: int, limits: Limits) -> Reason | None:
    """Why a code is dead; None if it lives. What it died of first stays the cause.

    Args:
        members: of the group. Seats reserved for joins under way kill no code: they may fail.
    """
    if (died_of := cause_of_personal_death(code, now=now)) is not None:
        return died_of
    if limits.mode(members) is not Mode.OPEN:
        return Reason.CODE_CLOSED
    return None


def cause_of_personal_death(code: CodeFacts, *, now: int) -> Reason | None:
    """The same for a code that opens no group, but a direct chat."""
    if code.died_of is not None:
        return code.died_of
    if code.expires_at <= now:
        return Reason.CODE_EXPIRED
    if code.max_uses is not None and code.uses >= code.max_uses:
        return Reason.CODE_USED_UP
    if code.sharer_is_suspended:
        return Reason.SUSPENDED
    return None if code.sharer_may_share else Reason.CODE_REVOKED


def decide_entry(
    person: JoinFacts, limits: Limits, *, code_died_of: Reason | None, removed_since: bool
) -> Verdict:
    """Whether somebody at a code's door may join the group: rule 2, with the code as invitation.

    Args:
        code_died_of: the code's `cause_of_death`.
        removed_since: whether the person was removed from the group after the code was made.
    """
    if person.membership == "join":
        return ALLOWED
    if person.membership == "ban":
        return Refusal(Reason.BANNED)
    if person.guest:
        return Refusal(Reason.NO_GUESTS)
    if not person.has_contact:
        return Refusal(Reason.CONTACT_REQUIRED)
    mode = limits.mode(person.seats_taken)
    if mode is Mode.FULL:
        return Refusal(Reason.FULL, person.seats_taken, limits.cap)
    if code_died_of is Reason.CODE_CLOSED or (code_died_of is None and mode is not Mode.OPEN):
        return Refusal(Reason.CODE_CLOSED, person.seats_taken, limits.code_limit)
    if code_died_of is not None:
        return Refusal(code_died_of)
    if removed_since:
        return Refusal(Reason.INVITE_REQUIRED)
    return ALLOWED


def may_share(
    user_id: str, share_level: int, power_levels: object, creators: frozenset[str]
) -> bool:
    """Whether a member has the power to make codes, which is to invite strangers.

    Args:
        share_level: the power level that the server's admin asks for.
        power_levels: the content of the group's `m.room.power_levels`; anything if it has none.
        creators: those who have all power, as in room version 12; else the creator counts as 100
            where there are no power levels.
    """
    if user_id in creators:
        return True
    content: Mapping[str, Any] = power_levels if isinstance(power_levels, Mapping) else {}
    users = content.get("users")
    level = users.get(user_id) if isinstance(users, Mapping) else None
    if level is None:
        level = content.get("users_default", 0)
    needed = content.get("invite", 0)
    return _number(level) >= max(share_level, _number(needed))


def _number(level: object) -> int:
    # Old rooms may have numbers as text.
    try:
        return int(level)  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError):
        return 0
