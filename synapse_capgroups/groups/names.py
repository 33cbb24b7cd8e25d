"""What a group and its members are called, as its members see it."""

import logging

from synapse.module_api import ModuleApi, UserID

from synapse_capgroups.inside.start import allows_per_room_profiles

logger = logging.getLogger(__name__)

LONGEST_NAME = 256
"""In characters: Synapse's own limit for people. The name of a room can have 60,000 bytes."""


def shortened(name: str) -> str:
    """A name as it is shown to others: cut to `LONGEST_NAME` characters, with "…" at the end."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


async def group_name(api: ModuleApi, room_id: str) -> str | None:
    """The name of a group, shortened; None if it has no name, or a name that is not text."""
    return await _text(api, room_id, ("m.room.name", ""), "name")


async def group_topic(api: ModuleApi, room_id: str) -> str | None:
    """What a group is about, shortened; None if it does not say so, or not as text."""
    return await _text(api, room_id, ("m.room.topic", ""), "topic")


async def member_name(api: ModuleApi, room_id: str, user_id: str) -> str:
    """A member's name in a group; their Matrix ID if they have none."""
    return await _text(api, room_id, ("m.room.member", user_id), "displayname") or user_id


async def person_name(api: ModuleApi, user_id: str) -> str:
    """What a local person is called outside groups; their Matrix ID if they have no name."""
    profile = await api.get_profile_for_user(UserID.from_string(user_id).localpart)
    return shortened(profile.display_name or user_id)


async def _text(api: ModuleApi, room_id: str, key: tuple[str, str], field: str) -> str | None:
    event = (await api.get_room_state(room_id, [key])).get(key)
    text = event.content.get(field) if event else None
    return shortened(text) if isinstance(text, str) and text else None


def warn_if_there_are_no_names(api: ModuleApi) -> None:
    """Say in the log, at start, that Synapse is set to allow no per-room names."""
    if not allows_per_room_profiles(api):
        logger.warning(
            "synapse-capgroups: Synapse's `allow_per_room_profiles` is false, so nobody can have a "
            "name of their own in a group; take it out of homeserver.yaml"
        )
