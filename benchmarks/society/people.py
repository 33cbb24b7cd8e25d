"""A million people and who is a friend of whom: a small world."""

import random
from array import array
from collections.abc import Iterator

import igraph
import numpy as np
from numpy.typing import NDArray

_YEARS = 730
"""Friendships began at an even pace in the last so many days."""


class People:
    """People are numbers from 0 on; each has a slice of two arrays.

    Attributes:
        offsets: where each person's friends begin; one more at the end.
        friends: the friends of all people.
        since: on which day each of these friendships begins. Day 0 is the first of the simulation;
            some begin later.
    """

    def __init__(self, offsets: "array[int]", friends: "array[int]", since: "array[int]") -> None:
        self.offsets = offsets
        self.friends = friends
        self.since = since

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def friendships(self, person: int) -> Iterator[tuple[int, int]]:
        """Each friend of a person, and the day on which that began."""
        span = slice(self.offsets[person], self.offsets[person + 1])
        return zip(self.friends[span], self.since[span], strict=True)

    def began(self, a: int, b: int) -> int | None:
        """The day on which two people become friends; None if they never do."""
        return next((since for friend, since in self.friendships(a) if friend == b), None)

    def number_of_friends(self, person: int) -> int:
        return self.offsets[person + 1] - self.offsets[person]


def small_world(people: int, friends: int, far: float, days: int, seed: int) -> People:
    """A Watts-Strogatz graph: people in a ring know those beside them, and some far away.

    Args:
        friends: of each person, on average; an even number.
        far: the share of friendships that lead to anybody at all.
        days: of the simulation, during which more people become friends.
    """
    # igraph draws its numbers from Python's own generator.
    igraph.set_random_number_generator(random.Random(seed))
    graph = igraph.Graph.Watts_Strogatz(1, people, friends // 2, far)
    offsets, found = array("i", [0]), array("i")
    for person in range(people):
        found.extend(graph.neighbors(person))
        offsets.append(len(found))
    return People(offsets, found, _days(offsets, found, days, seed))


def _days(offsets: "array[int]", friends: "array[int]", days: int, seed: int) -> "array[int]":
    """When each friendship begins: by a hash of the two, so that it is the same for both."""
    one = np.repeat(np.arange(len(offsets) - 1, dtype=np.uint64), np.diff(view(offsets)))
    other = view(friends).astype(np.uint64)
    # splitmix64, which is the same for ever; the numbers of NumPy's generators may change.
    with np.errstate(over="ignore"):
        mixed = (np.minimum(one, other) << np.uint64(32)) + np.maximum(one, other)
        mixed += np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        mixed ^= mixed >> np.uint64(31)
    began = (mixed % np.uint64(_YEARS + days)).astype(np.int16) - _YEARS
    return array("h", began.astype(np.int16).tobytes())


def view(numbers: "array[int]") -> "NDArray[np.signedinteger]":
    """An array of this module's as one of NumPy's, without a copy."""
    return np.frombuffer(numbers, dtype=numbers.typecode)
