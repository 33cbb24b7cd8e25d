"""Memory of a process, with and without the module."""

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks.chats import give_chats, wait_for_updates
from benchmarks.engines import PostgresEngine
from benchmarks.measuring import process_cpu, settle
from benchmarks.results import Figures, Reading, spread
from benchmarks.servers import MODULE, Account, Bench, Server, World
from benchmarks.sizes import Sizes
from synapse_capgroups.concierge.chat_rooms import ChatRooms
from synapse_capgroups.demo.homeserver import Homeserver
from synapse_capgroups.demo.person import Person, expect

_IDLE_SECONDS = 3


def run(bench: Bench, sizes: Sizes) -> Figures:
    # Making the tables would use memory, too.
    world = bench.world(lambda server: None)
    used: dict[str, tuple[list[float], list[float]]] = {"the only process": ([], [])}
    if bench.has_clusters():
        used["a worker"] = ([], [])
    for _ in range(sizes.memory_starts):
        for index, config in enumerate((None, MODULE)):
            with bench.server(world, config) as server:
                _use(server)
                settle(server)
                used["the only process"][index].append(proportional_set_size(server.pid))
            if "a worker" in used:
                with bench.cluster(world, config) as (cluster, worker_pid):
                    _use(cluster)
                    used["a worker"][index].append(proportional_set_size(worker_pid))
    return Figures(
        "Memory",
        "After the same small load: ten people, five groups, fifty messages. The proportional set "
        "size, in which memory shared with other processes counts in part. The worker is a "
        "`generic_worker` that serves all that a worker can. With chats: the concierge has so many "
        "of them, made by SQL, and the process has read all of them; against one without the "
        "module on the same database.",
        readings=[
            *(
                reading
                for process, sizes_of in used.items()
                for reading in _readings(process, sizes_of)
            ),
            *_with_chats(bench, max(sizes.chats)),
            Reading(
                "what each process keeps of 1,000,000 chats with the concierge",
                spread([_of_chats(1_000_000) for _ in range(sizes.memory_starts)]),
                "MB",
            ),
        ],
    )


def _with_chats(bench: Bench, number: int) -> Iterator[Reading]:
    """What a process needs more where the concierge has so many chats. On PostgreSQL only.

    Against a process without the module on a copy of the same database.
    """
    engine = bench.engine
    if not isinstance(engine, PostgresEngine):
        return

    def build(server: Server) -> Account:
        wait_for_updates(engine, server)
        return server.accounts(["owner"])[0]

    world = bench.world(build)
    with bench.server(world, MODULE) as server:
        give_chats(engine, server, number, world.contents)
        server.stop()
        full = World(server.name, server.folder, None)
        found: dict[str, list[float]] = {"the only process": [], "a worker": []}
        for config in (None, MODULE):
            with bench.server(full, config) as one:
                found["the only process"].append(_after_use(one, one.pid))
            if bench.has_clusters():
                with bench.cluster(full, config) as (cluster, worker_pid):
                    found["a worker"].append(_after_use(cluster, worker_pid))
    for process, megabytes in found.items():
        if megabytes:
            without, with_module = megabytes
            yield Reading(
                f"{process}, more with the module and {number:,} chats",
                spread([with_module - without]),
                "MB",
                "at most 20 MB",
            )


def _readings(
    process: str, used: tuple[Sequence[float], Sequence[float]]
) -> tuple[Reading, Reading, Reading]:
    more = [b - a for a, b in zip(*used, strict=True)]
    return (
        Reading(f"{process}, without the module", spread(used[0]), "MB"),
        Reading(f"{process}, with the module", spread(used[1]), "MB"),
        Reading(f"{process}, more with the module", spread(more), "MB", "at most 20 MB"),
    )


def _of_chats(number: int) -> float:
    """Megabytes that a new process takes for so many chats."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(remember_chats, number).result()


def remember_chats(number: int) -> float:
    """Remember chats as a process of the homeserver does; megabytes more than before."""
    rooms = ChatRooms()
    before = proportional_set_size(os.getpid())
    for n in range(number):
        rooms.add(f"!{'x' * 30}{n}:example.org")
    return proportional_set_size(os.getpid()) - before


def _after_use(server: Homeserver, pid: int) -> float:
    """Megabytes of a process after the small load, when it has done what a start does."""
    _wait_until_idle(pid)
    _use(server)
    _wait_until_idle(pid)
    return proportional_set_size(pid)


def _wait_until_idle(pid: int) -> None:
    for _ in range(200):
        before = process_cpu(pid)
        time.sleep(_IDLE_SECONDS)
        if process_cpu(pid) - before < 0.05 * _IDLE_SECONDS:
            return


def _use(server: Homeserver) -> None:
    people: list[Person] = [server.register(f"person{n}") for n in range(10)]
    for creator in people[:5]:
        room_id = creator.new_room(name="A group")
        for person in people[5:]:
            expect(creator.invite(room_id, person))
            expect(person.join(room_id))
        for person in people[5:]:
            expect(person.send(room_id, "hello"))
            expect(person.send(room_id, "hello again"))
    for person in people:
        expect(person.call("GET", "/sync?timeout=0"))


def proportional_set_size(pid: int) -> float:
    """Megabytes of memory, by Linux's count."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return float(line.split()[1]) * 1024 / 1e6
    raise LookupError(f"no Pss of {pid}")
