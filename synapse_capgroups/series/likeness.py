"""What a series' next group is like: the `createRoom` body that copies the model."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from synapse.module_api import EventBase, ModuleApi, StateMap

from synapse_capgroups.inside.creations import has_creators_of_all_power
from synapse_capgroups.storage.series import Series

MARK = "org.capgroups.begun"
"""In the creation of a group of a series: an opaque text by which its maker finds it again."""

HELPERS_LEVEL = 50
_CREATE = ("m.room.create", "")
_LEVELS = ("m.room.power_levels", "")
_COPIED = (
    "m.room.topic",
    "m.room.avatar",
    "m.room.join_rules",
    "m.room.history_visibility",
    "m.room.guest_access",
    "m.room.encryption",
)
_KEPT_OF_CREATION = ("type", "m.federate")


def mark(series: Series, number: int, begun_at: int) -> str:
    """The mark of a group: it tells nobody what the group belongs to."""
    text = f"{series.series_id} {number} {begun_at}"
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


async def model_state(api: ModuleApi, room_id: str) -> StateMap[EventBase]:
    """What is copied of a group; empty if the room is gone."""
    return await api.get_room_state(
        room_id, [_CREATE, _LEVELS, *((event_type, "") for event_type in _COPIED)]
    )


def like(
    state: StateMap[EventBase], creator: str, helpers: Iterable[str], name: str, marked: str
) -> dict[str, Any]:
    """The body of `createRoom` for a group like the model: everything but its members and name.

    Args:
        state: of the model, from `model_state`.
        marked: from `mark`.
    """
    body: dict[str, Any] = {
        "preset": "private_chat",
        "name": name,
        "creation_content": {MARK: marked},
        "initial_state": [
            {"type": event_type, "state_key": "", "content": dict(state[event_type, ""].content)}
            for event_type in _COPIED
            if (event_type, "") in state
        ],
    }
    users = dict.fromkeys(helpers, HELPERS_LEVEL)
    created = state.get(_CREATE)
    if created is not None:
        body["room_version"] = created.room_version.identifier
        kept = {key: created.content[key] for key in _KEPT_OF_CREATION if key in created.content}
        body["creation_content"].update(kept)
    if created is None or not has_creators_of_all_power(created):
        users[creator] = 100
    body["power_level_content_override"] = {**_levels(state), "users": users}
    return body


def _levels(state: StateMap[EventBase]) -> Mapping[str, Any]:
    return state[_LEVELS].content if _LEVELS in state else {}
