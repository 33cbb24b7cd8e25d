"""Creating and upgrading rooms."""

from collections.abc import Mapping
from typing import Any

from canonicaljson import encode_canonical_json
from synapse.api.constants import MAX_PDU_SIZE
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.events import make_event_from_dict
from synapse.events.validator import EventValidator
from synapse.module_api import EventBase, ModuleApi
from synapse.module_api.errors import SynapseError
from synapse.types import create_requester

from synapse_capgroups.inside.addresses import own_address
from synapse_capgroups.inside.membership_changes import rooms_begun, withdraw


def why_no_event(
    api: ModuleApi, event_type: str, state_key: str, content: Mapping[str, Any]
) -> str | None:
    """What Synapse has against a state event, as it will say when it makes it; None if nothing.

    `createRoom` makes one event after the other, and leaves the room behind when one fails.
    """
    try:
        event = make_event_from_dict(
            {
                "type": event_type, "state_key": state_key, "content": dict(content),
                "room_id": f"!room:{api.server_name}", "sender": f"@user:{api.server_name}",
                "origin_server_ts": 1, "depth": 1, "prev_events": [], "auth_events": [],
                "hashes": {}, "signatures": {},
            },
            KNOWN_ROOM_VERSIONS["10"],
        )  # fmt: skip
        EventValidator().validate_new(event, api._hs.config)
        if len(encode_canonical_json(event.get_pdu_json())) > MAX_PDU_SIZE:
            return f"{event_type} is too large"
        if max(len(event_type.encode()), len(state_key.encode())) > 255:
            return "The type or the state key of an event is too long"
    except SynapseError as e:
        return f"{event_type}: {e.msg}"
    except Exception as e:
        return f"{event_type}: {e}"
    return None


def lobbies(api: ModuleApi) -> list[str]:
    """The rooms that each new account is put into, and that Synapse makes if they are not there."""
    registration = api._hs.config.registration
    return list(registration.auto_join_rooms) if registration.autocreate_auto_join_rooms else []


async def create_plain_room(api: ModuleApi, creator: str, request: dict[str, Any]) -> str:
    """Create a room as a local user, without encryption even where the server turns it on.

    `ModuleApi.create_room` cannot say `ignore_forced_encryption`; nobody could read an encrypted
    door's notice before they are in it.

    Returns:
        The room's ID.
    """
    token = own_address.set(True)
    try:
        room_id, _, _ = await api._hs.get_room_creation_handler().create_room(
            create_requester(creator), request, ratelimit=False, ignore_forced_encryption=True
        )
    finally:
        own_address.reset(token)
    return room_id


async def create_room(
    api: ModuleApi, creator: str, request: dict[str, Any], *, as_asked: bool = False
) -> str:
    """Create a room as a local user would, without rate limits; returns its ID.

    `ModuleApi.create_room` does it as the admin of the server, who may do more than the user.

    Args:
        as_asked: whether it is encrypted only if the request says so, and not because the server
            encrypts each new room.

    Raises:
        SynapseError: it was refused, perhaps half-way: Synapse invites people last. Of what was
            made by then nothing is left in the creator's list of rooms.
    """
    begun: list[str] = []
    token = rooms_begun.set(begun)
    try:
        room_id, _, _ = await api._hs.get_room_creation_handler().create_room(
            create_requester(creator),
            request,
            ratelimit=False,
            ignore_forced_encryption=as_asked,
        )
    except Exception:
        for room_id in begun:
            await withdraw(api, creator, room_id)
        raise
    finally:
        rooms_begun.reset(token)
    return room_id


def has_creators_of_all_power(created: EventBase) -> bool:
    """Whether in this version of rooms, 12 and later, creators stand above the power levels."""
    return created.room_version.msc4289_creator_power_enabled


def makes_creators_of_all_power(api: ModuleApi, request: Mapping[str, Any]) -> bool:
    """The same of the room that a `createRoom` body asks for; False if the version is unknown."""
    default = api._hs.config.server.default_room_version.identifier
    version = KNOWN_ROOM_VERSIONS.get(str(request.get("room_version", default)))
    return version is not None and version.msc4289_creator_power_enabled


def preset_levels(api: ModuleApi) -> Mapping[str, Any] | None:
    """The power levels that the server's configuration has for the presets of rooms."""
    levels: Mapping[str, Any] | None = api._hs.config.room.default_power_level_content_override
    return levels
