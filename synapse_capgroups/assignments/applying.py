"""Applies plans that were seen, stops that, and tells how far it is."""

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.places import Places
from synapse_capgroups.assignments.objections import (
    NoSuchAssignmentError,
    OtherPlanError,
    SeriesHasChangedError,
)
from synapse_capgroups.assignments.ushers import Ushers
from synapse_capgroups.inside.tables.state_history import StateHistory
from synapse_capgroups.rules.assignment.labels import stored
from synapse_capgroups.series.organisers import Organiser, still_runs
from synapse_capgroups.storage.assignments import (
    Assignment,
    AssignmentRows,
    Assignments,
    AssignmentState,
    Progress,
    Target,
    Targets,
)
from synapse_capgroups.storage.database import Database, lock_series
from synapse_capgroups.storage.reservations import give_back
from synapse_capgroups.storage.series import RESERVED, Series, SeriesGroup, SeriesGroups
from synapse_capgroups.storage.series import SeriesHelpers as Helpers
from synapse_capgroups.telemetry import journal

_MOST_LISTED = 100


@attrs.frozen
class Failure:
    """Somebody who has no place, and the sentence that says why."""

    user_id: str
    error: str


class Applying:
    """What organisers do with their plans. All who run a series have the same right."""

    def __init__(self, api: ModuleApi, database: Database, ushers: Ushers, places: Places) -> None:
        self._api = api
        self._database = database
        self._ushers = ushers
        self._places = places

    async def apply(self, organiser: Organiser, assignment_id: str, plan_hash: str) -> None:
        """Carry a plan out in the background, or go on with it. What is done stays as it is.

        Args:
            plan_hash: of the plan that the organiser has seen.

        Raises:
            NoSuchAssignmentError: the series has none like that.
            OtherPlanError: the hash is that of another plan.
            SeriesHasChangedError: groups that the plan names are others by now.
            NoSuchSeriesError: they no longer run the series.
            SeriesRequestError: it has ended, or their account is suspended.
        """

        def begin(txn: LoggingTransaction) -> Assignment | None:
            series = still_runs(txn, organiser).series
            found = _of_series(txn, series.series_id, assignment_id)
            if found.hash != plan_hash:
                raise OtherPlanError
            if found.state in (AssignmentState.APPLYING, AssignmentState.DONE):
                return None
            self._reserve(txn, series, found)
            state = AssignmentState.APPLYING
            Assignments.set_state(txn, assignment_id, state, organiser.user_id)
            return found

        if (begun := await self._database.run("apply_assignment", begin)) is not None:
            journal.assignment(begun, organiser.user_id, "applied")
        await self._ushers.call(assignment_id)

    def _reserve(self, txn: LoggingTransaction, series: Series, assignment: Assignment) -> None:
        """Keep the groups for the people of a plan.

        Raises:
            SeriesHasChangedError: they are others than when it was planned.
        """
        is_first = assignment.state is AssignmentState.PLANNED
        groups = {group.number: group for group in SeriesGroups.of(txn, series.series_id)}
        count, last = SeriesGroups.count_and_last(txn, series.series_id)
        now, after = self._api.get_current_time_msec(), StateHistory.latest_stream_ordering(txn)
        for target in Targets.of(txn, assignment.assignment_id):
            there = groups.get(target.number)
            if not target.is_new:
                if is_first:
                    self._keep(txn, series, target, there, now)
                continue
            if target.room_id is not None:
                continue
            is_next = target.number == last + 1
            if there is not None or count >= series.max_groups or (is_first and not is_next):
                if is_first:
                    raise SeriesHasChangedError
                continue  # Its people are told that the group is not there.
            SeriesGroups.begin(
                txn, series.series_id, target.number, RESERVED, after, label=target.label
            )
            Targets.reserve(txn, target, reserved=True)
            count, last = count + 1, max(last, target.number)

    def _keep(
        self,
        txn: LoggingTransaction,
        series: Series,
        target: Target,
        there: SeriesGroup | None,
        now: int,
    ) -> None:
        if there is None or there.room_id != target.room_id:
            raise SeriesHasChangedError
        if target.label == (there.label or stored(())):
            return
        organisers = Helpers.organisers(txn, series)
        people, _ = self._places.with_invitations(txn, series, organisers, there, now)
        if there.label is not None or not target.was_empty or people:
            raise SeriesHasChangedError
        SeriesGroups.give_label(txn, series.series_id, target.number, target.label)

    async def stop(self, organiser: Organiser, assignment_id: str) -> None:
        """Stop before the next person. What was done stays.

        Raises:
            NoSuchAssignmentError: the series has none like that.
        """

        def stop(txn: LoggingTransaction) -> Assignment | None:
            series_id = organiser.series.series_id
            lock_series(txn, series_id)
            found = _of_series(txn, series_id, assignment_id)
            if found.state is not AssignmentState.APPLYING:
                return None
            Assignments.set_state(txn, assignment_id, AssignmentState.STOPPED)
            give_back(txn, found)
            return found

        if (stopped := await self._database.run("stop_assignment", stop)) is not None:
            journal.assignment(stopped, organiser.user_id, "stopped")

    async def all(self, organiser: Organiser) -> list[Progress]:
        """The latest assignments of a series, the newest first."""
        series_id = organiser.series.series_id

        def look(txn: LoggingTransaction) -> list[Progress]:
            found = Assignments.of_series(txn, series_id, _MOST_LISTED)
            return [Assignments.progress(txn, assignment) for assignment in found]

        return await self._database.run("assignments", look)

    async def progress(
        self, organiser: Organiser, assignment_id: str, after: str, most: int
    ) -> tuple[Progress, list[Failure]]:
        """How far an assignment is, and a page of those who have no place.

        Args:
            after: the last Matrix ID of the page before; empty for the first page.

        Raises:
            NoSuchAssignmentError: the series has none like that.
        """
        series_id = organiser.series.series_id

        def look(txn: LoggingTransaction) -> tuple[Progress, list[Failure]]:
            found = _of_series(txn, series_id, assignment_id)
            failures = AssignmentRows.failures(txn, assignment_id, after, most)
            return Assignments.progress(txn, found), [Failure(*failure) for failure in failures]

        return await self._database.run("assignment", look)


def _of_series(txn: LoggingTransaction, series_id: str, assignment_id: str) -> Assignment:
    # PostgreSQL stores no NUL, and no assignment has anything else that cannot be printed.
    found = Assignments.by_id(txn, assignment_id) if assignment_id.isprintable() else None
    if found is None or found.series_id != series_id:
        raise NoSuchAssignmentError
    return found
