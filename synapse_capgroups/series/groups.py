"""The groups of a series as its organisers see them; taking groups in, and letting them go."""

from collections.abc import Sequence

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.places import Places
from synapse_capgroups.groups.members import Member
from synapse_capgroups.groups.names import group_name
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.limits.table import SERIES_GROUPS
from synapse_capgroups.rules.assignment.labels import labelled, shown
from synapse_capgroups.series.beginning import Entitlement, put_in
from synapse_capgroups.series.mistakes import SeriesProblem, SeriesRequestError
from synapse_capgroups.series.organisers import Organiser, still_runs
from synapse_capgroups.series.tending import Tended, Tending
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.series import SeriesGroup, SeriesGroups, SeriesHelpers, SeriesRows
from synapse_capgroups.storage.series_counts import SeriesCounts
from synapse_capgroups.telemetry import journal


@attrs.frozen
class GroupInSeries:
    """A group of a series at this moment.

    Attributes:
        room_id: None while the group is being made.
        name: None if it has none.
        people: how many are in it, organisers not counted; seats held for joins included.
        places_left: for how many more it has a place, by live codes or an assignment.
        is_member: whether the one who looks is in it.
        label: what the people have in common for whom an assignment keeps it, and whom no live code
            brings in; None if it is for everybody.
    """

    number: int
    room_id: str | None
    name: str | None
    people: int
    places_left: int
    is_member: bool
    label: str | None


class GroupsOfSeries:
    """Lists, takes in and lets go."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        entitlement: Entitlement,
        tending: Tending,
        places: Places,
    ) -> None:
        self._api = api
        self._database = database
        self._entitlement = entitlement
        self._tending = tending
        self._places = places

    async def counts(self, organisers: Sequence[Organiser]) -> list[int]:
        """How many groups each of these series has, those being made included."""
        series_ids = [organiser.series.series_id for organiser in organisers]
        found = await self._database.look_up(
            "counts_of_series", lambda txn: SeriesCounts.groups(txn, series_ids)
        )
        return [found.get(series_id, 0) for series_id in series_ids]

    async def page(self, organiser: Organiser, after: int, most: int) -> list[GroupInSeries]:
        """Groups of a series in the order of their numbers.

        Args:
            after: the last number of the page before, 0 for the first page.
        """
        series, now = organiser.series, self._api.get_current_time_msec()

        def look(txn: LoggingTransaction) -> list[GroupInSeries]:
            organisers = SeriesHelpers.organisers(txn, series)
            parts = SeriesGroups.of(txn, series.series_id, after=after, most=most)
            rooms = [part.room_id for part in parts if part.room_id is not None]
            own = set(Memberships.joined_by(txn, rooms, organiser.user_id))
            return [
                GroupInSeries(
                    part.number,
                    part.room_id,
                    None,
                    *self._places.of_group(txn, series, organisers, part, now),
                    part.room_id in own,
                    None if part.label is None else shown(labelled(part.label)),
                )
                for part in parts
            ]

        found = await self._database.run("groups_of_series", look)
        return [
            attrs.evolve(group, name=await group_name(self._api, group.room_id))
            if group.room_id
            else group
            for group in found
        ]

    async def take_in(self, organiser: Organiser, member: Member) -> tuple[int, Tended]:
        """Take a group that exists into a series, behind its last one.

        Args:
            member: the organiser as a member of that group.

        Returns:
            Its number, and what could not be done for helpers.

        Raises:
            NoSuchSeriesError: they no longer run the series.
            SeriesRequestError: this cannot be, or they may not.
            SynapseError: 429, they do it too often.
        """
        assert member.user_id == organiser.user_id
        await self._entitlement.check(member, SERIES_GROUPS)
        now = self._api.get_current_time_msec()

        def add(txn: LoggingTransaction) -> int:
            series = still_runs(txn, organiser).series
            count, last = SeriesGroups.count_and_last(txn, series.series_id)
            if count >= series.max_groups:
                raise SeriesRequestError(SeriesProblem.HAS_ALL, series.max_groups)
            put_in(txn, series.series_id, last + 1, member, now)
            return last + 1

        number = await self._database.run("take_into_series", add)
        series_id, room_id = organiser.series.series_id, member.group.room_id
        journal.series("take", series_id, organiser.user_id, group=room_id, number=number)
        return number, await self._tending.tend(series_id)

    async def let_go(self, organiser: Organiser, number: int) -> bool:
        """Let a group leave its series: it stays as it is, but its helpers lose their power.

        Returns:
            Whether all of them did; else nobody could take it from some.

        Raises:
            NoSuchSeriesError: they no longer run the series.
            SeriesRequestError: there is no such group.
            SynapseError: 429, they do it too often.
        """
        await self._entitlement.spend(organiser.user_id, SERIES_GROUPS)
        series_id = organiser.series.series_id

        def remove(txn: LoggingTransaction) -> SeriesGroup:
            series = still_runs(txn, organiser).series
            found = SeriesGroups.of(txn, series_id, after=number - 1, most=1)
            if not found or found[0].number != number or found[0].room_id is None:
                raise SeriesRequestError(SeriesProblem.NO_SUCH_GROUP)
            SeriesGroups.remove(txn, series_id, number)
            if found[0].room_id == series.model:
                SeriesRows.choose_model(txn, series.model)
            return found[0]

        whole = await self._tending.whole(series_id)
        gone = await self._database.run("let_go_of_series", remove)
        journal.series("release", series_id, organiser.user_id, group=gone.room_id, number=number)
        all_without = whole is None or await self._tending.released(whole, gone)
        self._tending.tend_soon(series_id)
        return all_without
