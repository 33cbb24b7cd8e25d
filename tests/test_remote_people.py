"""People of other servers: two real homeservers that federate over TLS on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from synapse_capgroups.demo.homeserver import Homeserver, free_port
from synapse_capgroups.demo.person import Person, expect
from tests.conftest import eventually, refused
from tests.tls import certificate


def federating(folder: Path, module: dict[str, object] | None) -> Homeserver:
    port, federation_port = free_port(), free_port()
    folder.mkdir()
    settings = {
        **certificate(folder),
        "federation_verify_certificates": False,
        "ip_range_blacklist": [],
        "listeners": [
            {"port": port, "type": "http", "bind_addresses": ["127.0.0.1"],
             "resources": [{"names": ["client", "health", "metrics"]}]},
            {"port": federation_port, "type": "http", "tls": True,
             "bind_addresses": ["127.0.0.1"], "resources": [{"names": ["federation"]}]},
        ],
    }  # fmt: skip
    name = f"127.0.0.1:{federation_port}"
    return Homeserver(folder, module, settings=settings, server_name=name, port=port)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Homeserver, Homeserver]]:
    """One with the module, a cap of 3 and a code limit of 2; another one without it."""
    folder = tmp_path_factory.mktemp("federation")
    ours = federating(folder / "ours", {"cap": 3, "code_limit": 2})
    theirs = federating(folder / "theirs", None)
    try:
        ours.start()
        theirs.start()
        yield ours, theirs
    finally:
        ours.stop()
        theirs.stop()


def join_remotely(person: Person, room: str, via: Homeserver) -> None:
    path = f"/join/{room}?via={via.server_name}&server_name={via.server_name}"
    expect(person.call("POST", path, {}))


def test_a_remote_friend_is_a_friend_and_a_remote_stranger_is_not(
    servers: tuple[Homeserver, Homeserver],
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
    servers: tuple[Homeserver, Homeserver],
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


def test_a_room_of_another_server_is_no_group(servers: tuple[Homeserver, Homeserver]) -> None:
    ours, theirs = servers
    host = theirs.register("host")
    room = host.new_room(preset="public_chat", visibility="public")
    for name in ("guest1", "guest2", "guest3", "guest4"):
        visitor = ours.register(name)
        join_remotely(visitor, room, theirs)
    assert eventually(lambda: len(host.members(room)) == 5)
    assert room not in [facts.get("group") for _, facts in ours.journal()]
