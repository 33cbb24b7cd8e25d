"""Makes plans: from a table, the moment's facts, and nothing else (rule 14)."""

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.assignments.facts_of_series import FactsOfSeries
from synapse_capgroups.groups.names import group_name
from synapse_capgroups.inside.locks import one_at_a_time_here
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.limits.table import ASSIGNMENTS
from synapse_capgroups.rules.assignment.asking import Request, read_request
from synapse_capgroups.rules.assignment.facts import SeriesFacts
from synapse_capgroups.rules.assignment.flaws import BadRow
from synapse_capgroups.rules.assignment.labels import stored
from synapse_capgroups.rules.assignment.plan import Plan
from synapse_capgroups.rules.assignment.planning import make_plan
from synapse_capgroups.rules.text import MalformedRequest
from synapse_capgroups.series.organisers import Organiser, still_runs
from synapse_capgroups.storage.assignments import (
    Assignment,
    Assignments,
    AssignmentState,
    Target,
)
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.series import SeriesGroups
from synapse_capgroups.telemetry import journal

_KEPT_PLANS = 5


@attrs.frozen
class Planned:
    """A plan as the organiser sees it.

    Attributes:
        plan: its JSON.
        bad_rows: what could not be read of the table.
    """

    assignment: Assignment
    plan: dict[str, Any]
    bad_rows: Sequence[BadRow]


class PlanMaking:
    """Plans, one table at a time in each process."""

    def __init__(
        self, api: ModuleApi, database: Database, limits: RateLimits, facts: FactsOfSeries
    ) -> None:
        self._api = api
        self._database = database
        self._limits = limits
        self._facts = facts

    async def plan(self, organiser: Organiser, content: bytes) -> Planned:
        """Plan an assignment and keep the plan; nobody is invited.

        Args:
            content: JSON as the HTTP API takes it.

        Raises:
            NoSuchSeriesError: they no longer run the series.
            SeriesRequestError: it has ended, or their account is suspended.
            MalformedRequest: the body has not the right shape.
            UnreadableTable: nothing in its table can be read.
            ImpossibleSizesError: no group can have the sizes that are asked for.
            SynapseError: 429, they plan too often.
        """
        await self._limits.spend(ASSIGNMENTS, organiser.user_id)
        async with one_at_a_time_here(self._api, "assignment", ""):
            request = await self._api.defer_to_thread(_read, content, self._api.server_name)
            people = {person.user for person in request.table.people}
            facts, rooms = await self._database.run(
                "assignment_facts", lambda txn: self._gather(txn, organiser, people)
            )
            if request.asked.group is not None:
                facts = await self._with_names(facts, rooms)
            plan, shown, plan_hash = await self._api.defer_to_thread(_planned, request, facts)
            assignment = Assignment(
                assignment_id=secrets.token_hex(8),
                series_id=organiser.series.series_id,
                author=organiser.user_id,
                hash=plan_hash,
                state=AssignmentState.PLANNED,
                created_at=self._api.get_current_time_msec(),
            )
            await self._database.run(
                "assignment", lambda txn: self._keep(txn, organiser, assignment, plan, rooms)
            )
        counts = {"people": plan.placed, "left_out": len(plan.left_out)}
        journal.assignment(assignment, organiser.user_id, "planned", **counts)
        return Planned(assignment, shown, request.table.bad_rows)

    def _gather(
        self, txn: LoggingTransaction, organiser: Organiser, people: set[str]
    ) -> tuple[SeriesFacts, dict[int, str]]:
        there = still_runs(txn, organiser)
        groups = SeriesGroups.of(txn, there.series.series_id)
        rooms = {group.number: group.room_id for group in groups if group.room_id is not None}
        return self._facts.gather(txn, there, people), rooms

    async def _with_names(self, facts: SeriesFacts, rooms: Mapping[int, str]) -> SeriesFacts:
        """The same, with the names that the groups really have."""
        named = [
            attrs.evolve(group, name=await group_name(self._api, rooms[group.number]) or group.name)
            if group.number in rooms
            else group
            for group in facts.groups
        ]
        return attrs.evolve(facts, groups=tuple(named))

    @staticmethod
    def _keep(
        txn: LoggingTransaction,
        organiser: Organiser,
        assignment: Assignment,
        plan: Plan,
        rooms: Mapping[int, str],
    ) -> None:
        series_id = still_runs(txn, organiser).series.series_id
        Assignments.forget(txn, Assignments.old_plans(txn, series_id, _KEPT_PLANS - 1))
        targets = [
            Target(
                assignment.assignment_id,
                group.number,
                None if group.new else rooms[group.number],
                stored(group.label),
                group.new,
                group.before == 0,
            )
            for group in plan.groups
        ]
        people = [(user, group.number) for group in plan.groups for user in group.people]
        Assignments.add(txn, assignment, targets, people)


def _read(content: bytes, server_name: str) -> Request:
    try:
        body = json.loads(content, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise MalformedRequest("Content not JSON.") from None
    if not isinstance(body, dict):
        raise MalformedRequest("Content must be a JSON object.")
    return read_request(body, server_name)


def _no_number(said: str) -> None:
    raise ValueError(said)


def _planned(request: Request, facts: SeriesFacts) -> tuple[Plan, dict[str, Any], str]:
    plan = make_plan(request.table.people, request.asked, facts)
    return plan, plan.to_json(), plan.hash()
