"""Spammers with cheap accounts: those who get into other people's groups, and those who fill their
own.
"""

from collections import defaultdict
from functools import partial

import attrs

from benchmarks.society.groups import Group
from benchmarks.society.town import LARGE, Town
from synapse_capgroups.rules.verdict import ALLOWED


@attrs.define(eq=False)
class Operator:
    """Somebody with several accounts, which are friends of each other.

    Attributes:
        reached: whom each account has been in a group with.
        entered: the groups of others that each account has been in.
        chain: how many accounts brought in one another until this one was in the group.
    """

    accounts: list[int]
    reached: defaultdict[int, set[int]] = attrs.field(factory=lambda: defaultdict(set))
    entered: defaultdict[int, set[Group]] = attrs.field(factory=lambda: defaultdict(set))
    inside: dict[Group, list[int]] = attrs.field(factory=dict)
    chain: dict[tuple[Group, int], int] = attrs.field(factory=dict)


class Spammers:
    """What both kinds have in common: accounts, and chats between them."""

    def __init__(self, town: Town, operators: int, first_account: int) -> None:
        self.town = town
        guesses = town.guesses
        self.operators = []
        for number in range(operators):
            first = first_account + number * guesses.accounts
            accounts = list(range(first, first + guesses.accounts))
            for one in accounts:
                for other in accounts[accounts.index(one) + 1 :]:
                    town.judge.befriend(one, other, 0)
            self.operators.append(Operator(accounts))

    @property
    def last_account(self) -> int:
        return self.operators[-1].accounts[-1]


class Intruders(Spammers):
    """Spammers who want into ordinary groups, to write to everybody there.

    They come by codes that leaked, and by members who accepted a chat and let themselves be talked
    into an invitation. Each account that is in brings in others.

    Attributes:
        stays: for how many days an account was in a group, summed up.
        large: how many entries were into groups of `LARGE` members or more.
    """

    def __init__(self, town: Town, operators: int, first_account: int) -> None:
        super().__init__(town, operators, first_account)
        self.stays = 0
        self.large = 0

    def act(self) -> None:
        town, guesses = self.town, self.town.guesses
        for operator in self.operators:
            for account in operator.accounts:
                for _ in range(town.some(guesses.writes_to * guesses.accepted)):
                    self._befriend(operator, account)
        for _ in range(town.some(guesses.leaks * len(town.groups))):
            self._find_code()
        for operator in self.operators:
            for group, accounts in list(operator.inside.items()):
                self._stay(operator, group, accounts)

    def _befriend(self, operator: Operator, account: int) -> None:
        town = self.town
        group = self._some_group()
        member = town.one_of(group.members)
        if member >= len(town.people):
            return
        town.judge.befriend(account, member, town.day)
        if town.draw.random() < town.guesses.obliges:
            enter = partial(self._enter, operator, group, account, 1)
            town.persuade(group, member, account, enter)

    def _some_group(self) -> Group:
        """A group; each member of any is as likely to be met as the others."""
        town = self.town
        largest = max(len(group) for group in town.groups)
        while True:
            group = town.groups[town.below(len(town.groups))]
            if town.draw.random() * largest < len(group):
                return group

    def _find_code(self) -> None:
        town = self.town
        group = town.groups[town.below(len(town.groups))]
        operator = self.operators[town.below(len(self.operators))]
        account = town.one_of(operator.accounts)
        if account in group or group.starts > town.day:
            return
        if town.judge.entry(group, account) == ALLOWED:
            self._enter(operator, group, account, 1)

    def _enter(self, operator: Operator, group: Group, account: int, chain: int) -> None:
        self.large += len(group) >= LARGE
        group.add(account)
        operator.inside.setdefault(group, []).append(account)
        operator.entered[account].add(group)
        operator.chain[group, account] = chain

    def _stay(self, operator: Operator, group: Group, accounts: list[int]) -> None:
        town = self.town
        for account in list(accounts):
            if account not in group:  # Left, like anybody.
                accounts.remove(account)
                continue
            self.stays += 1
            operator.reached[account].update(group.members)
            out = [a for a in operator.accounts if a not in group and a not in group.banned]
            for other in out[: town.guesses.brings]:
                if town.judge.invitation(group, account, other) == ALLOWED:
                    self._enter(operator, group, other, operator.chain[group, account] + 1)
            if town.draw.random() < town.guesses.removed:
                group.ban(account)
                accounts.remove(account)
        if not accounts:
            del operator.inside[group]


class Recruiters(Spammers):
    """Spammers who fill a group of their own with whoever they can lure.

    For as long as its code lives, people scan that. From then on they scan the personal code of one
    of the accounts, which makes them its friends, and it invites them.

    Attributes:
        audience: the largest group that each operator has had, members lured into it.
    """

    def __init__(self, town: Town, operators: int, first_account: int) -> None:
        super().__init__(town, operators, first_account)
        self.audience = dict.fromkeys(self.operators, 0)
        self.made = len(self.operators)
        self._groups = {operator: self._new_group(operator) for operator in self.operators}

    def _new_group(self, operator: Operator) -> Group:
        creator, *others = operator.accounts
        group = Group(creator, 0, self.town.day)
        for account in others:
            if self.town.judge.invitation(group, creator, account) == ALLOWED:
                group.add(account)
        return group

    def act(self) -> None:
        town, guesses = self.town, self.town.guesses
        for operator in self.operators:
            group = self._groups[operator]
            for _ in range(town.some(guesses.leaves_spam * len(group))):
                member = town.one_of(group.members)
                if member < len(town.people):
                    group.remove(member)
            if group.code_died_of is not None and town.judge.may_make_code(group):
                group.renew_code(town.day)
            for _ in range(guesses.lured):
                self._lure(operator)
            self.audience[operator] = max(
                self.audience[operator], len(self._groups[operator]) - guesses.accounts
            )

    def _lure(self, operator: Operator) -> None:
        town, group = self.town, self._groups[operator]
        person = town.anybody()
        if town.judge.entry(group, person) == ALLOWED:
            self._reach(operator, group, person)
        elif town.guesses.restarts:
            self.made += 1
            group = self._groups[operator] = self._new_group(operator)
            if town.judge.entry(group, person) == ALLOWED:
                self._reach(operator, group, person)
        else:
            account = town.one_of(operator.accounts)
            town.judge.befriend(account, person, town.day)
            reach = partial(self._reach, operator, group, person)
            town.persuade(group, account, person, reach)

    def _reach(self, operator: Operator, group: Group, person: int) -> None:
        if person not in group:
            group.add(person)
        operator.reached[operator.accounts[0]].add(person)
