"""The rules as pure functions, over any history of a group."""

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from synapse_capgroups.rules.friends import DirectChat, are_friends, listed_rooms
from synapse_capgroups.rules.joining import JoinFacts, Limits, Mode, decide_join
from synapse_capgroups.rules.verdict import ALLOWED, Allowed, Reason, Refusal

PEOPLE = range(12)
people = st.sampled_from(PEOPLE)
LIMITS = Limits(cap=6, code_limit=4)


class History(RuleBasedStateMachine):
    """Joins, leaves, invitations, bans and friendships in any order, decided by the rules."""

    def __init__(self) -> None:
        super().__init__()
        self.membership: dict[int, str] = {0: "join"}
        self.inviters: dict[int, int] = {}
        self.friends: set[frozenset[int]] = set()

    def members(self) -> set[int]:
        return {who for who, membership in self.membership.items() if membership == "join"}

    def facts(self, who: int) -> JoinFacts:
        inviter = self.inviters.get(who) if self.membership.get(who) == "invite" else None
        return JoinFacts(
            self.membership.get(who),
            seats_taken=len(self.members() - {who}),
            inviter=None if inviter is None else str(inviter),
            inviter_is_member=inviter in self.members(),
            inviter_is_friend=frozenset((who, inviter)) in self.friends,
        )

    @rule(inviter=people, who=people)
    def invite(self, inviter: int, who: int) -> None:
        if inviter in self.members() and self.membership.get(who) not in ("join", "ban"):
            self.membership[who] = "invite"
            self.inviters[who] = inviter

    @rule(who=people)
    def join(self, who: int) -> None:
        before = self.members()
        facts = self.facts(who)
        verdict = decide_join(facts, LIMITS)
        if who in before:
            assert verdict == ALLOWED, "a member is never refused"
            return
        if self.membership.get(who) == "ban":
            assert verdict == Refusal(Reason.BANNED), "a ban says nothing about limits"
            return
        if len(before) >= LIMITS.code_limit and verdict == ALLOWED:
            assert facts.inviter_is_friend, "never a non-friend from the code limit on"
            assert facts.inviter_is_member, "and only a friend who is a member"
        if verdict == ALLOWED:
            self.membership[who] = "join"

    @rule(who=people)
    def leave(self, who: int) -> None:
        if self.membership.get(who) in ("join", "invite"):
            self.membership[who] = "leave"

    @rule(who=people)
    def ban(self, who: int) -> None:
        self.membership[who] = "ban"

    @rule(a=people, b=people)
    def befriend(self, a: int, b: int) -> None:
        if a != b:
            self.friends.add(frozenset((a, b)))

    @precondition(lambda self: self.friends)
    @rule(data=st.data())
    def part(self, data: st.DataObject) -> None:
        self.friends.discard(data.draw(st.sampled_from(sorted(self.friends, key=sorted))))

    @invariant()
    def never_above_the_cap(self) -> None:
        assert len(self.members()) <= LIMITS.cap


History.TestCase.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)
TestHistory = History.TestCase

any_facts = st.builds(
    JoinFacts,
    membership=st.sampled_from([None, "join", "invite", "leave", "ban", "knock", "nonsense"]),
    seats_taken=st.integers(0, 20),
    guest=st.booleans(),
    inviter=st.none() | st.just("@inviter:a"),
    inviter_is_member=st.booleans(),
    inviter_is_friend=st.booleans(),
    vouches_today=st.integers(0, 9),
    needs_approval=st.booleans(),
)
any_limits = st.builds(
    lambda code_limit, more, vouches: Limits(code_limit + more, code_limit, vouches),
    st.integers(2, 9),
    st.integers(0, 9),
    st.none() | st.integers(1, 5),
)


@given(any_facts, any_limits)
def test_every_verdict_keeps_the_order_of_rule_2(facts: JoinFacts, limits: Limits) -> None:
    verdict = decide_join(facts, limits)
    if facts.membership == "join":
        assert verdict == ALLOWED
    elif facts.membership == "ban":
        assert verdict == Refusal(Reason.BANNED)
    elif facts.guest:
        assert verdict == Refusal(Reason.NO_GUESTS)
    elif facts.seats_taken >= limits.cap:
        assert verdict == Refusal(Reason.FULL, facts.seats_taken, limits.cap)
    elif facts.inviter is None or not facts.inviter_is_member:
        assert isinstance(verdict, Refusal)
        assert verdict.reason in (Reason.INVITE_REQUIRED, Reason.FRIENDS_ONLY)


@given(any_facts, any_limits)
def test_a_refusal_by_a_limit_carries_its_numbers(facts: JoinFacts, limits: Limits) -> None:
    verdict = decide_join(facts, limits)
    if isinstance(verdict, Allowed):
        return
    by_limit = verdict.reason in (Reason.FULL, Reason.FRIENDS_ONLY, Reason.VOUCH_LIMIT)
    assert (verdict.limit is not None) == by_limit


@given(any_facts, any_limits)
def test_an_invitation_without_a_moderators_agreement_lets_nobody_in(
    facts: JoinFacts, limits: Limits
) -> None:
    lacking = decide_join(attrs.evolve(facts, needs_approval=True), limits)
    agreed = decide_join(attrs.evolve(facts, needs_approval=False), limits)
    assert lacking in (agreed, Refusal(Reason.APPROVAL_REQUIRED))
    assert (lacking == ALLOWED) == (facts.membership == "join")


@given(st.integers(0, 600), any_limits)
def test_a_group_is_in_exactly_one_mode(seats_taken: int, limits: Limits) -> None:
    mode = limits.mode(seats_taken)
    assert (mode is Mode.FULL) == (seats_taken >= limits.cap)
    assert (mode is Mode.OPEN) == (seats_taken < limits.code_limit)


json_values: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values)
def test_any_m_direct_can_be_read(listed: object) -> None:
    assert all(room.startswith("!") for room in listed_rooms(listed))


@given(st.lists(st.frozensets(st.sampled_from("abcd"))), st.integers(0, 5), st.integers(0, 5))
def test_only_a_chat_of_exactly_two_makes_friends(
    chats: list[frozenset[str]], age: int, min_age: int
) -> None:
    found = [DirectChat(joined, since=100 - age) for joined in chats]
    expected = frozenset("ab") in chats and age >= min_age
    assert are_friends("a", "b", found, now=100, min_age=min_age) == expected
    assert not are_friends("a", "a", found, now=100, min_age=min_age)
