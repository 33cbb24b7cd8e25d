"""Decides who comes into a group, for all ways in, each in one transaction.

The order inside the transaction matters (rule 4): first the group's lock, then one statement that
counts the taken seats, then the reservation. See `admission.facts`, `storage.situations` and
`storage.seats`.
"""

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.code_deaths import CodeDeaths
from synapse_capgroups.admission.code_history import has_removed
from synapse_capgroups.admission.contacts import Contacts
from synapse_capgroups.admission.decision import Elsewhere, JoinDecision, admitting
from synapse_capgroups.admission.facts import Facts
from synapse_capgroups.admission.holds import Holds
from synapse_capgroups.admission.places import Places, standing_in_series
from synapse_capgroups.admission.record import Record
from synapse_capgroups.admission.requesting import Asking, Bell
from synapse_capgroups.admission.ways import ByCode, ByInvitation, ByLiveCode, Way
from synapse_capgroups.config import Config
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.rules.codes import decide_entry
from synapse_capgroups.rules.joining import decide_join
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.rules.verdict import ALLOWED, Reason, Refusal
from synapse_capgroups.storage.code_invitations import CodeInvitations
from synapse_capgroups.storage.codes import Code, Codes
from synapse_capgroups.storage.database import Database, lock_series
from synapse_capgroups.storage.seats import Seats
from synapse_capgroups.storage.series import SeriesHelpers, SeriesRows, SeriesState
from synapse_capgroups.telemetry import journal, metrics

_LIMITS = frozenset({Reason.FULL, Reason.CODE_CLOSED, Reason.CONTACT_REQUIRED})
"""The refusals at a living code's door that a trial does not give."""


class Deciding:
    """Decides joins. `enter` may raise what the database raises."""

    def __init__(
        self, api: ModuleApi, database: Database, holds: Holds, bell: Bell, config: Config
    ) -> None:
        """
        Args:
            bell: rings when somebody has to wait for a moderator's answer.
        """
        self._api = api
        self._database = database
        self._holds = holds
        self._bell = bell
        self._enforce = config.enforce
        self._limits = config.limits
        self._facts = Facts(api, Contacts(api, database, config.verified_contact), config)
        self._deaths = CodeDeaths(config)
        self._record = Record(api, database, config)
        self._places = Places(api.server_name, config)
        self._asking = Asking(config)

    async def enter(self, group: Group, user_id: str, way: Way) -> JoinDecision:
        """Decide a join and, if it is allowed, hold a seat for it and put it on record.

        Returns:
            A decision with an admission if the person may join now. `Settling` must hear how the
            join ended.
        """
        if isinstance(way, ByCode):
            decision = await self._database.run(
                "entry", lambda txn: self._by_code(txn, group, user_id, way)
            )
        elif admitting.get() == (group.room_id, user_id):
            return JoinDecision(ALLOWED)
        else:
            decision = await self._database.run(
                "join", lambda txn: self._by_invitation(txn, group, user_id, way)
            )
        self._decided(decision)
        return decision

    async def enter_series(
        self, group: Group | None, user_id: str, way: ByLiveCode
    ) -> JoinDecision | Elsewhere:
        """The same for somebody who comes by a live code (rule 11).

        Args:
            group: the group of the series that seems to be filled now; None if none is known.

        Returns:
            `Elsewhere` if it is not that group. Then it is to be asked about the other.
        """
        decided = await self._database.run(
            "live_entry", lambda txn: self._by_live_code(txn, group, user_id, way)
        )
        if isinstance(decided, JoinDecision):
            self._decided(decided)
        return decided

    def _decided(self, decision: JoinDecision) -> None:
        if decision.hold is not None:
            self._holds.add(decision.hold)
        if decision.request is not None:
            metrics.REQUESTS.labels("asked").inc()
            journal.asked(decision.request)
            self._bell.asked(decision.request)

    def _by_invitation(
        self, txn: LoggingTransaction, group: Group, user_id: str, way: ByInvitation
    ) -> JoinDecision:
        # A member changes name or avatar far more often than anybody joins: no lock for that.
        if not way.is_invited and Memberships.is_member(txn, group.room_id, user_id):
            return JoinDecision(ALLOWED)
        arrival = self._facts.arrival(txn, group, user_id, None)
        facts = self._facts.of_join(txn, arrival)
        verdict = decide_join(facts, self._limits)
        if facts.membership == "join":
            return JoinDecision(verdict)
        if verdict != ALLOWED and self._enforce:
            self._record.note_mode(txn, group, arrival.there, facts.seats_taken)
            return JoinDecision(verdict)
        return self._record.admit(txn, arrival, facts, verdict)

    def _by_code(
        self, txn: LoggingTransaction, group: Group, user_id: str, way: ByCode
    ) -> JoinDecision:
        inviter = way.inviter or way.code.sharer
        arrival = self._facts.arrival(txn, group, user_id, inviter)
        there = arrival.there
        found = Codes.with_sharer(txn, way.code.code_id)
        if found is None:
            return JoinDecision(Refusal(Reason.CODE_REVOKED, always=True))
        code, sharer = found
        if there.attempt is not None and there.attempt.code_id == code.code_id:
            code = attrs.evolve(code, uses=code.uses - 1)  # Their own.
        facts = self._facts.of_join(txn, arrival)
        died_of = self._deaths.find(
            txn,
            code,
            sharer,
            arrival.now,
            Seats.members(txn, group.room_id),
            sharer_may_share=way.sharer_may_share,
        )
        removed_since = has_removed(txn, group.room_id, code, user_id, there.standing)
        verdict = decide_entry(
            facts, self._limits, code_died_of=died_of, removed_since=removed_since
        )
        if isinstance(verdict, Refusal):
            by_limit = died_of is None and not removed_since and verdict.reason in _LIMITS
            if self._enforce or not by_limit:
                # In a trial, too: a dead code stays dead, and nothing is behind its door.
                return JoinDecision(attrs.evolve(verdict, always=True))
        elif facts.membership == "join":
            return JoinDecision(verdict)
        if self._asking.must(txn, arrival):
            return self._asking.ask(txn, arrival, code)
        if way.invites:
            # A place is kept for each, or more would come than the code may let in.
            expected = code.uses + CodeInvitations.others(txn, code.code_id, user_id)
            if code.max_uses is not None and expected >= code.max_uses:
                return JoinDecision(Refusal(Reason.CODE_USED_UP, always=True))
            CodeInvitations.add(txn, group.room_id, user_id, code.code_id)
            return JoinDecision(verdict, inviter=inviter)
        admitted = self._record.admit(txn, arrival, facts, verdict, code)
        return attrs.evolve(admitted, inviter=inviter)

    def _by_live_code(
        self, txn: LoggingTransaction, group: Group | None, user_id: str, way: ByLiveCode
    ) -> JoinDecision | Elsewhere:
        code = way.code
        lock_series(txn, code.room_id)
        series = SeriesRows.by_id(txn, code.room_id)
        if series is None or series.state is SeriesState.ENDED:
            return JoinDecision(Refusal(Reason.CODE_REVOKED, always=True))
        organisers = SeriesHelpers.organisers(txn, series)
        if user_id in organisers:
            return JoinDecision(ALLOWED)
        now = self._api.get_current_time_msec()
        refusal, waiting = standing_in_series(txn, series, code, user_id, now)
        if refusal is not None:
            return JoinDecision(refusal)
        # Nobody makes a group for people who come by a dead code.
        died_of = self._died_of(txn, code, now)
        if died_of is not None and not (waiting and died_of is Reason.CODE_USED_UP):
            return JoinDecision(Refusal(died_of, always=True))
        if series.state is SeriesState.PAUSED:
            return JoinDecision(Refusal(Reason.SERIES_PAUSED, always=True))
        # People come in in the sharer's name where the sharer is a member, else in another's.
        inviters = sorted(organisers, key=lambda who: who != code.sharer)
        place = self._places.take(txn, series, inviters, user_id, waiting, now)
        if place is None or group is None or place.room_id != group.room_id:
            return Elsewhere(series.series_id, place.room_id if place else None)
        by_code = ByCode(code, True, way.invites, place.inviter)
        return attrs.evolve(self._by_code(txn, group, user_id, by_code), places_left=place.left - 1)

    def _died_of(self, txn: LoggingTransaction, code: Code, now: int) -> Reason | None:
        """What a live code is dead of, None if it lives."""
        found = Codes.with_sharer(txn, code.code_id)
        if found is None:
            return Reason.CODE_REVOKED
        return self._deaths.find(txn, *found, now, members=0, sharer_may_share=True)
