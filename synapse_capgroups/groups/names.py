"""What a group and its members are called, as its members see it."""

from synapse.module_api import ModuleApi

LONGEST_NAME = 256
"""Characters: as many as Synapse lets people have. The name of a room can have 60,000 bytes."""


def shortened(name: str) -> str:
    """A name as it is shown to others: `LONGEST_NAME` characters at most, "…" the last of them."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


async def group_name(api: ModuleApi, room_id: str) -> str | None:
    """The name of a group, shortened; None if it has none, or one that is no text."""
    return await _text(api, room_id, ("m.room.name", ""), "name")


async def member_name(api: ModuleApi, room_id: str, user_id: str) -> str:
    """What somebody is called in a group; their Matrix ID if they have no name there."""
    return await _text(api, room_id, ("m.room.member", user_id), "displayname") or user_id


async def _text(api: ModuleApi, room_id: str, key: tuple[str, str], field: str) -> str | None:
    event = (await api.get_room_state(room_id, [key])).get(key)
    text = event.content.get(field) if event else None
    return shortened(text) if isinstance(text, str) and text else None
