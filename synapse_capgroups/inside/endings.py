"""How a join or a creation ended that a callback has allowed."""

import logging
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from synapse.module_api import ModuleApi

logger = logging.getLogger(__name__)

WhenDone = Callable[[bool, Any], Awaitable[None]]


_when_done: ContextVar[list[WhenDone] | None] = ContextVar("capgroups_when_done", default=None)


def when_done(then: WhenDone) -> bool:
    """Have something done once the join or the creation that is being decided has ended.

    Args:
        then: called with whether it succeeded, and what Synapse's method returned if so.

    Returns:
        False if nobody will tell: it came by a way that is not watched.
    """
    waiting = _when_done.get()
    if waiting is None:
        return False
    waiting.append(then)
    return True


def watch_endings(api: ModuleApi) -> None:
    """Let callbacks learn what becomes of a join or a creation that they allow.

    Callbacks are asked early, and much can go wrong after them: an event that is too large, a full
    disk. All joins of local users go through `update_membership`, all creations through
    `create_room`; within these the callbacks are called.
    """
    watch_ending(api._hs.get_room_member_handler(), "update_membership")
    watch_ending(api._hs.get_room_creation_handler(), "create_room")


async def _done(then: WhenDone, succeeded: bool, result: Any) -> None:
    try:
        await then(succeeded, result)
    except Exception:
        # What was joined or created is so; the sweep minds the rest.
        logger.exception("Could not finish what was decided")


def watch_ending(handler: object, method: str) -> None:
    original = getattr(handler, method)

    async def watched(*args: Any, **kwargs: Any) -> Any:
        waiting: list[WhenDone] = []
        token = _when_done.set(waiting)
        succeeded, result = False, None
        try:
            result = await original(*args, **kwargs)
            succeeded = True
            return result
        finally:
            _when_done.reset(token)
            for then in waiting:
                await _done(then, succeeded, result)

    setattr(handler, method, watched)
