"""The numbers of groups that an assignment may make, kept in its series until it has ended."""

from collections.abc import Iterable

from synapse.module_api import LoggingTransaction

from synapse_capgroups.storage.assignments import Assignment, Assignments, Targets
from synapse_capgroups.storage.series import RESERVED, SeriesGroups


def give_back(txn: LoggingTransaction, assignment: Assignment) -> None:
    """Give back what an assignment has reserved and not made."""
    for target in Targets.of(txn, assignment.assignment_id):
        if target.is_reserved:
            SeriesGroups.not_made(txn, assignment.series_id, target.number, RESERVED)
            Targets.reserve(txn, target, reserved=False)


def forget_assignments(txn: LoggingTransaction, assignments: Iterable[Assignment]) -> None:
    """Remove assignments with all that they name and reserve."""
    for assignment in assignments:
        give_back(txn, assignment)
        Assignments.forget(txn, [assignment.assignment_id])
