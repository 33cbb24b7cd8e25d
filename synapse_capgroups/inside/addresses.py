"""Addresses of rooms, and what the directory is asked to do."""

import contextlib
from collections.abc import Awaitable, Callable, Collection
from contextvars import ContextVar
from typing import Any

import attrs
from synapse.module_api import ModuleApi, RoomAlias
from synapse.module_api.errors import SynapseError

from synapse_capgroups.inside.authority import acts_for_server

own_address: ContextVar[bool] = ContextVar("capgroupsown_address", default=False)
"""Whether it is the module itself that asks for an address just now; see `watch_directory`."""


async def delete_address(api: ModuleApi, address: str) -> None:
    """Make an address unknown at once. Deleting its room does so too, but some time later."""
    await api._hs.get_datastores().main.delete_room_alias(RoomAlias.from_string(address))


async def lead_address(
    api: ModuleApi, address: str, room_id: str, creator: str, moved_from: str | None
) -> None:
    """Let an address lead to this room, wherever it led before.

    `ModuleApi` can only make rooms with an address; it cannot move one.

    Args:
        moved_from: the room whose only address this is. From there it moves in one transaction, so
            that there is no moment in which the address is unknown.
    """
    store = api._hs.get_datastores().main
    alias = RoomAlias.from_string(address)
    known = await store.get_association_from_room_alias(alias)
    if known is not None and known.room_id == room_id:
        return
    if known is not None and known.room_id == moved_from:
        await store.update_aliases_for_room(known.room_id, room_id, creator)
        return
    await store.delete_room_alias(alias)
    with contextlib.suppress(SynapseError):  # Another process was faster.
        await store.create_room_alias_association(alias, room_id, [api.server_name], creator)


async def give_address(
    api: ModuleApi, address: str, room_id: str, creator: str | None, servers: Collection[str]
) -> None:
    """Let an address that leads nowhere lead to this room, asking nobody.

    Raises:
        SynapseError: 409, it leads somewhere.
    """
    alias = RoomAlias.from_string(address)
    store = api._hs.get_datastores().main
    await store.create_room_alias_association(alias, room_id, servers, creator)


@attrs.frozen
class AddressWanted:
    """Somebody asks for an address for this room.

    Attributes:
        by_server: whether that is a server admin, or the server itself, as in `auto_join_rooms`.
    """

    room_id: str
    by_server: bool


@attrs.frozen
class ListingWanted:
    """Somebody asks that the room directory show this room, or stop showing it."""

    room_id: str
    listed: bool


directory_request: ContextVar[AddressWanted | ListingWanted | None] = ContextVar(
    "capgroups_directory_request", default=None
)
"""What the request that is being served asks of the directory; see `watch_directory`."""


AddressGuard = Callable[[str, str], Awaitable[None]]


def watch_directory(api: ModuleApi, guard: AddressGuard) -> None:
    """Let callbacks know what the directory is asked to do.

    `user_may_create_room_alias(user, alias)` is not told the room, and `user_may_publish_room(user,
    room)` is not told whether the room is to be shown or hidden. Both are called within these two
    methods of `DirectoryHandler`, which know.

    Args:
        guard: called with each address that anybody asks for but the module itself, and the room's
            ID; raises `SynapseError` to refuse. No callback is asked about application services.
    """
    handler = api._hs.get_directory_handler()
    create_association = handler.create_association
    edit_published_room_list = handler.edit_published_room_list

    async def watched_association(
        requester: Any, room_alias: Any, room_id: str, *args: Any, **kwargs: Any
    ) -> None:
        if not own_address.get():
            await guard(room_alias.to_string(), room_id)
        by_server = await acts_for_server(api, requester)
        token = directory_request.set(AddressWanted(room_id, by_server))
        try:
            await create_association(requester, room_alias, room_id, *args, **kwargs)
        finally:
            directory_request.reset(token)

    async def watched_list(requester: Any, room_id: str, visibility: Any) -> None:
        token = directory_request.set(ListingWanted(room_id, visibility == "public"))
        try:
            await edit_published_room_list(requester, room_id, visibility)
        finally:
            directory_request.reset(token)

    handler.create_association = watched_association  # type: ignore[method-assign]
    handler.edit_published_room_list = watched_list  # type: ignore[method-assign]
