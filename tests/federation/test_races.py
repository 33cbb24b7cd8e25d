"""Rule 10 at full size: races for the last seats across servers, and minutes of nonsense."""

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from synapse_capgroups.demo.person import Person, Reply, expect
from tests.conftest import eventually
from tests.federation.lab import FederatingServer, Lab, Labs
from tests.federation.looking import (
    agree,
    eventually_everywhere,
    joined,
    memberships,
    state_members,
)
from tests.federation.people import accept, try_remotely

ROUNDS = 10
SEATS = 50
LOCAL, REMOTE = 100, 200
NONSENSE_SECONDS = 300

pytestmark = pytest.mark.full_size


def at_once(deeds: Sequence[Callable[[], Reply]], hands: int = 40) -> list[Reply]:
    """Do all of this at the same time, in a random order."""
    mixed = random.sample(deeds, len(deeds))
    with ThreadPoolExecutor(hands) as pool:
        return [future.result() for future in [pool.submit(deed) for deed in mixed]]


def taken(server: FederatingServer, room: str) -> int:
    """How many seats are taken, by members and by invited people of other servers."""
    seated = memberships(server, room).items()
    return sum(w == "join" or (w == "invite" and not server.has(user)) for user, w in seated)


def comes_in(person: Person, room: str, via: FederatingServer) -> bool:
    """Whether an invited person gets in. Their server may take some tries while it catches up."""
    return eventually(lambda: try_remotely(person, room, via).ok, seconds=60)


def is_everywhere(lab: Lab, room: str, members: int) -> bool:
    """Whether all servers see the same members, so many, also in the state of the latest events."""
    seen = [look(server, room) for server in lab.servers for look in (joined, state_members)]
    return all(view == seen[0] for view in seen) and len(seen[0]) == members


@pytest.mark.long(8)
@pytest.mark.parametrize("where", ["sqlite", "two workers"])
def test_remote_and_local_people_race_for_the_last_seats_and_exactly_those_come(
    start_lab: Labs, where: str
) -> None:
    """Two hundred are invited from here while a hundred join, for fifty seats."""
    cap = SEATS + 1
    lab = start_lab({"cap": cap, "code_limit": cap}, workers=2 if where == "two workers" else 0)
    alice = lab.hs1.person()
    locals_ = lab.hs1.people(LOCAL)
    guests = lab.hs2.people(REMOTE // 2) + lab.hs3.people(REMOTE // 2)
    for _ in range(ROUNDS // 2):
        room = alice.new_room()
        at_once([partial(alice.invite, room, p) for p in locals_], hands=4)
        joins = [partial(p.join, room) for p in locals_]
        invitations = [partial(alice.invite, room, p) for p in guests]
        replies = at_once([*joins, *invitations])
        assert {reply.status for reply in replies} <= {200, 403}
        assert taken(lab.hs1, room) == cap
        invited = [p for p in guests if memberships(lab.hs1, room).get(p.user_id) == "invite"]
        # Those who were invited come; their seats were theirs.
        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(partial(comes_in, room=room, via=lab.hs1), invited))
        # What a first sync shows is not compared: of many events at once it leaves some out.
        assert eventually_everywhere(lab, partial(is_everywhere, lab, room, cap), 60)
        leave = [p for p in [*locals_, *invited] if p.user_id in joined(lab.hs1, room)]
        at_once([partial(p.leave, room) for p in leave], hands=4)


@pytest.mark.long(7)
def test_five_minutes_of_nonsense_by_a_rogue_server_get_nobody_in(start_lab: Labs) -> None:
    lab = start_lab({"cap": 8, "code_limit": 8}, rogue=True)
    alice, rosa, tom = (server.person() for server in lab.servers)
    room = alice.new_room()
    for guest in (rosa, tom):
        expect(alice.invite(room, guest))
        expect(accept(guest, room))
    honest = [lab.hs1, lab.hs3]
    members = agree(lab, room, among=honest)
    strangers = lab.hs2.people(20)
    random_deeds: list[Callable[[Person], Reply]] = [
        lambda who: rosa.invite(room, who),
        lambda who: rosa.invite(room, lab.hs3.person()),
        lambda who: who.join(room),
        lambda who: rosa.set_state(room, "m.room.join_rules", {"join_rule": "public"}),
        lambda who: rosa.set_state(
            room, "m.room.power_levels",
            {"users": {rosa.user_id: 100, who.user_id: 100}, "invite": 0, "users_default": 0},
        ),
        lambda who: rosa.kick(room, tom),
        lambda who: rosa.send(room, "nonsense"),
        lambda who: rosa.set_state(
            room, "m.room.history_visibility", {"history_visibility": "world_readable"}
        ),
    ]  # fmt: skip
    until = time.monotonic() + NONSENSE_SECONDS
    while time.monotonic() < until:
        random.choice(random_deeds)(random.choice(strangers))
        expect(alice.send(room, "People here write to each other meanwhile."))
    assert agree(lab, room, among=honest) == members
    assert state_members(lab.hs1, room) == members
    assert alice.state(room, "m.room.join_rules").body["join_rule"] == "invite"
    lab.hs1.homeserver.stop()
    lab.hs1.homeserver.start()
    expect(tom.send(room, "Still here."))
    assert agree(lab, room, among=honest) == members
