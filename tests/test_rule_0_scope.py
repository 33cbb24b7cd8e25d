"""Rule 0: what is a group and what is not."""

from urllib.parse import quote

import yaml

from synapse_capgroups.demo.person import Person, expect
from tests.conftest import CAP, Server, Starter, refused

SPACE = {"creation_content": {"type": "m.space"}}


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


def test_a_space_is_no_group(server: Server) -> None:
    creator, *others = server.people(CAP + 1)
    localpart = f"space-of-{creator.name.lower()}-{server.engine}"
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
