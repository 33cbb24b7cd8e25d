"""A race for the last seat of a group, through three workers at once."""

from concurrent.futures import ThreadPoolExecutor

from benchmarks.peers.subjects import OURS, Subject
from benchmarks.results import Reading, spread
from benchmarks.servers import Bench, World
from benchmarks.sizes import Sizes
from synapse_capgroups.demo.cluster import Cluster
from synapse_capgroups.demo.person import expect

CAP = 8
WORKERS = 3
_ROOM_VERSION = "11"
"""The newest in which all of them can create rooms."""


def race(bench: Bench, world: World[None], subject: Subject, sizes: Sizes) -> list[Reading]:
    """How many members a group has in the end that had one seat left.

    Args:
        subject: made with `CAP`, as its code limit too: so nobody has to be a friend.
    """
    with bench.cluster(world, subject.module, WORKERS, subject.settings) as (cluster, _):
        ends = members_at_the_end(cluster, sizes)
    unit, target = f"members, the cap is {CAP}", str(CAP) if subject.name == OURS else ""
    return [
        Reading(f"{subject.name}: after a race", spread(ends), unit, target),
        Reading(f"{subject.name}: after the worst one", spread([max(ends)]), unit, target),
    ]


def members_at_the_end(cluster: Cluster, sizes: Sizes) -> list[int]:
    """Run the races, each in a group of its own."""
    creator, *others = [cluster.register(f"member{n}") for n in range(CAP - 1)]
    crowd = [cluster.register(f"racer{n}") for n in range(sizes.racers)]
    ends = []
    for number in range(sizes.races):
        room_id = creator.new_room(name=f"Race {number}", room_version=_ROOM_VERSION)
        for person in others:
            expect(creator.invite(room_id, person))
            expect(person.join(room_id))
        for person in crowd:
            expect(creator.invite(room_id, person))
        runners = [cluster.on(person, n % WORKERS) for n, person in enumerate(crowd)]
        with ThreadPoolExecutor(len(runners)) as pool:
            list(pool.map(lambda runner, room_id=room_id: runner.join(room_id), runners))
        ends.append(len(creator.members(room_id)))
    return ends
