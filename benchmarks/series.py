"""Series: how long a place takes in one of three groups, and in one of a thousand."""

from collections.abc import Sequence
from typing import Any

from benchmarks.decisions import NeedsPostgres, of_transaction
from benchmarks.engines import PostgresEngine
from benchmarks.measuring import settle
from benchmarks.results import Figures, Reading, spread
from benchmarks.servers import Account, Bench, Server
from benchmarks.sizes import Sizes
from synapse_capgroups.demo.person import expect

_API = "/_synapse/client/capgroups/v1/series"
_FEW = 3


def run(bench: Bench, sizes: Sizes) -> Figures:
    engine = bench.engine
    if not isinstance(engine, PostgresEngine):
        raise NeedsPostgres("series: the many groups are made on PostgreSQL only")

    each = max(2, min(sizes.decisions, sizes.series_members))

    def build(server: Server) -> list[Account]:
        return server.accounts(["organiser", *(f"scanner{n}" for n in range(2 * each))])

    world = bench.world(build)
    organiser, *people = world.contents
    module = {
        "cap": 500,
        "code_limit": 500,
        "series": {"max_groups": sizes.series_groups},
    }
    readings: list[Reading] = []
    with bench.server(world, module) as server:
        connection = engine.connect(server.name)
        cursor = connection.cursor()
        scanners = iter(people)
        for groups in (_FEW, sizes.series_groups):
            series_id, code = _series(server, organiser, groups, sizes.series_members)
            _full_groups(cursor, series_id, organiser, groups - 1, sizes.series_members)
            took = _scan(server, [next(scanners) for _ in range(each)], code)
            readings += [
                Reading("a place", spread(took[1:]), "ms", scale=groups),
                Reading("a place, at the first look", spread(took[:1]), "ms", scale=groups),
            ]
        connection.close()
    return Figures(
        "Series",
        "People scan a live code, one after the other. All groups but the last are full, with "
        f"{sizes.series_members} people each: {sizes.series_groups * sizes.series_members:,} in "
        "the large series. The transaction that finds and takes the place; at the first look no "
        "group is known to be full, and all are counted.",
        readings=readings,
        scale="groups",
    )


def _series(server: Server, organiser: Account, groups: int, fill: int) -> tuple[str, Any]:
    """A series whose last group is real and empty, and its live code."""
    person = server.person(organiser)
    body = {
        "room_id": person.new_room(name="Tea"),
        "name": f"tea{groups}",
        "pattern": "Tea {n}",
        "fill": fill,
        "max_groups": groups,
    }
    series_id = expect(person.call("POST", _API, body)).body["series_id"]
    return series_id, expect(person.call("POST", f"{_API}/{series_id}/codes", {})).body


def _full_groups(cursor: Any, series_id: str, organiser: Account, count: int, people: int) -> None:
    """Put full groups before the real one, as rows."""
    numbers = (1, count)
    cursor.execute(
        "UPDATE capgroups_series_groups SET number = %s WHERE series_id = %s",
        (count + 1, series_id),
    )
    # They are full by `fill`: it is lowered to their size, and each of them has that many.
    cursor.execute(
        "UPDATE capgroups_series SET fill = %s WHERE series_id = %s", (people, series_id)
    )
    room = f"'!' || md5('{series_id}' || i)"
    cursor.execute(
        f"""
        INSERT INTO capgroups_series_groups
            (series_id, number, room_id, begun_at, begun_after, is_full)
        SELECT %s, i, {room}, 1, 1, FALSE FROM generate_series(%s, %s) AS i
        """,
        (series_id, *numbers),
    )
    cursor.execute(
        f"""
        INSERT INTO current_state_events (event_id, room_id, type, state_key, membership)
        SELECT '$' || md5({room} || j), {room}, 'm.room.member',
            CASE WHEN j = 0 THEN %s ELSE '@resident' || i || '-' || j || ':localhost' END, 'join'
        FROM generate_series(%s, %s) AS i, generate_series(0, %s) AS j
        """,
        (organiser.user_id, *numbers, people),
    )
    cursor.execute("VACUUM (ANALYZE) current_state_events")
    cursor.execute("VACUUM (ANALYZE) capgroups_series_groups")


def _scan(server: Server, people: Sequence[Account], code: Any) -> list[float]:
    """Milliseconds of the transactions of each scan that look for the place."""
    took = []
    address = f"#j-{code['secret']}:{server.server_name}"
    for account in people:
        settle(server)
        before = of_transaction(server, "capgroups_live_entry")
        expect(server.person(account).join(address))
        took.append(1000 * (of_transaction(server, "capgroups_live_entry") - before))
    return took
