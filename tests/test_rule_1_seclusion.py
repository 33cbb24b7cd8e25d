"""Rule 1: nobody can search for a group, read it from outside or walk in."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from synapse_capgroups.demo.person import Person, expect
from tests.conftest import Server, Starter, eventually, refused

JOIN_RULES = "m.room.join_rules"
HISTORY = "m.room.history_visibility"
GUESTS = "m.room.guest_access"


def state_event(event_type: str, **content: Any) -> dict[str, Any]:
    return {"type": event_type, "state_key": "", "content": content}


def traces(server: Server, creator: Person) -> list[Any]:
    """What is in any table of rooms that somebody created or tried to."""
    of_creator = (
        "rooms WHERE creator", "events WHERE sender", "room_memberships WHERE user_id",
        "room_aliases WHERE creator", "capgroups_admissions WHERE user_id",
    )  # fmt: skip
    found: list[Any] = []
    for condition in of_creator:
        found += server.query(f"SELECT * FROM {condition} = ?", creator.user_id)
    return found


def of_no_room(server: Server) -> set[tuple[Any, ...]]:
    """Rows whose room there is not. Those of deleted rooms go by and by."""
    return {
        row
        for table in ("capgroups_groups", "capgroups_seats")
        for row in server.query(
            f"SELECT * FROM {table} WHERE room_id NOT IN (SELECT room_id FROM rooms)"
        )
    }


@pytest.mark.parametrize(
    ("request_body", "reason"),
    [
        ({"visibility": "public"}, "not_listed"),
        ({"visibility": "public", "preset": "private_chat"}, "not_listed"),
        ({"preset": "public_chat"}, "no_public_rooms"),
        ({"preset": "public_chat", "visibility": "private"}, "no_public_rooms"),
        ({"visibility": "misspelt"}, "no_public_rooms"),
        ({"room_alias_name": "an-address"}, "no_addresses"),
        ({"initial_state": [state_event(JOIN_RULES, join_rule="public")]}, "no_public_rooms"),
        ({"initial_state": [state_event(JOIN_RULES, join_rule="restricted", allow=[])]},
         "no_public_rooms"),
        ({"initial_state": [state_event(JOIN_RULES, join_rule="knock_restricted", allow=[])]},
         "no_public_rooms"),
        ({"initial_state": [state_event(HISTORY, history_visibility="world_readable")]},
         "no_public_rooms"),
        ({"initial_state": [state_event("m.room.canonical_alias", alias="#x:localhost")]},
         "no_addresses"),
        ({"initial_state": [state_event("m.room.third_party_invite", public_key="k")]},
         "no_public_rooms"),
        ({"initial_state": [state_event(JOIN_RULES, join_rule="invite"),
                            state_event(JOIN_RULES, join_rule="public")]}, "no_public_rooms"),
    ],
)  # fmt: skip
def test_a_refused_creation_leaves_nothing_behind(
    server: Server, request_body: dict[str, Any], reason: str
) -> None:
    creator = server.person()
    before = of_no_room(server)
    reply = creator.create_room(**request_body)
    assert refused(reply, reason), reply
    assert traces(server, creator) == []
    path = f"/createRoom/{quote(creator.user_id)}"  # the same by the route with a transaction ID
    assert refused(creator.call("PUT", path, request_body), reason)
    assert traces(server, creator) == []
    assert of_no_room(server) <= before


def test_a_server_admins_rooms_are_groups_too(server: Server) -> None:
    assert refused(server.person(admin=True).create_room(visibility="public"), "not_listed")


@pytest.mark.parametrize("preset", ["private_chat", "trusted_private_chat", None])
@pytest.mark.parametrize("asked", [True, False])
def test_a_new_group_is_closed_to_guests_whatever_the_client_asks(
    server: Server, preset: str | None, asked: bool
) -> None:
    body: dict[str, Any] = {"preset": preset} if preset else {}
    if asked:  # as Element does with each room
        body["initial_state"] = [state_event(GUESTS, guest_access="can_join")]
    creator = server.person()
    room = creator.new_room(**body)
    assert creator.state(room, GUESTS).body == {"guest_access": "forbidden"}
    assert creator.state(room, JOIN_RULES).body == {"join_rule": "invite"}


def test_what_a_client_asks_for_beside_that_is_kept(server: Server) -> None:
    creator = server.person()
    room = creator.new_room(
        initial_state=[
            state_event(JOIN_RULES, join_rule="knock"),
            state_event(HISTORY, history_visibility="joined"),
            state_event("org.example.note", text="kept"),
        ]
    )
    assert creator.state(room, JOIN_RULES).body == {"join_rule": "knock"}
    assert creator.state(room, HISTORY).body == {"history_visibility": "joined"}
    assert creator.state(room, "org.example.note").body == {"text": "kept"}


@pytest.mark.parametrize(
    ("event_type", "content", "reason"),
    [
        (JOIN_RULES, {"join_rule": "public"}, "no_public_rooms"),
        (JOIN_RULES, {"join_rule": "restricted", "allow": []}, "no_public_rooms"),
        (JOIN_RULES, {"join_rule": "knock_restricted", "allow": []}, "no_public_rooms"),
        (JOIN_RULES, {"join_rule": "Public"}, "no_public_rooms"),
        (JOIN_RULES, {"join_rule": ["public"]}, "no_public_rooms"),
        (JOIN_RULES, {}, "no_public_rooms"),
        (HISTORY, {"history_visibility": "world_readable"}, "no_public_rooms"),
        (GUESTS, {"guest_access": "can_join"}, "no_public_rooms"),
        ("m.room.canonical_alias", {"alias": "#a:localhost"}, "no_addresses"),
        ("m.room.canonical_alias", {"alt_aliases": ["#a:localhost"]}, "no_addresses"),
        ("m.room.third_party_invite", {"public_key": "k", "display_name": "e"}, "no_public_rooms"),
    ],
)
def test_a_group_is_never_opened_later(
    server: Server, event_type: str, content: dict[str, Any], reason: str
) -> None:
    creator = server.person()
    room = creator.new_room()
    assert refused(creator.set_state(room, event_type, content), reason)
    delayed = f"/rooms/{room}/state/{event_type}?org.matrix.msc4140.delay=1000"
    assert refused(creator.call("PUT", delayed, content), reason)


@pytest.mark.parametrize(
    ("event_type", "content"),
    [
        (JOIN_RULES, {"join_rule": "invite"}),
        (JOIN_RULES, {"join_rule": "knock"}),
        (HISTORY, {"history_visibility": "joined"}),
        (HISTORY, {"history_visibility": "invited"}),
        (HISTORY, {"history_visibility": "shared"}),
        (GUESTS, {"guest_access": "forbidden"}),
        ("m.room.canonical_alias", {}),
        ("m.room.third_party_invite", {}),
        ("m.room.name", {"name": "Another name"}),
        ("m.room.topic", {"topic": "Anything"}),
    ],
)
def test_what_does_not_open_a_group_is_allowed(
    server: Server, event_type: str, content: dict[str, Any]
) -> None:
    creator = server.person()
    room = creator.new_room()
    expect(creator.set_state(room, event_type, content))


def test_a_group_never_enters_the_directory(server: Server) -> None:
    creator = server.person()
    room = creator.new_room()
    reply = creator.list_in_directory(room, "public")
    assert refused(reply, "not_listed")
    path = f"/directory/list/room/{quote(room, safe='')}"
    assert refused(creator.call("PUT", path, {}), "not_listed")  # public is the default
    assert creator.call("GET", path).body == {"visibility": "private"}
    found = expect(creator.call("POST", "/publicRooms", {"limit": 100})).body["chunk"]
    assert room not in [listed["room_id"] for listed in found]


def test_unpublishing_always_works(server: Server) -> None:
    creator = server.person()
    room = creator.new_room()
    expect(creator.list_in_directory(room, "private"))
    # A room can be listed from the time before the module, or by somebody with the database.
    server.query("UPDATE rooms SET is_public = ? WHERE room_id = ?", True, room)
    assert refused(creator.list_in_directory(room, "public"), "not_listed")
    expect(creator.list_in_directory(room, "private"))
    assert server.query("SELECT is_public FROM rooms WHERE room_id = ?", room) == [(False,)]


def test_a_group_has_no_address(server: Server) -> None:
    creator = server.person()
    room = creator.new_room()
    address = f"#{creator.name.lower()}:localhost"
    assert refused(creator.add_address(room, address), "no_addresses")
    path = f"/directory/room/{quote(address, safe='')}"
    assert creator.call("GET", path).status == 404


def test_an_address_can_always_be_removed(start: Starter) -> None:
    _, creator, _ = before_the_module(start, room_alias_name="old")
    path = f"/directory/room/{quote('#old:localhost', safe='')}"
    expect(creator.call("DELETE", path))
    assert creator.call("GET", path).status == 404


def test_a_room_from_before_the_module_is_governed_from_its_first_event_on(
    start: Starter,
) -> None:
    server, creator, room = before_the_module(start, visibility="public", preset="public_chat")
    assert refused(server.person().join(room), "invite_required")
    assert refused(creator.list_in_directory(room, "public"), "not_listed")
    expect(creator.list_in_directory(room, "private"))
    expect(creator.set_state(room, JOIN_RULES, {"join_rule": "invite"}))
    person = server.person()
    server.admit(room, creator, person)
    on_record = server.query(
        "SELECT user_id, how, inviter, members_after FROM capgroups_admissions "
        "WHERE room_id = ? ORDER BY members_after", room,
    )  # fmt: skip
    assert on_record == [
        (creator.user_id, "creator", None, 1),
        (person.user_id, "invite", creator.user_id, 2),
    ]


def test_a_room_above_a_limit_from_before_the_module_keeps_its_members_and_takes_no_more(
    start: Starter,
) -> None:
    server, creator, room = before_the_module(start, members=5)
    assert len(creator.members(room)) == 5
    assert refused(server.person().join(room), "full")
    person = server.person()
    creator.befriend(person)
    reply = creator.invite(room, person)
    assert refused(reply, "full")
    assert reply.body["org.capgroups.members"] == 5
    assert reply.body["org.capgroups.limit"] == 3
    expect(creator.set_room_name_of_own(room, "Still here"))


def before_the_module(
    start: Starter, members: int = 1, **request: Any
) -> tuple[Server, Person, str]:
    """A server that gets the module (cap 3, code limit 2) after a room was made on it."""
    server = start(module=None)
    creator = server.person()
    room = creator.new_room(**request)
    for _ in range(members - 1):
        server.admit(room, creator, server.person())
    server.install_module({"cap": 3, "code_limit": 2})
    return server, creator, room


def test_the_successor_of_an_upgraded_group_is_a_group_with_its_own_count(server: Server) -> None:
    old, people = server.group(5)
    reply = people[0].call("POST", f"/rooms/{old}/upgrade", {"new_version": "12"})
    new = expect(reply).body["replacement_room"]
    assert people[0].members(new) == [people[0].user_id]
    assert refused(server.person().join(new), "invite_required")
    server.admit(new, people[0], people[1])
    assert refused(people[0].set_state(new, JOIN_RULES, {"join_rule": "public"}), "no_public_rooms")
    assert refused(people[0].list_in_directory(new, "public"), "not_listed")


@pytest.mark.parametrize("version", ["10", "12"])
def test_the_successor_of_a_room_from_before_the_module_is_closed_to_guests(
    start: Starter, version: str
) -> None:
    _, creator, room = before_the_module(start)
    assert expect(creator.state(room, GUESTS)).body == {"guest_access": "can_join"}
    reply = creator.call("POST", f"/rooms/{room}/upgrade", {"new_version": version})
    new = expect(reply).body["replacement_room"]
    assert expect(creator.state(new, GUESTS)).body == {"guest_access": "forbidden"}


@pytest.mark.parametrize("version", ["10", "12"])
def test_who_unpublishes_a_room_while_it_is_upgraded_does_not_get_a_listed_group(
    start: Starter, version: str
) -> None:
    rooms = 12
    server = start(module=None)
    creator = server.person()
    listed = [
        creator.new_room(visibility="public", preset="private_chat", room_version=version)
        for _ in range(rooms)
    ]
    server.install_module({"cap": 3, "code_limit": 2})
    with ThreadPoolExecutor(2) as pool:
        for delay, room in enumerate(listed):
            upgrade = pool.submit(
                creator.call, "POST", f"/rooms/{room}/upgrade", {"new_version": version}
            )
            time.sleep(delay / 500)
            assert creator.list_in_directory(room, "private").ok
            if upgrade.result().ok:
                new = upgrade.result().body["replacement_room"]
                visibility = creator.call("GET", f"/directory/list/room/{quote(new, safe='')}")
                assert visibility.body == {"visibility": "private"}, delay
    assert expect(creator.call("GET", "/publicRooms")).body["chunk"] == []


@pytest.mark.parametrize(
    "request_body",
    [
        {"creation_content": {"x": 1.5}, "room_version": "10"},
        {"creation_content": {"x": "y" * 70_000}},
        {"creation_content": {"x": "y" * 70_000}, "room_version": "10"},
        {"name": "n" * 70_000},
    ],
)
def test_a_creation_that_synapse_gives_up_leaves_nothing_of_the_modules_behind(
    server: Server, request_body: dict[str, Any]
) -> None:
    creator = server.person()
    reply = creator.create_room(**request_body)
    assert reply.status in (400, 413)
    recorded = "SELECT room_id FROM capgroups_admissions WHERE user_id = ?"
    assert server.query(recorded, creator.user_id) == []
    met = "SELECT g.room_id FROM capgroups_groups AS g JOIN rooms AS r ON r.room_id = g.room_id "
    assert server.query(f"{met} WHERE r.creator = ?", creator.user_id) == []


@pytest.mark.parametrize(
    ("old_room", "reason"),
    [
        ({"visibility": "public", "preset": "private_chat"}, "not_listed"),
        ({"preset": "public_chat"}, "no_public_rooms"),
        ({"room_alias_name": "old"}, "no_addresses"),
        ({"initial_state": [state_event(HISTORY, history_visibility="world_readable")]},
         "no_public_rooms"),
    ],
)  # fmt: skip
def test_an_open_room_from_before_the_module_cannot_pass_its_openness_on_to_a_successor(
    start: Starter, old_room: dict[str, Any], reason: str
) -> None:
    _, creator, room = before_the_module(start, **old_room)
    reply = creator.call("POST", f"/rooms/{room}/upgrade", {"new_version": "12"})
    assert refused(reply, reason)


def test_a_client_that_sends_nonsense_is_told_what_is_wrong(server: Server) -> None:
    creator = server.person()
    bodies: list[dict[str, Any]] = [
        {"initial_state": 5},
        {"initial_state": [5]},
        {"initial_state": [{"type": JOIN_RULES}]},
        {"initial_state": [{"type": ["x"], "content": {}}]},
        {"initial_state": [{"type": "x", "content": "y"}]},
        {"initial_state": [{"type": "x", "content": {}, "state_key": 5}]},
        {
            "initial_state": [
                {
                    "type": "m.room.member",
                    "state_key": "@b:localhost",
                    "content": {"membership": "ban"},
                }
            ],
            "invite": ["@b:localhost"],
        },
        {"preset": ["public_chat"]},
        {"preset": None},
        {"preset": "\ud800"},
        {"room_alias_name": None},
        {"visibility": {}},
        {"creation_content": "m.space"},
        {"invite": 5},
        {"invite": [{}]},
        {"invite": "@a:localhost"},
        {"invite_3pid": [5]},
        {"invite_3pid": [{"medium": 5, "address": "a", "id_server": "b", "id_access_token": "c"}]},
        {"name": 5},
        {"name": "a\0b"},
        {"name": "a\ud800b"},
        {"name": "n" * 70_000},
        {"topic": ["x"]},
        {"topic": "\ud800"},
        {"room_version": "\0"},
        {"creation_content": {"x": {"y": ["\ud800"]}}},
        {"creation_content": {"\0": 1}},
        {"creation_content": {"x": 1.5}},
        {"creation_content": {"x": 2**60}},
        {"creation_content": {"additional_creators": 5}},
        {"creation_content": {"predecessor": {"room_id": "!\0"}}},
        *(
            {"power_level_content_override": levels}
            for levels in (
                "x",
                5,
                ["x"],
                True,
                {"users": 5},
                {"ban": "50"},
                {"events": {"m.room.name": None}},
                {"users": {"\ud800": 5}},
                {"x": 1.5},
                {"users": {"nobody": 5}},
            )
        ),
        *(
            {"initial_state": [{"type": event_type, "content": content}]}
            for event_type, content in (
                ("m.room.create", {}),
                ("m.room.create", {"type": "m.space"}),
                ("m.room.name", {}),
                ("m.room.name", {"name": 5}),
                ("m.room.topic", {"topic": None}),
                ("m.room.message", {"body": "x", "msgtype": "m.text"}),
                ("m.room.redaction", {}),
                ("m.room.tombstone", {}),
                ("m.room.aliases", {"aliases": 5}),
                ("m.room.server_acl", {"allow": 5}),
                ("m.room.power_levels", {"users": [5]}),
                ("m.room.retention", {"max_lifetime": "x"}),
                ("x", {"y": "\ud800"}),
                ("x", {"y": 1.5}),
                ("\0", {}),
                ("x\ud800", {}),
                ("t" * 300, {}),
                ("x", {"m.mentions": 5}),
            )
        ),
        {"initial_state": [{"type": "x", "content": {}, "state_key": "a\0"}]},
    ]
    before = of_no_room(server)
    for body in bodies:
        reply = creator.create_room(**body)
        assert reply.status == 400, (body, reply)
        assert reply.error
        assert traces(server, creator) == []
        assert of_no_room(server) <= before


def test_a_client_that_sends_nonsense_leaves_no_traceback(start: Starter) -> None:
    server = start("postgres", module={})
    creator = server.person()
    for text in ("a\0b", "a\ud800b"):
        bodies: list[dict[str, Any]] = [
            {"name": text}, {"topic": text}, {"preset": text}, {"room_alias_name": text},
            {"invite": [f"@{text}:localhost"]}, {"creation_content": {"type": text}},
            {"initial_state": [{"type": text, "content": {}}]},
        ]  # fmt: skip
        for body in bodies:
            assert creator.create_room(**body).status == 400, body
    assert "Traceback" not in server.homeserver.log.read_text()


NONSENSE: list[dict[str, Any]] = [
    {"initial_state": [{"type": "m.room.name", "content": {}}]},
    {"invite": "nobody"},
    {"power_level_content_override": {"users": 5}},
    {"creation_content": 5},
    {"topic": 5},
]


def test_a_malformed_creation_is_synapses_own_business_where_no_group_is_concerned(
    server: Server, plain_server: Server
) -> None:
    exempt = server.homeserver.register(f"exempt-nonsense-{server.engine}")
    people = (exempt, server.person(admin=True))
    plain = plain_server.person()
    for body in NONSENSE:
        expected = plain.create_room(**body)
        for person in people:
            reply = person.create_room(**body)
            assert (reply.status, reply.body) == (expected.status, expected.body), (person, body)


def test_a_server_admins_malformed_creation_is_still_judged(server: Server) -> None:
    admin = server.person(admin=True)
    for body in NONSENSE:
        assert refused(admin.create_room(visibility="public", **body), "not_listed"), body


@pytest.mark.parametrize(
    ("event_type", "content", "reason"),
    [
        (JOIN_RULES, {"join_rule": "public"}, "no_public_rooms"),
        (HISTORY, {"history_visibility": "world_readable"}, "no_public_rooms"),
        (GUESTS, {"guest_access": "can_join"}, "no_public_rooms"),
    ],
)
def test_a_server_admin_may_open_their_own_group_and_that_is_reported(
    server: Server, event_type: str, content: dict[str, Any], reason: str
) -> None:
    admin, member, stranger = server.person(admin=True), server.person(), server.person()
    room = admin.new_room()
    server.admit(room, admin, member)
    series = f'capgroups_breaches_total{{reason="{reason}"}}'
    before = server.homeserver.metrics().get(series, 0)
    sent = expect(admin.set_state(room, event_type, content)).body["event_id"]
    breach = {"by": admin.user_id, "event": sent, "group": room, "reason": reason,
              "type": event_type}  # fmt: skip
    assert eventually(lambda: ("breach", breach) in server.homeserver.journal())
    assert server.homeserver.metrics()[series] == before + 1
    # Nobody walks in all the same.
    assert refused(stranger.join(room), "invite_required")


def test_what_opens_nothing_or_is_no_groups_or_was_refused_is_no_breach(server: Server) -> None:
    admin, member = server.person(admin=True), server.person()
    room, plain = admin.new_room(), server.plain_room(admin, preset="public_chat")
    server.admit(room, admin, member)
    expect(admin.set_state(room, "m.room.power_levels", {"users_default": 50}))
    assert refused(member.set_state(room, JOIN_RULES, {"join_rule": "public"}), "no_public_rooms")
    expect(admin.set_state(room, JOIN_RULES, {"join_rule": "knock"}))
    expect(admin.set_state(room, "m.room.name", {"name": "Tea"}))
    owner = server.homeserver.register(f"exempt-breach-{server.engine}")
    public = owner.new_room(preset="public_chat")
    expect(owner.set_state(public, HISTORY, {"history_visibility": "world_readable"}))
    # Not accepted, so it never is the state of anything.
    assert not admin.set_state("!nowhere:localhost", JOIN_RULES, {"join_rule": "public"}).ok
    expect(admin.set_state(room, GUESTS, {"guest_access": "can_join"}))

    def told() -> list[str]:
        lines = server.homeserver.journal()
        rooms = (room, plain, public, "!nowhere:localhost")
        return [f["type"] for word, f in lines if word == "breach" and f["group"] in rooms]

    assert eventually(lambda: told() != [])
    assert told() == [GUESTS]
