"""A message: in one large room, and in many rooms of which Synapse can remember few events."""

import itertools
import statistics
from collections.abc import Mapping
from typing import Any

import attrs

from benchmarks.measuring import Round, compare, in_turn
from benchmarks.results import Comparison, Figures
from benchmarks.servers import EMPTY_CALLBACK, MODULE, Account, Bench, Server, World, side_by_side
from benchmarks.sizes import Sizes
from synapse_capgroups.demo.person import expect


@attrs.frozen
class Rooms:
    """Rooms with the same members."""

    people: list[Account]
    room_ids: list[str]


def run(bench: Bench, sizes: Sizes) -> Figures:
    large = bench.world(lambda server: _fill(server, sizes.large_room, 1))
    many = bench.world(lambda server: _fill(server, sizes.room_members, sizes.rooms))
    comparisons = [
        *_compare(bench, sizes, large, f"message in a room of {sizes.large_room}"),
        *_compare(
            bench,
            sizes,
            many,
            f"message in one of {sizes.rooms} rooms of {sizes.room_members}, small event cache",
            {"event_cache_size": "1K"},
        ),
    ]
    return Figures(
        "Messages",
        "Members write one after the other. The small event cache is `event_cache_size: 1K`. "
        "Beside this module, one that only registers an empty `check_event_allowed`, as others do.",
        comparisons,
    )


def _fill(server: Server, members: int, rooms: int) -> Rooms:
    accounts = server.accounts([f"member{n}" for n in range(members)])
    people = [server.person(account) for account in accounts]

    def make(number: int) -> str:
        room_id = people[0].new_room(name=f"Room {number}")
        # Several rooms at a time: Synapse lets one person join a room at a time.
        server.fill(room_id, people[1:], people[0], at_once=1)
        return room_id

    return Rooms(accounts, side_by_side(make, range(rooms)))


def _compare(
    bench: Bench,
    sizes: Sizes,
    world: World[Rooms],
    name: str,
    settings: Mapping[str, Any] | None = None,
) -> list[Comparison]:
    rooms = world.contents
    settings = settings or {}
    with (
        bench.servers(world, MODULE, settings) as servers,
        bench.server(world, None, {**settings, **EMPTY_CALLBACK}) as with_empty,
    ):
        ours = servers[1]
        transactions: list[float] = []

        def write(server: Server, number: int) -> dict[str, Round]:
            count = itertools.count(number * sizes.messages)

            def one() -> None:
                n = next(count)
                sender = server.person(rooms.people[n * 7 % len(rooms.people)])
                expect(sender.send(rooms.room_ids[n % len(rooms.room_ids)], f"message {n}"))

            took = Round()
            before = ours.transactions()
            took.measure(server, one, sizes.messages)
            if server is ours:
                transactions.append(ours.transactions() - before)
            return {"message": took}

        *found, empty = in_turn([*servers, with_empty], sizes.rounds, write)["message"]
        # Of the middle round: each minute's sweep falls into some of them.
        each = statistics.median(transactions) / sizes.messages
        return [
            *bench.compare(name, found, transactions=each, target=1.0),
            compare(name, "empty check_event_allowed", found[0], empty),
        ]
