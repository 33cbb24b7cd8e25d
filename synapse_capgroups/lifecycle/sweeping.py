"""The sweep, once a minute: it finds what no callback told the module, and clears up."""

from functools import partial
from typing import Protocol

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.attempts import forget_expired_in, rooms_to_clear
from synapse_capgroups.codes.one_by_one import each
from synapse_capgroups.lifecycle.forgetting import Forgetter
from synapse_capgroups.rules.joining import Mode
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.groups import Groups
from synapse_capgroups.storage.sweeps import Sweeps
from synapse_capgroups.telemetry import metrics

SWEEP_INTERVAL_MS = 60 * 1000


class Swept(Protocol):
    """What can be swept."""

    async def sweep(self) -> None:
        """Sweep it once."""


class Sweeping:
    """Sweeps, on the one process that Synapse runs its background tasks on."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        forgetter: Forgetter,
        *others: Swept | None,
    ) -> None:
        """
        Args:
            others: what else is swept, in this order, after what is forgotten and the seats.
        """
        self._api = api
        self._database = database
        self._forgetter = forgetter
        self._others = others

    def repeat(self) -> None:
        """Sweep once a minute from now on."""
        self._api.looping_background_call(self.sweep, SWEEP_INTERVAL_MS, desc="capgroups_sweep")

    async def sweep(self) -> None:
        """Sweep everything once. What fails stops nothing else, but then this was no sweep."""
        # Forgetting comes first: codes die by it, and there are fewer groups to count.
        done = [await each("what is forgotten", self._forgetter.sweep)]
        done += [await each("seats", self._sweep_seats)]
        for other in self._others:
            if other is not None:
                done += [await each(type(other).__name__, other.sweep)]
        if all(done):
            now = self._api.get_current_time_msec()
            await self._database.run("swept", lambda txn: Sweeps.done(txn, now))

    async def _sweep_seats(self) -> None:
        rooms, groups = await self._database.run("sweep", self._look)
        for mode, count in groups.items():
            metrics.GROUPS.labels(mode.value).set(count)
        freed = [
            await each(f"seats of {room_id}", partial(self._free_seats, room_id))
            for room_id in rooms
        ]
        if not all(freed):
            raise RuntimeError(f"The seats of {freed.count(False)} groups could not be freed.")

    def _look(self, txn: LoggingTransaction) -> tuple[list[str], dict[Mode, int]]:
        """The rooms with seats of processes that are gone, and the number of groups by mode."""
        rooms = rooms_to_clear(txn, self._api.get_current_time_msec())
        return rooms, Groups.count_by_mode(txn)

    async def _free_seats(self, room_id: str) -> None:
        def free(txn: LoggingTransaction) -> None:
            forget_expired_in(txn, room_id, self._api.get_current_time_msec())

        await self._database.run("sweep_seats", free)
