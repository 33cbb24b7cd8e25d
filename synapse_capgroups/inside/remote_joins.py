"""Joins of remote users through this server."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from synapse.module_api import ModuleApi

from synapse_capgroups.inside.endings import watch_ending

judged_remote_join: ContextVar[tuple[Any, str] | None] = ContextVar(
    "capgroups_judged_remote_join", default=None
)
"""The Matrix ID and the room ID of the join that `watch_remote_joins` has had judged."""


def _watch_exchanges(api: ModuleApi, ask: Callable[[str], Awaitable[None]]) -> None:
    handler = api._hs.get_federation_handler()
    exchange = handler.on_exchange_third_party_invite_request

    async def judged(event_dict: Any) -> None:
        room_id = event_dict.get("room_id")
        if isinstance(room_id, str):
            await ask(room_id)
        await exchange(event_dict)

    handler.on_exchange_third_party_invite_request = judged  # type: ignore[method-assign]


def watch_remote_joins(
    api: ModuleApi,
    ask: Callable[[str, str], Awaitable[None]],
    ask_of_exchange: Callable[[str], Awaitable[None]],
) -> None:
    """Have a person of another server who joins through this one judged, too.

    Synapse asks no callback that could answer them: of `on_send_join_request` the other server
    passes a refusal on to its user as it is, sentence and all.

    Args:
        ask: called with the Matrix ID and the room ID; raises `SynapseError` to refuse.
        ask_of_exchange: called with the room ID when another server turns an invitation by e-mail
            into one of a person, about which `user_may_invite` is not asked; the same.
    """
    _watch_exchanges(api, ask_of_exchange)
    server = api._hs.get_federation_server()
    send_join = server.on_send_join_request

    async def judged(origin: str, content: Any, room_id: str, *args: Any, **kwargs: Any) -> Any:
        user_id = content.get("sender")
        # Anything else than somebody's own join is refused by Synapse itself.
        if isinstance(user_id, str) and user_id.endswith(f":{origin}"):
            await ask(user_id, room_id)
        token = judged_remote_join.set((user_id, room_id))
        try:
            return await send_join(origin, content, room_id, *args, **kwargs)
        finally:
            judged_remote_join.reset(token)

    server.on_send_join_request = judged  # type: ignore[method-assign]
    watch_ending(server, "on_send_join_request")
