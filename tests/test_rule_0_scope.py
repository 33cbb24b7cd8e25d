"""Rule 0: what is a group and what is not."""

from typing import Any
from urllib.parse import quote

import pytest
import yaml

from synapse_capgroups.demo.person import Person, expect
from tests.conftest import CAP, Server, Starter, eventually, refused

SPACE: dict[str, Any] = {"creation_content": {"type": "m.space"}}


def public(creator: Person, **more: object) -> str:
    return creator.new_room(visibility="public", preset="public_chat", **more)


def test_a_room_created_here_is_a_group(server: Server) -> None:
    creator, stranger = server.people(2)
    assert refused(stranger.join(creator.new_room()), "invite_required")


def test_a_direct_chat_that_grows_is_a_group(server: Server) -> None:
    a, b, *others = server.people(CAP + 1)
    chat = a.befriend(b)
    for other in others[: CAP - 3]:
        a.befriend(other)
        expect(a.invite(chat, other))
        expect(other.join(chat))
    a.befriend(others[-1])
    expect(a.invite(chat, others[-1]))
    expect(others[-1].join(chat))
    late = server.person()
    a.befriend(late)
    assert refused(a.invite(chat, late), "full")


def test_a_space_is_a_group(server: Server) -> None:
    creator, friend, stranger = server.people(3)
    assert refused(creator.create_room(visibility="public", **SPACE), "not_listed")
    assert refused(creator.create_room(preset="public_chat", **SPACE), "no_public_rooms")
    assert refused(creator.create_room(room_alias_name="space", **SPACE), "no_addresses")
    space = creator.new_room(**SPACE)
    assert refused(stranger.join(space), "invite_required")
    assert refused(creator.list_in_directory(space, "public"), "not_listed")
    assert refused(creator.add_address(space, "#a-space:localhost"), "no_addresses")
    assert refused(
        creator.set_state(space, "m.room.join_rules", {"join_rule": "public"}), "no_public_rooms"
    )
    server.admit(space, creator, friend)
    # What a space is made of is nobody's business but its members'.
    expect(creator.set_state(space, "m.space.child", {"via": ["localhost"]}, creator.new_room()))


def test_a_refusal_about_a_space_tells_of_the_option_in_one_clause(server: Server) -> None:
    creator, stranger = server.people(2)
    space, group = creator.new_room(**SPACE), creator.new_room()
    told = [
        creator.create_room(visibility="public", **SPACE),
        creator.list_in_directory(space, "public"),
        creator.set_state(space, "m.room.guest_access", {"guest_access": "can_join"}),
        stranger.join(space),
    ]
    for reply in told:
        assert reply.reason
        assert reply.error.count("`exempt.spaces: true`") == 1, reply
        assert reply.error.endswith(".")
    for reply in (creator.list_in_directory(group, "public"), stranger.join(group)):
        assert "exempt" not in reply.error


def test_with_exempt_spaces_a_space_is_no_group(start: Starter) -> None:
    server = start(module={"cap": 2, "code_limit": 2, "exempt": {"spaces": True}})
    creator, *others = server.people(CAP + 1)
    localpart = f"space-of-{creator.name.lower()}"
    space = public(creator, room_alias_name=localpart, **SPACE)
    for other in others:
        expect(other.join(space))
    assert len(creator.members(space)) == CAP + 1
    expect(creator.add_address(space, f"#other-{localpart}:localhost"))
    expect(creator.list_in_directory(space, "private"))
    expect(creator.list_in_directory(space, "public"))
    expect(creator.set_state(space, "m.room.history_visibility",
                             {"history_visibility": "world_readable"}))  # fmt: skip


def test_any_other_room_type_is_a_group(server: Server) -> None:
    creator = server.person()
    for room_type in ("m.space.not", "org.example.forum", None, 5, ["m.space"]):
        reply = creator.create_room(visibility="public", creation_content={"type": room_type})
        assert refused(reply, "not_listed"), room_type


def test_a_room_of_an_exempt_creator_is_no_group(server: Server) -> None:
    creator = server.homeserver.register(f"exempt-{server.engine}")
    room = public(creator)
    assert server.person().join(room).ok


def test_an_exempt_pattern_must_match_the_whole_id(start: Starter) -> None:
    server = start(module={"exempt": {"creators": ["@bot"]}})
    creator = server.homeserver.register("bot-but-not-quite")
    assert refused(creator.create_room(visibility="public"), "not_listed")


def test_an_exempt_room_is_no_group(start: Starter) -> None:
    server = start(module={"cap": 2, "code_limit": 2})
    creator, other, third = server.people(3)
    room = creator.new_room()
    server.admit(room, creator, other)
    assert refused(creator.invite(room, third), "full")

    server.install_module({"cap": 2, "code_limit": 2, "exempt": {"rooms": [room]}})
    server.admit(room, creator, third)
    assert refused(creator.create_room(visibility="public"), "not_listed")


def test_a_room_of_an_application_service_or_of_server_notices_is_no_group(
    start: Starter,
) -> None:
    server = start(module={"cap": 2, "code_limit": 2}, run=False)
    folder = server.homeserver.folder
    (folder / "bridge.yaml").write_text(
        yaml.safe_dump(
            {
                "id": "bridge",
                "url": None,
                "as_token": "as-token",
                "hs_token": "hs-token",
                "sender_localpart": "bridgebot",
                "namespaces": {"users": [{"exclusive": True, "regex": "@bridge_.*"}]},
            }
        )
    )
    config = folder / "homeserver.yaml"
    parsed = yaml.safe_load(config.read_text())
    parsed["app_service_config_files"] = [str(folder / "bridge.yaml")]
    parsed["server_notices"] = {
        "system_mxid_localpart": "notices",
        "system_mxid_display_name": "Notices",
    }
    config.write_text(yaml.safe_dump(parsed))
    server.homeserver.start()

    admin = server.person(admin=True)
    http = admin._http
    service = Person(http, "@bridge_friend:localhost", "as-token", "")
    body = {"type": "m.login.application_service", "username": "bridge_friend"}
    expect(service.call("POST", "/register", body))
    reply = service.call(
        "POST",
        f"/createRoom?user_id={quote(service.user_id)}",
        {"preset": "public_chat", "visibility": "public"},
    )
    bridged = expect(reply).body["room_id"]
    people = server.people(3)
    for person in people:
        expect(person.join(bridged))

    notice = {"user_id": people[0].user_id, "content": {"msgtype": "m.text", "body": "Hello"}}
    expect(admin.call("POST", "/_synapse/admin/v1/send_server_notice", notice))
    created = server.query("SELECT creator FROM rooms")
    assert sorted(created) == [("@bridge_friend:localhost",), ("@notices:localhost",)]
    assert server.query("SELECT room_id FROM capgroups_groups") == []


def test_a_room_of_another_server_or_of_no_server_is_left_to_synapse(server: Server) -> None:
    person = server.person()
    for room in ("!unknown", "!unknown:localhost", "!room:elsewhere.invalid"):
        reply = person.join(room)
        assert reply.status in (400, 403, 404, 502), reply
        assert reply.reason is None
        assert person.invite(room, server.person()).reason is None


LOBBY = "#lobby:localhost"


def test_a_lobby_that_synapse_makes_under_an_exempt_address_is_no_group(start: Starter) -> None:
    server = start(
        module={"cap": 2, "code_limit": 2, "exempt": {"rooms": [LOBBY]}},
        settings={"auto_join_rooms": [LOBBY]},
    )
    people = server.people(4)
    path = f"/directory/room/{quote(LOBBY, safe='')}"
    lobby = expect(people[0].call("GET", path)).body["room_id"]
    assert people[3].members(lobby) == sorted(person.user_id for person in people)
    assert server.query("SELECT room_id FROM capgroups_groups WHERE room_id = ?", lobby) == []


def test_without_that_the_log_says_at_start_that_there_will_be_no_lobby(start: Starter) -> None:
    server = start(module={}, settings={"auto_join_rooms": [LOBBY]})
    told = [line for line in server.homeserver.log.read_text().splitlines() if LOBBY in line]
    assert any("`exempt.rooms`" in line for line in told), told


def exempt_lobby(start: Starter, engine: str) -> Server:
    return start(engine, module={"cap": 2, "code_limit": 2, "exempt": {"rooms": [LOBBY]}})


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_server_admin_makes_and_moves_a_room_under_an_exempt_address(
    start: Starter, engine: str
) -> None:
    server = exempt_lobby(start, engine)
    admin, *people = server.person(admin=True), *server.people(3)
    first = public(admin, room_alias_name="lobby")
    for person in people:
        expect(person.join(first))
    path = f"/directory/room/{quote(LOBBY, safe='')}"
    expect(admin.call("DELETE", path))
    # Without the address it is a group, above its cap.
    assert refused(server.person().join(first), "full")
    second = admin.new_room()
    assert refused(people[0].join(second), "invite_required")
    expect(admin.add_address(second, LOBBY))
    for person in people:
        expect(admin.invite(second, person))
        expect(person.join(second))


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_member_gets_no_ungoverned_room_by_an_exempt_address(start: Starter, engine: str) -> None:
    server = exempt_lobby(start, engine)
    creator, other = server.people(2)
    for more in ({}, {"preset": "public_chat"}, {"visibility": "public"}):
        reply = creator.create_room(room_alias_name="lobby", **more)
        assert refused(reply, "not_listed" if "visibility" in more else "no_addresses"), reply
    group = creator.new_room()
    assert refused(creator.add_address(group, LOBBY), "no_addresses")
    assert refused(
        creator.set_state(group, "m.room.canonical_alias", {"alias": LOBBY}), "no_addresses"
    )
    # Nor once it was somebody's and is free again, nor by an upgrade of the lobby.
    admin = server.person(admin=True)
    # In version 12 its creator may give away more power than 100, and an upgrade takes that.
    lobby = public(admin, room_alias_name="lobby", room_version="12")
    expect(creator.join(lobby))
    expect(admin.set_state(lobby, "m.room.power_levels", {"users": {creator.user_id: 150}}))
    assert not creator.call("POST", f"/rooms/{lobby}/upgrade", {"new_version": "11"}).ok
    expect(creator.call("DELETE", f"/directory/room/{quote(LOBBY, safe='')}"))
    assert refused(creator.add_address(group, LOBBY), "no_addresses")
    assert refused(creator.add_address(lobby, LOBBY), "no_addresses")
    assert refused(other.join(group), "invite_required")


@pytest.mark.parametrize("version", [1, 2])
def test_an_admin_deletes_a_room_with_a_notice_and_people_are_moved_into_no_group(
    server: Server, version: int
) -> None:
    admin = server.person(admin=True)
    room, people = server.group(CAP)
    body = {"new_room_user_id": admin.user_id, "message": "It was bad.", "purge": True}
    path = f"/_synapse/admin/v{version}/rooms/{quote(room, safe='')}"
    reply = expect(admin.call("DELETE", path, body))
    result = reply.body
    if version == 2:
        status = f"/_synapse/admin/v2/rooms/delete_status/{reply.body['delete_id']}"
        assert eventually(lambda: admin.call("GET", status).body["status"] == "complete")
        result = admin.call("GET", status).body["shutdown_room"]
    notice = result["new_room_id"]
    everybody = sorted([admin.user_id, *(person.user_id for person in people)])
    assert result["failed_to_kick_users"] == []
    assert admin.members(notice) == everybody  # One more than the cap.
    on_record = "SELECT room_id FROM capgroups_{} WHERE room_id = ?"
    assert server.query(on_record.format("server_rooms"), notice) == [(notice,)]
    assert server.query(on_record.format("groups"), notice) == []
    assert server.query(on_record.format("admissions"), notice) == []
    assert server.person().join(notice).ok
    # Only the server makes such rooms: the next of the same user is a group.
    assert refused(admin.create_room(preset="public_chat"), "no_public_rooms")


def test_a_notice_room_stays_one_when_the_server_is_started_again(start: Starter) -> None:
    server = start(module={"cap": 2, "code_limit": 2})
    admin, creator = server.person(admin=True), server.person()
    body = {"new_room_user_id": admin.user_id}
    path = f"/_synapse/admin/v1/rooms/{quote(creator.new_room(), safe='')}"
    notice = expect(admin.call("DELETE", path, body)).body["new_room_id"]
    server.homeserver.stop()
    server.homeserver.start()
    for person in server.people(2):
        expect(person.join(notice))
