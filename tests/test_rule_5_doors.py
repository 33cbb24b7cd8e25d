"""Rule 5: doors. Each has one address, and they let in whoever stands at them, and nobody else."""

import time
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml

from synapse_capgroups.demo.person import Person, Reply, expect
from tests.conftest import CAP, CODE_LIMIT, Server, Starter, eventually, joined_rooms, refused

CODE_SHAPED = f"#j-{'a' * 28}:localhost"
BRIDGE = """
id: bridge
url: null
as_token: as-token
hs_token: hs-token
sender_localpart: bridge
namespaces:
  users: [{regex: "@bridge.*", exclusive: true}]
  aliases: [{regex: "#j-.*", exclusive: false}]
  rooms: []
"""


def leads_to(server: Server, address: str) -> str | None:
    reply = server.person().call("GET", f"/directory/room/{quote(address, safe='')}")
    return str(reply.body["room_id"]) if reply.ok else None


def remove_address(person: Person, address: str) -> Reply:
    return person.call("DELETE", f"/directory/room/{quote(address, safe='')}")


def test_nobody_gives_a_door_another_address(server: Server) -> None:
    room, people = server.group(1)
    visitor, stranger, admin = server.person(), server.person(), server.person(admin=True)
    code = server.make_code(room, people[0])
    door = expect(server.scan(visitor, code)).body["room_id"]
    for person in (visitor, stranger, admin, people[0]):
        address = f"#{person.name.lower()}:localhost"
        assert refused(person.add_address(door, address), "no_addresses"), person
        assert leads_to(server, address) is None
    assert leads_to(server, server.door(code)) == door


def test_nobody_claims_an_address_of_the_shape_of_a_codes_for_any_room(server: Server) -> None:
    exempt = server.homeserver.register(f"exempt{time.time_ns()}")
    admin = server.person(admin=True)
    room, people = server.group(1)
    dead = server.door(server.make_code(room, people[0]))
    server.query("UPDATE capgroups_codes SET expires_at = 1 WHERE room_id = ?", room)
    expect(remove_address(admin, dead))
    for person in (exempt, admin):
        theirs = exempt.new_room()
        for address in (CODE_SHAPED, CODE_SHAPED.replace("a", "A"), dead):
            assert refused(person.add_address(theirs, address), "no_addresses")
            assert leads_to(server, address) is None
    expect(exempt.add_address(theirs, f"#j-{exempt.name.lower()}:localhost"))

    before = server.query("SELECT COUNT(*) FROM rooms")
    for localpart in (CODE_SHAPED[1:31], dead[1:].partition(":")[0]):
        for person in (exempt, admin):
            reply = person.create_room(room_alias_name=localpart)
            assert refused(reply, "no_addresses")
    assert server.query("SELECT COUNT(*) FROM rooms") == before


def test_neither_does_an_application_service(start: Starter) -> None:
    server = start(module={"cap": 6, "code_limit": 4}, run=False)
    folder = server.homeserver.folder
    (folder / "bridge.yaml").write_text(BRIDGE)
    path = Path(folder / "homeserver.yaml")
    parsed = yaml.safe_load(path.read_text())
    parsed["app_service_config_files"] = [str(folder / "bridge.yaml")]
    path.write_text(yaml.safe_dump(parsed))
    server.homeserver.start()
    room, people = server.group(1)
    door = expect(server.scan(server.person(), server.make_code(room, people[0]))).body["room_id"]
    bridge = Person(people[0]._http, "@bridge:localhost", "as-token", "")
    own = bridge.new_room()
    assert refused(bridge.add_address(own, CODE_SHAPED), "no_addresses")
    assert refused(bridge.add_address(door, "#j-short:localhost"), "no_addresses")
    assert refused(bridge.create_room(room_alias_name=CODE_SHAPED[1:31]), "no_addresses")
    expect(bridge.add_address(own, "#j-short:localhost"))


def test_only_a_server_admin_can_remove_a_doors_address(server: Server) -> None:
    room, people = server.group(2)
    code = server.make_code(room, people[0])
    visitor = server.person()
    door = expect(server.scan(visitor, code)).body["room_id"]
    for person in (visitor, people[0], people[1], server.person()):
        assert remove_address(person, server.door(code)).status == 403
    assert leads_to(server, server.door(code)) == door


def test_a_doors_address_does_not_move_to_another_room_by_an_upgrade(start: Starter) -> None:
    # In version 12 nobody but its creator could; in older rooms an admin can give themselves power.
    server = start(module={"cap": 6, "code_limit": 4}, settings={"default_room_version": "11"})
    room, people = server.group(1)
    admin = server.person(admin=True)
    code = server.make_code(room, people[0])
    door = expect(server.scan(admin, code)).body["room_id"]
    path = f"/_synapse/admin/v1/rooms/{quote(door)}/make_room_admin"
    expect(admin.call("POST", path, {"user_id": admin.user_id}))
    reply = admin.call("POST", f"/rooms/{quote(door)}/upgrade", {"new_version": "12"})
    assert reply.status == 403
    assert leads_to(server, server.door(code)) == door


def test_who_left_the_group_and_scans_again_while_still_at_the_door_is_brought_in_again(
    server: Server,
) -> None:
    room, people = server.group(1)
    code = server.make_code(room, people[0], max_uses=2)
    person = server.person()
    door = expect(server.scan(person, code)).body["room_id"]
    expect(person.leave(room))
    assert expect(server.scan(person, code)).body["room_id"] == door
    assert person.user_id in people[0].members(room)
    assert door in joined_rooms(person)
    assert server.query("SELECT uses FROM capgroups_codes WHERE code_id = ?", code["code_id"]) == [
        (1,)
    ]


def test_who_was_removed_and_scans_again_while_still_at_the_door_hears_the_refusal(
    server: Server,
) -> None:
    room, people = server.group(1)
    code = server.make_code(room, people[0])
    person = server.person()
    expect(server.scan(person, code))
    expect(people[0].kick(room, person))
    assert refused(server.scan(person, code), "invite_required")
    assert refused(person.join(server.door(code), {"reason": "Again"}), "invite_required")
    expect(people[0].ban(room, person))
    assert refused(server.scan(person, code), "banned")
    assert person.user_id not in people[0].members(room)


def test_a_member_who_scans_again_at_the_door_stays_one_and_costs_no_use(server: Server) -> None:
    room, people = server.group(1)
    code = server.make_code(room, people[0], max_uses=2)
    person = server.person()
    for _ in range(3):
        expect(server.scan(person, code))
    assert people[0].members(room).count(person.user_id) == 1
    rows = "SELECT COUNT(*) FROM capgroups_admissions WHERE room_id = ? AND user_id = ?"
    assert server.query(rows, room, person.user_id) == [(1,)]
    assert expect(server.preview(code)).body["state"] == "alive"


@pytest.mark.parametrize("admin", [False, True], ids=["anybody", "a server admin"])
def test_who_left_the_group_is_not_brought_back_by_a_change_of_their_profile(
    server: Server, admin: bool
) -> None:
    room, people = server.group(1)
    person = server.person(admin=admin)
    door = expect(server.scan(person, server.make_code(room, people[0]))).body["room_id"]
    assert person.user_id in people[0].members(room)
    expect(person.leave(room))
    expect(person.set_room_name_of_own(door, "A name at the door"))
    path = f"/profile/{quote(person.user_id)}/displayname"
    expect(person.call("PUT", path, {"displayname": "Somebody else"}))

    def name() -> object:
        return person.state(door, "m.room.member", person.user_id).body.get("displayname")

    assert eventually(lambda: name() == "Somebody else")
    assert person.user_id not in people[0].members(room)


def test_a_server_admin_who_scans_is_in_the_group_like_anybody(server: Server) -> None:
    room, people = server.group(1)
    code = server.make_code(room, people[0], max_uses=1)
    admin = server.person(admin=True)
    door = expect(server.scan(admin, code)).body["room_id"]
    assert joined_rooms(admin) == sorted([door, room])
    rows = server.query(
        "SELECT how, inviter, code_id FROM capgroups_admissions WHERE room_id = ? AND user_id = ?",
        room, admin.user_id,
    )  # fmt: skip
    assert rows == [("code", people[0].user_id, code["code_id"])]
    assert expect(server.preview(code)).body["state"] == "code_used_up"
    assert server.query("SELECT 1 FROM capgroups_visits WHERE door = ?", door) == [(1,)]


def test_a_server_admin_hears_at_a_door_why_not_and_does_not_stand_in_it(server: Server) -> None:
    room, people = server.group(1)
    code = server.make_code(room, people[0])
    admin = server.person(admin=True)
    server.query("UPDATE capgroups_codes SET expires_at = 1 WHERE room_id = ?", room)
    assert refused(server.scan(admin, code), "code_expired")
    other = server.make_code(room, people[0])
    expect(people[0].ban(room, admin))
    assert refused(server.scan(admin, other), "banned")
    assert joined_rooms(admin) == []


def test_a_server_admin_counts_as_a_member_and_ends_the_codes_at_the_code_limit(
    server: Server,
) -> None:
    room, people = server.group(CODE_LIMIT - 1)
    code = server.make_code(room, people[0])
    expect(server.scan(server.person(admin=True), code))
    assert expect(server.preview(code)).body["state"] == "code_closed"
    late = server.scan(server.person(admin=True), code)
    assert refused(late, "code_closed") or late.status == 404


def test_a_door_that_leads_nowhere_any_more_lets_nobody_in(server: Server) -> None:
    room, people = server.group(1)
    first, second, third = server.people(3)
    code = server.make_code(room, people[0])
    door = expect(server.scan(first, code)).body["room_id"]
    server.query("UPDATE capgroups_codes SET room_id = 'a deleted room' WHERE door = ?", door)
    assert refused(second.join(door), "code_revoked")
    server.query("DELETE FROM capgroups_codes WHERE door = ?", door)
    assert refused(third.join(door), "code_revoked")
    assert not joined_rooms(second) + joined_rooms(third)
    expect(first.set_room_name_of_own(door, "Another name"))


def in_trial(server: Server) -> None:
    server.install_module({"cap": CAP, "code_limit": CODE_LIMIT, "enforce": False})


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_in_a_trial_a_door_from_before_lets_people_in_whatever_the_limits_say(
    start: Starter, engine: str
) -> None:
    server = start(engine, module={"cap": CAP, "code_limit": CODE_LIMIT})
    room, people = server.group(1)
    code = server.make_code(room, people[0])
    in_trial(server)
    crowd = [*server.people(CAP), server.person(admin=True)]
    for person in crowd:
        door = expect(server.scan(person, code)).body["room_id"]
        assert joined_rooms(person) == sorted([door, room])
    ways = server.query(
        "SELECT how FROM capgroups_admissions WHERE room_id = ? ORDER BY members_after", room
    )
    within, beyond = CODE_LIMIT - 1, len(crowd) - CODE_LIMIT + 1
    assert ways == [("creator",)] + [("code",)] * within + [("unenforced",)] * beyond


def test_in_a_trial_a_dead_code_is_refused_and_nobody_stands_in_an_empty_door(
    start: Starter,
) -> None:
    server = start(module={"cap": CAP, "code_limit": CODE_LIMIT})
    room, people = server.group(2)
    code = server.make_code(room, people[0])
    removed, banned = people[1], server.person()
    expect(people[0].kick(room, removed))
    expect(people[0].ban(room, banned))
    expired = server.make_code(room, people[0])
    server.query("UPDATE capgroups_codes SET expires_at = 1 WHERE code_id = ?", expired["code_id"])
    server.homeserver.stop()
    # The sweep would take the address of the expired code away; it is opened just before that.
    in_trial(server)
    for person, with_code, reason in (
        (removed, code, "invite_required"),
        (banned, code, "banned"),
        (server.person(), expired, "code_expired"),
    ):
        reply = server.scan(person, with_code)
        assert refused(reply, reason) or (with_code is expired and reply.status == 404)
        assert joined_rooms(person) == []
