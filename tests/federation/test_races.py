"""Rule 10 at full size: races for the last seats across servers, and minutes of nonsense."""

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import attrs
import pytest

from synapse_capgroups.demo.cluster import Cluster
from synapse_capgroups.demo.person import Person, Reply, expect
from tests.conftest import eventually
from tests.federation.forging import Forger
from tests.federation.lab import FederatingServer, Lab, Labs
from tests.federation.looking import (
    agree,
    event_of,
    eventually_everywhere,
    failures,
    joined,
    own_membership,
    power_levels_of_invitation,
    state_members,
)
from tests.federation.people import accept, try_remotely
from tests.rounds import IN_FULL, ROUNDS

VERSIONS = ("12", "11", "10", "12", "11")[:ROUNDS]
"""Of the rooms, one for each round. There are ten in full, five on each engine."""
SEATS = 50
LOCAL, REMOTE = 100, 200
RACES = 50 if IN_FULL else 10
NONSENSE_SECONDS = 300 if IN_FULL else 60
PATIENCE = 300  # s
POWER_LEVELS = "m.room.power_levels"

pytestmark = pytest.mark.full_size


def at_once(deeds: Sequence[Callable[[], Reply]], hands: int = 40) -> list[Reply]:
    """Do all of this at the same time, in a random order."""
    mixed = random.sample(deeds, len(deeds))
    with ThreadPoolExecutor(hands) as pool:
        return [future.result() for future in [pool.submit(deed) for deed in mixed]]


@attrs.frozen
class Race:
    """A group with few seats left, and the ways in which people try to get one of them.

    Attributes:
        door: the address of its join code.
        patient: whether people of other servers accept an invitation only when their own server
            has all that it rests on. In rooms of version 12 a Synapse that is in the room already
            is else lost: it has the join and not the power levels before it, and can resolve the
            room's state no more (`_get_auth_chain_difference_using_cover_index_txn`, KeyError).
    """

    lab: Lab
    room: str
    host: Person
    door: str
    cap: int
    patient: bool

    def accepts(self, guest: Person) -> Reply:
        """A local person joins by an invitation that they have."""
        return guest.join(self.room)

    def scans(self, guest: Person) -> Reply:
        """A local person joins by the code."""
        return guest.join(self.door)

    def is_invited(self, guest: Person) -> Reply:
        """A person of another server is invited. If they are not, they try to come all the same."""
        reply = self.host.invite(self.room, guest)
        return self.comes_in(guest) if reply.ok else self.asks_own_server(guest)

    def scans_remotely(self, guest: Person) -> Reply:
        """A person of another server goes to the door, which invites them or turns them away."""
        reply = try_remotely(guest, self.door, self.lab.hs1)
        if not reply.ok:
            return reply
        door = str(reply.body["room_id"])
        until = time.monotonic() + PATIENCE
        while self.stands(guest, self.room) != "invite":
            is_full = len(joined(self.lab.hs1, self.room)) >= self.cap
            if is_full or self.stands(guest, door) == "leave":
                return self.asks_own_server(guest)
            assert time.monotonic() < until, f"{guest} was neither invited nor turned away"
            time.sleep(1)
        return self.comes_in(guest)

    def comes_in(self, guest: Person) -> Reply:
        """An invited person joins by their own server, which may take some tries to catch up."""
        replies = []

        def joins() -> bool:
            replies.append(self.asks_own_server(guest))
            return replies[-1].ok

        until = time.monotonic() + PATIENCE
        while self.patient and not self.rests_on_known(guest):
            assert time.monotonic() < until, f"the server of {guest} does not catch up"
            time.sleep(1)
        assert eventually(joins, seconds=120), f"{guest} has a seat and cannot come: {replies[-1]}"
        return replies[-1]

    def asks_own_server(self, guest: Person) -> Reply:
        """Join by `/send_join`, through this server or another that may be in the group."""
        hs1, *others = self.lab.servers
        resident = [s for s in others if not s.has(guest.user_id) and joined(s, self.room)]
        return try_remotely(guest, self.room, random.choice([hs1, *resident]))

    def server_of(self, guest: Person) -> FederatingServer:
        [server] = [server for server in self.lab.servers if server.has(guest.user_id)]
        return server

    def stands(self, guest: Person, room: str) -> str | None:
        """Somebody's membership as their own server knows it, also where nobody of it is in."""
        return own_membership(self.server_of(guest), room, guest.user_id)

    def rests_on_known(self, guest: Person) -> bool:
        """Whether somebody's own server is not in the room, or has what came before this event."""
        server = self.server_of(guest)
        sql = (
            "SELECT 1 FROM local_current_membership m JOIN events e ON e.event_id = m.event_id"
            " WHERE m.room_id = ? AND m.user_id = ? AND NOT e.outlier"
        )
        return not joined(server, self.room) or bool(server.query(sql, self.room, guest.user_id))


def is_everywhere(lab: Lab, room: str, members: int) -> bool:
    """Whether all servers see the same members, so many, also in the state of the latest events."""
    seen = [look(server, room) for server in lab.servers for look in (joined, state_members)]
    return all(view == seen[0] for view in seen) and len(seen[0]) == members


def views(lab: Lab, room: str) -> dict[str, int]:
    """How many members each server sees."""
    looks = (joined, state_members)
    return {f"{s} {look.__name__}": len(look(s, room)) for s in lab.servers for look in looks}


@pytest.mark.long(3)
@pytest.mark.parametrize("where", ["sqlite", "two workers"])
def test_remote_and_local_people_race_for_the_last_seats_and_exactly_those_come(
    start_lab: Labs, where: str
) -> None:
    """Cases 4 and 19: 200 people of two servers and 100 local ones, 50 seats, all ways in."""
    cap = SEATS + 1
    lab = start_lab({"cap": cap, "code_limit": cap}, workers=2 if where == "two workers" else 0)
    alice = lab.hs1.person()
    locals_ = lab.hs1.people(LOCAL)
    guests = lab.hs2.people(REMOTE // 2) + lab.hs3.people(REMOTE // 2)
    came: Counter[str] = Counter()
    for version in VERSIONS:
        began = time.monotonic()
        room = alice.new_room(name="Garden", room_version=version)
        door = lab.hs1.door(lab.hs1.make_code(room, alice))
        race = Race(lab, room, alice, door, cap, patient=version == "12")
        near, far = (random.sample(people, len(people)) for people in (locals_, guests))
        at_once([partial(alice.invite, room, p) for p in near[: LOCAL // 2]], hands=4)
        ways = {
            race.accepts: near[: LOCAL // 2],
            race.scans: near[LOCAL // 2 :],
            race.is_invited: far[: REMOTE // 2],
            race.scans_remotely: far[REMOTE // 2 :],
        }
        replies = at_once([partial(way, p) for way, people in ways.items() for p in people])
        assert {reply.status for reply in replies} <= {200, 403}, Counter(map(str, replies))
        assert sum(reply.ok for reply in replies) == SEATS
        # By the next event each server sees whether it has missed any.
        expect(alice.send(room, "Who of us is in?"))
        # What a first sync shows is not compared: of many events at once it leaves some out.
        assert eventually_everywhere(lab, partial(is_everywhere, lab, room, cap), 180), views(
            lab, room
        )
        assert failures(lab.hs1) == 0
        members = set(joined(lab.hs1, room))
        now = {way.__name__: sum(p.user_id in members for p in ways[way]) for way in ways}
        came.update(now)
        print(f"{where}, version {version}: {now} in {time.monotonic() - began:.0f} s")
        leave = [p for p in [*locals_, *guests] if p.user_id in members]
        at_once([partial(p.leave, room) for p in leave], hands=4)
    if IN_FULL:
        assert all(came[way.__name__] for way in ways), f"not all ways were in the race: {came}"


@pytest.mark.long(1)
@pytest.mark.parametrize("version", ["10", "11", "12"])
def test_no_entry_is_lost_in_races_of_a_client_with_invitations(
    start_lab: Labs, version: str
) -> None:
    """Case 11: on two workers an admin's client writes power levels while people are invited.

    Fifty times in full.
    """
    lab = start_lab({"cap": 200, "code_limit": 200}, workers=2)
    cluster = lab.hs1.homeserver
    assert isinstance(cluster, Cluster)
    alice, ben = lab.hs1.people(2)
    room = alice.new_room(room_version=version, invite=[ben.user_id])
    expect(ben.join(room))
    plain = {**levels(lab.hs1, room), "users": {} if version == "12" else {alice.user_id: 100}}
    guests: list[Person] = []
    for number in range(RACES):
        first, second = (server.person() for server in (lab.hs2, lab.hs3))
        guests += [first, second]
        # As a client that knows of no entries, as one that promotes somebody, as one that opens.
        promoted = {**plain["users"], first.user_id: 50, random.choice(guests).user_id: 99}
        contents = [
            {**plain, "kick": 50 + number % 40},
            {**plain, "users": promoted},
            {**plain, "users_default": 0, "invite": 0, "ban": 50 + number % 40},
        ]
        writer, inviter = random.sample((0, 1), 2)
        deeds = [
            *(partial(cluster.on(ben, inviter).invite, room, guest) for guest in (first, second)),
            *(
                partial(cluster.on(alice, writer).set_state, room, POWER_LEVELS, content)
                for content in contents
            ),
        ]
        for reply in at_once(deeds):
            expect(reply)
        now = levels(lab.hs1, room)
        assert [now["users"].get(guest.user_id) for guest in guests] == [0] * len(guests), number
        assert now["users_default"] >= 1, number
        assert now["invite"] >= 1, number
        for guest in (first, second):
            judged_by = power_levels_of_invitation(lab.hs1, room, guest.user_id)
            assert judged_by["users"][guest.user_id] == 0, number
    assert failures(lab.hs1) == 0
    for guest in guests[-2:]:
        expect(accept(guest, room))
    everybody = sorted(person.user_id for person in (alice, ben, *guests[-2:]))
    assert eventually_everywhere(lab, partial(is_everywhere, lab, room, len(everybody)), 60)
    assert joined(lab.hs1, room) == everybody
    for guest in guests[-2:]:
        assert guest.invite(room, lab.hs3.person()).status == 403


def levels(server: FederatingServer, room: str) -> dict[str, Any]:
    """The power levels in the current state, as the server's database has them."""
    [(event_id,)] = server.query(
        "SELECT event_id FROM current_state_events WHERE room_id = ? AND type = ?",
        room,
        POWER_LEVELS,
    )
    return event_of(server, event_id).content


@pytest.mark.long(2)
def test_minutes_of_nonsense_by_a_rogue_server_get_nobody_in(start_lab: Labs) -> None:
    """Case 10: five minutes in full."""
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


def is_taken(forger: Forger, server: FederatingServer, pdus: list[dict[str, Any]]) -> bool:
    status = forger.send(server, pdus)
    assert status in (200, 429)
    if status == 429:
        time.sleep(1)
    return status == 200


@pytest.mark.long(2)
@pytest.mark.parametrize("version", ["10", "11", "12"])
def test_events_that_a_server_makes_up_get_nobody_in(start_lab: Labs, version: str) -> None:
    """Case 10: real events, changed at random and signed anew, on old forks and on each other."""
    lab = start_lab({"cap": 8, "code_limit": 8})
    alice, rosa, tom = (server.person() for server in lab.servers)
    room = alice.new_room(room_version=version)
    for guest in (rosa, tom):
        expect(alice.invite(room, guest))
        expect(accept(guest, room))
    honest = [lab.hs1, lab.hs3]
    members = agree(lab, room)
    strangers = [*lab.hs2.people(3), lab.hs1.person(), lab.hs3.person()]
    people = [person.user_id for person in (alice, rosa, tom, *strangers)]
    forger = Forger(lab.hs2, room, version, rosa)
    sent = 0
    until = time.monotonic() + NONSENSE_SECONDS
    while time.monotonic() < until:
        known = forger.known(lab.hs1, rejected=random.random() < 0.2)
        pdus = [forger.forge(known, people) for _ in range(5)]
        for server in honest:
            # A server that has too much to do says 429, and others send it again later.
            assert eventually(partial(is_taken, forger, server, pdus), 60)
            assert eventually(partial(forger.is_heard, server), 60)
        sent += len(pdus)
        expect(random.choice((alice, tom)).send(room, "People here write to each other."))
        assert joined(lab.hs1, room) == members
    [(rejected,)] = lab.hs1.query("SELECT COUNT(*) FROM rejections")
    print(f"version {version}: {sent} made-up events, {rejected} rejected by the rules")
    assert rejected > 20, "the others were not even looked at"
    assert agree(lab, room, 120, among=honest) == members
    assert state_members(lab.hs1, room) == members
    assert alice.state(room, "m.room.join_rules").body["join_rule"] == "invite"
    assert levels(lab.hs1, room)["users"][rosa.user_id] == 0
