"""Finds the places that became free without anybody noting it: a process was killed in between."""

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.places import Places
from synapse_capgroups.config import Config
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.series import SeriesGroups, SeriesState

_AT_ONCE = 200


class PlaceSweep:
    """Looks again at the groups that are known to be full, some of them each time."""

    def __init__(self, api: ModuleApi, database: Database, config: Config) -> None:
        self._api = api
        self._database = database
        self._places = Places(api.server_name, config)
        self._after = ("", 0)

    async def sweep(self) -> None:
        """Look at the next few. On one process only."""
        self._after = await self._database.run("sweep_places", self._look)

    def _look(self, txn: LoggingTransaction) -> tuple[str, int]:
        now = self._api.get_current_time_msec()
        full = SeriesGroups.known_to_be_full(txn, self._after, _AT_ONCE)
        for series, part in full:
            runs = series.state is SeriesState.RUNNING
            if part.room_id and runs and self._places.any_left(txn, series, part, now):
                SeriesGroups.may_have_place(txn, part.room_id)
        if len(full) < _AT_ONCE:
            return "", 0
        _, last = full[-1]
        return last.series_id, last.number
