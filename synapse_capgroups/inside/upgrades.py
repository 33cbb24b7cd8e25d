"""Upgrades of rooms: which room becomes which."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import attrs
from synapse.module_api import ModuleApi

from synapse_capgroups.inside.endings import watch_ending


@attrs.frozen
class Upgrade:
    """A room is being replaced by a new one."""

    old_room_id: str
    new_room_id: str


upgrade_under_way: ContextVar[Upgrade | None] = ContextVar("capgroups_upgrade", default=None)


ChooseCreators = Callable[[str, list[str]], Awaitable[list[str]]]


def watch_upgrades(api: ModuleApi, choose: ChooseCreators) -> None:
    """Let `user_may_create_room` know the successor's room ID in an upgrade.

    It is called within `clone_existing_room`, which knows. Like creations and joins, upgrades tell
    those who ask by `when_done` how they ended.

    Args:
        choose: called with the old room's ID and the Matrix IDs that shall be creators of the
            successor beside the one who upgrades; returns those that may be.
    """
    handler = api._hs.get_room_creation_handler()
    _choose_creators(api, choose)
    watch_ending(handler, "clone_existing_room")
    clone = handler.clone_existing_room

    async def watched(
        requester: Any, old_room_id: str, new_room_id: str, *args: Any, **kwargs: Any
    ) -> None:
        token = upgrade_under_way.set(Upgrade(old_room_id, new_room_id))
        try:
            await clone(requester, old_room_id, new_room_id, *args, **kwargs)
        finally:
            upgrade_under_way.reset(token)

    handler.clone_existing_room = watched  # type: ignore[method-assign]


def _choose_creators(api: ModuleApi, choose: ChooseCreators) -> None:
    handler = api._hs.get_room_creation_handler()
    upgrade = handler.upgrade_room

    async def chosen(
        requester: Any,
        old_room_id: str,
        new_version: Any,
        additional_creators: list[str] | None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        creators = additional_creators
        if creators:
            creators = await choose(old_room_id, creators)
        return await upgrade(requester, old_room_id, new_version, creators, *args, **kwargs)

    handler.upgrade_room = chosen  # type: ignore[method-assign]
