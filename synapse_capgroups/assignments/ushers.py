"""Works off assignments: on one process, one person after the other, at an even pace."""

import logging

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.assignments.placing import Placing
from synapse_capgroups.inside.process_bell import ProcessBell
from synapse_capgroups.storage.assignments import (
    AssignedRow,
    Assignment,
    AssignmentRows,
    Assignments,
    AssignmentState,
)
from synapse_capgroups.storage.database import Database, lock_series
from synapse_capgroups.storage.reservations import forget_assignments, give_back
from synapse_capgroups.telemetry import journal

logger = logging.getLogger(__name__)

_AT_ONCE = 3
"""How many assignments are worked off beside each other."""

_TURN_MS = 30 * 1000
"""How long it is one's turn while others wait: servers that answer slowly hold up nobody else."""

_PEOPLE_AT_ONCE = 50
_LONGEST_PAUSE = 1  # second

KEPT_MS = 30 * 24 * 60 * 60 * 1000
"""How long a plan is kept, applied or not."""


class Ushers:
    """Puts people into groups on the process that Synapse runs its background tasks on.

    Other processes call it there. Should that be lost, the next sweep finds what is to be done.
    """

    def __init__(self, api: ModuleApi, database: Database, placing: Placing) -> None:
        self._api = api
        self._database = database
        self._placing = placing
        self._bell = ProcessBell(api, "capgroups_assignments", self._begin)
        self._under_way: set[str] = set()
        self._last = ""

    async def call(self, assignment_id: str) -> None:
        """Have an assignment worked off, wherever that is done."""
        await self._bell.call(assignment_id)

    async def sweep(self) -> None:
        """Forget what is old, and go on with what a killed process left. On one process only."""
        before = self._api.get_current_time_msec() - KEPT_MS

        def forget(txn: LoggingTransaction) -> None:
            old = Assignments.created_before(txn, before)
            for series_id in sorted({assignment.series_id for assignment in old}):
                lock_series(txn, series_id)
            forget_assignments(txn, old)

        await self._database.run("sweep_assignments", forget)
        await self._go_on()

    async def _go_on(self) -> None:
        there = await self._database.look_up("sweep_assignments", Assignments.under_way)
        turn = there.index(self._last) + 1 if self._last in there else 0
        for assignment_id in there[turn:] + there[:turn]:
            self._begin(assignment_id)

    def _begin(self, assignment_id: str) -> None:
        if (
            self._api.should_run_background_tasks()
            and assignment_id not in self._under_way
            and len(self._under_way) < _AT_ONCE
        ):
            self._under_way.add(assignment_id)
            self._last = assignment_id
            self._api.run_as_background_process(
                "capgroups_assigning", self._work_off, assignment_id
            )

    async def _work_off(self, assignment_id: str) -> None:
        ends_at = self._api.get_current_time_msec() + _TURN_MS
        try:
            while (rows := await self._next(assignment_id)) and self._is_before(ends_at):
                for row in rows:
                    if not await self._place(row) or not self._is_before(ends_at):
                        break
        except Exception:
            # The next sweep goes on.
            logger.exception("Could not work off the assignment %s", assignment_id)
            self._under_way.discard(assignment_id)
        else:
            self._under_way.discard(assignment_id)
            await self._go_on()  # The next one, or itself if it is alone.

    def _is_before(self, time: int) -> bool:
        return self._api.get_current_time_msec() < time

    async def _place(self, row: AssignedRow) -> bool:
        """Place one person, and pause; False if the assignment is stopped."""
        begun_at = self._api.get_current_time_msec()
        if not await self._placing.place(row):
            return False
        # As long as it took, so that half of the time is everybody else's.
        took = (self._api.get_current_time_msec() - begun_at) / 1000
        await self._api.sleep(min(took, _LONGEST_PAUSE))
        return True

    async def _next(self, assignment_id: str) -> list[AssignedRow]:
        """The next people; nobody if it is stopped, or over, which is noted."""

        def look(txn: LoggingTransaction) -> tuple[list[AssignedRow], Assignment | None]:
            found = Assignments.by_id(txn, assignment_id)
            if found is None:
                return [], None
            lock_series(txn, found.series_id)
            found = Assignments.by_id(txn, assignment_id)
            if found is None or found.state is not AssignmentState.APPLYING:
                return [], None
            if rows := AssignmentRows.due(txn, assignment_id, _PEOPLE_AT_ONCE):
                return rows, None
            Assignments.set_state(txn, assignment_id, AssignmentState.DONE)
            give_back(txn, found)
            return [], found

        rows, over = await self._database.run("assignment_next", look)
        if over is not None:
            journal.assignment(over, over.applied_by or "", "done")
        return rows
