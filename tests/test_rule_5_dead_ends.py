"""Rule 5: a dead code says why it is dead to whoever opens its address, for 30 days."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from synapse_capgroups.demo.homeserver import Homeserver
from synapse_capgroups.demo.person import Person, Reply, expect
from synapse_capgroups.rules.verdict import Reason, Refusal
from synapse_capgroups.words.lookup import Audience, Words
from tests.conftest import (
    API,
    CODE_LIMIT,
    Clusters,
    Server,
    Starter,
    eventually,
    joined_rooms,
    refused,
)
from tests.federation.lab import federating
from tests.federation.people import try_remotely

WITHDRAWN = Words().refusal(Refusal(Reason.CODE_REVOKED), Audience.JOINING)
DAY = 24 * 60 * 60 * 1000


def revoke(server: Server, room: str, by: Person, code: dict[str, object]) -> None:
    expect(by.call("DELETE", f"{API}/groups/{quote(room)}/codes/{code['code_id']}"))


def opened(server: Server, code: dict[str, object]) -> Reply:
    """What a client gets that looks up the address."""
    return server.person().call("GET", f"/directory/room/{quote(server.door(code), safe='')}")


def dead_ends(server: Server) -> dict[str, str]:
    return dict(server.query("SELECT died_of, room_id FROM capgroups_dead_ends"))


def dead_code(server: Server) -> tuple[str, Person, dict[str, object]]:
    room, (creator,) = server.group(1)
    code = server.make_code(room, creator)
    revoke(server, room, creator, code)
    return room, creator, code


@pytest.mark.newer_synapse
def test_the_address_of_a_dead_code_leads_to_a_room_that_says_why(server: Server) -> None:
    _, _, code = dead_code(server)
    room = expect(opened(server, code)).body["room_id"]
    assert room == dead_ends(server)["code_revoked"]
    visitor = server.person()
    summary = visitor.call(
        "GET", f"/_matrix/client/v1/room_summary/{quote(server.door(code), safe='')}"
    )
    said = expect(summary).body
    assert said["name"] == said["topic"] == WITHDRAWN
    reply = server.scan(visitor, code)
    assert refused(reply, "code_revoked")
    assert reply.error == WITHDRAWN
    assert joined_rooms(visitor) == []


def test_each_cause_of_death_has_one_room_for_all_its_codes(server: Server) -> None:
    codes = [dead_code(server)[2] for _ in range(3)]
    rooms = {expect(opened(server, code)).body["room_id"] for code in codes}
    assert len(rooms) == 1
    room, (creator,) = server.group(1)
    used = server.make_code(room, creator, max_uses=1)
    expect(server.scan(server.person(), used))
    assert eventually(lambda: refused(server.scan(server.person(), used), "code_used_up"))
    found = dead_ends(server)
    assert eventually(
        lambda: (
            opened(server, used).body.get("room_id", "") == dead_ends(server).get("code_used_up")
        )
    )
    assert len(set(found.values())) == len(found)


def test_a_dead_end_lets_nobody_in_whatever_they_are(server: Server) -> None:
    _, _, code = dead_code(server)
    room = dead_ends(server)["code_revoked"]
    admin = server.person(admin=True)
    assert refused(server.scan(admin, code), "code_revoked")
    assert refused(admin.join(room), "code_revoked")
    somebody = server.person()
    path = f"/_synapse/admin/v1/join/{quote(server.door(code), safe='')}"
    assert refused(admin.call("POST", path, {"user_id": somebody.user_id}), "code_revoked")
    for body in ({"membership": "join"}, {"membership": "knock"}):
        assert not somebody.set_state(room, "m.room.member", body, somebody.user_id).ok
    assert not admin.invite(room, somebody).ok


def test_a_dead_end_tells_nobody_the_other_dead_addresses(server: Server) -> None:
    _, _, code = dead_code(server)
    room = dead_ends(server)["code_revoked"]
    person = server.person()  # Synapse tells server admins, who can read the database, too.
    for path in ("aliases", "state", "messages?dir=b", "members", "initialSync"):
        reply = person.call("GET", f"/rooms/{room}/{path}")
        assert reply.status == 403, (path, reply)
        assert str(code["secret"]) not in str(reply)
    listed = expect(server.person().call("GET", "/publicRooms")).body["chunk"]
    assert room not in [shown["room_id"] for shown in listed]


def test_the_address_of_a_dead_personal_code_says_why_too(server: Server) -> None:
    from tests.test_personal_codes import known, personal_code

    marta = known(server)
    code = personal_code(marta)
    marta.ask(f"revoke {code['code_id']}")
    assert refused(server.scan(server.person(), code), "code_revoked")
    assert expect(opened(server, code)).body["room_id"] == dead_ends(server)["code_revoked"]


def test_a_dead_address_goes_after_thirty_days(start: Starter) -> None:
    server = start(module={"cap": 6, "code_limit": CODE_LIMIT})
    _, _, old = dead_code(server)
    _, _, young = dead_code(server)
    server.query(
        "UPDATE capgroups_codes SET died_at = died_at - ? WHERE code_id = ?",
        30 * DAY + 1000, old["code_id"],
    )  # fmt: skip
    server.homeserver.stop()
    server.homeserver.start()  # sweeps at once
    assert eventually(lambda: opened(server, old).status == 404)
    assert expect(opened(server, young)).body["room_id"] == dead_ends(server)["code_revoked"]
    assert server.preview(old).status == 404


def test_codes_that_died_before_this_version_get_their_address_back(start: Starter) -> None:
    server = start(module={"cap": 6, "code_limit": CODE_LIMIT})
    _, _, code = dead_code(server)
    server.homeserver.stop()
    # As the version before left it: no address, and the door is gone.
    for table in ("room_aliases", "room_alias_servers"):
        server.query(f"DELETE FROM {table} WHERE room_alias = ?", server.door(code))
    server.query("DELETE FROM capgroups_dead_ends")
    server.query("UPDATE capgroups_codes SET address_moved_at = NULL")
    server.homeserver.start()
    assert eventually(lambda: opened(server, code).ok)
    assert refused(server.scan(server.person(), code), "code_revoked")


def test_a_dead_address_that_somebody_took_for_another_room_is_taken_back(start: Starter) -> None:
    server = start(module={"cap": 6, "code_limit": CODE_LIMIT})
    _, _, code = dead_code(server)
    trap = server.person().new_room()
    server.homeserver.stop()
    server.query(
        "UPDATE room_aliases SET room_id = ? WHERE room_alias = ?", trap, server.door(code)
    )
    server.query("UPDATE capgroups_codes SET address_moved_at = NULL")
    server.homeserver.start()
    assert eventually(
        lambda: opened(server, code).body.get("room_id") == dead_ends(server)["code_revoked"]
    )


def test_a_dead_end_that_an_admin_has_deleted_is_made_again(start: Starter) -> None:
    server = start(module={"cap": 6, "code_limit": CODE_LIMIT})
    _, _, code = dead_code(server)
    room = dead_ends(server)["code_revoked"]
    admin = server.person(admin=True)
    reply = expect(admin.call("DELETE", f"/_synapse/admin/v1/rooms/{quote(room)}", {}))
    assert reply.ok
    assert opened(server, code).status == 404
    server.homeserver.stop()
    server.homeserver.start()
    assert eventually(lambda: dead_ends(server).get("code_revoked") not in (None, room))
    assert eventually(lambda: refused(server.scan(server.person(), code), "code_revoked"))


def test_processes_that_meet_a_death_at_once_make_one_dead_end(start_cluster: Clusters) -> None:
    server, cluster = start_cluster(module={"cap": 6, "code_limit": 4}, workers=3)
    room, (creator,) = server.group(1)
    codes = [server.make_code(room, creator) for _ in range(9)]

    def end(item: tuple[int, dict[str, object]]) -> Reply:
        worker, code = item
        path = f"{API}/groups/{quote(room)}/codes/{code['code_id']}"
        return cluster.on(creator, worker % 3).call("DELETE", path)

    with ThreadPoolExecutor(9) as pool:
        assert all(reply.ok for reply in pool.map(end, enumerate(codes)))
    (made,) = set(dead_ends(server).values())
    assert eventually(
        lambda: {opened(server, code).body.get("room_id") for code in codes} == {made}
    )
    ((rooms,),) = server.query("SELECT COUNT(*) FROM room_stats_state WHERE name = ?", WITHDRAWN)
    assert rooms == 1
    for worker in range(3):
        reply = server.scan(cluster.on(server.person(), worker), codes[worker])
        assert refused(reply, "code_revoked")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Homeserver, Homeserver]]:
    folder = tmp_path_factory.mktemp("dead-ends")
    ours, theirs = federating(folder / "ours", {}), federating(folder / "theirs", None)
    try:
        ours.start()
        theirs.start()
        yield ours, theirs
    finally:
        ours.stop()
        theirs.stop()


def test_people_of_other_servers_read_at_a_dead_address_why_it_is_dead(
    servers: tuple[Homeserver, Homeserver],
) -> None:
    ours, theirs = servers
    alice, rosa = ours.register("alice"), theirs.register("rosa")
    room = alice.new_room(name="Garden")
    code = expect(alice.make_code(room)).body
    address = f"#j-{code['secret']}:{ours.server_name}"
    expect(alice.call("DELETE", f"{API}/groups/{quote(room)}/codes/{code['code_id']}"))
    found = rosa.call("GET", f"/directory/room/{quote(address, safe='')}")
    assert expect(found).body["servers"] == [ours.server_name]
    reply = try_remotely(rosa, address, ours)
    assert refused(reply, "code_revoked"), reply
