"""People scan join codes: at one door, and at many. Beside it, what clients do without codes.

A scan writes three events. On the server without the module, clients write the same ones by three
requests: an invitation, a join of the group, a join of a public room.
"""

from collections.abc import Callable, Sequence
from functools import partial
from urllib.parse import quote

import attrs

from benchmarks.measuring import Round, in_turn, settle
from benchmarks.results import Comparison, Figures, Reading, spread
from benchmarks.servers import MODULE, Account, Bench, Server, side_by_side
from benchmarks.sizes import Sizes
from synapse_capgroups.demo.person import Person, expect

_AT_ONCE = 10


@attrs.frozen
class Class:
    """Groups, each with the account that shares it, and people who come."""

    groups: list[tuple[Account, str]]
    people: list[Account]


@attrs.frozen
class Entrance:
    """What people join, and what they are in then."""

    address: str
    room_ids: tuple[str, ...]
    group: tuple[Account, str] | None = None
    """Into which a client must be invited beside it; None at a door, which does that itself."""


def run(bench: Bench, sizes: Sizes) -> Figures:
    def build(server: Server) -> Class:
        # One person may not make codes for many groups at once.
        sharers = server.accounts([f"sharer{n}" for n in range(sizes.doors)])
        people = server.accounts([f"pupil{n}" for n in range(sizes.scans)])
        rooms = side_by_side(lambda who: server.person(who).new_room(name="Group"), sharers)
        return Class(list(zip(sharers, rooms, strict=True)), people)

    world = bench.world(build)
    comparisons: list[Comparison] = []
    readings: list[Reading] = []
    with bench.servers(world, MODULE) as servers:
        without, *ours = servers
        entrances = {without.name: _public_rooms(without, world.contents, sizes.doors)}
        entrances |= {server.name: _doors(server, world.contents) for server in ours}
        for number in sorted({1, sizes.doors}):
            some = {name: those[:number] for name, those in entrances.items()}
            come = partial(_come, world.contents, some)
            taken = in_turn(servers, sizes.scan_rounds, come)
            found, events = taken["entry"], taken["events"]
            doors = "one door" if number == 1 else f"{number} doors"
            rooms = "one public room" if number == 1 else f"{number} public rooms"
            comparisons += bench.compare(
                f"scan at {doors}, against its three events by clients", events, target=0.8
            )
            comparisons += bench.compare(f"scan at {doors}, against a join of {rooms}", found)
            readings += [
                _rate(f"scans at {doors}", found[1]),
                _rate(f"the same three events by clients, {rooms}", events[0]),
                _rate(f"joins of {rooms}, without the module", found[0]),
            ]
    return Figures(
        "Join codes",
        f"{sizes.scans} people come, {_AT_ONCE} at a time: by scanning a code on the server with "
        "the module, by joining a public room by its address on the one without. A scan writes "
        "three events (invitation, join of the group, join of the door), a join one. Then they "
        "leave again, unmeasured.",
        comparisons,
        readings,
    )


def _public_rooms(server: Server, world: Class, count: int) -> list[Entrance]:
    def make(n: int) -> Entrance:
        group = world.groups[n]
        person = server.person(group[0])
        room_id = person.new_room(preset="public_chat", room_alias_name=f"room{n}")
        return Entrance(f"#room{n}:{server.server_name}", (room_id,), group)

    return side_by_side(make, range(count))


def _doors(server: Server, world: Class) -> list[Entrance]:
    def make(group: tuple[Account, str]) -> Entrance:
        sharer, room_id = server.person(group[0]), group[1]
        code = expect(sharer.make_code(room_id)).body
        address = f"#j-{code['secret']}:{server.server_name}"
        found = expect(sharer.call("GET", f"/directory/room/{quote(address, safe='')}"))
        return Entrance(address, (room_id, found.body["room_id"]))

    return side_by_side(make, world.groups)


def _come(
    world: Class, entrances: dict[str, list[Entrance]], server: Server, _: int
) -> dict[str, Round]:
    here = entrances[server.name]
    turns = [(server.person(p), here[n % len(here)]) for n, p in enumerate(world.people)]

    def enter(person: Person, entrance: Entrance) -> None:
        expect(person.join(entrance.address))

    def enter_invited(person: Person, entrance: Entrance) -> None:
        assert entrance.group is not None
        sharer, group = entrance.group
        expect(server.person(sharer).invite(group, person))
        expect(person.join(group))
        expect(person.join(entrance.address))

    def leave(turn: tuple[Person, Entrance]) -> None:
        person, entrance = turn
        for room_id in entrance.room_ids:
            expect(person.leave(room_id))

    def leave_both(turn: tuple[Person, Entrance]) -> None:
        leave(turn)
        person, entrance = turn
        assert entrance.group is not None
        expect(person.leave(entrance.group[1]))

    def measured(
        come: Callable[[Person, Entrance], None],
        go: Callable[[tuple[Person, Entrance]], None],
    ) -> Round:
        waiting = iter(turns)
        took = Round()
        took.measure(server, lambda: come(*next(waiting)), len(turns), _AT_ONCE)
        side_by_side(go, turns)
        settle(server)
        return took

    entry = measured(enter, leave)
    if here[0].group is None:
        return {"entry": entry, "events": entry}
    return {"entry": entry, "events": measured(enter_invited, leave_both)}


def _rate(name: str, rounds: Sequence[Round]) -> Reading:
    return Reading(name, spread(r.operations / r.elapsed for r in rounds), "a second")
