"""Rule 10: the power levels that make every server keep a group's rules.

All servers enforce power levels, also those that have never heard of this module. So in a guarded
group remote people are at level 0, where they can write, and what gives power needs level 1, which
is the default. Their entries must be there before they are invited.

The rules that are repeated here are Synapse's `event_auth._check_power_levels`, `get_send_level`
and `get_named_level`, and in the specification "Authorization rules" of room versions 10 to 12.
"""

from collections.abc import Mapping

import attrs
from canonicaljson import encode_canonical_json

from synapse_capgroups.rules.seclusion import THIRD_PARTY_INVITE

POWER_LEVELS = "m.room.power_levels"
REMOTE = 0
"""The level of remote people."""
ORDINARY = 1
"""The default level of a guarded group, and the least that anything with power may need."""

POWERFUL = frozenset(
    (
        POWER_LEVELS,
        "m.room.join_rules",
        "m.room.history_visibility",
        "m.room.guest_access",
        "m.room.canonical_alias",
        "m.room.server_acl",
        "m.room.tombstone",
        "m.room.encryption",
        THIRD_PARTY_INVITE,
        "m.room.retention",
        "m.room.policy",
        "org.matrix.msc4284.policy",
        "m.space.child",
        "m.space.parent",
    )
)
"""State that gives power over others, or opens a group. Remote people never send it."""

DEFAULTS = {
    "users_default": 0,
    "events_default": 0,
    "state_default": 50,
    "ban": 50,
    "kick": 50,
    "redact": 50,
    "invite": 0,
}
"""What the specification takes for a level that is not there."""
SECTIONS = ("users", "events", "notifications")
_GUARDED = ("users_default", "state_default", "ban", "kick", "redact", "invite")

_EVENT_BYTES = 65_536
_ENVELOPE_BYTES = 4_096
"""For all of an event that is not its content: IDs, hashes, up to 20 previous events."""


@attrs.frozen
class LevelFacts:
    """What decides how a group's power levels must look.

    Attributes:
        server_name: of this homeserver.
        remote: remote people who are joined, invited or knocking.
        creators: who has all power without an entry: the `m.room.create` event's sender and its
            `additional_creators` in room version 12 and later, nobody before.
    """

    server_name: str
    remote: frozenset[str] = frozenset()
    creators: frozenset[str] = frozenset()

    def is_local(self, user_id: str) -> bool:
        return user_id.partition(":")[2] == self.server_name

    @property
    def remote_creators(self) -> frozenset[str]:
        """Remote people whose power no event can take away."""
        return frozenset(user for user in self.creators if not self.is_local(user))


def guarded(content: Mapping[str, object], facts: LevelFacts) -> dict[str, object]:
    """The power levels as a guarded group has them, changed as little as possible.

    - The default level and everything that gives power need at least level 1. `events_default`
      and events without power stay as they are.
    - Remote people are at level 0, or below it if somebody muted them.
    - A local person at 0 gets level 1: many clients write 0 for "no moderator". So does one below
      0 who would otherwise lose something, as the level it needs was raised. Any other level below
      0 stays: clients mute people with it.
    - Creators have no entry: servers refuse power levels with one.

    Two things are wider than asked: the default cannot be below 1, so nobody can mute all others
    with it, and what was to need exactly level 1 is open to all local people. One thing is
    narrower: two local people who stood above each other at levels below 2 can become equals, who
    cannot remove each other.

    Args:
        content: any JSON object. What cannot be read as a level stays, for Synapse to refuse.
    """
    mended = _copied(content)
    needed = {name: named_level(content, name) for name in _GUARDED}
    raised = {name: level for name, level in needed.items() if _is_too_low(level)}
    mended.update(dict.fromkeys(raised, ORDINARY))

    events = mended.get("events")
    if isinstance(events, dict):
        for event_type in POWERFUL & events.keys():
            if _is_too_low(level := number(events[event_type])):
                raised[event_type] = level
                events[event_type] = ORDINARY

    users = mended.get("users", {})
    if isinstance(users, dict):
        users = _remote_at_zero(users, facts)
        raised_from = min((level for level in raised.values() if level is not None), default=0)
        _raise_local(users, facts, min(raised_from, 0), named_level(mended, "users_default"))
        if users or "users" in mended:
            mended["users"] = users
    return mended


def _remote_at_zero(users: Mapping[str, object], facts: LevelFacts) -> dict[str, object]:
    """The entries of all who may have one, with remote people at 0 or below."""
    everybody = {**users, **{user: users.get(user) for user in sorted(facts.remote)}}
    return {
        user: level if facts.is_local(user) else _at_most(REMOTE, level)
        for user, level in everybody.items()
        if user not in facts.creators
    }


def _raise_local(
    users: dict[str, object], facts: LevelFacts, raised_from: int, default: int | None
) -> None:
    """Raise local people from 0, and those below it who reach what was raised.

    Args:
        raised_from: the lowest level that something needed which now needs level 1; at most 0.
        default: the level of people without an entry.
    """
    for user, level in list(users.items()):
        own = number(level)
        if own is None or not raised_from <= own < ORDINARY or not facts.is_local(user):
            continue
        if default == ORDINARY:
            del users[user]
        else:
            users[user] = ORDINARY


def is_guarded(content: Mapping[str, object], facts: LevelFacts) -> bool:
    """Whether `guarded` would change nothing. Remote creators have all power nevertheless."""
    return _copied(content) == guarded(content, facts)


def with_entry(content: Mapping[str, object], facts: LevelFacts, user_id: str) -> dict[str, object]:
    """The guarded power levels with an entry for one more remote person, to be sent from here."""
    return guarded(as_integers(content), attrs.evolve(facts, remote=facts.remote | {user_id}))


def without_absent(content: Mapping[str, object], facts: LevelFacts) -> dict[str, object]:
    """The power levels without entries of remote people who are neither joined nor invited.

    They get one again with their next invitation. Until then entries stay where there is room:
    a server that has not heard yet that somebody is out still sees their level.
    """
    less = _copied(content)
    users = less.get("users")
    if isinstance(users, dict):
        for user in users.keys() - facts.remote:
            if not facts.is_local(user):
                del users[user]
    return less


def level_of(user_id: str, content: Mapping[str, object], facts: LevelFacts) -> float:
    """A person's power level; that of a creator in room version 12 and later is infinite."""
    if user_id in facts.creators:
        return float("inf")
    users = content.get("users")
    own = number(users.get(user_id)) if isinstance(users, Mapping) else None
    return named_level(content, "users_default") or 0 if own is None else own


def level_to_send(event_type: str, content: Mapping[str, object]) -> int:
    """The power level that a state event of this type needs.

    For `m.room.third_party_invite` that is the level of invitations, whatever `events` has.
    """
    if event_type == THIRD_PARTY_INVITE:
        level = named_level(content, "invite")
        return DEFAULTS["invite"] if level is None else level
    events = content.get("events")
    own = number(events.get(event_type)) if isinstance(events, Mapping) else None
    if own is not None:
        return own
    default = named_level(content, "state_default")
    return DEFAULTS["state_default"] if default is None else default


def fits(content: Mapping[str, object]) -> bool:
    """Whether power levels are small enough for an event, which has at most 65,536 bytes."""
    try:
        return len(encode_canonical_json(content)) <= _EVENT_BYTES - _ENVELOPE_BYTES
    except (ValueError, TypeError, RecursionError):
        return False


def named_level(content: Mapping[str, object], name: str) -> int | None:
    """A level at the top, or its default; None if it cannot be read."""
    value = content.get(name)
    return DEFAULTS[name] if value is None else number(value)


def number(value: object) -> int | None:
    """A level as servers read it: up to room version 9 a text, or a fraction, is one, too."""
    if not isinstance(value, int | float | str):
        return None
    try:
        return int(value)
    except (ValueError, OverflowError):
        return None


def _is_too_low(level: int | None) -> bool:
    return level is not None and level < ORDINARY


def _at_most(most: int, level: object) -> object:
    own = number(level)
    return most if own is None or own > most else level


def _copied(content: Mapping[str, object]) -> dict[str, object]:
    """A copy that can be changed: the contents of events are frozen."""
    return {
        name: dict(value) if isinstance(value, Mapping) else value
        for name, value in content.items()
    }


def as_integers(content: Mapping[str, object]) -> dict[str, object]:
    """The same levels as integers: Synapse sends no others, but older rooms can have them."""
    read = _copied(content)
    for name in DEFAULTS.keys() & content.keys():
        if (level := number(content[name])) is None:
            del read[name]
        else:
            read[name] = level
    for section in SECTIONS:
        levels = content.get(section)
        if isinstance(levels, Mapping):
            numbers = {name: number(level) for name, level in levels.items()}
            read[section] = {name: level for name, level in numbers.items() if level is not None}
    return read
