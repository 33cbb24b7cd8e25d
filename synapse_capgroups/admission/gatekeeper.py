"""Decides joins and invitations: gathers the facts for `rules.joining` in one transaction.

The order inside a join's transaction matters (rule 4): first the group's lock, then one statement
that counts the taken seats, then the reservation. See `storage.situations` and `storage.seats`.
"""

from collections.abc import Callable, Iterable
from contextvars import ContextVar

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.holds import Holds
from synapse_capgroups.config import Config
from synapse_capgroups.groups.pseudonyms import a_pseudonym
from synapse_capgroups.groups.scope import Group
from synapse_capgroups.inside.tables.account_data import AccountData
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.people.direct_record import is_joined_as_direct
from synapse_capgroups.rules.codes import CodeFacts, cause_of_death, decide_entry
from synapse_capgroups.rules.friends import DirectChat, are_friends, listed_rooms
from synapse_capgroups.rules.joining import (
    JoinFacts,
    Limits,
    Mode,
    decide_address_invitation,
    decide_creation_invitations,
    decide_join,
)
from synapse_capgroups.rules.names import Alias
from synapse_capgroups.rules.verdict import ALLOWED, Reason, Refusal, Verdict
from synapse_capgroups.storage.admissions import Admission, Admissions, How
from synapse_capgroups.storage.aliases import Aliases
from synapse_capgroups.storage.codes import Code, Codes, Page, Sharer
from synapse_capgroups.storage.database import Database, lock_person, lock_room
from synapse_capgroups.storage.groups import Groups
from synapse_capgroups.storage.seats import Hold, Seats
from synapse_capgroups.storage.situations import Situation, Situations
from synapse_capgroups.telemetry import journal

admitting: ContextVar[tuple[str, str] | None] = ContextVar("capgroups_admitting", default=None)
"""The group and the person for whom a code's door is doing an invitation and a join just now.

Their seat is reserved and their admission is on record, so both are let through.
"""

_LIMITS = frozenset({Reason.FULL, Reason.CODE_CLOSED, Reason.CONTACT_REQUIRED})
"""What keeps somebody at a living code's door out, and does not in a trial."""


@attrs.frozen
class JoinDecision:
    """A verdict, and what was put on record if it let somebody in.

    A member's name change, or a member at a door, is allowed without an admission. Whoever gets one
    says by `Gatekeeper.settle` what became of the join.

    Attributes:
        ends_codes: whether codes die by this admission, once the person is in.
        alias: what the person is called from their first event on, if not as elsewhere.
        hold: their seat until then.
        on_record: whether the admission is on record; that of a direct chat is not (rule 15).
    """

    verdict: Verdict
    admission: Admission | None = None
    ends_codes: bool = False
    alias: Alias | None = None
    hold: Hold | None = None
    on_record: bool = True


class Gatekeeper:
    """Answers for the groups' seats. All its methods may raise what the database raises."""

    def __init__(self, api: ModuleApi, database: Database, config: Config) -> None:
        self._api = api
        self._database = database
        self.enforce = config.enforce
        self._min_age = config.friends.min_age
        self._contact = config.verified_contact
        named = config.names.on_arrival == "pseudonym"
        self._pseudonyms = config.language if named else None
        self._holds = Holds(api, database)
        self.limits = Limits(config.cap, config.code_limit, config.friends.max_vouches_per_day)

    async def join(self, group: Group, user_id: str, *, is_invited: bool) -> JoinDecision:
        """Decide a join and, if it is allowed, hold a seat for it and put it on record.

        Args:
            is_invited: whether they are invited, as far as this process knows.
        """
        if admitting.get() == (group.room_id, user_id):
            return JoinDecision(ALLOWED)

        def decide(txn: LoggingTransaction) -> JoinDecision:
            # A member changes name or avatar far more often than anybody joins: no lock for that.
            if not is_invited and Memberships.is_member(txn, group.room_id, user_id):
                return JoinDecision(ALLOWED)
            lock_room(txn, group.room_id)
            now = self._api.get_current_time_msec()  # Others may have held the lock for long.
            there = self._situation(txn, group, user_id, None, now)
            facts = self._facts(txn, user_id, there, now)
            verdict = decide_join(facts, self.limits)
            if facts.membership == "join":
                return JoinDecision(verdict)
            if verdict != ALLOWED and self.enforce:
                self._meet(txn, group, there, self.limits.mode(facts.seats_taken))
                return JoinDecision(verdict)
            how = How.INVITE if verdict == ALLOWED else How.UNENFORCED
            return self._admit(txn, group, user_id, there, facts, verdict, how, now)

        return self._holding(await self._database.run("join", decide))

    async def entry(
        self,
        group: Group,
        code: Code,
        user_id: str,
        *,
        sharer_may_share: bool,
        invites: bool = False,
    ) -> JoinDecision:
        """Decide the entry of somebody by a code; the same as `join` otherwise.

        Args:
            invites: whether the person is only invited now, and will be judged again as they join.
        """

        def decide(txn: LoggingTransaction) -> JoinDecision:
            lock_room(txn, group.room_id)
            now = self._api.get_current_time_msec()
            there = self._situation(txn, group, user_id, code.sharer, now)
            found = Codes.with_sharer(txn, code.code_id)
            if found is None:
                return JoinDecision(Refusal(Reason.CODE_REVOKED, always=True))
            known, sharer = found
            if there.attempt is not None and there.attempt.code_id == code.code_id:
                known = attrs.evolve(known, uses=known.uses - 1)  # Their own.
            facts = self._facts(txn, user_id, there, now)
            members = Seats.members(txn, group.room_id)
            died_of = self._cause_of_death(txn, known, sharer, now, members, sharer_may_share)
            self._write_down(txn, known, died_of, now)
            standing = there.standing
            removed_since = Codes.has_removed(txn, known, user_id, standing)
            verdict = decide_entry(
                facts, self.limits, code_died_of=died_of, removed_since=removed_since
            )
            if isinstance(verdict, Refusal):
                by_limit = died_of is None and not removed_since and verdict.reason in _LIMITS
                if self.enforce or not by_limit:
                    # In a trial, too: a dead code stays dead, and behind its door there is nothing.
                    return JoinDecision(attrs.evolve(verdict, always=True))
            elif standing.membership == "join":
                return JoinDecision(verdict)
            if invites:
                # A place is kept for each, or more would come than the code may let in.
                expected = known.uses + Codes.others_invited(txn, code.code_id, user_id)
                if known.max_uses is not None and expected >= known.max_uses:
                    return JoinDecision(Refusal(Reason.CODE_USED_UP, always=True))
                Codes.invite(txn, code, user_id)
                return JoinDecision(verdict)
            how = How.CODE if verdict == ALLOWED else How.UNENFORCED
            return self._admit(txn, group, user_id, there, facts, verdict, how, now, known)

        return self._holding(await self._database.run("entry", decide))

    def _holding(self, decision: JoinDecision) -> JoinDecision:
        if decision.hold is not None:
            self._holds.add(decision.hold)
        return decision

    def abandon(self, decision: JoinDecision) -> None:
        """Nobody will say what becomes of a join that was allowed: its seat expires by itself."""
        if decision.hold is not None:
            self._holds.discard(decision.hold)

    async def settle(self, decision: JoinDecision, *, joined: bool) -> bool:
        """Say what became of a join that was allowed.

        If it failed, its seat is free at once and its admission off the record. If it came to pass,
        the codes die that it has ended: no sooner, or a join that fails would kill them.

        Returns:
            Whether codes died.
        """
        admission, hold = decision.admission, decision.hold
        if admission is None or hold is None:
            return False
        self._holds.discard(hold)
        room_id, user_id = admission.room_id, admission.user_id
        # Whoever of another server came by a code was invited by it.
        was_invited = admission.code_id is not None and not self._api.is_mine(user_id)
        if joined and not decision.ends_codes and not was_invited:
            if decision.on_record:
                journal.admitted(admission)
            return False

        def end(txn: LoggingTransaction) -> tuple[bool, int]:
            if not joined:
                lock_room(txn, room_id)  # Another attempt of theirs may be deciding just now.
                # Something may have failed after the join was written.
                if Seats.release(txn, room_id, user_id, hold):
                    return False, 0
            now = self._api.get_current_time_msec()
            died = 0
            if admission.code_id is not None:
                died += Codes.kill_if_used_up(txn, admission.code_id, now)
            died += self._close_if_reached(txn, room_id, now)
            if was_invited:
                Codes.forget_invitation(txn, room_id, user_id)
            return True, died

        came, died = await self._database.run("settle", end)
        if came and decision.on_record:
            journal.admitted(admission)
        return died > 0

    async def close_codes(self) -> None:
        """Find the codes whose end a killed process has missed."""

        def close(txn: LoggingTransaction) -> None:
            now = self._api.get_current_time_msec()
            for room_id in Codes.groups_to_close(txn):
                self._close_if_reached(txn, room_id, now)

        await self._database.run("sweep_closed", close)

    def _close_if_reached(self, txn: LoggingTransaction, room_id: str, now: int) -> int:
        if not self.enforce or self.limits.mode(Seats.members(txn, room_id)) is Mode.OPEN:
            return 0
        return Codes.kill_of_group(txn, room_id, Reason.CODE_CLOSED, now)

    async def is_invited(self, room_id: str, user_id: str) -> bool:
        """Whether somebody has an invitation that they have not answered."""

        def look(txn: LoggingTransaction) -> bool:
            return Memberships.membership(txn, room_id, user_id).membership == "invite"

        return await self._database.look_up("invited", look)

    async def is_member(self, room_id: str, user_id: str) -> bool:
        """Whether somebody is a member, of a group or any other room."""

        def look(txn: LoggingTransaction) -> bool:
            return Memberships.is_member(txn, room_id, user_id)

        return await self._database.look_up("member", look)

    async def seats_taken(self, group: Group) -> int:
        """How many members a group has, seats of joins under way included."""
        now = self._api.get_current_time_msec()

        def count(txn: LoggingTransaction) -> int:
            return Seats.taken_by_others(txn, group.room_id, "", now)

        return await self._database.look_up("seats", count)

    async def code_state(self, code: Code, *, sharer_may_share: bool) -> tuple[Reason | None, int]:
        """What a code is dead of, None if it lives; and how many members its group has.

        If it is found dead, that is written down: nothing wakes it.
        """

        def look(txn: LoggingTransaction) -> tuple[Reason | None, int]:
            now = self._api.get_current_time_msec()
            members = Seats.members(txn, code.room_id)
            found = Codes.with_sharer(txn, code.code_id)
            if found is None:
                return code.died_of or Reason.CODE_REVOKED, members
            died_of = self._cause_of_death(txn, *found, now, members, sharer_may_share)
            self._write_down(txn, found[0], died_of, now)
            return died_of, members

        return await self._database.run("code_state", look)

    async def code_states(
        self, room_id: str, page: Page, may_share: Callable[[str], bool]
    ) -> list[tuple[Code, Reason | None]]:
        """A page of a group's codes, the newest first, each with what it is dead of.

        Args:
            may_share: whether somebody has the power to make codes.
        """

        def look(txn: LoggingTransaction) -> list[tuple[Code, Reason | None]]:
            now = self._api.get_current_time_msec()
            members = Seats.members(txn, room_id)
            states: list[tuple[Code, Reason | None]] = []
            for code, sharer in Codes.page(txn, room_id, page):
                # Of each sharer's history only the sweep reads, or a page would cost too much.
                died_of = self._cause_of_death(
                    None, code, sharer, now, members, may_share(code.sharer)
                )
                self._write_down(txn, code, died_of, now)
                states.append((code, died_of))
            return states

        return await self._database.run("codes", look)

    @staticmethod
    def _write_down(txn: LoggingTransaction, code: Code, died_of: Reason | None, now: int) -> None:
        # The last use may still be on its way, and fail.
        if code.died_of is None and died_of not in (None, Reason.CODE_USED_UP):
            Codes.kill(txn, code.code_id, died_of, now)

    def _cause_of_death(
        self,
        txn: LoggingTransaction | None,
        code: Code,
        sharer: Sharer,
        now: int,
        members: int,
        sharer_may_share: bool,
    ) -> Reason | None:
        """What a code is dead of.

        Args:
            txn: by which the sharer's history is read; None for not at all.
            sharer_may_share: whether the sharer has the power, if a member.
        """
        entitled = sharer_may_share and sharer.account.is_active and sharer.is_member
        if txn is not None:
            entitled = entitled and not Codes.was_broken(txn, code, sharer)
        facts = CodeFacts(
            code.expires_at,
            code.max_uses,
            code.uses,
            entitled,
            code.died_of,
            sharer.account.is_suspended,
        )
        # In a trial no code dies by a limit.
        members = members if self.enforce else 0
        return cause_of_death(facts, now=now, members=members, limits=self.limits)

    def _admit(
        self,
        txn: LoggingTransaction,
        group: Group,
        user_id: str,
        there: Situation,
        facts: JoinFacts,
        verdict: Verdict,
        how: How,
        now: int,
        code: Code | None = None,
    ) -> JoinDecision:
        """Reserve the seat and put the admission on record.

        If another attempt of theirs may be under way, its admission, and its use of a code, stand
        for both.
        """
        after = there.standing.stream_ordering
        mode_after = self.limits.mode(facts.seats_taken + 1)
        on_record = not self._is_direct_chat(txn, group, user_id, there, code)
        if on_record and there.mode_on_record is not mode_after:
            # A group may be new here, and then its creator comes first on the record.
            Groups.meet(txn, group.room_id, group.creator, group.created_at, mode_after)
        admission = Admission(
            group.room_id,
            user_id,
            how,
            inviter=facts.inviter,
            inviter_was_friend=facts.inviter_is_friend,
            mode=self.limits.mode(facts.seats_taken),
            members_after=facts.seats_taken + 1,
            admitted_at=now,
            code_id=code.code_id if code else None,
            after_stream_ordering=after,
        )
        if there.attempt is None and on_record:
            Admissions.record(txn, admission)
        admitted_at = now if there.attempt is None else there.attempt.admitted_at
        hold = Seats.reserve(txn, group.room_id, user_id, after, admitted_at, now)
        alias = None
        ends_codes = mode_after is not Mode.OPEN and Codes.any_living(txn, group.room_id)
        if code is not None:
            uses = code.uses + 1
            if there.attempt is None:
                uses = Codes.use(txn, code.code_id, user_id, now)
            ends_codes = ends_codes or (code.max_uses is not None and uses >= code.max_uses)
            alias = self._alias(txn, group, user_id)
        return JoinDecision(verdict, admission, ends_codes, alias, hold, on_record)

    def _is_direct_chat(
        self,
        txn: LoggingTransaction,
        group: Group,
        user_id: str,
        there: Situation,
        code: Code | None,
    ) -> bool:
        """Whether somebody comes as the second to a direct chat; a third makes it a group."""
        return (
            code is None
            and there.mode_on_record is None
            and there.seats_taken <= 1
            and there.inviter is not None
            and is_joined_as_direct(txn, self._api.is_mine, group.room_id, user_id, there.inviter)
            # By what is on record, the sweep finds codes whose end a killed process missed.
            and not Codes.any_living(txn, group.room_id)
        )

    def _alias(self, txn: LoggingTransaction, group: Group, user_id: str) -> Alias | None:
        """The alias under which somebody arrives by a code, a new one if they are to have one."""
        if not self._api.is_mine(user_id):
            return None  # Their own server makes their first event.
        alias = Aliases.of(txn, group.room_id, user_id)
        if alias is None and self._pseudonyms is not None:
            # Those of people who are still on their way are among the aliases.
            taken = Memberships.names_of_members(txn, group.room_id)
            taken += Aliases.names_in(txn, group.room_id)
            alias = Alias(a_pseudonym(self._pseudonyms, taken))
            Aliases.set(txn, group.room_id, user_id, alias)
        return alias

    async def invitation(self, group: Group, inviter: str, invitee: str) -> Verdict:
        """Decide whether an invitation may be sent."""
        if admitting.get() == (group.room_id, invitee):
            return ALLOWED
        now = self._api.get_current_time_msec()

        def decide(txn: LoggingTransaction) -> Verdict:
            there = Situations.of(txn, group.room_id, invitee, inviter, now)
            if not there.inviter_is_member:
                return ALLOWED  # Synapse refuses, and a stranger learns nothing of the group.
            facts = self._facts(txn, invitee, there, now, joins=False)
            self._meet(txn, group, there, self.limits.mode(facts.seats_taken))
            verdict = decide_join(facts, self.limits)
            if verdict == ALLOWED and not self._api.is_mine(invitee):
                # From now on they are invited by a person, and no more by a code.
                Codes.forget_invitation(txn, group.room_id, invitee)
            return verdict

        return await self._database.run("invitation", decide)

    async def address_invitation(self, group: Group, inviter: str) -> Verdict:
        """Decide whether an e-mail address or phone number without an account may be invited."""
        now = self._api.get_current_time_msec()

        def decide(txn: LoggingTransaction) -> Verdict:
            if not Memberships.is_member(txn, group.room_id, inviter):
                return ALLOWED
            taken = Seats.taken_by_others(txn, group.room_id, "", now)
            return decide_address_invitation(taken, self.limits)

        return await self._database.run("address_invitation", decide)

    async def creation(self, creator: str) -> Verdict:
        """Decide whether somebody may create groups at all."""

        def decide(txn: LoggingTransaction) -> Verdict:
            has_contact = self._has_contact(txn, creator)
            return ALLOWED if has_contact else Refusal(Reason.CONTACT_REQUIRED)

        if self._contact == "none":
            return ALLOWED
        return await self._database.run("creation", decide)

    def _has_contact(self, txn: LoggingTransaction, user_id: str) -> bool:
        """Whether somebody has the verified address that the server asks for.

        Another server's people are not asked, as nobody here could know.
        """
        if self._contact == "none" or not self._api.is_mine(user_id):
            return True
        contacts = Users.verified_contacts(txn, user_id)
        return bool(contacts) if self._contact == "any" else self._contact in contacts

    async def creation_invitations(
        self, creator: str, invitees: Iterable[str], addresses: int
    ) -> Verdict:
        """Decide whether a group may be created with these invitations, before it exists."""
        others = frozenset(invitees) - {creator}

        def any_guest(txn: LoggingTransaction) -> bool:
            here = (user for user in others if self._api.is_mine(user))
            return any(Users.is_guest(txn, user) for user in here)

        # Counted first: nobody makes the server look up a million names.
        verdict = decide_creation_invitations(len(others) + addresses, self.limits, guests=False)
        if verdict == ALLOWED and others and await self._database.run("guests", any_guest):
            verdict = decide_creation_invitations(len(others), self.limits, guests=True)
        return verdict

    async def created(self, group: Group) -> None:
        """Put a new group and its creator on record."""

        def record(txn: LoggingTransaction) -> None:
            mode = self.limits.mode(1)
            Groups.meet(txn, group.room_id, group.creator, group.created_at, mode)

        await self._database.run("created", record)

    @staticmethod
    def _situation(
        txn: LoggingTransaction, group: Group, user_id: str, inviter: str | None, now: int
    ) -> Situation:
        """The situation under the group's lock, where an attempt that expired is forgotten."""
        there = Situations.of(txn, group.room_id, user_id, inviter, now)
        attempt = there.attempt
        if attempt is None or attempt.expires_at > now:
            return there
        Seats.forget_expired(txn, group.room_id, user_id, now)
        return attrs.evolve(there, attempt=None)

    def _facts(
        self,
        txn: LoggingTransaction,
        user_id: str,
        there: Situation,
        now: int,
        *,
        joins: bool = True,
    ) -> JoinFacts:
        """The facts of a person's join.

        Args:
            joins: False if they are only invited now, and judged again as they join.
        """
        facts = JoinFacts(
            there.standing.membership,
            there.seats_taken,
            guest=there.is_guest,
            # Those who invite are not told: that is nobody else's business.
            has_contact=not joins or self._has_contact(txn, user_id),
            inviter=there.inviter,
            inviter_is_member=there.inviter_is_member,
        )
        if facts.inviter is None or not facts.inviter_is_member:
            return facts
        if not joins and self.limits.mode(facts.seats_taken) is not Mode.FRIENDS:
            return facts  # Friendship decides nothing, and there is no record to tell it.
        vouches = 0
        if self.limits.max_vouches_per_day is not None:
            lock_person(txn, facts.inviter)
            vouches = Admissions.vouches(txn, facts.inviter, now)
        return attrs.evolve(
            facts,
            inviter_is_friend=self._are_friends(txn, facts.inviter, user_id, now),
            vouches_today=vouches,
        )

    def _are_friends(self, txn: LoggingTransaction, a: str, b: str, now: int) -> bool:
        # The one who joins has the shorter list as a rule, and mostly it is enough.
        for owner, other in ((b, a), (a, b)):
            if self._api.is_mine(owner):
                listed = listed_rooms(AccountData.listed_as_direct(txn, owner, other))
                rooms = Memberships.joined_by_both(txn, listed, a, b)
                chats = (self._chat(txn, room_id, (a, b)) for room_id in rooms)
                if are_friends(a, b, chats, now=now, min_age=self._min_age):
                    return True
        return False

    def _chat(self, txn: LoggingTransaction, room_id: str, pair: tuple[str, str]) -> DirectChat:
        # Three people are enough to know that it is no chat of two.
        present = Memberships.present(txn, room_id, most=3)
        since = 0
        if self._min_age:
            since = max(Memberships.joined_since(txn, room_id, who) for who in pair)
        return DirectChat.of(present, since)

    @staticmethod
    def _meet(txn: LoggingTransaction, group: Group, there: Situation, mode: Mode) -> None:
        """Note a group's mode. Where no more than two are, it is on record once it was made so."""
        if there.mode_on_record is None and there.seats_taken <= 2:
            return
        if there.mode_on_record is not mode:
            Groups.meet(txn, group.room_id, group.creator, group.created_at, mode)
