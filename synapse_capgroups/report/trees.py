"""The largest trees of who brought whom, over all groups of a server."""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping

import attrs

from synapse_capgroups.storage.forgetting import ERASED
from synapse_capgroups.storage.report_counts import Brought


@attrs.frozen
class Tree:
    """Somebody, with all that they brought in, these brought in, and so on.

    Attributes:
        people: how many came in by it, the first one not counted.
        directly: how many of these the first one brought in.
        depth: how long the longest chain is.
    """

    user_id: str
    people: int
    directly: int
    depth: int


class Trees:
    """Grows trees from entries, in whatever order they are read.

    A person belongs to whoever brought them into their first group; who made their first group is
    at the root of a tree. Of the time before the record nothing is known.
    """

    def __init__(self) -> None:
        self._first: dict[str, Brought] = {}

    def add(self, entries: Iterable[Brought]) -> None:
        for entry in entries:
            if entry.user_id == ERASED:  # All of them have this one name.
                continue
            known = self._first.get(entry.user_id)
            if known is None or _order(entry) < _order(known):
                self._first[entry.user_id] = entry

    def largest(self, most: int) -> list[Tree]:
        """The largest first."""
        parents = self._parents()
        roots = self._roots(parents)
        people, directly, depth = Counter[str](), Counter[str](), Counter[str]()
        for user_id, (root, level) in roots.items():
            if user_id == root:
                continue
            people[root] += 1
            directly[root] += level == 1
            depth[root] = max(depth[root], level)
        return heapq.nsmallest(
            most,
            (Tree(root, count, directly[root], depth[root]) for root, count in people.items()),
            key=lambda tree: (-tree.people, tree.user_id),
        )

    def _parents(self) -> Mapping[str, str]:
        return {
            user_id: str(entry.inviter)
            for user_id, entry in self._first.items()
            if entry.inviter not in (None, ERASED, user_id)
        }

    @staticmethod
    def _roots(parents: Mapping[str, str]) -> Mapping[str, tuple[str, int]]:
        """Of each person the root of their tree and how far it is.

        Two people can have brought in each other, one before the record begins: whoever is met
        first is the root then.
        """
        found: dict[str, tuple[str, int]] = {}
        for start in parents:
            chain = []
            user_id = start
            on_chain = set()
            while user_id in parents and user_id not in found and user_id not in on_chain:
                chain.append(user_id)
                on_chain.add(user_id)
                user_id = parents[user_id]
            if user_id not in found:
                found[user_id] = (user_id, 0)
            root, level = found[user_id]
            for number, person in enumerate(reversed(chain), 1):
                if person not in found:
                    found[person] = (root, level + number)
        return found


def _order(entry: Brought) -> tuple[int, str]:
    return entry.admitted_at, entry.room_id
