"""Events that were received and may become the state of their room."""

from synapse.module_api import EventBase, ModuleApi

_TRIES = 44
_LONGER = 1.1  # Each pause than the one before: from 0.1 s to 6 s.


async def becomes_state(api: ModuleApi, event: EventBase) -> bool:
    """Wait until a received event is the room's state; False if it is not within a minute.

    It is heard of before it is written, and a busy server may fetch others first.
    """
    key = (event.type, event.state_key)
    pause = 0.1
    for _ in range(_TRIES):
        state = await api.get_room_state(event.room_id, [key])
        if key in state and state[key].event_id == event.event_id:
            return True
        await api.sleep(pause)
        pause *= _LONGER
    return False
