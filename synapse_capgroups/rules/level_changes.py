"""Who can change a group's power levels, and in whose name the server acts (rule 10).

A server has no power of its own in a room: what it writes, one of its people must be allowed to.
The rules that are repeated here are Synapse's `event_auth._check_power_levels` and
`_is_membership_change_allowed`.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from synapse_capgroups.rules.power_levels import (
    DEFAULTS,
    ORDINARY,
    POWER_LEVELS,
    SECTIONS,
    LevelFacts,
    as_integers,
    fits,
    guarded,
    level_of,
    level_to_send,
    named_level,
    number,
    without_absent,
)

_GREATEST = 2**53 - 1
"""The greatest number in canonical JSON."""
_RESTATED = "org.capgroups.restated"
"""An event type that nobody sends."""
_Place = tuple[str | None, str]
"""A level in a content: its section, None for those at the top, and its name."""


def may_replace(
    old: Mapping[str, object], new: Mapping[str, object], sender: str, facts: LevelFacts
) -> bool:
    """Whether every server accepts these power levels from this member."""
    own = level_of(sender, old, facts)
    if own < level_to_send(POWER_LEVELS, old):
        return False
    before, after = _places(old), _places(new)
    if None in before.values() or not _is_well_formed(new):
        return False
    if any(("users", creator) in after for creator in facts.creators):
        return False
    return all(
        _may_change(place, before.get(place), after.get(place), sender, own)
        for place in before.keys() | after.keys()
    )


def writer(
    old: Mapping[str, object],
    new: Mapping[str, object],
    local_members: Iterable[str],
    facts: LevelFacts,
) -> str | None:
    """The local member in whose name this server writes power levels, None if nobody may."""
    for member in _strongest_first(local_members, old, facts):
        if level_of(member, old, facts) < level_to_send(POWER_LEVELS, old):
            return None
        if may_replace(old, new, member, facts):
            return member
    return None


def strongest_for(
    action: str,
    target: str | None,
    content: Mapping[str, object],
    local_members: Iterable[str],
    facts: LevelFacts,
) -> str | None:
    """The local member in whose name this server acts on somebody, None if nobody may.

    Args:
        action: `kick`, `ban`, `invite` or `redact`.
        target: who is removed. None for what needs no higher level than somebody else's.
    """
    needed = named_level(content, action)
    strongest = next(iter(_strongest_first(local_members, content, facts)), None)
    if strongest is None or needed is None:
        return None
    own = level_of(strongest, content, facts)
    higher = target is None or own > level_of(target, content, facts)
    return strongest if own >= needed and higher else None


def strongest_sender(
    event_type: str,
    content: Mapping[str, object],
    local_members: Iterable[str],
    facts: LevelFacts,
) -> str | None:
    """The local member in whose name this server sends a state event, None if nobody may."""
    strongest = next(iter(_strongest_first(local_members, content, facts)), None)
    if strongest is None:
        return None
    enough = level_of(strongest, content, facts) >= level_to_send(event_type, content)
    return strongest if enough else None


def migrated(content: Mapping[str, object], facts: LevelFacts, sender: str) -> dict[str, object]:
    """The power levels of an older group, as far as this local member can make them guarded.

    Nobody can change the entry of somebody at their own level or above. What must stay shows in
    `is_guarded`. Whether the sender may change power levels at all is for `may_replace` to say.
    """
    old = as_integers(content)
    return mended(old, old, facts, sender)


def towards_guarded(
    content: Mapping[str, object], local_members: Collection[str], facts: LevelFacts
) -> tuple[str, Mapping[str, Any]] | None:
    """Who writes the guarded power levels, and these, as far as somebody here can write them.

    Returns:
        None if nobody can.
    """
    wanted = guarded(as_integers(content), facts)
    if not fits(wanted):
        wanted = without_absent(wanted, facts)
    sender = writer(content, wanted, local_members, facts)
    if sender is not None:
        return sender, wanted
    sender = strongest_sender(POWER_LEVELS, content, local_members, facts)
    if sender is None:
        return None
    partly = migrated(content, facts, sender)
    return (sender, partly) if may_replace(content, partly, sender, facts) else None


def restated(
    content: Mapping[str, object], local_members: Collection[str], facts: LevelFacts
) -> tuple[str, Mapping[str, Any]] | None:
    """The power levels once more, with the same meaning, for an event that comes after another.

    In room version 12, state that power levels have taken away from its sender comes back by any
    event that follows these and not what replaced it: there, resolving a conflict starts from
    nothing, and each state event is judged by the power levels that it names itself, unless power
    levels are in conflict as well. Power levels after the replacement are.

    Synapse sends no state that is there already, so an entry comes and goes.

    Returns:
        Their sender, and the content; None where it is not needed, or nobody here can send them.
    """
    if not facts.creators:  # Before version 12.
        return None
    sender = strongest_sender(POWER_LEVELS, content, local_members, facts)
    events = content.get("events", {})
    if sender is None or not isinstance(events, Mapping):
        return None
    entry = {} if _RESTATED in events else {_RESTATED: ORDINARY}
    others = {name: level for name, level in events.items() if name != _RESTATED}
    new = {**content, "events": {**others, **entry}}
    return (sender, new) if may_replace(content, new, sender, facts) else None


def mended(
    current: Mapping[str, object], wanted: Mapping[str, object], facts: LevelFacts, sender: str
) -> dict[str, object]:
    """What a local member wants to send, as far as they can make it guarded.

    In a group from before, others may stand as high as they do, and stay as they are wanted.

    Args:
        current: the power levels as they are. They, and not the wanted ones, say what the sender
            may change.
        wanted: any JSON object.
    """
    own = level_of(sender, current, facts)
    if own < ORDINARY:
        # They can ask for no level that remote people lack. Half of it would do harm: somebody
        # below 0 would lose their entry, and the default level would stay where it is.
        return dict(wanted)
    new = guarded(wanted, facts)
    before, after, asked = _places(current), _places(new), _places(wanted)
    for section, name in before.keys() | after.keys() | asked.keys():
        place = (section, name)
        if _may_change(place, before.get(place), after.get(place), sender, own):
            continue
        part, source = (
            (new.setdefault(section, {}), wanted.get(section)) if section else (new, wanted)
        )
        if not isinstance(part, dict):
            continue
        if isinstance(source, Mapping) and name in source:
            part[name] = source[name]
        else:
            part.pop(name, None)
    return new


def _strongest_first(
    members: Iterable[str], content: Mapping[str, object], facts: LevelFacts
) -> list[str]:
    """Members by their level, and by their ID, so that every process chooses the same one."""
    return sorted(members, key=lambda member: (-level_of(member, content, facts), member))


def _may_change(
    place: _Place, before: int | None, after: int | None, sender: str, own: float
) -> bool:
    """Whether a member at this level may change one level, None where it is not there."""
    if before == after:
        return True
    if place[0] == "users" and place[1] != sender and before == own:
        return False
    return (before is None or before <= own) and (after is None or after <= own)


def _is_well_formed(content: Mapping[str, object]) -> bool:
    """Whether Synapse sends these power levels: others than integers it only reads.

    Its checks are `EventValidator.validate_new` and `event_auth._check_power_levels`.
    """
    levels = [content[name] for name in DEFAULTS if name in content]
    for section in SECTIONS:
        part = content.get(section, {})
        if not isinstance(part, Mapping):
            return False
        levels += part.values()
    users = content.get("users", {})
    assert isinstance(users, Mapping)
    return all(user.startswith("@") and ":" in user for user in users) and all(
        type(level) is int and abs(level) <= _GREATEST for level in levels
    )


def _places(content: Mapping[str, object]) -> dict[_Place, int | None]:
    """All levels of a content, None for what cannot be read as one."""
    found: dict[_Place, int | None] = {
        (None, name): number(content[name]) for name in DEFAULTS if name in content
    }
    for section in SECTIONS:
        levels = content.get(section, {})
        if isinstance(levels, Mapping):
            found.update({(section, name): number(level) for name, level in levels.items()})
        else:
            found[None, section] = None
    return found
