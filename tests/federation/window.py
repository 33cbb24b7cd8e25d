"""A module that shows what only the server itself can compute: a room's state by its events."""

from typing import Any

from synapse.module_api import DirectServeJsonResource, JsonDict, ModuleApi

PATH = "/_synapse/client/lab/state"


class Window:
    """Takes no configuration. It serves everybody: it is for servers on loopback."""

    def __init__(self, config: dict[str, Any], api: ModuleApi) -> None:
        api.register_web_resource(PATH, State(api))


class State(DirectServeJsonResource):
    """`GET ?room=…`: the room's state after its latest events, resolved if there are several."""

    isLeaf = True

    def __init__(self, api: ModuleApi) -> None:
        super().__init__()
        self._hs = api._hs

    async def _async_render_GET(self, request: Any) -> tuple[int, JsonDict]:
        room_id = request.args[b"room"][0].decode()
        stores = self._hs.get_storage_controllers()
        store = self._hs.get_datastores().main
        latest = await store.get_latest_event_ids_in_room(room_id)  # type: ignore[call-arg,misc]
        if not latest:  # This server was never in the room, and Synapse would wait for its state.
            return 200, {"latest": [], "members": {}}
        resolved = await self._hs.get_state_handler().resolve_state_groups_for_events(
            room_id, latest
        )
        ids = await resolved.get_state(stores.state)
        events = await store.get_events(list(ids.values()))
        members = {
            state_key: events[event_id].content.get("membership")
            for (event_type, state_key), event_id in ids.items()
            if event_type == "m.room.member" and event_id in events
        }
        return 200, {"latest": sorted(latest), "members": members}
