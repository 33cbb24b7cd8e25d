"""Deleting rooms: the notice room that Synapse makes."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from synapse.module_api import ModuleApi


class _Shutdown:
    """A room is being deleted with a notice, for which one room will be made."""

    def __init__(self, creator: str | None) -> None:
        self.creator = creator


_shutdown: ContextVar[_Shutdown | None] = ContextVar("capgroups_shutdown", default=None)


def makes_notice_room(creator: str) -> bool:
    """Whether the creation that is being decided is that of a deletion's notice room.

    True once for each deletion: what else that process makes is nothing special.
    """
    shutdown = _shutdown.get()
    if shutdown is None or shutdown.creator != creator:
        return False
    shutdown.creator = None
    return True


def watch_shutdowns(api: ModuleApi, resumed: Callable[[str], Awaitable[None]]) -> None:
    """Let `on_create_room` know the notice room of a deletion (`new_room_user_id`).

    Synapse makes it as any room, public and in a member's name, in `shutdown_room`. A deletion that
    a restart interrupted comes back with the room that it had made.

    Args:
        resumed: called with the ID of such a room, before people are moved into it.
    """
    handler = api._hs.get_room_shutdown_handler()
    shut_down = handler.shutdown_room

    async def watched(room_id: str, params: Any, result: Any = None, *args: Any, **kw: Any) -> Any:
        creator = params["new_room_user_id"]
        if creator is not None and result and result.get("new_room_id"):
            await resumed(result["new_room_id"])
        token = _shutdown.set(_Shutdown(creator))
        try:
            return await shut_down(room_id, params, result, *args, **kw)
        finally:
            _shutdown.reset(token)

    handler.shutdown_room = watched  # type: ignore[method-assign]
