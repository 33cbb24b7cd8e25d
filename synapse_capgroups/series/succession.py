"""What becomes of series whose organiser is gone, and of series that have ended (rule 15)."""

import logging
from collections.abc import Callable
from functools import partial

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.series.changes import end_series
from synapse_capgroups.series.spaces import Spaces
from synapse_capgroups.series.tending import Tending
from synapse_capgroups.storage.database import Database, lock_series
from synapse_capgroups.storage.series import Series, SeriesHelpers, SeriesRows, SeriesState
from synapse_capgroups.storage.slices import Slice
from synapse_capgroups.telemetry import journal

logger = logging.getLogger(__name__)

KEPT_MS = 30 * 24 * 60 * 60 * 1000
"""How long a series is kept after its end: as long as its dead codes."""

_TENDED_AT_ONCE = 3
_ORGANISERS_AT_ONCE = 500


class Succession:
    """Passes series on, and lets them be forgotten."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        spaces: Spaces,
        tending: Tending,
        codes_died: Callable[[], None],
    ) -> None:
        """
        Args:
            codes_died: has the doors of dead codes closed.
        """
        self._api = api
        self._database = database
        self._spaces = spaces
        self._tending = tending
        self._codes_died = codes_died
        self._after = ""
        self._after_organiser = ""

    async def account_gone(self, user_id: str) -> None:
        """Let the series of a deactivated account pass to a helper who has agreed, or else end.

        This can be repeated. Errors are logged: the sweep tries again.
        """
        try:
            await self._pass_on_all(user_id)
        except Exception:
            logger.exception("Could not pass on the series of an account")

    async def _pass_on_all(self, user_id: str) -> None:
        def look(txn: LoggingTransaction) -> tuple[list[Series], list[Series]]:
            return SeriesRows.of_organiser(txn, user_id), SeriesRows.of_helper(txn, user_id)

        own, helped = await self._database.run("series_of", look)
        for series in own:
            if series.state is not SeriesState.ENDED:
                await self._pass_on(series)
        for series in helped:
            remove = partial(SeriesHelpers.remove, series_id=series.series_id, user_id=user_id)
            await self._database.run("helper_left", remove)
            self._tending.tend_soon(series.series_id)

    async def _pass_on(self, series: Series) -> None:
        series_id, now = series.series_id, self._api.get_current_time_msec()
        helpers = await self._database.look_up(
            "helpers", lambda txn: SeriesHelpers.of(txn, series_id)
        )
        agreed = await self._spaces.agreed(series_id, helpers)

        def pass_on(txn: LoggingTransaction) -> str | None:
            lock_series(txn, series_id)
            there = SeriesRows.by_id(txn, series_id)
            gone = there is None or there.state is SeriesState.ENDED
            if there is None or gone or there.organiser != series.organiser:
                return None
            for helper in SeriesHelpers.of(txn, series_id):
                if helper in agreed and Users.account(txn, helper).is_active:
                    SeriesRows.update(txn, attrs.evolve(there, organiser=helper))
                    SeriesHelpers.remove(txn, series_id, helper)
                    SeriesHelpers.gone(txn, series_id, helper)
                    return helper
            end_series(txn, there, now)
            return None

        heir = await self._database.run("pass_on_series", pass_on)
        journal.series("hand" if heir else "end", series_id, series.organiser, user=heir)
        self._codes_died()
        self._tending.tend_soon(series_id)

    async def sweep(self) -> None:
        """Do what killed processes have left undone, and forget old series. On one process only."""
        before = self._api.get_current_time_msec() - KEPT_MS

        def look(txn: LoggingTransaction) -> tuple[Slice, list[str], list[str]]:
            return (
                SeriesRows.deactivated_organisers(txn, self._after_organiser, _ORGANISERS_AT_ONCE),
                SeriesRows.ended_before(txn, before),
                SeriesRows.living_after(txn, self._after, _TENDED_AT_ONCE),
            )

        gone, ended, living = await self._database.run("sweep_series", look)
        for user_id in gone.found:
            await self.account_gone(user_id)
        self._after_organiser = gone.end
        for series_id in ended:
            await self._forget(series_id)
        for series_id in living:
            await self._tending.tend_safely(series_id)
        self._after = living[-1] if len(living) == _TENDED_AT_ONCE else ""

    async def _forget(self, series_id: str) -> None:
        try:
            await self._spaces.delete(series_id)
            await self._database.run("forget_series", lambda txn: SeriesRows.forget(txn, series_id))
        except Exception:
            logger.exception("Could not forget series %s", series_id)
