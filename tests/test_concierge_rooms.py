"""Rule 7: a room of the concierge holds the concierge and its one person, and nobody else, ever."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from synapse_capgroups.demo.person import Person, expect
from synapse_capgroups.words.lookup import Words
from tests.conftest import CAP, CODE_LIMIT, Server, Starter, eventually, joined_rooms, refused
from tests.test_concierge import CONCIERGE, Chat, invitations, person_with_group
from tests.test_operations import switch_off

ENGLISH = Words()
CONFIG = {"cap": CAP, "code_limit": CODE_LIMIT}


def standing(person: Person, room: str, of: str) -> str | None:
    membership: str | None = person.state(room, "m.room.member", of).body.get("membership")
    return membership


def as_concierge(server: Server, admin: Person) -> Person:
    """The concierge's account in somebody's hands, as only a server admin can have it."""
    path = f"/_synapse/admin/v1/users/{CONCIERGE}/login"
    token = expect(admin.call("POST", path, {})).body["access_token"]
    return Person(admin._http, CONCIERGE, token, "")


def test_a_chat_with_the_concierge_holds_two_and_nobody_else_ever(server: Server) -> None:
    chat, _ = person_with_group(server)
    accomplice, admin = server.person(), server.person(admin=True)
    assert refused(chat.person.invite(chat.room, accomplice), "concierge_chat")
    assert refused(accomplice.join(chat.room), "concierge_chat")
    assert refused(admin.join(chat.room), "concierge_chat")
    for other in (accomplice, admin):
        path = f"/_synapse/admin/v1/join/{quote(chat.room)}"
        assert not admin.call("POST", path, {"user_id": other.user_id}).ok
        path = f"/_synapse/admin/v1/rooms/{quote(chat.room)}/make_room_admin"
        assert not admin.call("POST", path, {"user_id": other.user_id}).ok
    assert standing(chat.person, chat.room, accomplice.user_id) is None
    assert chat.person.members(chat.room) == sorted([CONCIERGE, chat.person.user_id])
    assert chat.ask("help") == ENGLISH.say("help")


def test_an_admins_chat_holds_two_like_any_other(server: Server) -> None:
    admin = server.person(admin=True)
    admin.new_room(name="Theirs")
    chat = Chat(admin)
    assert refused(admin.invite(chat.room, server.person()), "concierge_chat")
    assert admin.members(chat.room) == sorted([CONCIERGE, admin.user_id])


def test_in_a_chat_only_the_concierge_has_power_and_it_stays_on_this_server(
    server: Server,
) -> None:
    chat, _ = person_with_group(server)
    levels = expect(chat.person.state(chat.room, "m.room.power_levels")).body
    assert levels["invite"] == levels["kick"] == levels["ban"] == levels["state_default"] == 100
    assert chat.person.user_id not in levels.get("users", {})
    assert expect(chat.person.state(chat.room, "m.room.create")).body["m.federate"] is False
    rule = {"algorithm": "m.megolm.v1.aes-sha2"}
    assert chat.person.set_state(chat.room, "m.room.encryption", rule).status == 403


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_chats_from_before_are_shut_at_start_and_those_with_more_people_are_closed(
    start: Starter, engine: str
) -> None:
    server = start(engine, module=CONFIG)
    admin = server.person(admin=True)
    (two, _), (crowded, _) = (person_with_group(server) for _ in range(2))
    eavesdropper = server.person()
    switch_off(server)
    hand = as_concierge(server, admin)
    for chat in (two, crowded):
        levels = expect(hand.state(chat.room, "m.room.power_levels")).body
        expect(hand.set_state(chat.room, "m.room.power_levels", {**levels, "invite": 0}))
    expect(hand.call("POST", "/logout", {}))
    expect(crowded.person.invite(crowded.room, eavesdropper))
    expect(eavesdropper.join(crowded.room))
    server.query("UPDATE capgroups_chats SET holds_two = ?", False)

    server.install_module(CONFIG)

    def invite_level(chat: Chat) -> Any:
        return chat.person.state(chat.room, "m.room.power_levels").body.get("invite")

    assert eventually(lambda: invite_level(two) == 100)
    assert two.ask("help") == ENGLISH.say("help")
    assert eventually(lambda: joined_rooms(eavesdropper) == [])
    assert eventually(lambda: crowded.room not in joined_rooms(crowded.person))
    rows = "SELECT 1 FROM capgroups_chats WHERE room_id = ?"
    assert server.query(rows, crowded.room) == []
    opened = crowded.person.new_room(is_direct=True, invite=[CONCIERGE])
    assert Chat(crowded.person, opened).ask("help") == ENGLISH.say("help")


def test_a_chat_that_its_person_leaves_goes_and_leaves_no_room_behind(server: Server) -> None:
    person = server.person()
    rooms = []
    for way in ("theirs", "its own", "theirs"):
        own = person.new_room(is_direct=way == "theirs", invite=[CONCIERGE])
        rooms.append(Chat(person, own if way == "theirs" else "").room)
        expect(person.leave(rooms[-1]))
        if own != rooms[-1]:
            expect(person.leave(own))
    declined = person.new_room(invite=[CONCIERGE])
    assert eventually(lambda: len(invitations(person)) == 1)
    rooms += invitations(person)
    expect(person.leave(rooms[-1]))
    expect(person.leave(declined))
    assert len(set(rooms)) == 4

    def left() -> list[Any]:
        marks = ", ".join("?" * len(rooms))
        return [
            *server.query(f"SELECT room_id FROM rooms WHERE room_id IN ({marks})", *rooms),
            *server.query("SELECT 1 FROM capgroups_chats WHERE user_id = ?", person.user_id),
        ]

    assert eventually(lambda: left() == [], 30), left()


def test_groups_made_at_the_same_moment_open_one_chat_that_stays(server: Server) -> None:
    person = server.person()
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda n: person.new_room(name=f"Group {n}"), range(4)))
    assert len(made) == 4
    assert eventually(lambda: len(invitations(person)) == 1)
    (chat,) = invitations(person)
    expect(person.join(chat))
    rooms = "SELECT room_id FROM capgroups_chats WHERE user_id = ?"
    assert server.query(rooms, person.user_id) == [(chat,)]
    assert eventually(lambda: len(person.members(chat)) == 2)


def test_what_a_killed_process_left_of_a_chat_is_cleared_up_at_start(start: Starter) -> None:
    server = start(module=CONFIG)
    (chat, _), (kept, _) = (person_with_group(server) for _ in range(2))
    expect(chat.person.leave(chat.room))
    assert eventually(
        lambda: server.query("SELECT 1 FROM rooms WHERE room_id = ?", chat.room) == [], 30
    )
    (chat, _) = person_with_group(server)
    switch_off(server)
    expect(chat.person.leave(chat.room))
    server.homeserver.stop()
    # As versions before left it: the room was forgotten, and the concierge stayed in it.
    server.query("DELETE FROM capgroups_chats WHERE room_id = ?", chat.room)
    long_ago = "UPDATE events SET received_ts = 1 WHERE room_id = ?"
    server.query(long_ago, chat.room)
    server.install_module(CONFIG)
    gone = "SELECT 1 FROM rooms WHERE room_id = ?"
    assert eventually(lambda: server.query(gone, chat.room) == [], 30)
    assert kept.ask("help") == ENGLISH.say("help")


@pytest.mark.parametrize("way", ["createRoom", "invite"])
def test_an_admin_who_opens_a_chat_with_the_concierge_is_answered(server: Server, way: str) -> None:
    admin = server.person(admin=True)
    if way == "createRoom":
        opened = admin.new_room(is_direct=True, invite=[CONCIERGE])
        assert Chat(admin, opened).ask("help") == ENGLISH.say("help")
        return
    theirs = admin.new_room(is_direct=True)
    expect(admin.invite(theirs, CONCIERGE))
    chat = Chat(admin)
    assert chat.ask("help") == ENGLISH.say("help")
    assert eventually(lambda: standing(admin, theirs, CONCIERGE) == "leave")
    reason = admin.state(theirs, "m.room.member", CONCIERGE).body["reason"]
    assert reason == ENGLISH.say("declined")


def test_who_opens_chats_again_and_again_makes_few_rooms(server: Server) -> None:
    person = server.person()
    made = "SELECT COUNT(*) FROM rooms WHERE creator = ?"
    before = server.query(made, CONCIERGE)[0][0]
    theirs = person.new_room(is_direct=True)
    seen: set[str] = set()
    for _ in range(12):
        expect(person.invite(theirs, CONCIERGE))
        assert eventually(lambda: standing(person, theirs, CONCIERGE) == "leave")
        eventually(lambda: invitations(person) != [], 1)
        for room in invitations(person):
            seen.add(room)
            expect(person.leave(room))
    assert 1 <= len(seen) <= 6
    assert server.query(made, CONCIERGE)[0][0] - before <= 6
    reason = person.state(theirs, "m.room.member", CONCIERGE).body["reason"]
    assert reason == ENGLISH.say("too_often")


def test_the_concierge_joins_no_group_even_where_invitations_are_accepted_by_themselves(
    start: Starter,
) -> None:
    server = start(module=CONFIG, settings={"auto_accept_invites": {"enabled": True}})
    creator, admin = server.person(), server.person(admin=True)
    room = creator.new_room(name="Tea", invite=[CONCIERGE])
    assert eventually(lambda: standing(creator, room, CONCIERGE) == "leave")
    expect(creator.invite(room, CONCIERGE))
    deadline = time.monotonic() + 4
    while time.monotonic() < deadline:
        assert creator.members(room) == [creator.user_id]
        time.sleep(0.2)
    assert eventually(lambda: standing(creator, room, CONCIERGE) == "leave")
    expect(creator.invite(room, admin))
    path = f"/_synapse/admin/v1/join/{quote(room)}"
    assert eventually(lambda: admin.user_id in creator.members(room))
    assert refused(admin.call("POST", path, {"user_id": CONCIERGE}), "concierge_outside")
    assert creator.members(room) == sorted([creator.user_id, admin.user_id])


def test_the_concierge_leaves_groups_that_it_was_pulled_into_before(start: Starter) -> None:
    settings = {"auto_accept_invites": {"enabled": True}}
    server = start(module=CONFIG, settings=settings)
    creator = server.person()
    room = creator.new_room(name="Tea")
    switch_off(server)
    expect(creator.invite(room, CONCIERGE))
    assert eventually(lambda: CONCIERGE in creator.members(room))
    server.install_module(CONFIG)
    assert eventually(lambda: creator.members(room) == [creator.user_id])
