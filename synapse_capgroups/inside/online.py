"""Presence: an account of the module's has none."""

from typing import Any

from synapse.module_api import ModuleApi
from synapse.types import UserID


def keep_offline(api: ModuleApi, user_id: str) -> None:
    """Let a local account never look active.

    Synapse takes whoever sends a message for active, and to tell other servers it reads every room
    that they are in, and who is in each. For an account in a hundred thousand rooms this took a
    second of the processor, again after each room that it joined.
    """
    handler = api._hs.get_presence_handler()
    bump = handler.bump_presence_active_time

    async def bump_unless_ours(user: UserID, *args: Any, **kwargs: Any) -> None:
        if user.to_string() != user_id:
            await bump(user, *args, **kwargs)

    handler.bump_presence_active_time = bump_unless_ours  # type: ignore[method-assign]
