"""Decides whether invitations may be sent. An invitation is judged as the join it leads to."""

from collections.abc import Iterable

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.contacts import Contacts
from synapse_capgroups.admission.decision import admitting
from synapse_capgroups.admission.facts import Arrival, Facts
from synapse_capgroups.admission.record import Record
from synapse_capgroups.config import Config
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.rules.joining import (
    decide_address_invitation,
    decide_creation_invitations,
    decide_join,
)
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.rules.verdict import ALLOWED, Verdict
from synapse_capgroups.storage.code_invitations import CodeInvitations
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.seats import Seats, seatless_invitees


class Invitations:
    """Decides invitations. Its methods may raise what the database raises."""

    def __init__(self, api: ModuleApi, database: Database, config: Config) -> None:
        self._api = api
        self._database = database
        self._limits = config.limits
        self._facts = Facts(api, Contacts(api, database, config.verified_contact), config)
        self._record = Record(api, database, config)
        self._seatless = seatless_invitees(api.server_name, guarded=config.is_guarded)

    async def invitation(self, group: Group, inviter: str, invitee: str) -> Verdict:
        """Decide whether an invitation may be sent."""
        if admitting.get() == (group.room_id, invitee):
            return ALLOWED
        now = self._api.get_current_time_msec()

        def decide(txn: LoggingTransaction) -> Verdict:
            there = self._facts.situation(txn, group, invitee, inviter, now)
            if not there.inviter_is_member:
                return ALLOWED  # Synapse refuses, and a stranger learns nothing of the group.
            facts = self._facts.of_invitation(txn, Arrival(group, invitee, there, now))
            self._record.note_mode(txn, group, there, facts.seats_taken)
            verdict = decide_join(facts, self._limits)
            if verdict == ALLOWED and not self._api.is_mine(invitee):
                # From now on a person invites them, and no code does any more.
                CodeInvitations.remove(txn, group.room_id, invitee)
            return verdict

        return await self._database.run("invitation", decide)

    async def address_invitation(self, group: Group, inviter: str) -> Verdict:
        """Decide whether an e-mail address or phone number without an account may be invited."""
        now = self._api.get_current_time_msec()

        def decide(txn: LoggingTransaction) -> Verdict:
            if not Memberships.is_member(txn, group.room_id, inviter):
                return ALLOWED
            taken = Seats.taken_by_others(txn, group.room_id, "", now, self._seatless)
            needs_approval = self._facts.needs_approval(txn, group.room_id, inviter)
            return decide_address_invitation(taken, self._limits, needs_approval=needs_approval)

        return await self._database.run("address_invitation", decide)

    async def creation_invitations(
        self, creator: str, invitees: Iterable[str], addresses: int
    ) -> Verdict:
        """Decide whether a group may be created with these invitations, before it exists.

        Args:
            addresses: how many e-mail addresses and phone numbers are invited.
        """
        others = frozenset(invitees) - {creator}

        def any_guest(txn: LoggingTransaction) -> bool:
            here = (user for user in others if self._api.is_mine(user))
            return any(Users.is_guest(txn, user) for user in here)

        # Counted first: nobody makes the server look up a million names.
        verdict = decide_creation_invitations(len(others) + addresses, self._limits, guests=False)
        if verdict == ALLOWED and others and await self._database.run("guests", any_guest):
            verdict = decide_creation_invitations(len(others), self._limits, guests=True)
        return verdict
