"""Everything at once on a large server: rows by SQL, then each operation over four workers."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import attrs

from benchmarks import large_database, query_plans
from benchmarks.decisions import NeedsPostgres
from benchmarks.engines import PostgresEngine
from benchmarks.measuring import process_cpu, wait_for
from benchmarks.results import Figures, Reading, spread
from benchmarks.servers import Bench, side_by_side
from benchmarks.sizes import Sizes
from synapse_capgroups.demo.cluster import Cluster
from synapse_capgroups.demo.homeserver import Homeserver
from synapse_capgroups.demo.person import Person, Reply, expect

PEOPLE, GROUPS, ADMISSIONS, CHATS = 1_000_000, 2_000_000, 20_000_000, 1_000_000
"""At the scale of 1. Of each hundred groups five have a living code: 100,000."""
REACHED = 1_000
"""Groups of an announcement, at the scale of 1."""

_MODULE: dict[str, Any] = {"cap": 500, "code_limit": 100, "series": {"max_groups": REACHED}}
_WORKERS = 4
_API = "/_synapse/client/capgroups/v1"
_CONCIERGE = "@groups:localhost"
_START_SECONDS = 3600
"""A start looks at each chat of the concierge's."""
_ONE_BY_ONE, _AT_ONCE = 20, 50
_PAGES = 'synapse_storage_transaction_time_count_total{desc="capgroups_sweep_chats"'
_PAGES_OF_A_SWEEP = 1


@attrs.frozen
class _Large:
    """The cluster, with a connection to its database."""

    cluster: Cluster
    engine: PostgresEngine
    cursor: Any

    def people(self, kind: str, number: int) -> list[Person]:
        return side_by_side(self.cluster.register, [f"{kind}{n}" for n in range(number)], 4)

    def seconds(self, transaction: str) -> float:
        """What the database transactions took so far whose names begin so."""
        return sum(
            value
            for series, value in self.cluster.metrics().items()
            if series.startswith("synapse_storage_transaction_time_sum_total{")
            and f'desc="{transaction}' in series
        )

    def value(self, statement: str, *parameters: Any) -> Any:
        self.cursor.execute(statement, parameters)
        (value,) = self.cursor.fetchone()
        return value


def run(bench: Bench, sizes: Sizes) -> Figures:
    engine = bench.engine
    if not isinstance(engine, PostgresEngine) or not bench.has_clusters():
        raise NeedsPostgres("large: it needs PostgreSQL, Redis and txredisapi")
    scale = sizes.scale
    world = bench.world(lambda server: None)
    with bench.cluster(world, _MODULE, _WORKERS) as (cluster, _):
        connection = engine.connect(cluster.folder.name)
        large = _Large(cluster, engine, connection.cursor())
        # The sweep first: after an announcement, Synapse is busy for minutes.
        readings = [*_fill(large, scale), *_sweep(large)]
        owner = cluster.register("owner")
        for measured in (_decisions, _codes_and_scans, _greetings):
            readings += measured(large, owner)
        readings += _announcement(large, max(3, round(REACHED * scale)))
        readings += _report(large)
        about = f"How {engine.version()} runs the module's statements at the scale of {scale:g}."
        examples = query_plans.examples(
            owner.new_room(name="Plans"), owner.user_id, _CONCIERGE,
            [large_database.chat_room(n) for n in range(100)], int(1000 * time.time()),
        )  # fmt: skip
        plans = query_plans.explain(connection, examples)
        connection.close()
    people, groups, admissions, chats = (
        f"{round(number * scale):,}" for number in (PEOPLE, GROUPS, ADMISSIONS, CHATS)
    )
    return Figures(
        "A large server",
        f"{people} people, {groups} groups, {admissions} admissions, {chats} chats with the "
        f"concierge and {round(GROUPS * scale) // 20:,} living codes in PostgreSQL, made by SQL; "
        f"a main process and {_WORKERS} workers, asked in turn. Each group has one member and no "
        "history: what Synapse itself would keep of so many rooms is not there. One client waits "
        "for each answer where nothing else is said.",
        readings=readings,
        documents={"query-plans-large.md": query_plans.page(plans, about, "large")},
    )


def _fill(large: _Large, scale: float) -> Iterator[Reading]:
    """Make the rows while the cluster is down, and start it again."""
    cluster, cursor = large.cluster, large.cursor
    first = cluster.register("first")
    expect(first.create_room(name="First"))
    wait_for(lambda: _greeted(large, first), seconds=120)
    chat = large.value("SELECT room_id FROM capgroups_chats WHERE user_id = %s", first.user_id)
    cluster.stop()
    started = time.monotonic()
    people, groups = max(1, round(PEOPLE * scale)), range(max(100, round(GROUPS * scale)))
    large_database.populate(cursor, people)
    admissions = range(round(ADMISSIONS * scale))
    large_database.grow(cursor, groups, admissions, int(1000 * time.time()), people)
    large_database.give_rooms(cursor, groups, people, int(1000 * time.time()))
    large_database.judge(cursor, _MODULE)
    large_database.add_chats(cursor, chat, _CONCIERGE, first.user_id, round(CHATS * scale))
    cursor.execute("VACUUM (ANALYZE)")
    cursor.execute("CHECKPOINT")
    yield Reading("making the rows", spread([time.monotonic() - started]), "s")
    size = large.value("SELECT pg_database_size(current_database())")
    yield Reading("the database", spread([size / 1e9]), "GB")
    swept, started = _swept_at(large), time.monotonic()
    cluster.start()
    yield Reading("start, until it answers", spread([time.monotonic() - started]), "s")
    wait_for(lambda: _swept_at(large) != swept, seconds=_START_SECONDS)
    yield Reading("start, until the first sweep is done", spread([time.monotonic() - started]), "s")


def _decisions(large: _Large, owner: Person) -> Iterator[Reading]:
    friends = large.people("friend", _ONE_BY_ONE + 1)
    side_by_side(owner.befriend, friends, 4)
    room = owner.new_room(name="Group")
    invitations, joins, decisions, transactions = [], [], [], []
    for friend in friends:
        invitations.append(_took(lambda: owner.invite(room, friend)))  # noqa: B023
        time.sleep(0.3)  # What follows an invitation is none of the decision's.
        before = _decided(large), large.seconds("capgroups_join")
        joins.append(_took(lambda: friend.join(room)))  # noqa: B023
        after = _decided(large), large.seconds("capgroups_join")
        decisions.append(1000 * (after[0] - before[0]))
        transactions.append(1000 * (after[1] - before[1]))
    yield Reading("an invitation", spread(invitations[1:]), "ms")
    yield Reading("a join", spread(joins[1:]), "ms")
    yield Reading("the decision of a join", spread(decisions[1:]), "ms", "at most 2 ms")
    yield Reading("its transaction", spread(transactions[1:]), "ms")


def _decided(large: _Large) -> float:
    name = 'capgroups_decision_seconds_sum{decision="join"}'
    return large.cluster.metrics().get(name, 0)


def _codes_and_scans(large: _Large, owner: Person) -> Iterator[Reading]:
    rooms = [owner.new_room(name=f"Code {n}") for n in range(2)]
    codes: list[dict[str, Any]] = []

    def make() -> Reply:
        reply = owner.make_code(rooms[0])
        codes.append(reply.body)
        return reply

    yield Reading("making a code", spread([_took(make) for _ in range(10)]), "ms")
    scanners = large.people("scanner", _ONE_BY_ONE)
    took = [_took(lambda: _scan(large, scanner, codes[0])) for scanner in scanners]  # noqa: B023
    yield Reading("a scan", spread(took), "ms")
    looks = [
        _took(lambda: owner.preview_code(codes[n % len(codes)]["secret"]))  # noqa: B023
        for n in range(4 * len(codes))
    ]
    yield Reading("a preview", spread(looks), "ms")
    crowd, code = large.people("crowd", _AT_ONCE), expect(owner.make_code(rooms[1])).body
    started = time.monotonic()
    for reply in side_by_side(lambda person: _scan(large, person, code), crowd, _AT_ONCE):
        expect(reply)
    rate = _AT_ONCE / (time.monotonic() - started)
    yield Reading(f"scans, {_AT_ONCE} people at one door at once", spread([rate]), "a second")


def _scan(large: _Large, person: Person, code: dict[str, Any]) -> Reply:
    return person.join(f"#j-{code['secret']}:{large.cluster.server_name}")


def _greetings(large: _Large, owner: Person) -> Iterator[Reading]:
    took = []
    for person in large.people("newcomer", 10):
        started = time.monotonic()
        expect(person.create_room(name="First"))
        wait_for(lambda: _greeted(large, person), seconds=120)  # noqa: B023
        took.append(1000 * (time.monotonic() - started))
    yield Reading("a first group, until its maker is greeted", spread(took), "ms")


def _greeted(large: _Large, person: Person) -> bool:
    """Whether the concierge has said something in somebody's chat."""
    return bool(
        large.value(
            """
            SELECT EXISTS (
                SELECT 1 FROM capgroups_chats AS chat JOIN events ON events.room_id = chat.room_id
                WHERE chat.user_id = %s AND events.type = 'm.room.message'
            )
            """,
            person.user_id,
        )
    )


def _announcement(large: _Large, number: int) -> Iterator[Reading]:
    """To so many groups of one series, which are real rooms: rows take them into the series."""
    organiser = large.cluster.register("organiser")
    rooms = side_by_side(lambda n: organiser.new_room(name=f"Choir {n}"), range(number), 4)
    body = {"room_id": rooms[0], "name": "choir", "pattern": "Choir {n}", "max_groups": REACHED}
    series_id = expect(organiser.call("POST", f"{_API}/series", body)).body["series_id"]
    large.cursor.executemany(
        """
        INSERT INTO capgroups_series_groups
            (series_id, number, room_id, begun_at, begun_after, is_full)
        VALUES (%s, %s, %s, 1, 1, FALSE)
        """,
        [(series_id, n, room) for n, room in enumerate(rooms[1:], 2)],
    )
    path = f"{_API}/series/{series_id}/announcements"
    drafts: list[Reply] = []

    def draft() -> Reply:
        drafts.append(organiser.call("POST", path, {"text": "We sing at six."}))
        return drafts[0]

    where = f"an announcement to {number:,} groups"
    yield Reading(f"drafting {where}", spread([_took(draft)]), "ms")
    announcement = drafts[0].body["announcement_id"]
    confirm = f"{path}/{quote(announcement)}/confirm"
    started = time.monotonic()
    took = _took(lambda: organiser.call("POST", confirm, {}))
    yield Reading(f"confirming {where}", spread([took]), "ms")
    waiting = """
        SELECT COUNT(*) FROM capgroups_outbox
        WHERE announcement_id = %s AND state IN ('due', 'sending')
    """
    wait_for(lambda: large.value(waiting, announcement) == 0, seconds=1800)
    yield Reading(f"{where}, until all have it", spread([time.monotonic() - started]), "s")
    sent = "SELECT COUNT(*) FROM capgroups_outbox WHERE announcement_id = %s AND state = 'sent'"
    yield Reading("groups that have it", spread([large.value(sent, announcement)]), "groups")


def _sweep(large: _Large) -> Iterator[Reading]:
    """A minute in which nothing happens but the sweep, once a start has looked at all chats."""
    started = time.monotonic()
    _await_sweep(large)
    while (period := _until_next_sweep(large)).pages > _PAGES_OF_A_SWEEP:
        assert time.monotonic() - started < _START_SECONDS, "The start does not end."
    took = time.monotonic() - started
    yield Reading("a start, until it has looked at all chats", spread([took / 60]), "min")
    yield Reading("from sweep to sweep", spread([period.seconds]), "s")
    yield Reading("its transactions", spread([1000 * period.transactions]), "ms")
    share, seconds = "% of a processor", period.seconds / 100
    yield Reading("the main process in that minute", spread([period.main / seconds]), share)
    yield Reading("the database in that minute", spread([period.database / seconds]), share)


@attrs.frozen
class _Period:
    """From the end of one sweep to that of the next. Seconds of processors but for the first.

    Attributes:
        transactions: the seconds that the module's took on the main process, where the sweep is.
        pages: how many pages of the concierge's chats it looked at.
    """

    seconds: float
    main: float
    database: float
    transactions: float
    pages: float


def _until_next_sweep(large: _Large) -> _Period:
    def used() -> _Period:
        metrics = Homeserver.metrics(large.cluster)
        took = "synapse_storage_transaction_time_sum_total{"
        return _Period(
            time.monotonic(),
            process_cpu(large.cluster.process_id),
            large.engine.cpu(large.cluster.folder.name),
            sum(v for k, v in metrics.items() if k.startswith(took) and 'desc="capgroups_' in k),
            sum(v for k, v in metrics.items() if k.startswith(_PAGES)),
        )

    before = used()
    _await_sweep(large)
    after = used()
    return _Period(
        *(b - a for a, b in zip(attrs.astuple(before), attrs.astuple(after), strict=True))
    )


def _await_sweep(large: _Large) -> None:
    at = _swept_at(large)
    wait_for(lambda: _swept_at(large) != at, seconds=300)


def _swept_at(large: _Large) -> Any:
    return large.value("SELECT swept_at FROM capgroups_schema")


def _report(large: _Large) -> Iterator[Reading]:
    admin = large.cluster.register("admin", admin=True)
    took = _took(lambda: admin.call("GET", f"{_API}/admin/report", timeout=3600))
    yield Reading("the report on the whole server", spread([took / 1000]), "s")


def _took(call: Callable[[], Reply]) -> float:
    """Milliseconds until the answer, which must be a 200."""
    started = time.perf_counter()
    expect(call())
    return 1000 * (time.perf_counter() - started)
