"""Messages, invitations and joins on all servers in turn, and the race."""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from benchmarks.measuring import Round, compare, in_turn
from benchmarks.members import Groups, come_and_go, fill
from benchmarks.peers import endpoint
from benchmarks.peers.race import CAP, WORKERS, race
from benchmarks.peers.subjects import Subject, subjects
from benchmarks.results import Comparison, Figures, Reading
from benchmarks.servers import Bench, Server, World
from benchmarks.sizes import Sizes
from synapse_capgroups.demo.homeserver import free_port

Found = dict[str, list[list[Round]]]
"""By operation, a list for each server, of its rounds."""


def run(bench: Bench, sizes: Sizes) -> Figures:
    with endpoint.running() as url:
        possible = subjects(sizes.cap, sizes.code_limit, url)
        there = [subject for subject in possible if subject.is_there]
        world = bench.world(lambda server: fill(server, sizes.peer_groups, sizes.joins))
        found: Found = {}
        # Two servers that are alike differ by a few percent for as long as they run, so each is
        # started several times, at another place in the order and on another port.
        ports = [free_port() for _ in there]
        for start in range(sizes.peer_starts):
            for operation, rounds in _measure(bench, world, there, ports, start, sizes).items():
                merged = found.setdefault(operation, [[] for _ in there])
                for known, more in zip(merged, rounds, strict=True):
                    known.extend(more)
        races = _races(bench, sizes, url)
    return Figures(
        "Modules of others",
        _about(possible, sizes, raced=bool(races)),
        [c for name, rounds in found.items() for c in _compare(there, name, rounds)],
        races,
    )


def _measure(
    bench: Bench,
    world: World[Groups],
    there: Sequence[Subject],
    ports: Sequence[int],
    start: int,
    sizes: Sizes,
) -> Found:
    """The rounds on servers that are started in another order each time."""
    order = [*range(len(there))[start % len(there) :], *range(start % len(there))]
    if start % 2:
        order.reverse()
    servers: dict[int, Server] = {}
    with ExitStack() as stack:
        for port, index in zip(ports, order, strict=True):
            subject = there[index]
            server = bench.server(world, subject.module, subject.settings, port)
            servers[index] = stack.enter_context(server)
        in_order = [servers[index] for index in range(len(there))]
        return in_turn(in_order, sizes.peer_rounds, partial(_round, world.contents, sizes))


def _round(groups: Groups, sizes: Sizes, server: Server, number: int) -> dict[str, Round]:
    took = {}
    for size in sizes.peer_groups:
        found = come_and_go(groups, size, server, number)
        took[f"join, group of {size}"] = found["join"]
        took[f"invitation, group of {size}"] = found["invitation"]
    size = max(sizes.peer_groups)
    messages, creator = Round(), server.person(groups.creator)
    write = partial(creator.send, groups.room_ids[size], f"message {number}")
    messages.measure(server, write, sizes.messages)
    return {f"message, group of {size}": messages, **took}


def _compare(
    there: Sequence[Subject], name: str, rounds: Sequence[Sequence[Round]]
) -> list[Comparison]:
    plain, *others = rounds
    return [
        compare(f"beside others: {name}", subject.name, plain, theirs)
        for subject, theirs in zip(there[1:], others, strict=True)
    ]


def _races(bench: Bench, sizes: Sizes, url: str) -> list[Reading]:
    if not bench.has_clusters():
        return []
    world = bench.world(lambda server: None)
    # The second server without a module would run the same race again.
    plain, _, *others = subjects(CAP, CAP, url)
    there = [subject for subject in (plain, *others) if subject.is_there]
    return [reading for subject in there for reading in race(bench, world, subject, sizes)]


def _about(possible: Sequence[Subject], sizes: Sizes, *, raced: bool) -> str:
    others = [subject for subject in possible if subject.package]
    there = [f"{s.name} {s.version}" for s in others if s.is_there]
    absent = [s.name for s in others if not s.is_there]
    sentences = [
        "Each server does the same in turn, beside one without a module; a second one without a "
        "module shows how much two servers differ that are alike. "
        f"All are started {_times(sizes.peer_starts)}, each time in another order and on other "
        "ports.",
        f"From PyPI: {', '.join(there)}." if there else "",
        f"Not installed, and so not measured: {', '.join(absent)}." if absent else "",
        f"The race: a group has one seat left below a cap of {CAP}, and {sizes.racers} invited "
        f"people join at once, through {WORKERS} workers; {_times(sizes.races)}."
        if raced
        else "The race needs PostgreSQL, Redis and txredisapi, and was not run.",
    ]
    return " ".join(filter(None, sentences))


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
