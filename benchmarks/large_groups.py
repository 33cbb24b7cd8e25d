"""Joins into large groups of a plain Synapse: at which size they become dear, and what helps."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import attrs

from benchmarks.measuring import Round, compare, in_turn, settle
from benchmarks.results import Comparison, Figures, Reading, spread
from benchmarks.servers import Account, Bench, Server
from benchmarks.sizes import Sizes
from synapse_capgroups.demo.person import expect

_SEPARATE = 4
"""How many groups there are in which nobody is a member of two."""

_CACHES = {"is_support_user": 5, "get_user_deactivated_status": 5}

HELP: dict[str, dict[str, Any]] = {
    "two caches for 5,000 people": {"caches": {"per_cache_factors": _CACHES}},
    "one question for all members": {
        "modules": [{"module": "benchmarks.batched_user_directory.Module", "config": {}}]
    },
}
"""What helps, as settings of Synapse."""

SUSPECTS: dict[str, dict[str, Any]] = {
    "all caches four times as large": {"caches": {"global_factor": 2}},
    "directory kept by another process": {"update_user_directory_from_worker": "another"},
    "search for people off": {"user_directory": {"enabled": False}},
    "presence off": {"presence": {"enabled": False}},
    "statistics off": {"stats": {"enabled": False}},
    "push off": {"push": {"enabled": False}},
}
"""What else was tried. That other process does not exist, so its work is done by nobody."""


@attrs.frozen
class Place:
    """A group to join, by invitation of its creator."""

    creator: Account
    room_id: str


@attrs.frozen
class Town:
    joiners: list[Account]
    groups: dict[int, Place]
    """By the number of members. The smaller ones' members are in the larger ones, too."""
    separate: list[Place]
    """Groups of one size in which nobody is a member of two."""


def build(sizes: Sizes, server: Server) -> Town:
    each = sizes.separate_members
    most = max(*sizes.large_groups, _SEPARATE * each)
    members = server.accounts([f"member{n}" for n in range(most)])
    joiners = server.accounts([f"joiner{n}" for n in range(sizes.joins)])

    def group(first: int, size: int) -> Place:
        creator, *others = [server.person(a) for a in members[first : first + size]]
        room_id = creator.new_room(name=f"Group of {size}")
        server.fill(room_id, others, creator)
        return Place(members[first], room_id)

    groups = {size: group(0, size) for size in sizes.large_groups}
    return Town(joiners, groups, [group(n * each, each) for n in range(_SEPARATE)])


def run(bench: Bench, sizes: Sizes) -> Figures:
    world = bench.world(partial(build, sizes))
    town = world.contents
    rooms = {f"a group of {size}": [place] for size, place in town.groups.items()}
    rooms[f"{_SEPARATE} groups of {sizes.separate_members} in turn"] = town.separate
    largest = f"a group of {max(sizes.large_groups)}"
    comparisons: list[Comparison] = []
    readings: list[Reading] = []

    def measure(tried: dict[str, dict[str, Any]], names: list[str]) -> None:
        with ExitStack() as stack:
            servers = [
                stack.enter_context(bench.server(world, None, settings))
                for settings in ({}, *tried.values())
            ]
            for name in names:
                work = partial(_come_and_go, town.joiners, rooms[name])
                plain, *others = in_turn(servers, sizes.large_rounds, work)["join"]
                comparisons.extend(
                    compare(f"join into {name}", subject, plain, rounds)
                    for subject, rounds in zip(tried, others, strict=True)
                )
                if tried is HELP:
                    readings.append(_questions(servers[0], name, work))

    measure(HELP, list(rooms))
    measure(SUSPECTS, [largest])
    return Figures(
        "Large groups of a plain Synapse",
        "Servers without the module: Synapse as it comes, against Synapse with one thing changed. "
        f"{sizes.joins} people are invited, join and leave again, one after the other, so that a "
        "group keeps its size. The smaller groups' members are in the larger ones, too; in the "
        f"{_SEPARATE} groups nobody is a member of two.",
        comparisons,
        readings,
    )


def _questions(
    server: Server, name: str, work: Callable[[Server, int], dict[str, Round]]
) -> Reading:
    """How often the database is asked about one account for each join, by Synapse's metrics."""

    def asked() -> float:
        return sum(
            value
            for series, value in server.metrics().items()
            if series.startswith("synapse_storage_transaction_time_count_total{")
            and any(f'desc="{cache}"' in series for cache in _CACHES)
        )

    before = asked()
    joins = work(server, 0)["join"].operations
    each = spread([(asked() - before) / joins])
    return Reading(f"questions about accounts, a join into {name}", each, "transactions")


def _come_and_go(
    joiners: list[Account], places: list[Place], server: Server, _: int
) -> dict[str, Round]:
    """A round of joins, in turn into each of the places."""
    took = Round()
    for number in range(max(len(joiners), len(places))):
        place, joiner = places[number % len(places)], server.person(joiners[number % len(joiners)])
        expect(server.person(place.creator).invite(place.room_id, joiner))
        took.measure(server, partial(joiner.join, place.room_id))
        expect(joiner.leave(place.room_id))
    settle(server)
    return {"join": took}
