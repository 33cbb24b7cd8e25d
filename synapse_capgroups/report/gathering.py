"""Gathers a report step by step, so that a running server can take each step on its own."""

from collections import Counter
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.groups.survey import Standards, Survey
from synapse_capgroups.inside.tables.all_rooms import AllRooms
from synapse_capgroups.report.census import PAGE, Census
from synapse_capgroups.report.friendships import Friends
from synapse_capgroups.report.sizes import SizeClass
from synapse_capgroups.report.trees import Trees
from synapse_capgroups.report.trial_counts import day_of
from synapse_capgroups.storage.admissions import DAY_MS, How
from synapse_capgroups.storage.report_counts import ReportCounts
from synapse_capgroups.storage.server_rooms import ServerRooms
from synapse_capgroups.storage.would_be import TRIAL_DAYS

Step = Callable[[LoggingTransaction], None]
"""A short transaction. The next one is known when it is done."""

DAYS = 30
_MOST_VOUCHERS = 20
_MOST_TREES = 10
_MOST_ROOMS = 20
_ENTRIES = 5000
_MOST_ENTRIES = 100_000
_MEMBERS_AT_ONCE = 500
_WAYS = tuple(how.value for how in How)


@attrs.frozen
class Asked:
    """What a report is about.

    Attributes:
        min_age: how old a friendship must be to count, in milliseconds.
        is_local: whether groups are only for this server's own people (rule 10).
        enforce: False in a trial.
        has_record: whether the module has its tables.
        now: milliseconds since 1970.
        most_rooms: so many rooms are looked at; None for all.
    """

    standards: Standards
    min_age: int
    is_local: bool
    enforce: bool
    now: int
    has_record: bool = True
    most_rooms: int | None = None

    @property
    def friends(self) -> Friends:
        return Friends(self.standards.server_name, self.min_age, self.now)


class Gathering:
    """One report."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._since = (asked.now // DAY_MS - DAYS + 1) * DAY_MS
        self._census = Census(asked.standards.limits, asked.is_local)
        self._trees = Trees()
        self._complete = True
        self._report: dict[str, Any] = {
            "server_name": asked.standards.server_name,
            "version": version("synapse-capgroups"),
            "at": asked.now,
            "enforced": asked.enforce,
            "days": DAYS,
        }

    def steps(self) -> Iterator[Step]:
        """All steps in their order. Take each before asking for the next."""
        yield from self._count_rooms()
        yield from self._count_friends()
        if self._asked.has_record:
            yield self._count_record
            yield self._count_codes
            yield self._count_trial
            yield from self._grow_trees()

    def result(self) -> dict[str, Any]:
        """The report, after the last step."""
        return self._report

    def _count_rooms(self) -> Iterator[Step]:
        asked, census = self._asked, self._census
        survey: Survey | None = None
        after: str | None = ""
        looked_at = 0

        def begin(txn: LoggingTransaction) -> None:
            nonlocal survey
            rooms = ServerRooms.all(txn) if asked.has_record else set()
            survey = Survey(asked.standards, txn, server_rooms=rooms)

        def count(txn: LoggingTransaction) -> None:
            nonlocal after
            assert survey is not None
            assert after is not None
            rooms, after = AllRooms.page(txn, asked.standards.server_name, after, PAGE)
            census.count(txn, survey, rooms)

        yield begin
        while after is not None:
            if asked.most_rooms is not None and looked_at >= asked.most_rooms:
                self._complete = False
                break
            looked_at += PAGE
            yield count
        self._report["complete"] = self._complete
        self._report["groups"] = census.groups_record()
        self._report["remote"] = {"groups": census.with_remote, "people": census.remote_people}
        self._report["federating"] = census.federating_record() if asked.is_local else None

    def _count_friends(self) -> Iterator[Step]:
        groups, members, friends = Counter[SizeClass](), Counter[SizeClass](), Counter[SizeClass]()
        looking = self._asked.friends
        samples = self._census.samples()
        waiting = [(size, room) for size, rooms in samples.items() for room in rooms]

        def count(txn: LoggingTransaction) -> None:
            done = 0
            while waiting and done < _MEMBERS_AT_ONCE:
                size, room_id = waiting.pop()
                found = looking.counted(txn, room_id)
                done += 1
                if found is not None:
                    groups[size] += 1
                    friends[size] += found[0]
                    members[size] += found[1]
                    done += found[1]

        while waiting:
            yield count
        self._report["friends"] = [
            {
                **attrs.asdict(size),
                "groups": groups[size],
                "members": members[size],
                "with_a_friend": friends[size],
                "share": round(friends[size] / members[size], 4),
            }
            for size in samples
            if members[size]
        ]

    def _count_record(self, txn: LoggingTransaction) -> None:
        report = self._report
        report["record_since"] = ReportCounts.oldest(txn)
        report["growth"] = by_day(ReportCounts.growth(txn, self._since))
        report["vouchers"] = ReportCounts.vouchers(txn, self._since, _MOST_VOUCHERS)
        report["series"] = ReportCounts.series(txn)
        report["requests"] = ReportCounts.requests(txn, self._since)
        report["remote"]["invited"] = ReportCounts.remote_invitations(txn)

    def _count_codes(self, txn: LoggingTransaction) -> None:
        now = self._asked.now
        self._report["codes"] = [
            *ReportCounts.living_codes(txn, now),
            *ReportCounts.dead_codes(txn, now, self._since),
        ]

    def _count_trial(self, txn: LoggingTransaction) -> None:
        since = day_of(self._asked.now - TRIAL_DAYS * DAY_MS)
        rooms = ReportCounts.would_be_by_room(txn, since, _MOST_ROOMS)
        names = AllRooms.names(txn, [row["room_id"] for row in rooms])
        self._report["would_be"] = {
            "by_day": ReportCounts.would_be(txn, since),
            "by_room": [{**row, "name": names.get(row["room_id"])} for row in rooms],
        }

    def _grow_trees(self) -> Iterator[Step]:
        before: int | None = None
        is_last = False
        read = 0

        def grow(txn: LoggingTransaction) -> None:
            nonlocal before, is_last, read
            entries, before = ReportCounts.brought(txn, before, _ENTRIES)
            self._trees.add(entries)
            read += len(entries)
            is_last = before is None

        while not is_last and read < _MOST_ENTRIES:
            yield grow
        self._report["trees"] = {
            "complete": is_last,
            "largest": [attrs.asdict(tree) for tree in self._trees.largest(_MOST_TREES)],
        }


def by_day(counts: list[tuple[int, str, int]]) -> list[dict[str, Any]]:
    """Who came by day, with a number for each way in."""
    days: dict[str, dict[str, Any]] = {}
    for time, how, count in counts:
        day = day_of(time)
        days.setdefault(day, {"day": day, "came": 0, **dict.fromkeys(_WAYS, 0)})[how] = count
        days[day]["came"] += count
    return list(days.values())
