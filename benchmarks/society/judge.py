"""Asks the module's rules: gathers the facts of a simulated group, as `admission` does of a real
one, and hands back the verdict.

The rules are called by their modules' names, so that a test can put a broken one in their place.
"""

from collections import Counter

from benchmarks.society.groups import Group
from benchmarks.society.people import People
from synapse_capgroups.config import Config
from synapse_capgroups.rules import codes, friends, joining
from synapse_capgroups.rules.verdict import ALLOWED, Reason, Refusal, Verdict

DAY_MS = 24 * 60 * 60 * 1000
_START = 10_000 * DAY_MS
"""When day 0 is, in milliseconds since 1970."""


def time_of(day: int) -> int:
    return _START + day * DAY_MS


def reason(verdict: Verdict) -> Reason | None:
    """Why something was refused; None if it was not."""
    return verdict.reason if isinstance(verdict, Refusal) else None


class Judge:
    """Decides who comes into a group.

    Attributes:
        day: today.
        chats: the direct chats that are no old friendships: those opened for a purpose, and
            spammers'. The day on which each began, by the two people, the smaller number first.
        asked: how often a rule was asked.
    """

    def __init__(self, config: Config, people: People) -> None:
        self._limits = config.limits
        self._min_age = config.friends.min_age
        self._code_lifetime = config.codes.lifetime
        self._people = people
        self._vouches: Counter[int] = Counter()
        self.day = 0
        self.chats: dict[tuple[int, int], int] = {}
        self.asked = 0

    @property
    def wait(self) -> int:
        """How many days after its beginning a friendship counts."""
        return -(-self._min_age // DAY_MS)

    def new_day(self, day: int) -> None:
        self.day = day
        self._vouches.clear()

    def befriend(self, a: int, b: int, day: int) -> None:
        """A direct chat that both have joined; an older one stays."""
        self.chats.setdefault((min(a, b), max(a, b)), day)

    def invitation(self, group: Group, inviter: int, invitee: int) -> Verdict:
        """An invitation that is accepted at once. If it is allowed, it counts as a vouch."""
        mode = self._limits.mode(len(group))
        # As in `Facts.of_invitation`: in other modes, friendship decides nothing.
        of_friends = mode is joining.Mode.FRIENDS
        facts = joining.JoinFacts(
            group.membership(invitee),
            len(group),
            inviter=str(inviter),
            inviter_is_member=inviter in group,
            inviter_is_friend=of_friends and self._are_friends(inviter, invitee),
            vouches_today=self._vouches[inviter],
        )
        self.asked += 1
        verdict = joining.decide_join(facts, self._limits)
        if of_friends and verdict == ALLOWED:
            self._vouches[inviter] += 1
        return verdict

    def entry(self, group: Group, scanner: int) -> Verdict:
        """Somebody scans the group's latest code. Its death is noted."""
        now = time_of(self.day)
        facts = codes.CodeFacts(
            expires_at=time_of(group.code_made) + self._code_lifetime,
            max_uses=None,
            uses=0,
            sharer_may_share=group.creator in group,
            died_of=group.code_died_of,
        )
        self.asked += 1
        group.code_died_of = codes.cause_of_death(
            facts, now=now, members=len(group), limits=self._limits
        )
        return codes.decide_entry(
            joining.JoinFacts(group.membership(scanner), len(group)),
            self._limits,
            code_died_of=group.code_died_of,
            removed_since=scanner in group.banned,
        )

    def may_make_code(self, group: Group) -> bool:
        """Whether a new code would live."""
        return self._limits.mode(len(group)) is joining.Mode.OPEN

    def _are_friends(self, a: int, b: int) -> bool:
        names = str(a), str(b)
        began = (self.chats.get((min(a, b), max(a, b))), self._old_friends(a, b))
        chats = [
            friends.DirectChat(frozenset(names), since=time_of(day))
            for day in began
            # A chat that begins tomorrow is none.
            if day is not None and day <= self.day
        ]
        return friends.are_friends(*names, chats, now=time_of(self.day), min_age=self._min_age)

    def _old_friends(self, a: int, b: int) -> int | None:
        # Spammers' accounts have no friends.
        return self._people.began(a, b) if a < len(self._people) else None
