"""The life of ordinary groups, day by day: members bring people in, people leave."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial

import attrs

from benchmarks.society.groups import Group
from benchmarks.society.guesses import Guesses, Setting
from benchmarks.society.judge import Judge, reason
from benchmarks.society.people import People
from synapse_capgroups.rules.verdict import ALLOWED, Reason

LARGE = 100
"""From this size on, arrivals are counted as such into a large group, whatever the code limit."""


@attrs.define
class Arrivals:
    """People who came into ordinary groups, and those of them who knew a member."""

    all: int = 0
    with_friend: int = 0


@attrs.define
class Wishes:
    """Invitations by members to their friends: how many there were, and what refused them first.

    Members who are friends only because of a chat that was opened to invite are not in it.
    """

    invited: int = 0
    refused: Counter[Reason] = attrs.field(factory=Counter)


class Town:
    """People, their groups, and the rules that hold there.

    Attributes:
        draw: all chance comes from it.
        large, small: arrivals in groups of `LARGE` members or more, and in others.
    """

    def __init__(
        self, people: People, guesses: Guesses, setting: Setting, groups: int, seed: int
    ) -> None:
        self.people = people
        self.guesses = guesses
        self.draw = random.Random(seed)
        self.judge = Judge(setting.config(), people)
        self.day = 0
        self.large, self.small = Arrivals(), Arrivals()
        self.wishes = Wishes()
        self._later: defaultdict[int, list[Callable[[], None]]] = defaultdict(list)
        self.groups = [self._new_group() for _ in range(groups)]

    def _new_group(self) -> Group:
        wished = self.draw.lognormvariate(0, self.guesses.spread) * self.guesses.size
        starts = self.below(20)
        return Group(self.anybody(), min(max(int(wished), 3), 2_000), starts)

    def begin_day(self, day: int) -> None:
        self.day = day
        self.judge.new_day(day)
        for task in self._later.pop(day, ()):
            task()

    def live(self) -> None:
        """A day of the ordinary groups."""
        for group in self.groups:
            if group.starts > self.day:
                continue
            for _ in range(self.some(self.guesses.leaves * len(group))):
                self._leave(group)
            if group.code_died_of is not None and self.judge.may_make_code(group):
                group.renew_code(self.day)
            room = 1 - len(group) / group.wished
            for _ in range(self.some(self.guesses.pace * len(group) * max(room, 0))):
                self._bring(group)

    def _leave(self, group: Group) -> None:
        member = self.one_of(group.members)
        if member != group.creator:
            group.remove(member)

    def _bring(self, group: Group) -> None:
        chance, guesses = self.draw.random(), self.guesses
        member = self.one_of(group.members)
        if member >= len(self.people):
            return  # A spammer has plans of their own.
        if chance < guesses.by_code:
            self._show_code(group, member)
        elif chance < guesses.by_code + guesses.by_stranger:
            self._invite_stranger(group, member, self.anybody())
        elif (friend := self._friend_of(member)) is not None and friend not in group:
            self.wishes.invited += 1
            self._invite_friend(group, member, friend)

    def _show_code(self, group: Group, member: int) -> None:
        friend = None
        if self.draw.random() < self.guesses.scanner_is_friend:
            friend = self._friend_of(member)
            if friend is None or friend in group:
                return
        scanner = self.anybody() if friend is None else friend
        if scanner in group:
            return
        verdict = self.judge.entry(group, scanner)
        if verdict == ALLOWED:
            self.admit(group, scanner)
        elif friend is not None and self.draw.random() < self.guesses.asks_friend:
            self.wishes.invited += 1
            self._invite_friend(group, member, friend)

    def _invite_friend(
        self, group: Group, member: int, friend: int, *, is_first: bool = True
    ) -> None:
        if friend in group or member not in group:
            return
        verdict = self.judge.invitation(group, member, friend)
        why = reason(verdict)
        if why is None:
            self.admit(group, friend)
            return
        if is_first:
            self.wishes.refused[why] += 1
        again = self.day + 1
        if why is Reason.FRIENDS_ONLY and is_first:
            again = (self.people.began(member, friend) or self.day) + self.judge.wait
        elif not (why is Reason.VOUCH_LIMIT and self._tries_again()):
            return
        self.later(again, lambda: self._invite_friend(group, member, friend, is_first=False))

    def _invite_stranger(self, group: Group, member: int, stranger: int) -> None:
        if stranger in group:
            return
        verdict = self.judge.invitation(group, member, stranger)
        if verdict == ALLOWED:
            self.admit(group, stranger)
        elif (
            reason(verdict) is Reason.FRIENDS_ONLY and self.draw.random() < self.guesses.opens_chat
        ):
            self.judge.befriend(member, stranger, self.day)
            self.persuade(group, member, stranger, lambda: self.admit(group, stranger))

    def persuade(
        self,
        group: Group,
        inviter: int,
        invitee: int,
        admit: Callable[[], None],
        *,
        is_first: bool = True,
    ) -> None:
        """Invite somebody with whom the inviter has opened a chat today, for this.

        Where the chat is too young to count, they wait; where the inviter has brought in enough
        people today, they try again tomorrow.

        Args:
            admit: what happens if the rules allow it.
        """
        if invitee in group or inviter not in group:
            return
        verdict = self.judge.invitation(group, inviter, invitee)
        again = partial(self.persuade, group, inviter, invitee, admit, is_first=is_first)
        if verdict == ALLOWED:
            admit()
        elif reason(verdict) is Reason.FRIENDS_ONLY and is_first:
            self._when_counts(partial(again, is_first=False))
        elif reason(verdict) is Reason.VOUCH_LIMIT and self._tries_again():
            self.later(self.day + 1, again)

    def _when_counts(self, task: Callable[[], None]) -> None:
        """Do something when a chat that begins now counts as a friendship, unless people have
        changed their minds by then.
        """
        wait = self.judge.wait
        if wait and self.draw.random() < (1 - self.guesses.cools) ** (wait / 7):
            self.later(self.day + wait, task)

    def later(self, day: int, task: Callable[[], None]) -> None:
        """Do something on a later day; never, if the simulation is over by then."""
        self._later[max(day, self.day + 1)].append(task)

    def _tries_again(self) -> bool:
        return self.draw.random() < self.guesses.tries_again

    def admit(self, group: Group, person: int) -> None:
        """Somebody comes into an ordinary group."""
        arrivals = self.large if len(group) >= LARGE else self.small
        arrivals.all += 1
        arrivals.with_friend += any(
            friend in group and since <= self.day
            for friend, since in self.people.friendships(person)
        )
        group.add(person)

    def _friend_of(self, person: int) -> int | None:
        """One of their friends; None if they have none today."""
        found = [friend for friend, since in self.people.friendships(person) if since <= self.day]
        return self.one_of(found) if found else None

    def anybody(self) -> int:
        return self.below(len(self.people))

    def below(self, number: int) -> int:
        return int(self.draw.random() * number)

    def one_of(self, people: list[int]) -> int:
        return people[self.below(len(people))]

    def some(self, expected: float) -> int:
        """A whole number that is this much on average."""
        return int(expected + self.draw.random())
