"""Makes the next group of a series, once, however many processes see the need (rule 11).

The row comes first, so all processes know that one of them makes the group, and wait for it. A
killed process leaves a row without a room, and perhaps a room. After `_PATIENCE_MS` another one
takes the row over, lets the organiser leave that room and makes the group under the same number. If
the first was only slow, it finds its row taken over and lets the organiser leave its own room.

No lock of Synapse's is held meanwhile: those of a killed process last for two minutes.
"""

import logging
from collections.abc import Awaitable, Callable
from enum import Enum

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.inside.creations import create_room
from synapse_capgroups.inside.locks import one_at_a_time_here
from synapse_capgroups.inside.membership_changes import withdraw
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.inside.tables.state_history import StateHistory
from synapse_capgroups.series.likeness import MARK, like, mark, model_state
from synapse_capgroups.storage.approval import Approval
from synapse_capgroups.storage.database import Database, lock_series
from synapse_capgroups.storage.series import (
    Series,
    SeriesGroup,
    SeriesGroups,
    SeriesHelpers,
    SeriesRows,
    SeriesState,
)
from synapse_capgroups.telemetry import metrics

logger = logging.getLogger(__name__)

_CREATE = ("m.room.create", "")

_PATIENCE_MS = 20 * 1000
"""A room is made in a second, or in a few on a busy server."""

Made = Callable[[Series, SeriesGroup], Awaitable[None]]
"""Told of each new group, in the background."""


class _Found(Enum):
    """What there was in place of a group to make."""

    ENOUGH = "enough"
    BEING_MADE = "being made"
    NO_MORE = "no more"


@attrs.frozen
class _Begun:
    """A group that this process makes. `unfinished`: as another process had begun it before."""

    series: Series
    group: SeriesGroup
    helpers: list[str]
    unfinished: SeriesGroup | None = None


class GroupMaking:
    """Makes groups in the organiser's name, each like the model."""

    def __init__(self, api: ModuleApi, database: Database, *told: Made) -> None:
        self._api = api
        self._database = database
        self._told = told

    async def make_room(self, series_id: str) -> bool:
        """See to it that a series has a group that may have a place.

        Returns:
            False if there can be no more: it has as many groups as it may, or it does not run.

        Raises:
            SynapseError: Synapse or another module is against the creation.
        """
        return await self._make(series_id, enough=1) is not _Found.NO_MORE

    def prepare_soon(self, series_id: str) -> None:
        """Make the next group in the background, unless one is ready beside the one in use."""
        self._api.run_as_background_process("capgroups_next_group", self._prepare, series_id)

    async def make_reserved(self, series_id: str, number: int) -> SeriesGroup | None:
        """Make the group for which a number is reserved, unless it is made already.

        Returns:
            None if the series has ended, or the number is not reserved any more.

        Raises:
            SynapseError: Synapse or another module is against the creation.
        """
        while True:  # Another group may come first, which a killed process has begun.
            made = await self._make(series_id, number=number)
            if not isinstance(made, SeriesGroup) or made.number == number:
                return made if isinstance(made, SeriesGroup) else None

    async def _prepare(self, series_id: str) -> None:
        try:
            await self._make(series_id, enough=2)
        except SynapseError as e:
            # It is tried again when somebody needs the group.
            logger.warning("Could not make a group of series %s: %s", series_id, e)

    async def _make(
        self, series_id: str, *, enough: int = 1, number: int | None = None
    ) -> SeriesGroup | _Found:
        def begin(txn: LoggingTransaction) -> _Begun | SeriesGroup | _Found:
            lock_series(txn, series_id)
            series = SeriesRows.by_id(txn, series_id)
            if series is None:
                return _Found.NO_MORE
            if number is not None:
                return self._begin_reserved(txn, series, number)
            return self._begin(txn, series, enough)

        async with one_at_a_time_here(self._api, "series", series_id):
            while True:
                begun = await self._database.run("series_next", begin)
                if isinstance(begun, _Begun):
                    made = await self._create(begun)
                    if made is not None:
                        break
                elif begun is not _Found.BEING_MADE:
                    return begun
                await self._api.sleep(0.2)
        for told in self._told:
            self._api.run_as_background_process("capgroups_made", told, begun.series, made)
        return made

    def _begin(self, txn: LoggingTransaction, series: Series, enough: int) -> _Begun | _Found:
        series_id = series.series_id
        if series.state is not SeriesState.RUNNING:
            return _Found.NO_MORE
        if len(SeriesGroups.maybe_with_place(txn, series_id, enough)) == enough:
            return _Found.ENOUGH
        if (unfinished := self._unfinished(txn, series)) is not None:
            return unfinished
        count, last = SeriesGroups.count_and_last(txn, series_id)
        if count >= series.max_groups:
            return _Found.NO_MORE
        now, after = self._api.get_current_time_msec(), StateHistory.latest_stream_ordering(txn)
        group = SeriesGroup(series_id, last + 1, None, now, after, False, None)
        SeriesGroups.begin(txn, series_id, group.number, now, after)
        return _Begun(series, group, SeriesHelpers.of(txn, series_id))

    def _begin_reserved(
        self, txn: LoggingTransaction, series: Series, number: int
    ) -> _Begun | SeriesGroup | _Found:
        found = SeriesGroups.of(txn, series.series_id, after=number - 1, most=1)
        if series.state is SeriesState.ENDED or not found or found[0].number != number:
            return _Found.NO_MORE
        group = found[0]
        if group.room_id is not None:
            return group
        if (unfinished := self._unfinished(txn, series)) is not None:
            return unfinished
        now = self._api.get_current_time_msec()
        SeriesGroups.take_over(txn, group, now)
        helpers = SeriesHelpers.of(txn, series.series_id)
        return _Begun(series, attrs.evolve(group, begun_at=now), helpers)

    def _unfinished(self, txn: LoggingTransaction, series: Series) -> _Begun | _Found | None:
        """A group that another process has begun and not made so far."""
        now = self._api.get_current_time_msec()
        for old in SeriesGroups.unmade(txn, series.series_id):
            if now - old.begun_at < _PATIENCE_MS:
                return _Found.BEING_MADE
            SeriesGroups.take_over(txn, old, now)
            helpers = SeriesHelpers.of(txn, series.series_id)
            return _Begun(series, attrs.evolve(old, begun_at=now), helpers, unfinished=old)
        return None

    async def _create(self, begun: _Begun) -> SeriesGroup | None:
        """Make the room; None if another process has taken the group over."""
        series, group = begun.series, begun.group
        try:
            if begun.unfinished is not None:
                await self._leave_unfinished(series, begun.unfinished)
            body = like(
                await model_state(self._api, series.model),
                series.organiser,
                begun.helpers,
                series.group_name(group.number),
                mark(series, group.number, group.begun_at),
            )
            room_id = await create_room(self._api, series.organiser, body, as_asked=True)
        except Exception:
            metrics.SERIES_GROUPS.labels("not_made").inc()
            await self._database.run("series_not_made", lambda txn: _not_made(txn, group))
            raise

        def made(txn: LoggingTransaction) -> bool:
            Approval.hand_on(txn, series.model, room_id)  # From now on people can come in.
            return SeriesGroups.made(txn, group, room_id)

        if not await self._database.run("series_made", made):
            await withdraw(self._api, series.organiser, room_id)
            return None
        metrics.SERIES_GROUPS.labels("made").inc()
        return attrs.evolve(group, room_id=room_id)

    async def _leave_unfinished(self, series: Series, group: SeriesGroup) -> None:
        """Let the organiser leave what a killed process has begun."""
        marked = mark(series, group.number, group.begun_at)
        rooms = await self._database.run(
            "series_unfinished",
            lambda txn: Memberships.joined_after(txn, series.organiser, group.begun_after),
        )
        for room_id in rooms:
            created = (await self._api.get_room_state(room_id, [_CREATE])).get(_CREATE)
            if created is not None and created.content.get(MARK) == marked:
                await withdraw(self._api, series.organiser, room_id)


def _not_made(txn: LoggingTransaction, group: SeriesGroup) -> None:
    if group.label is not None:  # An assignment still wants it.
        SeriesGroups.reserve_again(txn, group)
    else:
        SeriesGroups.not_made(txn, group.series_id, group.number, group.begun_at)
