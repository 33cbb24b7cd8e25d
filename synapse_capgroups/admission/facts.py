"""Gathers the facts of a join or an invitation, inside the transaction that decides it."""

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.attempts import forget_expired_of
from synapse_capgroups.admission.contacts import Contacts
from synapse_capgroups.admission.moderators import Moderators
from synapse_capgroups.config import Config
from synapse_capgroups.inside.tables.account_data import AccountData
from synapse_capgroups.inside.tables.rooms_of_two import RoomsOfTwo
from synapse_capgroups.inside.tables.state_history import StateHistory
from synapse_capgroups.rules.friends import DirectChat, are_friends, listed_rooms
from synapse_capgroups.rules.joining import JoinFacts, Mode
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.storage.admissions import Admissions
from synapse_capgroups.storage.approval import Approval
from synapse_capgroups.storage.database import lock_person, lock_room
from synapse_capgroups.storage.requests import Requests
from synapse_capgroups.storage.seats import seatless_invitees
from synapse_capgroups.storage.situations import Situation, Situations
from synapse_capgroups.storage.together import together


@attrs.frozen
class Arrival:
    """A person who wants to come into a group, or is to be invited.

    Attributes:
        there: how the person and the group stand.
        now: milliseconds since 1970.
    """

    group: Group
    user_id: str
    there: Situation
    now: int


class Facts:
    """Gathers what `rules.joining` decides from."""

    def __init__(self, api: ModuleApi, contacts: Contacts, config: Config) -> None:
        self._api = api
        self._contacts = contacts
        self._limits = config.limits
        self._min_age = config.friends.min_age
        self._enforce = config.enforce
        self._moderators = Moderators(config)
        self._seatless = seatless_invitees(api.server_name, guarded=config.is_guarded)

    def situation(
        self, txn: LoggingTransaction, group: Group, user_id: str, voucher: str | None, now: int
    ) -> Situation:
        """How a person and a group stand at this moment."""
        return Situations.of(txn, group.room_id, user_id, voucher, now, self._seatless)

    def arrival(
        self, txn: LoggingTransaction, group: Group, user_id: str, voucher: str | None
    ) -> Arrival:
        """Take the group's lock and tell of an arrival. An earlier attempt that has expired is
        forgotten.

        Args:
            voucher: the sharer of the person's code; None for an arrival by invitation.
        """
        # A seat that expires while this waits for the lock is still taken.
        asked_at = self._api.get_current_time_msec()
        with together(txn) as both:
            lock_room(both, group.room_id)
            there = self.situation(both, group, user_id, voucher, asked_at)
        now = self._api.get_current_time_msec()  # Others may have held the lock for long.
        attempt = there.attempt
        if attempt is not None and attempt.expires_at <= now:
            forget_expired_of(txn, group.room_id, user_id, now)
            there = attrs.evolve(there, attempt=None)
        return Arrival(group, user_id, there, now)

    def of_join(self, txn: LoggingTransaction, arrival: Arrival) -> JoinFacts:
        """The facts of a person's join."""
        there = arrival.there
        facts = _facts(there, has_contact=self._contacts.has_contact(txn, arrival.user_id))
        if facts.inviter is None or not facts.inviter_is_member:
            return facts
        inviter = facts.inviter
        facts = self._with_approval(txn, facts, inviter, arrival)
        if facts.needs_approval:
            # A moderator who has agreed may have lost the power since.
            request = Requests.latest_of(txn, arrival.group.room_id, arrival.user_id)
            agreed = bool(request and request.approved and request.answered_by == inviter)
            facts = attrs.evolve(facts, needs_approval=not agreed)
        return self._with_inviter(txn, facts, inviter, arrival)

    def of_invitation(self, txn: LoggingTransaction, arrival: Arrival) -> JoinFacts:
        """The facts of a person who is invited now, and is judged again when they join."""
        # Whether the invitee has a contact is not the inviter's business.
        facts = _facts(arrival.there, has_contact=True)
        if facts.inviter is None or not facts.inviter_is_member:
            return facts
        inviter = facts.inviter
        facts = self._with_approval(txn, facts, inviter, arrival)
        if self._limits.mode(facts.seats_taken) is not Mode.FRIENDS:
            return facts  # Friendship decides nothing, and no record tells of it.
        return self._with_inviter(txn, facts, inviter, arrival)

    def needs_approval(self, txn: LoggingTransaction, room_id: str, inviter: str) -> bool:
        """Whether an invitation by this member lacks a moderator's agreement (rule 13).

        A trial asks nobody.
        """
        return (
            self._enforce
            and Approval.is_on(txn, room_id)
            and not self._moderators.has_power(txn, room_id, inviter)
        )

    def _with_approval(
        self, txn: LoggingTransaction, facts: JoinFacts, inviter: str, arrival: Arrival
    ) -> JoinFacts:
        if not (arrival.there.has_approval and self._enforce):
            return facts
        has_power = self._moderators.has_power(txn, arrival.group.room_id, inviter)
        return attrs.evolve(facts, needs_approval=not has_power)

    def _with_inviter(
        self, txn: LoggingTransaction, facts: JoinFacts, inviter: str, arrival: Arrival
    ) -> JoinFacts:
        vouches = 0
        if self._limits.max_vouches_per_day is not None:
            with together(txn) as both:
                lock_person(both, inviter)
                vouches = Admissions.vouches(both, inviter, arrival.now)
        return attrs.evolve(
            facts,
            inviter_is_friend=self.are_friends(txn, inviter, arrival.user_id, arrival.now),
            vouches_today=vouches,
        )

    def are_friends(self, txn: LoggingTransaction, a: str, b: str, now: int) -> bool:
        """Whether two people are friends (rule 3)."""
        # The one who joins usually has the shorter list, and it is mostly enough.
        listed = AccountData.listed_by_one(txn, b, a)
        if listed is None:
            return False
        if self._by_list(txn, listed, a, b, now):
            return True
        others = AccountData.listed_as_direct(txn, a, b)
        return others != listed and self._by_list(txn, others, a, b, now)

    def _by_list(self, txn: LoggingTransaction, listed: object, a: str, b: str, now: int) -> bool:
        rooms = RoomsOfTwo.among(txn, listed_rooms(listed), a, b)
        chats = (self._chat(txn, room_id, a, b) for room_id in rooms)
        return are_friends(a, b, chats, now=now, min_age=self._min_age)

    def _chat(self, txn: LoggingTransaction, room_id: str, a: str, b: str) -> DirectChat:
        since = 0
        if self._min_age:
            since = max(StateHistory.joined_since(txn, room_id, who) for who in (a, b))
        return DirectChat(frozenset({a, b}), since=since)


def _facts(there: Situation, *, has_contact: bool) -> JoinFacts:
    return JoinFacts(
        there.standing.membership,
        there.seats_taken,
        guest=there.is_guest,
        has_contact=has_contact,
        inviter=there.inviter,
        inviter_is_member=there.inviter_is_member,
    )
