"""Many pieces of work, of which one that fails does not stop the others."""

import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)


async def each(what: str, work: Callable[[], Awaitable[None]]) -> bool:
    """Do one of many pieces of work. If it fails, the next sweep tries again; the others go on.

    Returns:
        Whether it was done.
    """
    try:
        await work()
    except Exception:
        logger.exception("Could not clear up: %s", what)
        return False
    return True
