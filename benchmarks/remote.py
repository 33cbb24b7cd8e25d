"""People of another server are invited, and join by the invitation.

That server is real, has no module, and is the same one for the servers that are compared. These
have names of their own, so each fills a database of its own: a name is part of all that is in it.
"""

from contextlib import ExitStack
from functools import partial

import attrs

from benchmarks.measuring import Round, in_turn, settle, wait_for
from benchmarks.results import Comparison, Figures
from benchmarks.servers import Account, Bench, Server, World, side_by_side
from benchmarks.sizes import Sizes
from synapse_capgroups.demo.homeserver import free_port
from synapse_capgroups.demo.loopback import federation_settings, with_clients
from synapse_capgroups.demo.person import Person, expect


@attrs.frozen
class Others:
    """The other homeserver and its people."""

    server: Server
    residents: list[Account]
    """Members of the large group."""
    guests: list[Account]
    """Each is invited once to each group, as somebody new."""


@attrs.frozen
class Group:
    """Where people are invited."""

    words: str
    room_id: str
    resident: Account | None
    """A member of it on the other server, if there is one."""


@attrs.frozen
class Groups:
    """Groups of one creator."""

    creator: Account
    groups: list[Group]


def run(bench: Bench, sizes: Sizes) -> Figures:
    config = {"cap": sizes.cap, "code_limit": sizes.code_limit}
    with ExitStack() as stack:
        others = _others(stack.enter_context(bench.empty(*_federating(bench))), sizes)
        servers: list[Server] = []
        groups: dict[str, Groups] = {}
        for module in (None, config):
            settings, port = _federating(bench)
            build = partial(_fill, sizes, others)
            world: World[Groups] = bench.world(build, settings, port)
            servers.append(stack.enter_context(bench.server(world, module, settings, port)))
            groups[servers[-1].name] = world.contents
        found = in_turn(servers, sizes.remote_rounds, partial(_come_and_go, sizes, others, groups))
    comparisons: list[Comparison] = []
    for operation in sorted(found, key=lambda name: "join" in name):
        comparisons += bench.compare(operation, found[operation])
    return Figures(
        "People of another server",
        "The creator invites a friend who is on another server, and who joins by the invitation "
        "and leaves again. Each time it is somebody new, to whom the module gives a seat and an "
        "entry in the group's power levels. Where nobody of their server is in the group, that "
        "joins through this one. Where others are, it joins them by itself, so the latency of a "
        "join is its own there. Measured is this server.",
        comparisons,
    )


def _federating(bench: Bench) -> tuple[dict[str, object], int]:
    """Settings for a server that federates on loopback, and its port for clients."""
    port = free_port()
    # They share one certificate, which nobody verifies.
    return with_clients(federation_settings(bench.folder), port), port


def _others(server: Server, sizes: Sizes) -> Others:
    # One round more warms up.
    guests = sizes.remote_guests * (sizes.remote_rounds + 1)
    return Others(
        server,
        server.accounts([f"resident{n}" for n in range(sizes.remote_members)]),
        server.accounts([f"guest{n}" for n in range(guests)]),
    )


def _fill(sizes: Sizes, others: Others, server: Server) -> Groups:
    size = min(sizes.groups)
    creator, *members = server.accounts([f"member{n}" for n in range(size)])
    person = server.person(creator)
    local = person.new_room(name="Local group")
    server.fill(local, [server.person(member) for member in members], person)
    mixed = person.new_room(name="Mixed group")
    _let_in(server, person, mixed, others)
    for guest in others.guests:
        person.befriend(others.server.person(guest))
    settle(server, others.server)
    with_residents = f"a group with {sizes.remote_members} of that server"
    groups = [
        Group(f"a group of {size}, all local", local, None),
        Group(with_residents, mixed, others.residents[0]),
    ]
    return Groups(creator, groups)


def _let_in(server: Server, creator: Person, room_id: str, others: Others) -> None:
    """Let the residents of the other server join: the first through this one, then by itself."""
    first, second, *more = [others.server.person(resident) for resident in others.residents]
    expect(creator.set_state(room_id, "m.room.join_rules", {"join_rule": "public"}))
    expect(creator.invite(room_id, first))
    expect(first.join(room_id))
    # Until their server has all of the room's state, it lets nobody join by itself.
    wait_for(lambda: second.join(room_id).ok, server, others.server)
    side_by_side(lambda resident: expect(resident.join(room_id)), more)
    everybody = 1 + len(others.residents)
    wait_for(lambda: len(creator.members(room_id)) == everybody, server, others.server, seconds=120)
    # Not before: who joins while it is closed would be seen by their own server only.
    expect(creator.set_state(room_id, "m.room.join_rules", {"join_rule": "invite"}))


def _come_and_go(
    sizes: Sizes, others: Others, groups: dict[str, Groups], server: Server, number: int
) -> dict[str, Round]:
    here = groups[server.name]
    creator = server.person(here.creator)
    took: dict[str, Round] = {}
    first = number * sizes.remote_guests
    for account in others.guests[first : first + sizes.remote_guests]:
        guest = others.server.person(account)
        for group in here.groups:
            resident = others.server.person(group.resident) if group.resident else None
            took.setdefault(f"remote invitation into {group.words}", Round()).measure(
                server,
                partial(creator.invite, group.room_id, guest),
                others=[others.server],
                done=partial(_sees, resident, group.room_id, guest, "invite"),
            )
            took.setdefault(f"remote join into {group.words}", Round()).measure(
                server,
                partial(guest.join, group.room_id),
                others=[others.server],
                done=partial(_sees, creator, group.room_id, guest, "join"),
            )
            expect(guest.leave(group.room_id))
    return took


def _sees(member: Person | None, room_id: str, guest: Person, membership: str) -> bool:
    """Whether a member's server has heard of somebody's membership; nobody need have."""
    if member is None:
        return True
    state = member.state(room_id, "m.room.member", guest.user_id)
    return state.body.get("membership") == membership
