"""One simulation, and the figures that it comes to: plain values, the same for the same seed."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.society.groups import Group
from benchmarks.society.guesses import Guesses, Setting, Size
from benchmarks.society.people import People, view
from benchmarks.society.spammers import Intruders, Recruiters, Spammers
from benchmarks.society.town import LARGE, Arrivals, Town

SIZES = ((2, 24), (25, 49), (50, 99), (100, 199), (200, 349), (350, 500), (501, 2_000))
"""Groups are told apart by how many members they have at the end, from and to."""
_ASKED_IN_GROUP = 20
"""Whose friends' friends are counted, of each group: that takes long."""


def simulate(
    people: People, guesses: Guesses, setting: Setting, size: Size, seed: int
) -> dict[str, Any]:
    """Let the groups live, with spammers among them."""
    town = Town(people, guesses, setting, size.groups, seed)
    intruders = Intruders(town, size.operators, len(people))
    recruiters = Recruiters(town, size.operators, intruders.last_account + 1)
    for day in range(size.days):
        town.begin_day(day)
        town.live()
        intruders.act()
        recruiters.act()
    return {
        "sizes": _by_size(town),
        "arrivals": {"small": _arrivals(town.small), "large": _arrivals(town.large)},
        "invited_friends": _invited(town),
        "members": sum(map(len, town.groups)),
        "groups_of_100_or_more": sum(len(group) >= LARGE for group in town.groups),
        "largest": max(map(len, town.groups)),
        "intruders": _intruders(intruders),
        "recruiters": _recruiters(recruiters),
        "asked": town.judge.asked,
    }


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None


def _arrivals(arrivals: Arrivals) -> dict[str, Any]:
    return {
        "people": arrivals.all,
        "knew_a_member": _share(arrivals.with_friend, arrivals.all),
    }


def _invited(town: Town) -> dict[str, Any]:
    wishes = town.wishes
    return {
        "times": wishes.invited,
        "refused": {
            reason.value: _share(times, wishes.invited)
            for reason, times in sorted(wishes.refused.items(), key=lambda item: item[0].value)
        },
    }


def _by_size(town: Town) -> list[dict[str, Any]]:
    """For each of `SIZES`: what members have in common there."""
    found = []
    inside = np.zeros(len(town.people), dtype=bool)
    for least, most in SIZES:
        groups = [group for group in town.groups if least <= len(group) <= most]
        friends = [_friends_inside(town, group, inside) for group in groups]
        members = sum(map(len, friends))
        known = sum(float(f.sum()) / max(len(f) - 1, 1) for f in friends)
        near = [share for group in groups for share in _near(town, group)]
        row = {
            "from": least,
            "to": most,
            "groups": len(groups),
            "members": members,
            "with_friend": _share(sum(int((f > 0).sum()) for f in friends), members),
            # Of the other members, how many are friends; and friends, or friends of friends.
            "known": _share(known, members),
            "near": _share(sum(near), len(near)),
        }
        found.append(row)
    return found


def _ordinary(town: Town, group: Group) -> list[int]:
    return [member for member in group.members if member < len(town.people)]


def _friends_inside(town: Town, group: Group, inside: Any) -> Any:
    """How many friends each member has in the group. Spammers are no members here.

    Args:
        inside: an array of false, one for each of all people.
    """
    members = np.array(_ordinary(town, group), dtype=np.int64)
    people = town.people
    offsets, friends, since = view(people.offsets), view(people.friends), view(people.since)
    inside[members] = True
    starts = offsets[members].astype(np.int64)
    numbers = offsets[members + 1] - starts
    of_member = np.repeat(np.arange(len(members)), numbers)
    firsts = np.concatenate(([0], np.cumsum(numbers)[:-1]))
    places = np.arange(numbers.sum()) - np.repeat(firsts - starts, numbers)
    counts = inside[friends[places]] & (since[places] <= town.day)
    inside[members] = False
    return np.bincount(of_member[counts], minlength=len(members))


def _near(town: Town, group: Group) -> list[float]:
    """The share of the others who are friends, or friends of friends who are in the group."""

    def friends(person: int) -> set[int]:
        return {
            friend
            for friend, since in town.people.friendships(person)
            if since <= town.day and friend in group
        }

    members = _ordinary(town, group)
    shares = []
    for member in members[:: max(len(members) // _ASKED_IN_GROUP, 1)]:
        first = friends(member)
        near = first.union(*map(friends, first)) - {member}
        shares.append(len(near) / max(len(members) - 1, 1))
    return shares


def _reached(town: Town, spammers: Spammers) -> float:
    """How many ordinary people an account reached, on average."""
    people = len(town.people)
    reached = sum(
        sum(person < people for person in found)
        for operator in spammers.operators
        for found in operator.reached.values()
    )
    return round(reached / sum(len(operator.accounts) for operator in spammers.operators), 2)


def _intruders(intruders: Intruders) -> dict[str, Any]:
    operators = intruders.operators
    accounts = sum(len(operator.accounts) for operator in operators)
    entries = sum(len(groups) for operator in operators for groups in operator.entered.values())
    chains = [length for operator in operators for length in operator.chain.values()]
    entered = {group for operator in operators for group, _ in operator.chain}
    return {
        "reached_per_account": _reached(intruders.town, intruders),
        "groups_per_account": round(entries / accounts, 3),
        "into_large": _share(intruders.large, entries),
        "days_per_group": _share(intruders.stays, len(entered)),
        "chain": _share(sum(chains), len(chains)),
        "longest_chain": max(chains, default=0),
    }


def _recruiters(recruiters: Recruiters) -> dict[str, Any]:
    audience = recruiters.audience.values()
    return {
        "reached_per_account": _reached(recruiters.town, recruiters),
        "audience": _share(sum(audience), len(audience)),
        "groups": recruiters.made,
    }


def key_figures(found: Mapping[str, Any]) -> dict[str, float | None]:
    """Of one simulation's figures, those by which settings and guesses are compared."""
    large = [row for row in found["sizes"] if row["from"] >= LARGE]
    members = sum(row["members"] for row in large)
    with_friend = sum(row["members"] * (row["with_friend"] or 0) for row in large)
    return {
        "with_friend": _share(with_friend, members),
        "newcomers": found["arrivals"]["large"]["knew_a_member"],
        "intruders": found["intruders"]["reached_per_account"],
        "recruiters": found["recruiters"]["reached_per_account"],
    }
