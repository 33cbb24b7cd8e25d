"""Makes the next group of a series, once, however many processes see the need (rule 11).

The row comes first and the room after it, under a lock that all processes respect. A killed process
leaves a row without a room, and perhaps a room. The next one to hold the lock lets the organiser
leave that room and makes the group anew under the same number.
"""

import logging
from collections.abc import Awaitable, Callable

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.inside.creations import create_room
from synapse_capgroups.inside.locks import one_process_at_a_time
from synapse_capgroups.inside.membership_changes import withdraw
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.inside.tables.state_history import StateHistory
from synapse_capgroups.series.likeness import MARK, like, mark, model_state
from synapse_capgroups.storage.database import Database, lock_series
from synapse_capgroups.storage.series import (
    Series,
    SeriesGroup,
    SeriesGroups,
    SeriesHelpers,
    SeriesRows,
    SeriesState,
)

logger = logging.getLogger(__name__)

_CREATE = ("m.room.create", "")

Made = Callable[[Series, SeriesGroup], Awaitable[None]]
"""Told of each new group, in the background."""


@attrs.frozen
class _Begun:
    """A group that is to be made. `leftover`: another process may have begun to make its room."""

    series: Series
    group: SeriesGroup
    helpers: list[str]
    leftover: bool


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
        return await self._make(series_id, enough=1) is not None

    def prepare_soon(self, series_id: str) -> None:
        """Make the next group in the background, unless one is ready beside the one in use."""
        self._api.run_as_background_process("capgroups_next_group", self._prepare, series_id)

    async def make_for(self, series_id: str, label: str | None = None) -> SeriesGroup | None:
        """Make one group more, whether or not others have places.

        Args:
            label: the value of an assignment for which it is made.

        Returns:
            None if there can be no more.

        Raises:
            SynapseError: Synapse or another module is against the creation.
        """
        found = await self._make(series_id, enough=None, label=label)
        return found if isinstance(found, SeriesGroup) else None

    async def _prepare(self, series_id: str) -> None:
        await self._make(series_id, enough=2)

    async def _make(
        self, series_id: str, *, enough: int | None, label: str | None = None
    ) -> SeriesGroup | bool | None:
        """Returns the new group, True if there are enough, None if there can be no more."""
        async with one_process_at_a_time(self._api, "series", series_id):
            begun = await self._database.run(
                "series_next", lambda txn: self._begin(txn, series_id, enough, label)
            )
            if not isinstance(begun, _Begun):
                return begun
            if begun.leftover:
                await self._leave_unfinished(begun)
            made = await self._create(begun)
        for told in self._told:
            self._api.run_as_background_process("capgroups_made", told, begun.series, made)
        return made

    def _begin(
        self, txn: LoggingTransaction, series_id: str, enough: int | None, label: str | None
    ) -> _Begun | bool | None:
        lock_series(txn, series_id)
        series = SeriesRows.by_id(txn, series_id)
        if series is None or series.state is not SeriesState.RUNNING:
            return None
        if enough and len(SeriesGroups.maybe_with_place(txn, series_id, enough)) == enough:
            return True
        helpers = SeriesHelpers.of(txn, series_id)
        if unmade := SeriesGroups.unmade(txn, series_id):
            return _Begun(series, unmade[0], helpers, leftover=True)
        count, last = SeriesGroups.count_and_last(txn, series_id)
        if count >= series.max_groups:
            return None
        now, after = self._api.get_current_time_msec(), StateHistory.latest_stream_ordering(txn)
        group = SeriesGroup(series_id, last + 1, None, now, after, False, label)
        if not SeriesGroups.begin(txn, series_id, group.number, now, after, label=label):
            return None
        return _Begun(series, group, helpers, leftover=False)

    async def _create(self, begun: _Begun) -> SeriesGroup:
        series, group = begun.series, begun.group
        body = like(
            await model_state(self._api, series.model),
            series.organiser,
            begun.helpers,
            series.group_name(group.number),
            mark(series, group.number, group.begun_at),
        )
        room_id = await create_room(self._api, series.organiser, body, as_asked=True)
        await self._database.run(
            "series_made",
            lambda txn: SeriesGroups.made(txn, series.series_id, group.number, room_id),
        )
        return attrs.evolve(group, room_id=room_id)

    async def _leave_unfinished(self, begun: _Begun) -> None:
        """Let the organiser leave what a killed process has begun."""
        series, group = begun.series, begun.group
        marked = mark(series, group.number, group.begun_at)
        rooms = await self._database.run(
            "series_unfinished",
            lambda txn: Memberships.joined_after(txn, series.organiser, group.begun_after),
        )
        for room_id in rooms:
            created = (await self._api.get_room_state(room_id, [_CREATE])).get(_CREATE)
            if created is not None and created.content.get(MARK) == marked:
                await withdraw(self._api, series.organiser, room_id)
