"""Which rules an existing group breaks: the judgement of a room as it is, not of a change to it."""

from collections.abc import Collection, Iterator, Mapping
from enum import Enum
from functools import lru_cache
from typing import Any

import attrs

from synapse_capgroups.rules import power_levels, seclusion
from synapse_capgroups.rules.joining import Limits, Mode
from synapse_capgroups.rules.verdict import Refusal


class Breach(Enum):
    """What breaks a rule. The value is what people and programs read."""

    LISTED = "listed"
    PUBLIC = "public"
    WORLD_READABLE = "world_readable"
    GUESTS = "guests"
    ADDRESSED = "addressed"
    ABOVE_CAP = "above_cap"
    REMOTE_MODERATORS = "remote_moderators"
    REMOTE_INVITES = "remote_invites"


class Note(Enum):
    """What breaks no rule and is good to know."""

    ABOVE_CODE_LIMIT = "above_code_limit"
    """It has so many members that only friends can bring people in."""
    GUESTS_ALLOWED = "guests_allowed"
    """It is open to guests, on a server that has none."""


_OPENINGS = {
    seclusion.JOIN_RULES: Breach.PUBLIC,
    seclusion.HISTORY_VISIBILITY: Breach.WORLD_READABLE,
    seclusion.GUEST_ACCESS: Breach.GUESTS,
    seclusion.CANONICAL_ALIAS: Breach.ADDRESSED,
}
_POWERFUL_HERE = power_levels.POWERFUL - {seclusion.THIRD_PARTY_INVITE}
_FIELDS = {
    seclusion.JOIN_RULES: "join_rule",
    seclusion.HISTORY_VISIBILITY: "history_visibility",
    seclusion.GUEST_ACCESS: "guest_access",
}


@attrs.frozen
class Openness:
    """How far a group can be found and entered from outside.

    Attributes:
        listed: whether the room directory shows it.
        has_address: whether it has an address in the directory of addresses.
        state: the contents of its state events, by their type. A type that is not there has no
            event.
    """

    listed: bool = False
    has_address: bool = False
    state: Mapping[str, object] = attrs.field(factory=dict)


def openings(room: Openness) -> Iterator[Breach]:
    """How a group is open although no group may be (rule 1), in the order of `Breach`."""
    found = {
        breach
        for event_type, breach in _OPENINGS.items()
        if event_type in room.state
        and isinstance(seclusion.decide_state(event_type, room.state[event_type]), Refusal)
    }
    if isinstance(seclusion.decide_listing(wanted=room.listed), Refusal):
        found.add(Breach.LISTED)
    if room.has_address and isinstance(seclusion.decide_address(), Refusal):
        found.add(Breach.ADDRESSED)
    return (breach for breach in Breach if breach in found)


@lru_cache(maxsize=1000)
def opens(event_type: str, value: str) -> bool:
    """Whether a group with this join rule, history visibility or guest access is open by it."""
    content = {_FIELDS[event_type]: value}
    return isinstance(seclusion.decide_state(event_type, content), Refusal)


def size(members: int, limits: Limits) -> Breach | Note | None:
    """What is to be said of a group's number of members."""
    if members > limits.cap:
        return Breach.ABOVE_CAP
    return None if limits.mode(members) is Mode.OPEN else Note.ABOVE_CODE_LIMIT


def remote_power(levels: Mapping[str, Any], facts: power_levels.LevelFacts) -> Collection[Breach]:
    """What remote people who are in a group can do there that they may not (rule 10).

    Args:
        levels: the content of its power levels; empty if it has none.
        facts: with `remote`, the remote people who are joined, invited or knocking.
    """
    if not facts.remote:
        return ()
    highest = max(power_levels.level_of(user, levels, facts) for user in facts.remote)
    found = []
    if highest >= _least_of_a_moderator(levels):
        found.append(Breach.REMOTE_MODERATORS)
    if highest >= (power_levels.named_level(levels, "invite") or 0):
        found.append(Breach.REMOTE_INVITES)
    return found


def _least_of_a_moderator(levels: Mapping[str, Any]) -> int:
    """The lowest level that can remove people, their messages, or change how the group is open."""
    events = levels.get("events")
    own = _POWERFUL_HERE & events.keys() if isinstance(events, Mapping) else ()
    named = (power_levels.named_level(levels, name) for name in ("ban", "kick", "redact"))
    # Any type stands for all those that have no level of their own.
    sent = (power_levels.level_to_send(event_type, levels) for event_type in ("", *own))
    return min(level for level in (*named, *sent) if level is not None)
