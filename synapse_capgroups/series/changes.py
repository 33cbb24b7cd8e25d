"""What organisers change of a series: its settings, whether it runs, and its end."""

from collections.abc import Callable

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.rules.verdict import Reason
from synapse_capgroups.series.beginning import SeriesBounds, SeriesWish, check_name_is_free
from synapse_capgroups.series.mistakes import SeriesProblem, SeriesRequestError
from synapse_capgroups.series.organisers import Organiser, still_runs
from synapse_capgroups.series.tending import Tending
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.dead_codes import DeadCodes
from synapse_capgroups.storage.series import Series, SeriesGroups, SeriesRows, SeriesState
from synapse_capgroups.telemetry import journal


@attrs.frozen
class SeriesChange:
    """What is to be different, unchecked. None stays as it is."""

    name: object = None
    pattern: object = None
    fill: object = None
    max_groups: object = None
    paused: bool | None = None


def end_series(txn: LoggingTransaction, series: Series, now: int) -> None:
    """End a series: its live codes are dead, its groups stay. The caller holds its lock."""
    SeriesRows.update(txn, attrs.evolve(series, state=SeriesState.ENDED, ended_at=now))
    DeadCodes.kill_of_group(txn, series.series_id, Reason.CODE_REVOKED, now)


class Changing:
    """Changes series."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        tending: Tending,
        codes_died: Callable[[], None],
        bounds: SeriesBounds,
    ) -> None:
        """
        Args:
            codes_died: has the doors of dead codes closed.
        """
        self._api = api
        self._database = database
        self._tending = tending
        self._codes_died = codes_died
        self._bounds = bounds

    async def change(self, organiser: Organiser, change: SeriesChange) -> Organiser:
        """Change the settings of a series, and whether it runs.

        Returns:
            The organiser, with the series as it is now.

        Raises:
            NoSuchSeriesError: they no longer run it.
            SeriesRequestError: this cannot be.
        """
        after = await self._database.run(
            "change_series", lambda txn: self._change(txn, organiser, change)
        )
        before = organiser.series
        changed = {
            key: value
            for key, value in attrs.asdict(after, recurse=False).items()
            if value != getattr(before, key)
        }
        if changed:
            told = {**changed, "state": after.state.value}
            journal.series("change", after.series_id, organiser.user_id, **told)
        if "name" in changed:
            self._tending.tend_soon(after.series_id)
        return Organiser(after, organiser.user_id)

    def _change(
        self, txn: LoggingTransaction, organiser: Organiser, change: SeriesChange
    ) -> Series:
        series = still_runs(txn, organiser).series
        given = attrs.asdict(change, filter=lambda field, value: value is not None)
        paused = given.pop("paused", None)
        if "max_groups" not in given:  # It may have more than the server allows by now.
            given["max_groups"] = min(series.max_groups, self._bounds.max_groups)
        if "fill" not in given:
            given["fill"] = min(series.fill, self._bounds.fill)
        wish = SeriesWish(given.pop("name", series.name), given.pop("pattern", series.pattern))
        settings = self._bounds.checked(attrs.evolve(wish, **given))
        after = attrs.evolve(series, **attrs.asdict(settings))
        if paused is not None:
            after = attrs.evolve(after, state=SeriesState.PAUSED if paused else SeriesState.RUNNING)
        if after.name != series.name:
            check_name_is_free(txn, series.organiser, series.series_id, after.name)
        SeriesRows.update(txn, after)
        if after.fill > series.fill:
            SeriesGroups.all_may_have_place(txn, series.series_id)
        return after

    async def end(self, organiser: Organiser) -> None:
        """End a series for ever: its live codes die, its groups stay as they are.

        Raises:
            NoSuchSeriesError: they no longer run it.
            SeriesRequestError: they are a helper, or it has ended.
        """
        now = self._api.get_current_time_msec()

        def end(txn: LoggingTransaction) -> None:
            there = still_runs(txn, organiser)
            if there.is_helper:
                raise SeriesRequestError(SeriesProblem.ORGANISER_ONLY)
            end_series(txn, there.series, now)

        await self._database.run("end_series", end)
        journal.series("end", organiser.series.series_id, organiser.user_id)
        self._codes_died()
