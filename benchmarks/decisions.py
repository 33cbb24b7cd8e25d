"""How long the module takes to decide a join, as the database grows."""

import os
import time
from collections.abc import Iterator
from typing import Any

import attrs

from benchmarks import large_database, query_plans
from benchmarks.engines import PostgresEngine
from benchmarks.measuring import settle
from benchmarks.members import Groups, fill
from benchmarks.results import Figures, Reading, spread
from benchmarks.servers import Account, Bench, Server
from benchmarks.sizes import Sizes
from synapse_capgroups.demo.person import expect

_STEPS = (0, 0.1, 1)
_TARGET = "at most 2 ms"


@attrs.frozen
class Case:
    """Joins to be decided, of one person after the other."""

    name: str
    size: int
    inviter: Account
    joiners: list[Account]


@attrs.frozen
class Times:
    """Milliseconds of some decisions, and of their database transactions alone."""

    decisions: list[float]
    transactions: list[float]


class NeedsPostgres(Exception):
    """The rows are made by PostgreSQL's own functions."""


def run(bench: Bench, sizes: Sizes) -> Figures:
    engine = bench.engine
    if not isinstance(engine, PostgresEngine):
        raise NeedsPostgres("decisions: the large database is made on PostgreSQL only")
    small, large = min(sizes.groups), max(sizes.groups)

    each = sizes.decisions + 1  # The first one warms up.

    def build(server: Server) -> Groups:
        groups = fill(server, (small, large), 2 * each + 1)
        for inviter, joiners in zip(groups.members[1:3], _shares(groups, each)[1:], strict=True):
            for joiner in joiners:
                server.person(inviter).befriend(server.person(joiner))
        return groups

    world = bench.world(build)
    groups = world.contents
    popular, member, liar = groups.members[:3]
    friends_of_popular, friends_of_member, (friend_of_liar,) = _shares(groups, each)
    by_friendship = f"into a group of {large}, by friendship"
    cases = [
        Case(f"into a group of {small}", small, member, friends_of_member),
        Case(by_friendship, large, member, friends_of_member),
        Case(
            f"{by_friendship} that only somebody of many chats lists",
            large,
            popular,
            friends_of_popular,
        ),
        Case(
            f"{by_friendship}, all these chats listed for one friend",
            large,
            liar,
            [friend_of_liar] * each,
        ),
    ]
    module: dict[str, Any] = {"cap": sizes.cap, "code_limit": sizes.code_limit}
    readings: list[Reading] = []
    with bench.server(world, module) as server:
        connection = engine.connect(server.name)
        cursor = connection.cursor()
        reached = 0.0
        for step in _STEPS:
            if step:
                server.stop()
                _grow(cursor, sizes, reached, step, popular, (liar, friend_of_liar), module)
                reached = step
                server.start()
            scale = step * sizes.all_groups
            readings += _sweep(server, scale)
            for case in cases:
                readings += _readings(case, scale, _decide(server, groups, case))
        cursor.execute("SELECT pg_total_relation_size('capgroups_admissions')")
        row = cursor.fetchone()[0] / sizes.all_admissions
        readings.append(
            Reading("a row of the record, with its indexes", spread([row]), "bytes", scale=scale)
        )
        server.stop()
        now = int(time.time() * 1000)
        rooms = [large_database.chat_room(n) for n in range(100)]
        examples = query_plans.examples(
            groups.room_ids[large], popular.user_id, member.user_id, rooms, now
        )
        plans = query_plans.explain(connection, examples)
        connection.close()
    about = (
        f"How {engine.version()} runs the module's statements with {sizes.all_groups:,} groups and "
        f"{sizes.all_admissions:,} admissions in the database, for a member of a group of {large} "
        f"who has {sizes.direct_chats:,} direct chats."
    )
    return Figures(
        "Decisions",
        "A friend is invited and, when the server is idle again, joins, with no, a tenth and all "
        f"of {sizes.all_groups:,} groups, "
        f"{sizes.all_admissions:,} admissions and, of one person, {sizes.direct_chats:,} direct "
        "chats in the database. `capgroups_decision_seconds` and, of it, the database "
        "transaction; and the transactions of each minute's sweep. "
        "[Plans of all statements](../benchmarks/results/query-plans.md) at that size.",
        # Decisions first, then what the sweep took.
        readings=sorted(readings, key=lambda r: ("join", "its ", "swee", "a ro").index(r.name[:4])),
        scale="groups",
        documents={"query-plans.md": query_plans.page(plans, about, "decisions")},
    )


def _shares(groups: Groups, each: int) -> tuple[list[Account], list[Account], list[Account]]:
    """The joiners of three inviters. All of them are friends of the first, the creator."""
    return groups.joiners[:each], groups.joiners[each:-1], groups.joiners[-1:]


def _grow(
    cursor: Any,
    sizes: Sizes,
    before: float,
    now: float,
    popular: Account,
    lie: tuple[Account, Account],
    module: dict[str, Any],
) -> None:
    def more(whole: int) -> range:
        return range(int(whole * before), int(whole * now))

    clock = int(time.time() * 1000)
    people = max(1, sizes.all_groups // 2)
    if not before:
        large_database.populate(cursor, people)
    groups, admissions = more(sizes.all_groups), more(sizes.all_admissions)
    large_database.grow(cursor, groups, admissions, clock, people)
    large_database.give_rooms(cursor, groups, people, clock)
    large_database.judge(cursor, module)
    chats = more(sizes.direct_chats)
    large_database.give_chats(cursor, popular.user_id, chats)
    liar, friend = lie
    large_database.list_chats(cursor, liar.user_id, friend.user_id, chats)
    cursor.execute("VACUUM (ANALYZE)")
    # What is still to be written would be, in the midst of a measurement.
    cursor.execute("CHECKPOINT")
    os.sync()


def _decide(server: Server, groups: Groups, case: Case) -> Times:
    room_id = groups.room_ids[case.size]
    inviter = server.person(case.inviter)
    found = Times([], [])
    for n, account in enumerate(case.joiners):
        joiner = server.person(account)
        expect(inviter.invite(room_id, joiner))
        # What follows an invitation is none of the decision's: a busy Python makes each way to the
        # database and back wait.
        settle(server)
        before = list(_seconds(server))
        expect(joiner.join(room_id))
        took = [1000 * (b - a) for a, b in zip(before, _seconds(server), strict=True)]
        expect(joiner.leave(room_id))
        if n:
            found.decisions.append(took[0])
            found.transactions.append(took[1])
    return found


def _seconds(server: Server) -> Iterator[float]:
    values = server.metrics()
    yield values.get('capgroups_decision_seconds_sum{decision="join"}', 0)
    yield sum(_of(values, "capgroups_join"))


def of_transaction(server: Server, name: str) -> float:
    """Seconds that the database transactions of a name took so far."""
    return sum(_of(server.metrics(), name))


def _of(values: dict[str, float], transaction: str) -> Iterator[float]:
    for series, value in values.items():
        if (
            series.startswith("synapse_storage_transaction_time_sum_total{")
            and f'desc="{transaction}' in series
        ):
            yield value


def _readings(case: Case, scale: float, times: Times) -> list[Reading]:
    return [
        Reading(f"join {case.name}", spread(times.decisions), "ms", _TARGET, scale),
        Reading(f"its transaction, {case.name}", spread(times.transactions), "ms", scale=scale),
    ]


def _sweep(server: Server, scale: float) -> list[Reading]:
    """What the minute's sweep took, which is also done at start."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        values = server.metrics()
        # The last of its transactions.
        if any('desc="capgroups_sweep_visits"' in series for series in values):
            break
        time.sleep(0.2)
    return [
        Reading(f"sweep: {what}", spread([1000 * sum(_of(values, f'{name}"'))]), "ms", scale=scale)
        for what, name in (
            ("reservations, and groups counted by mode", "capgroups_sweep"),
            ("codes that died", "capgroups_sweep_codes"),
            ("codes of groups that reached the limit", "capgroups_sweep_closed"),
        )
    ]
