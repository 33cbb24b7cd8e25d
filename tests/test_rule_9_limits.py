"""Rule 9: what a person can ask for costs the server little: the table of limits, over HTTP."""

from collections.abc import Callable
from urllib.parse import quote

import pytest

from synapse_capgroups.demo.person import Person, Reply, expect
from synapse_capgroups.limits.table import CALLS, CHATS_WITH_ONE, CODES, PICTURES, SCANS
from tests.conftest import API, Server, Starter
from tests.test_personal_codes import known, personal_code


def too_often(reply: Reply) -> bool:
    return (
        reply.status == 429
        and reply.body["errcode"] == "M_LIMIT_EXCEEDED"
        and reply.body["retry_after_ms"] > 0
    )


def make_and_revoke(server: Server, person: Person, room: str) -> Reply:
    reply = person.call("POST", f"{API}/groups/{quote(room)}/codes", {})
    if reply.ok:
        path = f"{API}/groups/{quote(room)}/codes/{reply.body['code_id']}"
        expect(person.call("DELETE", path))
    return reply


def test_making_and_revoking_codes_makes_no_more_rooms_than_the_table_says(
    server: Server,
) -> None:
    room, (person,) = server.group(1)
    made = [make_and_revoke(server, person, room) for _ in range(CODES.burst + 3)]
    assert [reply.ok for reply in made[: CODES.burst]] == [True] * CODES.burst
    assert any(too_often(reply) for reply in made[CODES.burst :])
    assert all(reply.ok or too_often(reply) for reply in made)
    other_room, (other,) = server.group(1)
    assert make_and_revoke(server, other, other_room).ok  # nobody pays for another


def test_a_server_admin_can_lift_the_limits_of_one_person(server: Server) -> None:
    room, (person,) = server.group(1)
    path = f"/_synapse/admin/v1/users/{person.user_id}/override_ratelimit"
    no_limit = {"messages_per_second": 0, "burst_count": 0}
    expect(server.person(admin=True).call("POST", path, no_limit))
    assert all(make_and_revoke(server, person, room).ok for _ in range(CODES.burst + 3))


def test_the_concierge_says_when_codes_were_asked_for_too_often(server: Server) -> None:
    chat = known(server)
    room = chat.person.new_room(name="Soup")
    for _ in range(CODES.burst + 1):
        make_and_revoke(server, chat.person, room)
    assert "too often" in chat.ask("me")
    assert "too often" in chat.ask("code soup")


def test_leaving_and_scanning_again_at_a_door_does_not_fill_the_group_with_events(
    server: Server,
) -> None:
    room, people = server.group(1)
    code = server.make_code(room, people[0])
    person = server.person()
    expect(server.scan(person, code))
    again = []
    for _ in range(SCANS.burst + 3):
        again.append(server.scan(person, code))
        person.leave(room)
    assert all(reply.ok for reply in again[: SCANS.burst])
    assert any(too_often(reply) for reply in again)
    expect(person.set_room_name_of_own(expect(again[0]).body["room_id"], "Still free to change"))


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_pictures_are_drawn_no_more_often_than_the_table_says(server: Server, kind: str) -> None:
    room, (person,) = server.group(1)
    code = server.make_code(room, person)
    path = f"{API}/groups/{quote(room)}/codes/{code['code_id']}/qr.{kind}"
    drawn = [person.call("GET", path) for _ in range(PICTURES.burst + 20)]
    assert all(reply.ok for reply in drawn[: PICTURES.burst])
    assert any(too_often(reply) for reply in drawn)


CALLED: dict[str, Callable[[Person, str, str], Reply]] = {
    "group": lambda person, path, code: person.call("GET", path),
    "codes": lambda person, path, code: person.call("GET", f"{path}/codes"),
    "revoke": lambda person, path, code: person.call("DELETE", f"{path}/codes/{code}"),
    "unknown": lambda person, path, code: person.call("GET", f"{API}/groups/!no:where"),
}


@pytest.mark.parametrize("call", CALLED)
def test_any_other_call_is_answered_no_more_often_than_the_table_says(
    server: Server, call: str
) -> None:
    room, (person,) = server.group(1)
    code = server.make_code(room, person)["code_id"]
    path = f"{API}/groups/{quote(room)}"
    answers = [CALLED[call](person, path, code) for _ in range(CALLS.burst + 100)]
    assert all(not too_often(reply) for reply in answers[: CALLS.burst])
    assert any(too_often(reply) for reply in answers)


def leave_chats(person: Person, owner: Person) -> None:
    for chat in person.m_direct().get(owner.user_id, []):
        person.leave(chat)


def test_scanning_a_personal_code_and_leaving_does_not_invite_its_owner_again_and_again(
    server: Server,
) -> None:
    marta = known(server)
    stranger = server.person()
    code = personal_code(marta)
    replies = []
    for _ in range(8):
        replies.append(reply := server.scan(stranger, code))
        leave_chats(stranger, marta.person)
        if reply.ok:
            expect(stranger.leave(reply.body["room_id"]))
    invited = server.query(
        "SELECT COUNT(*) FROM room_memberships WHERE user_id = ? AND sender = ? "
        "AND membership = 'invite'", marta.person.user_id, stranger.user_id,
    )  # fmt: skip
    assert invited == [(CHATS_WITH_ONE.burst,)]
    assert all(too_often(reply) for reply in replies[CHATS_WITH_ONE.burst :])
    expect(server.scan(server.person(), code))  # others still can


def test_nor_when_synapse_refuses_the_door_afterwards(start: Starter) -> None:
    slow = {"rc_message": {"per_second": 0.001, "burst_count": 5}}
    server = start(module={"cap": 6, "code_limit": 4}, settings=slow)
    marta = known(server)
    code = personal_code(marta)
    stranger, admin = server.person(), server.person(admin=True)
    path = f"/_synapse/admin/v1/users/{stranger.user_id}/override_ratelimit"
    lobby = stranger.new_room()
    for _ in range(4):
        while stranger.send(lobby, "x").ok:
            pass
        assert server.scan(stranger, code).status == 429
        # Leaving counts as a message, too, so they would have to wait for it.
        expect(admin.call("POST", path, {"messages_per_second": 0, "burst_count": 0}))
        leave_chats(stranger, marta.person)
        expect(admin.call("DELETE", path))
    invited = server.query(
        "SELECT COUNT(*) FROM room_memberships WHERE user_id = ? AND sender = ? "
        "AND membership = 'invite'", marta.person.user_id, stranger.user_id,
    )  # fmt: skip
    assert invited == [(CHATS_WITH_ONE.burst,)]
