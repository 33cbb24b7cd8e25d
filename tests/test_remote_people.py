"""People of other servers: two real homeservers that federate over TLS on loopback."""

import itertools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from synapse_capgroups.demo.homeserver import Homeserver
from synapse_capgroups.demo.person import Person, expect
from tests.conftest import API, eventually, refused
from tests.federation.lab import federating
from tests.federation.people import invited_to, join_remotely, try_remotely

WITH_LEFT = json.dumps({"room": {"include_leave": True}})
STAY = 2  # s
_different = itertools.count(1)


Servers = tuple[Homeserver, Homeserver]


@contextmanager
def two_servers(folder: Path, **config: Any) -> Iterator[Servers]:
    """One with the module, a cap of 3 and a code limit of 2; another one without it."""
    module = {"cap": 3, "code_limit": 2, "codes": {"door_stay": STAY * 1000}, **config}
    ours, theirs = federating(folder / "ours", module), federating(folder / "theirs", None)
    try:
        ours.start()
        theirs.start()
        yield ours, theirs
    finally:
        ours.stop()
        theirs.stop()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with two_servers(tmp_path_factory.mktemp("federation")) as both:
        yield both


@pytest.fixture(scope="module")
def open_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The first one judges only what passes through it: an invitation takes no seat there."""
    with two_servers(tmp_path_factory.mktemp("open_federation"), federation="open") as both:
        yield both


def group_with_code(
    servers: Servers, sharer: str, **limits: int
) -> tuple[str, Person, dict[str, Any], str]:
    """A group, its sharer, a code of theirs and the address of its door."""
    alice = servers[0].register(sharer)
    room = alice.new_room(name="Garden")
    code = expect(alice.make_code(room, **limits)).body
    return room, alice, code, f"#j-{code['secret']}:{servers[0].server_name}"


def uses(alice: Person, room: str) -> list[tuple[str, int]]:
    codes = expect(alice.call("GET", f"{API}/groups/{quote(room)}/codes")).body["codes"]
    return [(code["state"], code["uses"]) for code in codes]


def test_a_remote_person_who_scans_is_invited_and_counts_when_they_join(
    servers: Servers,
) -> None:
    ours, theirs = servers
    room, alice, _, address = group_with_code(servers, "alice2", max_uses=1)
    rosa = theirs.register("rosa")
    join_remotely(rosa, address, ours)
    assert eventually(lambda: room in invited_to(rosa))
    assert uses(alice, room) == [("alive", 0)]
    join_remotely(rosa, room, ours)
    assert alice.members(room) == sorted([alice.user_id, rosa.user_id])
    assert uses(alice, room) == [("code_used_up", 1)]
    entered = [facts for word, facts in ours.journal() if facts.get("group") == room]
    assert (entered[-1]["how"], entered[-1]["by"]) == ("code", alice.user_id)


def test_remote_people_whose_server_is_at_the_door_already_are_told_no_less(
    open_servers: Servers,
) -> None:
    """That server joins them by itself and asks nobody here."""
    ours, theirs = open_servers
    room, alice, _, address = group_with_code(open_servers, "alice6", max_uses=2)
    rosa, ruth, rolf = (theirs.register(name) for name in ("rosa6", "ruth6", "rolf6"))
    for person in (rosa, ruth):
        join_remotely(person, address, ours)
        assert eventually(lambda person=person: room in invited_to(person))  # type: ignore[misc]
    # Two places, each kept for one of the two.
    door = expect(try_remotely(rolf, address, ours)).body["room_id"]
    assert eventually(lambda: removed_for(rolf, door) is not None)
    assert "used as often as it may be" in str(removed_for(rolf, door))
    join_remotely(rosa, room, ours)
    assert eventually(lambda: rosa.user_id in alice.members(room))
    assert uses(alice, room) == [("code_closed", 1)]  # A code limit of 2.


def test_a_remote_person_who_declines_leaves_their_place_of_a_code_to_others(
    servers: Servers,
) -> None:
    ours, theirs = servers
    room, alice, _, address = group_with_code(servers, "alice7", max_uses=1)
    rosa, ruth = (theirs.register(name) for name in ("rosa7", "ruth7"))
    join_remotely(rosa, address, ours)
    assert eventually(lambda: room in invited_to(rosa))
    expect(rosa.leave(room))

    def standing(of: Person) -> object:
        return alice.state(room, "m.room.member", of.user_id).body.get("membership")

    assert eventually(lambda: standing(rosa) == "leave")
    join_remotely(ruth, address, ours)
    # Their server shows an invitation before ours has written it.
    assert eventually(lambda: room in invited_to(ruth) and standing(ruth) == "invite")
    join_remotely(ruth, room, ours)
    assert ruth.user_id in alice.members(room)


def removed_for(person: Person, room: str) -> str | None:
    """The reason for which somebody was removed from a room, as their client shows it."""
    sync = person.call("GET", f"/sync?timeout={next(_different)}&filter=" + quote(WITH_LEFT))
    left = expect(sync).body.get("rooms", {}).get("leave", {}).get(room, {})
    events = left.get("timeline", {}).get("events", []) + left.get("state", {}).get("events", [])
    for event in events:
        if event.get("state_key") == person.user_id and event["sender"] != person.user_id:
            return str(event["content"].get("reason"))
    return None


def test_a_remote_person_reads_why_a_code_is_dead(servers: Servers) -> None:
    ours, theirs = servers
    _, _, _, address = group_with_code(servers, "alice3", lifetime_ms=1)
    reply = try_remotely(theirs.register("rick"), address, ours)
    assert refused(reply, "code_expired"), reply


def test_a_remote_person_cannot_join_without_an_invitation_or_beyond_the_cap(
    open_servers: Servers,
) -> None:
    ours, theirs = open_servers
    alice, ben = ours.register("alice4"), ours.register("ben4")
    group = alice.new_room(invite=[ben.user_id])
    roy = theirs.register("roy")
    expect(alice.invite(group, roy))
    expect(ben.join(group))
    # The group has reached the code limit since, and the two are no friends.
    reply = try_remotely(roy, group, ours)
    assert refused(reply, "friends_only"), reply
    chat = alice.start_direct_chat(roy)
    join_remotely(roy, chat, ours)
    join_remotely(roy, group, ours)
    recorded = [facts["user"] for word, facts in ours.journal() if facts.get("group") == group]
    assert roy.user_id in recorded


def test_a_remote_person_is_taken_out_of_the_door_some_time_later(
    servers: Servers,
) -> None:
    ours, theirs = servers
    room, alice, code, address = group_with_code(servers, "alice5")
    rita = theirs.register("rita5")
    door = expect(try_remotely(rita, address, ours)).body["room_id"]
    expect(alice.call("DELETE", f"{API}/groups/{quote(room)}/codes/{code['code_id']}"))
    assert refused(try_remotely(rita, room, ours), "code_revoked")
    assert door in joined(rita)  # not under their own eyes
    time.sleep(STAY)
    ours.stop()
    ours.start()  # sweeps at once
    assert eventually(lambda: door not in joined(rita), seconds=30)


def joined(person: Person) -> list[str]:
    return list(expect(person.call("GET", "/joined_rooms")).body["joined_rooms"])


def test_a_remote_friend_is_a_friend_and_a_remote_stranger_is_not(
    servers: Servers,
) -> None:
    ours, theirs = servers
    alice, bob = ours.register("alice"), ours.register("bob")
    rob, rita = theirs.register("rob"), theirs.register("rita")
    group = alice.new_room(invite=[bob.user_id])
    expect(bob.join(group))
    assert refused(alice.invite(group, rita), "friends_only")
    assert refused(alice.invite(group, rob), "friends_only")

    chat = alice.start_direct_chat(rob)
    assert refused(alice.invite(group, rob), "friends_only")  # one side alone
    join_remotely(rob, chat, ours)
    assert eventually(lambda: rob.user_id in alice.members(chat))
    expect(alice.invite(group, rob))
    join_remotely(rob, group, ours)
    assert eventually(lambda: rob.user_id in alice.members(group))

    # A remote member takes a seat like any other.
    carol = ours.register("carol")
    alice.befriend(carol)
    reply = alice.invite(group, carol)
    assert refused(reply, "full")
    assert reply.body["org.capgroups.members"] == 3


def test_a_friend_listed_by_the_remote_side_only_is_unknown_here(
    servers: Servers,
) -> None:
    ours, theirs = servers
    dora, dan = ours.register("dora"), theirs.register("dan")
    chat = dora.new_room(invite=[dan.user_id])
    join_remotely(dan, chat, ours)
    expect(dan.set_m_direct({dora.user_id: [chat]}))
    group = dora.new_room()
    expect(dora.invite(group, other := ours.register("other")))
    expect(other.join(group))
    assert refused(dora.invite(group, dan), "friends_only")
    expect(dora.set_m_direct({dan.user_id: [chat]}))
    expect(dora.invite(group, dan))


def test_a_room_of_another_server_is_no_group(servers: Servers) -> None:
    ours, theirs = servers
    host = theirs.register("host")
    room = host.new_room(preset="public_chat", visibility="public")
    for name in ("guest1", "guest2", "guest3", "guest4"):
        visitor = ours.register(name)
        join_remotely(visitor, room, theirs)
    assert eventually(lambda: len(host.members(room)) == 5)
    assert room not in [facts.get("group") for _, facts in ours.journal()]
