"""Sending messages in people's names, as if they sent them themselves."""

from collections.abc import Mapping
from typing import Any

from synapse.api.errors import Codes
from synapse.module_api import ModuleApi
from synapse.module_api.errors import SynapseError
from synapse.types import create_requester


async def send_as(
    api: ModuleApi,
    sender: str,
    room_id: str,
    event_type: str,
    content: Mapping[str, Any],
    state_key: str | None = None,
) -> str:
    """Send an event as a local person would, but without rate limits; returns its ID.

    `ModuleApi.create_and_send_event_into_room` acts for the server: it asks nobody whether they
    have consented to the server's policy, and sends what a shadow-banned person says.

    Raises:
        SynapseError: the person may not. A code of 500 or more says nothing about the event.
    """
    return await _send(api, sender, room_id, event_type, content, state_key=state_key)


async def redact_as(api: ModuleApi, sender: str, room_id: str, event_id: str) -> None:
    """Redact an event as a local person would, but without rate limits.

    Raises:
        SynapseError: the person may not.
    """
    version = await api._hs.get_datastores().main.get_room_version(room_id)
    if version.updated_redaction_rules:
        await _send(api, sender, room_id, "m.room.redaction", {"redacts": event_id})
    else:
        await _send(api, sender, room_id, "m.room.redaction", {}, redacts=event_id)


async def _send(
    api: ModuleApi,
    sender: str,
    room_id: str,
    event_type: str,
    content: Mapping[str, Any],
    **fields: str | None,
) -> str:
    event, _ = await api._hs.get_event_creation_handler().create_and_send_nonmember_event(
        create_requester(sender),
        {
            "type": event_type,
            "room_id": room_id,
            "sender": sender,
            "content": dict(content),
            **{name: value for name, value in fields.items() if value is not None},
        },
        ratelimit=False,
    )
    return str(event.event_id)


def needs_more_power(error: SynapseError) -> bool:
    """Whether a room's power levels do not let somebody do what they tried."""
    return error.errcode == Codes.INSUFFICIENT_POWER


def writes_events_alone(api: ModuleApi) -> bool:
    """Whether nobody but this process writes events: what it does not know of was not sent."""
    return list(api._hs.config.worker.writers.events) == [api._hs.get_instance_name()]
