"""A Synapse module that keeps the user directory with one question for all members, not two each.

It shows what a change of Synapse would gain. It is not for use: it replaces a private method.
"""

from typing import Any

from synapse.module_api import ModuleApi


class Module:
    """Replaces what the user directory does when somebody joins a private room."""

    def __init__(self, config: dict[str, Any], api: ModuleApi) -> None:
        self._hs = api._hs
        self._store = self._hs.get_datastores().main
        handler = self._hs.get_user_directory_handler()
        self._original = handler._track_user_joined_room
        handler._track_user_joined_room = self._track  # type: ignore[method-assign]

    async def _track(self, room_id: str, joining_user_id: str) -> None:
        store, is_mine = self._store, self._hs.is_mine_id
        if await store.is_room_world_readable_or_publicly_joinable(room_id):
            await self._original(room_id, joining_user_id)
            return
        members = await store.get_users_in_room(room_id)  # type: ignore[call-arg, arg-type]
        others = [user_id for user_id in members if user_id != joining_user_id]
        local = frozenset(
            await store.db_pool.runInteraction(
                "filter_local_users_for_dir",
                store._filter_local_users_for_dir_txn,
                [other for other in others if is_mine(other)],
            )
        )
        pairs = {(other, joining_user_id) for other in local}
        if is_mine(joining_user_id):
            pairs |= {(joining_user_id, u) for u in others if u in local or not is_mine(u)}
        if pairs:
            await store.add_users_who_share_private_room(room_id, pairs)
