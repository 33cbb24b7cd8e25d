"""Locks that all processes of a server respect."""

import contextlib
from collections.abc import AsyncIterator
from weakref import WeakValueDictionary

from synapse.logging.context import make_deferred_yieldable
from synapse.module_api import ModuleApi
from twisted.internet.defer import DeferredLock

_here: "WeakValueDictionary[tuple[int, str, str], DeferredLock]" = WeakValueDictionary()


@contextlib.asynccontextmanager
async def one_process_at_a_time(api: ModuleApi, what: str, which: str) -> AsyncIterator[None]:
    """A lock that all processes of this server respect; for what is rare, and done outside SQL.

    `WorkerLocksHandler.acquire_lock` does not serve: it wakes those who wait before the lock is
    free, and then lets them wait for 5 seconds, 10, 20, and so on (`WaitingLock`). Those who wait
    in one process do so in a queue, so only one of them asks the database.
    """
    async with one_at_a_time_here(api, what, which):
        store = api._hs.get_datastores().main
        while (lock := await store.try_acquire_lock(f"capgroups_{what}", which)) is None:
            await api.sleep(0.1)
        async with lock:
            yield


@contextlib.asynccontextmanager
async def one_at_a_time_here(api: ModuleApi, what: str, which: str) -> AsyncIterator[None]:
    """A queue in this process alone."""
    key = (id(api), what, which)
    queue = _here.get(key)
    if queue is None:
        queue = _here[key] = DeferredLock()
    await make_deferred_yieldable(queue.acquire())
    try:
        yield
    finally:
        queue.release()
