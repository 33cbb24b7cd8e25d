"""Locks that all processes of a server respect."""

import contextlib
from collections.abc import AsyncIterator

from synapse.module_api import ModuleApi


@contextlib.asynccontextmanager
async def one_process_at_a_time(api: ModuleApi, what: str, which: str) -> AsyncIterator[None]:
    """A lock that all processes of this server respect; for what is rare, and done outside SQL.

    `WorkerLocksHandler.acquire_lock` does not serve: it wakes those who wait before the lock is
    free, and then lets them wait for 5 seconds, 10, 20, and so on (`WaitingLock`).
    """
    store = api._hs.get_datastores().main
    while (lock := await store.try_acquire_lock(f"capgroups_{what}", which)) is None:
        await api.sleep(0.1)
    async with lock:
        yield
