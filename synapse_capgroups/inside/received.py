"""Events that were received and may become the state of their room."""

from collections.abc import Awaitable, Callable

from synapse.module_api import EventBase, ModuleApi

from synapse_capgroups.inside.tables.state_history import StateHistory

_TRIES = 44
_LONGER = 1.1  # Each pause than the one before: from 0.1 s to 6 s.


async def becomes_state(api: ModuleApi, event: EventBase) -> bool:
    """Wait until a received event is the room's state; False if it is not within a minute.

    It is heard of before it is written, and a busy server may fetch others first.
    """
    return await _within_a_minute(api, lambda: is_state(api, event))


async def is_state(api: ModuleApi, event: EventBase) -> bool:
    """Whether an event is its room's state now."""
    now = await _now(api, event)
    return now is not None and now.event_id == event.event_id


async def lets_in(api: ModuleApi, invitation: EventBase) -> bool:
    """Wait until a received invitation stands, or somebody is a member by it; False as above.

    Their own server can send their join, and changes of their name, in the same moment. Then the
    invitation is never seen to be the room's state.
    """

    async def is_in() -> bool:
        now = await _now(api, invitation)
        if now is None or now.event_id == invitation.event_id:
            return now is not None
        return now.content.get("membership") == "join" and await api.run_db_interaction(
            "capgroups_came_by",
            StateHistory.came_by,
            invitation.room_id,
            invitation.state_key,
            invitation.event_id,
        )

    return await _within_a_minute(api, is_in)


async def _now(api: ModuleApi, event: EventBase) -> EventBase | None:
    """What is the room's state now where a received event would be."""
    key = (event.type, event.state_key)
    return (await api.get_room_state(event.room_id, [key])).get(key)


async def _within_a_minute(api: ModuleApi, condition: Callable[[], Awaitable[bool]]) -> bool:
    pause = 0.1
    for _ in range(_TRIES):
        if await condition():
            return True
        await api.sleep(pause)
        pause *= _LONGER
    return False
