"""Rule 10: how a guarded group is created, and how what remote people open is closed again."""

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from synapse_capgroups.rules import seclusion
from synapse_capgroups.rules.power_levels import POWER_LEVELS, LevelFacts, guarded
from synapse_capgroups.rules.verdict import ALLOWED

_CREATORS = "additional_creators"
_OPERATOR = 100
"""What creators, and those invited to a `trusted_private_chat`, get below room version 12."""

_SECLUDED: Mapping[str, Mapping[str, str]] = {
    seclusion.JOIN_RULES: {"join_rule": "invite"},
    seclusion.HISTORY_VISIBILITY: {"history_visibility": "shared"},
    seclusion.GUEST_ACCESS: {"guest_access": "forbidden"},
}


def guarded_creation(
    request: Mapping[str, Any],
    creator: str,
    server_name: str,
    *,
    creators_have_all_power: bool,
    preset_levels: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A `createRoom` body whose room is guarded from its first power levels on.

    Synapse puts these together from its own default, the preset's, what the server's configuration
    has for the preset, and the body's `power_level_content_override`, where a later one replaces
    whole keys (`RoomCreationHandler._send_events_for_new_room`). Power levels in `initial_state`
    replace them all. So both are mended, and no event is added.

    Args:
        request: the body; it can be anything, and what is wrong with it is Synapse's to answer.
        creators_have_all_power: whether the room's version is 12 or later.
        preset_levels: Synapse's option `default_power_level_content_override`.
    """
    body = dict(request)
    here = LevelFacts(server_name)
    invited = seclusion.invitees(request)
    remote = frozenset(user for user in invited if not here.is_local(user))
    is_trusted = body.get("preset") == "trusted_private_chat"
    trusted = invited - remote if is_trusted else frozenset[str]()
    presets = [body.get("preset", "private_chat")]

    creation = _without_remote_creators(body.get("creation_content", {}), here)
    if is_trusted and remote:
        # This preset would give all power to the remote people, too.
        body["preset"] = "private_chat"
        presets.insert(0, "private_chat")
        if creators_have_all_power:
            creation = _with_creators(creation, trusted)
    if "creation_content" in body or creation:
        body["creation_content"] = creation

    asked = _mapping(body.get("power_level_content_override"))
    levels = {**_levels_of_presets(preset_levels, presets), **asked}
    facts = attrs.evolve(here, remote=remote)
    if creators_have_all_power:
        facts = attrs.evolve(facts, creators=trusted | _creators(creation) | {creator})
    elif remote:
        levels.setdefault("users", dict.fromkeys([creator, *sorted(trusted)], _OPERATOR))
    body["power_level_content_override"] = guarded(levels, facts)
    if "initial_state" in body:
        body["initial_state"] = _guarded_state(body["initial_state"], facts)
    return body


def put_right(
    event_type: str, content: Mapping[str, Any], previous: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """The state that a local member sends to undo an opening (rule 1), None if there is none.

    Args:
        content: of the event that came.
        previous: of the event that it replaced.
    """
    if seclusion.decide_state(event_type, content) == ALLOWED:
        return None
    if previous is not None and seclusion.decide_state(event_type, previous) == ALLOWED:
        return dict(previous)
    return dict(_SECLUDED.get(event_type, {}))


def local_creators(creators: Iterable[str], server_name: str) -> list[str]:
    """Who of the `additional_creators` of a creation or an upgrade may be one."""
    here = LevelFacts(server_name)
    return [user for user in creators if here.is_local(user)]


def _without_remote_creators(content: object, here: LevelFacts) -> object:
    """A `creation_content` without remote people in `additional_creators`."""
    creators = _mapping(content).get(_CREATORS)
    if not isinstance(creators, list):
        return content
    kept = [user for user in creators if not isinstance(user, str) or here.is_local(user)]
    if kept == creators:
        return content
    others = {key: value for key, value in _mapping(content).items() if key != _CREATORS}
    return {**others, _CREATORS: kept} if kept else others


def _with_creators(content: object, people: frozenset[str]) -> object:
    """A `creation_content` with these people in `additional_creators`, too."""
    creators = _mapping(content).get(_CREATORS, [])
    if not (people and isinstance(content, Mapping) and isinstance(creators, list)):
        return content
    new = [user for user in sorted(people) if user not in creators]
    return {**content, _CREATORS: [*creators, *new]}


def _creators(content: object) -> frozenset[str]:
    creators = _mapping(content).get(_CREATORS)
    named = creators if isinstance(creators, list) else []
    return frozenset(user for user in named if isinstance(user, str))


def _levels_of_presets(configured: object, presets: Iterable[object]) -> dict[str, Any]:
    """The levels that the server's configuration has for presets; a later one replaces keys."""
    levels: dict[str, Any] = {}
    for preset in presets:
        if isinstance(preset, str):
            levels.update(_mapping(_mapping(configured).get(preset)))
    return levels


def _guarded_state(events: object, facts: LevelFacts) -> object:
    """An `initial_state` whose power levels are guarded."""
    if not isinstance(events, list):
        return events
    return [
        {**event, "content": guarded(event["content"], facts)}
        if isinstance(event, Mapping)
        and event.get("type") == POWER_LEVELS
        and event.get("state_key", "") == ""
        and isinstance(event.get("content"), Mapping)
        else event
        for event in events
    ]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
