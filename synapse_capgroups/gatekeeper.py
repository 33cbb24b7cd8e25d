"""Decides joins and invitations: gathers the facts for `rules.joining` in one transaction.

The order inside a join's transaction matters (rule 4): first the group's lock, then one statement
that counts the taken seats, then the reservation. See `storage.seats`.
"""

from collections.abc import Iterable

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.config import Config
from synapse_capgroups.inside import SynapseTables
from synapse_capgroups.rules.friends import DirectChat, are_friends, listed_rooms
from synapse_capgroups.rules.joining import (
    JoinFacts,
    Limits,
    Mode,
    decide_address_invitation,
    decide_creation_invitations,
    decide_join,
)
from synapse_capgroups.rules.verdict import ALLOWED, Verdict
from synapse_capgroups.scope import Group
from synapse_capgroups.storage.admissions import Admission, Admissions, How
from synapse_capgroups.storage.database import Database, lock_person, lock_room
from synapse_capgroups.storage.groups import Groups
from synapse_capgroups.storage.seats import Seats


@attrs.frozen
class JoinDecision:
    """A verdict, and what was put on record if it let somebody in.

    A member's name change is allowed without an admission.
    """

    verdict: Verdict
    admission: Admission | None = None


class Gatekeeper:
    """Answers for the groups' seats. All its methods may raise what the database raises."""

    def __init__(self, api: ModuleApi, database: Database, config: Config) -> None:
        self._api = api
        self._database = database
        self._enforce = config.enforce
        self._min_age = config.friends.min_age
        self.limits = Limits(config.cap, config.code_limit, config.friends.max_vouches_per_day)

    async def join(self, group: Group, user_id: str) -> JoinDecision:
        """Decide a join and, if it is allowed, hold a seat for it and put it on record."""
        now = self._api.get_current_time_msec()

        def decide(txn: LoggingTransaction) -> JoinDecision:
            # A member changes name or avatar far more often than anybody joins: no lock for that.
            if SynapseTables.membership(txn, group.room_id, user_id).membership == "join":
                return JoinDecision(ALLOWED)
            lock_room(txn, group.room_id)
            standing = SynapseTables.membership(txn, group.room_id, user_id)
            inviter = standing.sender if standing.membership == "invite" else None
            facts = self._facts(txn, group, user_id, standing.membership, inviter, now)
            verdict = decide_join(facts, self.limits)
            mode = self.limits.mode(facts.seats_taken)
            if standing.membership == "join":
                return JoinDecision(verdict)
            if verdict != ALLOWED and self._enforce:
                self._meet(txn, group, mode)
                return JoinDecision(verdict)

            Seats.reserve(txn, group.room_id, user_id, standing.stream_ordering, now)
            # A group may be new here, and then its creator comes first on the record.
            self._meet(txn, group, self.limits.mode(facts.seats_taken + 1))
            admission = Admission(
                group.room_id,
                user_id,
                How.INVITE if verdict == ALLOWED else How.UNENFORCED,
                inviter=inviter,
                inviter_was_friend=facts.inviter_is_friend,
                mode=mode,
                members_after=facts.seats_taken + 1,
                admitted_at=now,
            )
            Admissions.record(txn, admission)
            return JoinDecision(verdict, admission)

        return await self._database.run("join", decide)

    async def invitation(self, group: Group, inviter: str, invitee: str) -> Verdict:
        """Decide whether an invitation may be sent."""
        now = self._api.get_current_time_msec()

        def decide(txn: LoggingTransaction) -> Verdict:
            if not self._is_member(txn, group, inviter):
                return ALLOWED  # Synapse refuses, and a stranger learns nothing of the group.
            standing = SynapseTables.membership(txn, group.room_id, invitee)
            facts = self._facts(txn, group, invitee, standing.membership, inviter, now)
            self._meet(txn, group, self.limits.mode(facts.seats_taken))
            return decide_join(facts, self.limits)

        return await self._database.run("invitation", decide)

    async def address_invitation(self, group: Group, inviter: str) -> Verdict:
        """Decide whether an e-mail address or phone number without an account may be invited."""
        now = self._api.get_current_time_msec()

        def decide(txn: LoggingTransaction) -> Verdict:
            if not self._is_member(txn, group, inviter):
                return ALLOWED
            taken = Seats.taken_by_others(txn, group.room_id, "", now)
            return decide_address_invitation(taken, self.limits)

        return await self._database.run("address_invitation", decide)

    async def creation_invitations(
        self, creator: str, invitees: Iterable[str], addresses: int
    ) -> Verdict:
        """Decide whether a group may be created with these invitations, before it exists."""
        others = frozenset(invitees) - {creator}

        def any_guest(txn: LoggingTransaction) -> bool:
            return any(self._is_guest(txn, user) for user in others)

        # Counted first: nobody makes the server look up a million names.
        verdict = decide_creation_invitations(len(others) + addresses, self.limits, guests=False)
        if verdict == ALLOWED and others and await self._database.run("guests", any_guest):
            verdict = decide_creation_invitations(len(others), self.limits, guests=True)
        return verdict

    async def created(self, group: Group) -> None:
        """Put a new group and its creator on record."""

        def record(txn: LoggingTransaction) -> None:
            self._meet(txn, group, self.limits.mode(1))

        await self._database.run("created", record)

    def _facts(
        self,
        txn: LoggingTransaction,
        group: Group,
        user_id: str,
        membership: str | None,
        inviter: str | None,
        now: int,
    ) -> JoinFacts:
        facts = JoinFacts(
            membership,
            seats_taken=Seats.taken_by_others(txn, group.room_id, user_id, now),
            guest=self._is_guest(txn, user_id),
            inviter=inviter,
            inviter_is_member=inviter is not None and self._is_member(txn, group, inviter),
        )
        if inviter is None or not facts.inviter_is_member:
            return facts
        vouches = 0
        if self.limits.max_vouches_per_day is not None:
            lock_person(txn, inviter)
            vouches = Admissions.vouches(txn, inviter, now)
        return attrs.evolve(
            facts,
            inviter_is_friend=self._are_friends(txn, inviter, user_id, now),
            vouches_today=vouches,
        )

    def _are_friends(self, txn: LoggingTransaction, a: str, b: str, now: int) -> bool:
        listed: set[str] = set()
        for owner, other in ((a, b), (b, a)):
            if self._api.is_mine(owner):
                listed |= listed_rooms(SynapseTables.m_direct(txn, owner), other)
        chats = []
        for room_id in SynapseTables.joined_by_both(txn, listed, a, b):
            # Three people are enough to know that it is no chat of two.
            present = SynapseTables.present(txn, room_id, most=3)
            since = 0
            if self._min_age:
                since = max(SynapseTables.joined_since(txn, room_id, who) for who in (a, b))
            chats.append(
                DirectChat(
                    joined=frozenset(who for who, membership in present if membership == "join"),
                    invited=frozenset(who for who, membership in present if membership != "join"),
                    since=since,
                )
            )
        return are_friends(a, b, chats, now=now, min_age=self._min_age)

    def _is_guest(self, txn: LoggingTransaction, user_id: str) -> bool:
        return self._api.is_mine(user_id) and SynapseTables.is_guest(txn, user_id)

    @staticmethod
    def _is_member(txn: LoggingTransaction, group: Group, user_id: str) -> bool:
        return SynapseTables.membership(txn, group.room_id, user_id).membership == "join"

    @staticmethod
    def _meet(txn: LoggingTransaction, group: Group, mode: Mode) -> None:
        Groups.meet(txn, group.room_id, group.creator, group.created_at, mode)
