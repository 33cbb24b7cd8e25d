"""Decides who comes into a group, for all ways in, each in one transaction.

The order inside the transaction matters (rule 4): first the group's lock, then one statement that
counts the taken seats, then the reservation. See `storage.situations` and `storage.seats`.
"""

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.code_deaths import CodeDeaths
from synapse_capgroups.admission.code_history import has_removed
from synapse_capgroups.admission.contacts import Contacts
from synapse_capgroups.admission.decision import JoinDecision, admitting
from synapse_capgroups.admission.facts import Arrival, Facts
from synapse_capgroups.admission.holds import Holds
from synapse_capgroups.admission.record import Record
from synapse_capgroups.admission.ways import ByCode, ByInvitation, Way
from synapse_capgroups.config import Config
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.rules.codes import decide_entry
from synapse_capgroups.rules.joining import decide_join
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.rules.verdict import ALLOWED, Reason, Refusal
from synapse_capgroups.storage.code_invitations import CodeInvitations
from synapse_capgroups.storage.codes import Codes
from synapse_capgroups.storage.database import Database, lock_room
from synapse_capgroups.storage.seats import Seats

_LIMITS = frozenset({Reason.FULL, Reason.CODE_CLOSED, Reason.CONTACT_REQUIRED})
"""The refusals at a living code's door that a trial does not give."""


class Deciding:
    """Decides joins. `enter` may raise what the database raises."""

    def __init__(self, api: ModuleApi, database: Database, holds: Holds, config: Config) -> None:
        self._api = api
        self._database = database
        self._holds = holds
        self._enforce = config.enforce
        self._limits = config.limits
        self._facts = Facts(api, Contacts(api, database, config.verified_contact), config)
        self._deaths = CodeDeaths(config)
        self._record = Record(api, database, config)

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
        if decision.hold is not None:
            self._holds.add(decision.hold)
        return decision

    def _arrival(
        self, txn: LoggingTransaction, group: Group, user_id: str, voucher: str | None
    ) -> Arrival:
        lock_room(txn, group.room_id)
        now = self._api.get_current_time_msec()  # Others may have held the lock for long.
        return self._facts.arrival(txn, group, user_id, voucher, now)

    def _by_invitation(
        self, txn: LoggingTransaction, group: Group, user_id: str, way: ByInvitation
    ) -> JoinDecision:
        # A member changes name or avatar far more often than anybody joins: no lock for that.
        if not way.is_invited and Memberships.is_member(txn, group.room_id, user_id):
            return JoinDecision(ALLOWED)
        arrival = self._arrival(txn, group, user_id, None)
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
        arrival = self._arrival(txn, group, user_id, way.code.sharer)
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
        removed_since = has_removed(txn, code, user_id, there.standing)
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
        if way.invites:
            # A place is kept for each, or more would come than the code may let in.
            expected = code.uses + CodeInvitations.others(txn, code.code_id, user_id)
            if code.max_uses is not None and expected >= code.max_uses:
                return JoinDecision(Refusal(Reason.CODE_USED_UP, always=True))
            CodeInvitations.add(txn, group.room_id, user_id, code.code_id)
            return JoinDecision(verdict)
        return self._record.admit(txn, arrival, facts, verdict, code)
