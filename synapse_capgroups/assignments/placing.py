"""Puts one person into the group that the plan showed, or notes why they have no place.

What is done is decided anew for each person at that moment, in one transaction. If the process is
killed afterwards, the row is due again, and whoever is in a group or invited by then is done.
"""

import logging
from enum import Enum

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import Codes, SynapseError

from synapse_capgroups.admission.places import Places
from synapse_capgroups.assignments.facts_of_series import DAY_MS, MOST_A_DAY
from synapse_capgroups.config import Config
from synapse_capgroups.inside.membership_changes import set_membership
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.rules.assignment.facts import Why
from synapse_capgroups.series.next_group import GroupMaking
from synapse_capgroups.series.tending import Tending
from synapse_capgroups.storage.assignments import (
    AssignedRow,
    Assignment,
    AssignmentRows,
    Assignments,
    AssignmentState,
    Target,
    Targets,
)
from synapse_capgroups.storage.database import Database, lock_room, lock_series
from synapse_capgroups.storage.reservations import give_back
from synapse_capgroups.storage.seats import Seats
from synapse_capgroups.storage.series import Series, SeriesGroups, SeriesHelpers, SeriesRows
from synapse_capgroups.storage.series import SeriesState as State
from synapse_capgroups.telemetry import journal, metrics

logger = logging.getLogger(__name__)

_LONGEST_REASON = 500  # characters
_JOINING_PAUSE = 1  # second


class _What(Enum):
    """What is to be done for a person now."""

    STOPPED = "stopped"
    NOTHING = "nothing"
    WAIT = "wait"
    MAKE_GROUP = "make group"
    BRING_HELPER = "bring helper"
    INVITE = "invite"
    INVITE_AND_JOIN = "invite and join"
    JOIN = "join"


@attrs.frozen
class _Step:
    what: _What
    assignment: Assignment | None = None
    target: Target | None = None


class GroupsReady:
    """Sees to it that a group is there, and the one who invites is in it."""

    def __init__(self, database: Database, making: GroupMaking, tending: Tending) -> None:
        self._database = database
        self._making = making
        self._tending = tending

    async def make(self, series_id: str, target: Target) -> bool:
        """Make a group under the number that is reserved for it; False if it cannot be any more.

        Raises:
            SynapseError: Synapse or another module is against the creation.
        """
        made = await self._making.make_reserved(series_id, target.number)
        if made is None or made.room_id is None or made.label != target.label:
            return False
        room_id = made.room_id
        await self._database.run("assigned_group", lambda txn: Targets.made(txn, target, room_id))
        return True

    async def bring_helpers(self, series_id: str) -> None:
        """Bring helpers into groups that were made a moment ago."""
        await self._tending.tend_safely(series_id)


class Standing:
    """Decides, inside a transaction, what is to be done for a person at this moment."""

    def __init__(self, api: ModuleApi, config: Config) -> None:
        self._api = api
        self._places = Places(api.server_name, config)
        self._joins = config.series.assign == "join"
        self._local_only = config.is_guarded and config.federation == "local"

    def step(self, txn: LoggingTransaction, row: AssignedRow) -> _Step | Why:
        """The next step for a person, or why they have no place. The series is locked."""
        assignment = Assignments.by_id(txn, row.assignment_id)
        if assignment is None:
            return _Step(_What.STOPPED)
        lock_series(txn, assignment.series_id)
        assignment = Assignments.by_id(txn, row.assignment_id)
        if assignment is None or assignment.state is not AssignmentState.APPLYING:
            return _Step(_What.STOPPED)
        series = self._still_theirs(txn, assignment)
        if series is None:
            Assignments.set_state(txn, row.assignment_id, AssignmentState.STOPPED)
            give_back(txn, assignment)
            return _Step(_What.STOPPED, assignment)
        if not AssignmentRows.is_due(txn, row):
            return _Step(_What.NOTHING)
        now = self._api.get_current_time_msec()
        target = Targets.by_number(txn, row.assignment_id, row.number)
        organisers = SeriesHelpers.organisers(txn, series)
        if row.user_id in organisers:
            return Why.ORGANISER
        found = self._in_series(txn, assignment, series, row, target, now)
        if isinstance(found, _Step | Why):
            return found
        if (why := self._barred(txn, assignment, row.user_id, now)) is not None:
            return why
        if target is None:
            return Why.UNKNOWN_GROUP
        if target.room_id is None:
            return _Step(_What.MAKE_GROUP, assignment, target)
        group = SeriesGroups.of_room(txn, target.room_id)
        if group is None or group.series_id != series.series_id:
            return Why.UNKNOWN_GROUP
        lock_room(txn, target.room_id)
        _, left = self._places.with_invitations(txn, series, organisers, group, now)
        if left <= 0:
            return Why.GROUP_FULL
        inviter = assignment.applied_by
        if inviter is None or not Memberships.is_member(txn, target.room_id, inviter):
            return _Step(_What.BRING_HELPER, assignment, target)
        what = _What.INVITE_AND_JOIN if found else _What.INVITE
        return _Step(what, assignment, target)

    @staticmethod
    def _still_theirs(txn: LoggingTransaction, assignment: Assignment) -> Series | None:
        """The series, if the one who applies the plan still runs it and may invite people."""
        who = assignment.applied_by or ""
        series = SeriesRows.run_by(txn, assignment.series_id, who)
        account = Users.account(txn, who)
        lives = series is not None and series.state is not State.ENDED
        return series if lives and account.is_active and not account.is_suspended else None

    def _in_series(
        self,
        txn: LoggingTransaction,
        assignment: Assignment,
        series: Series,
        row: AssignedRow,
        target: Target | None,
        now: int,
    ) -> _Step | Why | bool:
        """What follows from where somebody is already; else whether they can be joined."""
        may_join = self._joins and self._api.is_mine(row.user_id)
        if may_join:
            # As with any invitation by somebody whom they ignore, they see nothing of it. Who is
            # suspended could not join, and the organiser is not to learn that.
            may_join = not Users.account(txn, row.user_id).is_suspended and not Users.ignores(
                txn, row.user_id, assignment.applied_by or ""
            )
        room_id = target and target.room_id
        for room, _, membership, sender, _ in SeriesGroups.standings(
            txn, series.series_id, row.user_id
        ):
            if membership == "ban":
                return Why.BANNED
            if membership == "leave":
                if sender != row.user_id:
                    return Why.REMOVED
                may_join = may_join and room != room_id  # Who has left is asked.
            elif membership == "invite" and room == room_id and sender == assignment.applied_by:
                # Perhaps a killed process has invited them, and not joined them.
                return _Step(_What.JOIN if may_join else _What.NOTHING, assignment, target)
            elif membership in ("join", "invite"):
                return _Step(_What.NOTHING)
        for room, _ in SeriesGroups.seats_of(txn, series.series_id, row.user_id, now):
            place = Memberships.membership(txn, room, row.user_id).stream_ordering
            if Seats.attempt(txn, room, row.user_id, place) is not None:
                return _Step(_What.WAIT)  # They come in by a code at this moment.
        return may_join

    def _barred(
        self, txn: LoggingTransaction, assignment: Assignment, user_id: str, now: int
    ) -> Why | None:
        if not self._api.is_mine(user_id):
            if self._local_only:
                return Why.REMOTE
        elif user_id not in (kinds := Users.kinds(txn, [user_id])):
            return Why.NO_ACCOUNT
        elif kinds[user_id]:
            return Why.GUEST
        often = AssignmentRows.invitations_since(
            txn, assignment.applied_by or "", [user_id], now - DAY_MS
        )
        return Why.OVER_LIMIT if often.get(user_id, 0) >= MOST_A_DAY else None


class Placing:
    """Invites people in the organiser's name, and joins them where the server allows that."""

    def __init__(
        self, api: ModuleApi, database: Database, ready: GroupsReady, config: Config
    ) -> None:
        self._api = api
        self._database = database
        self._ready = ready
        self._standing = Standing(api, config)
        self._words = config.words

    async def place(self, row: AssignedRow) -> bool:
        """Do for one person what the plan says; False if the assignment is stopped."""
        tended = False
        while True:
            step = await self._database.run("place", lambda txn: self._standing.step(txn, row))
            if isinstance(step, Why):
                await self._fail(row, self._sentence(step))
                return True
            if step.what is _What.STOPPED:
                if step.assignment is not None:
                    journal.assignment(
                        step.assignment, step.assignment.applied_by or "", "not_entitled"
                    )
                return False
            if step.what is _What.WAIT:
                await self._api.sleep(_JOINING_PAUSE)
            elif step.what is _What.MAKE_GROUP:
                if (why := await self._make(step)) is not None:
                    await self._fail(row, why)
                    return True
            elif step.what is _What.BRING_HELPER:
                assert step.assignment is not None
                if tended:
                    await self._fail(row, self._words.say("assigned_not_member"))
                    return True
                await self._ready.bring_helpers(step.assignment.series_id)
                tended = True
            else:
                await self._bring(row, step)
                return True

    def _sentence(self, why: Why) -> str:
        return self._words.say(f"left_out_{why.value}")

    async def _make(self, step: _Step) -> str | None:
        """Make the group; returns why there is none."""
        assert step.assignment is not None
        assert step.target is not None
        try:
            made = await self._ready.make(step.assignment.series_id, step.target)
        except SynapseError as e:
            return _said(e)
        return None if made else self._sentence(Why.UNKNOWN_GROUP)

    async def _bring(self, row: AssignedRow, step: _Step) -> None:
        """Invite, join, or both; or nothing, if they have a place already."""
        invites = step.what in (_What.INVITE, _What.INVITE_AND_JOIN)
        if invites and (why := await self._invite(row, step)) is not None:
            await self._fail(row, why)
            return
        if step.what in (_What.INVITE_AND_JOIN, _What.JOIN):
            await self._join(row, step)
        now = self._api.get_current_time_msec()
        await self._database.run(
            "placed",
            lambda txn: AssignmentRows.end(txn, row, now, by_this=step.target is not None),
        )
        metrics.ASSIGNED.labels("placed").inc()

    async def _invite(self, row: AssignedRow, step: _Step) -> str | None:
        """Invite somebody, as the callbacks decide it; returns why that cannot be."""
        inviter, room_id = _who_and_where(step)
        try:
            await set_membership(
                self._api, inviter, row.user_id, room_id, "invite", needs_consent=False
            )
        except SynapseError as e:
            if e.errcode == Codes.INVITE_BLOCKED:
                return self._sentence(Why.BLOCKED)
            return _said(e)
        except Exception as e:  # Another server cannot be reached.
            logger.info("Could not invite %s by an assignment: %r", row.user_id, e)
            return self._words.say("assigned_not_reached")
        return None

    async def _join(self, row: AssignedRow, step: _Step) -> None:
        """Join somebody, as the callbacks decide it. If that cannot be, the invitation stays."""
        _, room_id = _who_and_where(step)
        try:
            await set_membership(
                self._api, row.user_id, row.user_id, room_id, "join", needs_consent=False
            )
        except SynapseError as e:
            logger.info("Could not join %s to %s: %s", row.user_id, room_id, e)

    async def _fail(self, row: AssignedRow, why: str) -> None:
        now = self._api.get_current_time_msec()
        await self._database.run(
            "not_placed", lambda txn: AssignmentRows.end(txn, row, now, why[:_LONGEST_REASON])
        )
        metrics.ASSIGNED.labels("not_placed").inc()


def _who_and_where(step: _Step) -> tuple[str, str]:
    assert step.assignment is not None
    assert step.assignment.applied_by is not None
    assert step.target is not None
    assert step.target.room_id is not None
    return step.assignment.applied_by, step.target.room_id


def _said(error: SynapseError) -> str:
    """The sentence of Synapse, of this module or of another one."""
    return str(error.error_dict(None).get("error") or error.msg)
