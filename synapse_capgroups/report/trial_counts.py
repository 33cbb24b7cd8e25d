"""Counts what a trial would have refused, for the week after which an admin decides (rule 16)."""

from collections import Counter
from datetime import datetime, timezone

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.rules.verdict import Reason
from synapse_capgroups.storage.database import Database, lock_trial
from synapse_capgroups.storage.would_be import (
    MOST_ROOMS,
    NO_ROOM,
    OTHER_ROOMS,
    WouldBe,
    WouldBeRows,
)

WRITE_INTERVAL_MS = 15 * 1000


def day_of(milliseconds: int) -> str:
    """The day of a time since 1970, in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc).strftime("%Y-%m-%d")


class TrialCounts:
    """Counts in memory, and each process writes what it has counted now and then.

    Nobody waits for the database where something is decided. What a process has counted in its
    last seconds is lost when it ends.
    """

    def __init__(self, api: ModuleApi, database: Database) -> None:
        self._api = api
        self._database = database
        self._counts: Counter[WouldBe] = Counter()
        self._rooms: set[str] = set()

    def begin(self) -> None:
        """Write what is counted from now on, on this process: each decides on its own."""
        self._api.looping_background_call(
            self._write, WRITE_INTERVAL_MS, desc="capgroups_would_be", run_on_all_instances=True
        )

    def count(self, decision: str, reason: Reason, room_id: str = NO_ROOM) -> None:
        """Count one refusal that is not made."""
        day = day_of(self._api.get_current_time_msec())
        self._add(WouldBe(day, reason.value, decision, room_id), 1)

    def _add(self, counted: WouldBe, times: int) -> None:
        if counted.room_id not in self._rooms and counted.room_id not in (NO_ROOM, OTHER_ROOMS):
            if len(self._rooms) < MOST_ROOMS:
                self._rooms.add(counted.room_id)
            else:
                counted = attrs.evolve(counted, room_id=OTHER_ROOMS)
        self._counts[counted] += times

    async def _write(self) -> None:
        if not self._counts:
            return
        counts, self._counts, self._rooms = self._counts, Counter(), set()

        def add(txn: LoggingTransaction) -> None:
            lock_trial(txn)  # Else two processes would let each other's rooms past the limit.
            WouldBeRows.add(txn, counts)

        try:
            await self._database.run("would_be", add)
        except BaseException:
            for counted, times in counts.items():
                self._add(counted, times)
            raise


def count_trial(api: ModuleApi, database: Database, *, enforce: bool) -> TrialCounts | None:
    """Begin to count if this is a trial."""
    if enforce:
        return None
    counts = TrialCounts(api, database)
    counts.begin()
    return counts
