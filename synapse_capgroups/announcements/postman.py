"""Works off what was announced: on one process, one group after the other."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.announcements.delivery import Delivery
from synapse_capgroups.storage.announcements import (
    Announcements,
    AnnouncementState,
    Outbox,
    OutboxRow,
)
from synapse_capgroups.storage.database import Database

logger = logging.getLogger(__name__)

_AT_ONCE = 3
"""How many announcements are worked off beside each other: a room that is slow holds up one."""

_PAUSE = 1  # second

DRAFT_MS = 60 * 60 * 1000
"""How long a draft can be confirmed."""

KEPT_MS = 30 * 24 * 60 * 60 * 1000
"""How long an announcement is known here, and can be edited and deleted in all groups."""

Report = Callable[[str], Awaitable[None]]


class Postman:
    """Delivers announcements on the process that Synapse runs its background tasks on.

    Other processes call it there, by the notice that Synapse sends to all of them when a cache is
    invalidated. Should that be lost, the next sweep finds what is to be done.
    """

    def __init__(self, api: ModuleApi, database: Database, delivery: Delivery) -> None:
        self._api = api
        self._database = database
        self._delivery = delivery
        self._bell = Bell(self._begin)
        self._under_way: set[str] = set()
        self._reports: list[Report] = []
        api.register_cached_function(self._bell)  # type: ignore[arg-type]

    def report_to(self, report: Report) -> None:
        """Have somebody called with an announcement's ID when all was done."""
        self._reports.append(report)

    async def call(self, announcement_id: str) -> None:
        """Have an announcement worked off, wherever the postman is."""
        await self._api.invalidate_cache(self._bell, (announcement_id,))  # type: ignore[arg-type]

    async def sweep(self) -> None:
        """Forget what is old, and go on with what a killed process left. On one process only."""
        now = self._api.get_current_time_msec()

        def forget(txn: LoggingTransaction) -> None:
            old = Announcements.outdated(txn, drafted=now - DRAFT_MS, confirmed=now - KEPT_MS)
            Announcements.forget(txn, old)

        await self._database.run("sweep_outbox", forget)
        await self._go_on()

    async def _go_on(self) -> None:
        unfinished = await self._database.look_up(
            "sweep_outbox", lambda txn: Announcements.unfinished(txn, _AT_ONCE)
        )
        for announcement_id in unfinished:
            self._begin(announcement_id)

    def _begin(self, announcement_id: str) -> None:
        if (
            self._api.should_run_background_tasks()
            and announcement_id not in self._under_way
            and len(self._under_way) < _AT_ONCE
        ):
            self._under_way.add(announcement_id)
            self._api.run_as_background_process(
                "capgroups_announcing", self._work_off, announcement_id
            )

    async def _work_off(self, announcement_id: str) -> None:
        try:
            while not await self._is_done(announcement_id):
                if not await self._deliver_all(announcement_id):
                    await self._api.sleep(_PAUSE)
        except Exception:
            # The next sweep goes on.
            logger.exception("Could not work off the announcement %s", announcement_id)
        else:
            self._under_way.discard(announcement_id)
            await self._go_on()  # What had to wait, or was changed at the very end.
        finally:
            self._under_way.discard(announcement_id)

    async def _deliver_all(self, announcement_id: str) -> bool:
        """Go to each group once; False if something has to wait."""
        after, waits = 0, False
        while rows := await self._next(announcement_id, after):
            for row in rows:
                waits = not await self._delivery.deliver(row) or waits
                after = row.number
        return not waits

    async def _next(self, announcement_id: str, after: int) -> list[OutboxRow]:
        return await self._database.look_up(
            "outbox", lambda txn: Outbox.unfinished(txn, announcement_id, after)
        )

    async def _is_done(self, announcement_id: str) -> bool:
        """Whether nothing is left to do; the reports are made then, once or, after a crash, again.

        What is changed while they are made is done before it is over.
        """

        def is_over(txn: LoggingTransaction) -> bool:
            found = Announcements.by_id(txn, announcement_id)
            return found is None or found.state is not AnnouncementState.SENDING

        if await self._database.look_up("announcement", is_over):
            return True
        if await self._next(announcement_id, 0):
            return False
        for report in self._reports:
            await report(announcement_id)
        return await self._database.run(
            "announced", lambda txn: Announcements.done(txn, announcement_id)
        )


class Bell:
    """Calls the postman on every process. `ModuleApi` takes it for a cache."""

    __name__ = "announcements"

    def __init__(self, ring: Callable[[str], None]) -> None:
        self._ring = ring

    def invalidate(self, key: tuple[Any, ...]) -> None:
        """There is something to do about this announcement."""
        self._ring(key[0])

    def invalidate_all(self) -> None:
        """Do nothing: Synapse never sends this for the name."""
