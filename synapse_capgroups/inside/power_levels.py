"""Power levels: hearing of each change that is made here, and writing state as the server."""

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from functools import wraps
from typing import Any

from synapse.module_api import ModuleApi
from synapse.types import create_requester

from synapse_capgroups.rules.power_levels import POWER_LEVELS

Send = Callable[[Mapping[str, Any]], Awaitable[Any]]
LevelsHook = Callable[[str, str, Mapping[str, Any], Send], Awaitable[Any]]

_own: ContextVar[bool] = ContextVar("capgroups_own_levels", default=False)


def watch_power_levels(api: ModuleApi, around: LevelsHook) -> None:
    """Let the module mend power levels that local people send, and decide when they are sent.

    All of them go through one method, but for the first ones of a room: those that a client sends,
    an admin's `make_room_admin`, an upgrade's in the old room.

    Args:
        around: called with the room ID, the sender, the content, and a function that sends the
            event with the content that it is given; returns what that returns.
    """
    handler = api._hs.get_event_creation_handler()
    send = handler.create_and_send_nonmember_event

    @wraps(send)
    async def watched(requester: Any, event_dict: Any, *args: Any, **kwargs: Any) -> Any:
        if (
            _own.get()
            or event_dict.get("type") != POWER_LEVELS
            or event_dict.get("state_key") != ""
        ):
            return await send(requester, event_dict, *args, **kwargs)

        async def send_as(content: Mapping[str, Any]) -> Any:
            return await send(requester, {**event_dict, "content": dict(content)}, *args, **kwargs)

        return await around(
            event_dict["room_id"], event_dict["sender"], event_dict["content"], send_as
        )

    handler.create_and_send_nonmember_event = watched  # type: ignore[method-assign]


async def send_state(
    api: ModuleApi,
    sender: str,
    room_id: str,
    event_type: str,
    content: Mapping[str, Any],
    *,
    state_key: str = "",
) -> None:
    """Send a state event in the name of a local person, without limits or questions of consent.

    The server does it for the person, so it is not refused to one who has not consented; nor to a
    shadow-banned one, whose events would get lost.

    Raises:
        SynapseError: the room does not allow it.
    """
    token = _own.set(True)
    try:
        await api._hs.get_event_creation_handler().create_and_send_nonmember_event(
            create_requester(sender, authenticated_entity=api.server_name),
            {
                "type": event_type,
                "state_key": state_key,
                "room_id": room_id,
                "sender": sender,
                "content": dict(content),
            },
            ratelimit=False,
            ignore_shadow_ban=True,
        )
    finally:
        _own.reset(token)
