"""Counts all groups of a server as they are at this moment, room by room."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Sequence
from hashlib import md5
from typing import Any

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.groups.survey import Survey
from synapse_capgroups.inside.tables.all_rooms import AllRooms, Room
from synapse_capgroups.report.sizes import CLASSES, SizeClass, class_of
from synapse_capgroups.rules.joining import Limits, Mode
from synapse_capgroups.rules.scope import Kind

PAGE = 1000
_SAMPLED_GROUPS = 700
_SAMPLED_MEMBERS = 2000
_FEWEST = 3
"""Two people are mostly a direct chat, in which each has the other for a friend."""
_MOST_LISTED = 1000


@attrs.define
class Tally:
    """Groups and their members."""

    groups: int = 0
    members: int = 0

    def add(self, room: Room) -> None:
        self.groups += 1
        self.members += room.members

    def record(self) -> dict[str, int]:
        return attrs.asdict(self)


@attrs.define
class Census:
    """What was counted so far.

    Attributes:
        federating: whether groups that other servers can be in are of interest (rule 10, `local`).
    """

    limits: Limits
    federating: bool
    rooms: Counter[Kind] = attrs.field(factory=Counter)
    all: Tally = attrs.field(factory=Tally)
    by_mode: defaultdict[Mode, Tally] = attrs.field(factory=lambda: defaultdict(Tally))
    by_size: defaultdict[SizeClass, Tally] = attrs.field(factory=lambda: defaultdict(Tally))
    with_remote: int = 0
    remote_people: int = 0
    can_federate: int = 0
    _federate: list[tuple[int, int, str]] = attrs.field(factory=list)
    _samples: defaultdict[SizeClass, list[tuple[int, str, int]]] = attrs.field(
        factory=lambda: defaultdict(list)
    )

    def count(self, txn: LoggingTransaction, survey: Survey, rooms: Sequence[Room]) -> None:
        """Count a page of rooms."""
        kinds = survey.kinds(txn, rooms)
        self.rooms.update(kinds.values())
        groups = [room for room in rooms if kinds[room.room_id] is Kind.GROUP]
        for room in groups:
            self._count(room)
        if self.federating:
            federating = AllRooms.federating(txn, [room.room_id for room in groups])
            for room in groups:
                if room.room_id in federating:
                    self.can_federate += 1
                    kept = (room.remote, room.members, room.room_id)
                    _keep_largest(self._federate, kept, _MOST_LISTED)

    def _count(self, room: Room) -> None:
        size = class_of(room.members)
        for tally in (self.all, self.by_mode[self.limits.mode(room.members)], self.by_size[size]):
            tally.add(room)
        self.with_remote += room.remote > 0
        self.remote_people += room.remote
        if room.members >= _FEWEST:
            # By what nobody chooses and nothing changes, so that each report looks at the same.
            order = int.from_bytes(md5(room.room_id.encode()).digest()[:8], "big")
            kept = (-order, room.room_id, room.members)
            _keep_largest(self._samples[size], kept, _SAMPLED_GROUPS)

    def samples(self) -> dict[SizeClass, list[str]]:
        """Groups of each size that are enough for a share: all of them where there are few."""
        chosen: dict[SizeClass, list[str]] = {}
        for size in CLASSES:
            members = 0
            for _, room_id, there in sorted(self._samples[size], reverse=True):
                if members >= _SAMPLED_MEMBERS:
                    break
                members += there
                chosen.setdefault(size, []).append(room_id)
        return chosen

    def groups_record(self) -> dict[str, Any]:
        """What a report says of it."""
        return {
            **self.all.record(),
            "other_rooms": {
                kind.value: self.rooms[kind]
                for kind in Kind
                if kind is not Kind.GROUP and self.rooms[kind]
            },
            "by_mode": {mode.value: self.by_mode[mode].record() for mode in Mode},
            "by_size": [
                {**attrs.asdict(size), **self.by_size[size].record()}
                for size in CLASSES
                if size in self.by_size
            ],
        }

    def federating_record(self) -> dict[str, Any]:
        """Groups that other servers can be in, those with most people from there first."""
        return {
            "groups": self.can_federate,
            "largest": [
                {"room_id": room_id, "members": members, "remote": remote}
                for remote, members, room_id in sorted(self._federate, reverse=True)
            ],
        }


def _keep_largest(heap: list[Any], item: Any, most: int) -> None:
    if len(heap) < most:
        heapq.heappush(heap, item)
    else:
        heapq.heappushpop(heap, item)
