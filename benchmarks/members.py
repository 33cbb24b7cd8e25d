"""Membership: joins into groups of several sizes, invitations, name changes."""

from functools import partial

import attrs

from benchmarks.measuring import Round, in_turn, settle
from benchmarks.results import Figures
from benchmarks.servers import Account, Bench, Server
from benchmarks.sizes import Sizes
from synapse_capgroups.demo.person import expect


@attrs.frozen
class Groups:
    """Groups of one creator, and those who come and go; they are all friends of the creator's."""

    creator: Account
    joiners: list[Account]
    members: list[Account]
    """Of the largest group."""
    room_ids: dict[int, str]
    """By the number of members."""


def fill(server: Server, sizes: tuple[int, ...], joiners: int) -> Groups:
    """Groups of these sizes on an empty server."""
    names = [f"member{n}" for n in range(max(sizes))]
    members = server.accounts(names)
    people = [server.person(account) for account in members]
    coming = server.accounts([f"joiner{n}" for n in range(joiners)])
    for account in coming:
        people[0].befriend(server.person(account))
    room_ids = {}
    for size in sizes:
        room_ids[size] = people[0].new_room(name=f"Group of {size}")
        server.fill(room_ids[size], people[1:size], people[0])
    return Groups(members[0], coming, members, room_ids)


def run(bench: Bench, sizes: Sizes) -> Figures:
    module = {"cap": sizes.cap, "code_limit": sizes.code_limit}
    world = bench.world(lambda server: fill(server, sizes.groups, sizes.joins))
    comparisons = []
    with bench.servers(world, module) as servers:
        for size in sizes.groups:
            found = in_turn(servers, sizes.rounds, partial(come_and_go, world.contents, size))
            mode = "open" if size < sizes.code_limit else "friends"
            where = f"into a group of {size} ({mode})"
            comparisons += bench.compare(f"join {where}", found["join"], target=1.02)
            comparisons += bench.compare(f"invitation {where}", found["invitation"], target=1.02)
        rename = partial(_rename, world.contents, sizes)
        found = in_turn(servers, sizes.rounds, rename)
        size = max(sizes.groups)
        comparisons += bench.compare(f"name change in a group of {size}", found["name"])
    return Figures(
        "Members",
        "The creator invites a friend, who joins and leaves again, so that a group keeps its size. "
        f"From {sizes.code_limit} members on, the module decides by friendship. A name is changed "
        "in one group, by `PUT m.room.member`.",
        # Joins first, then invitations.
        sorted(comparisons, key=lambda c: ("join", "invi", "name").index(c.name[:4])),
    )


def come_and_go(groups: Groups, size: int, server: Server, _: int) -> dict[str, Round]:
    """A round of invitations into the group of this size, joins and departures."""
    room_id = groups.room_ids[size]
    invitations, joins = Round(), Round()
    creator = server.person(groups.creator)
    for account in groups.joiners:
        joiner = server.person(account)
        invitations.measure(server, partial(creator.invite, room_id, joiner))
        joins.measure(server, partial(joiner.join, room_id))
        expect(joiner.leave(room_id))
    settle(server)
    return {"invitation": invitations, "join": joins}


def _rename(groups: Groups, sizes: Sizes, server: Server, number: int) -> dict[str, Round]:
    size = max(sizes.groups)
    room_id = groups.room_ids[size]
    took = Round()
    for n in range(sizes.joins):
        member = server.person(groups.members[n % size])
        took.measure(server, partial(member.set_room_name_of_own, room_id, f"Name {number}"))
    return {"name": took}
