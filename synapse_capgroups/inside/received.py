"""Events that were received and may become the state of their room."""

from synapse.module_api import EventBase, ModuleApi


async def becomes_state(api: ModuleApi, event: EventBase) -> bool:
    """Wait up to five seconds until a received event is the room's state; False if it fails."""
    key = (event.type, event.state_key)
    for _ in range(50):
        state = await api.get_room_state(event.room_id, [key])
        if key in state and state[key].event_id == event.event_id:
            return True
        await api.sleep(0.1)
    return False
