"""Rule 8: nothing is lost by a refusal; wrong input of any shape is answered, never with a 500."""

from typing import Any
from urllib.parse import quote

import pytest

from synapse_capgroups.demo.person import Reply, expect
from tests.conftest import CAP, Server, Starter, refused


def test_a_refusal_is_a_403_with_a_sentence_a_reason_and_its_numbers(server: Server) -> None:
    room, _ = server.group(CAP)
    reply = server.person().join(room)
    assert reply.status == 403
    assert reply.body == {
        "errcode": "M_FORBIDDEN",
        "error": "This group has all its 6 members. Someone must leave before you can join.",
        "org.capgroups.reason": "full",
        "org.capgroups.members": 6,
        "org.capgroups.limit": 6,
    }


def test_a_refused_join_keeps_the_invitation(server: Server) -> None:
    room, people = server.group(CAP - 1)
    late, last = server.people(2)
    for friend in (late, last):
        people[0].befriend(friend)
        expect(people[0].invite(room, friend))
    expect(last.join(room))
    assert refused(late.join(room), "full")
    invitations = expect(late.call("GET", "/sync?timeout=0")).body["rooms"]["invite"]
    assert room in invitations


BODIES = [
    [], 5, None, "text", {"reason": 5}, {"reason": {"a": [None]}}, {"displayname": 5},
    {"membership": "ban"}, {"third_party_signed": 5}, {"third_party_signed": {}},
    {"third_party_signed": {"sender": "@a:b", "mxid": "x", "token": "t", "signatures": 5}},
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES)
def test_a_join_body_of_any_shape_causes_no_500_of_ours(
    server: Server, plain_server: Server, body: Any
) -> None:
    def join(on: Server) -> Reply:
        creator, person = on.people(2)
        return person.join(creator.new_room(invite=[person.user_id]), body)

    before = errors(server)
    reply = join(server)
    assert reply.status < 500 or join(plain_server).status == reply.status
    assert errors(server) == before


ROOMS = [
    "", "!", "x", "!x:y:z", "#alias:localhost", "@user:localhost", "!" + "a" * 5000,
    "!room\u0001:localhost", "!über:localhost", "!a%b:localhost", "!🐈:localhost",
    "' OR 1=1 --", "!\ud83d", "!null\u0000:localhost",
]  # fmt: skip


@pytest.mark.parametrize("room", ROOMS)
def test_room_ids_of_any_shape_cause_no_500_of_ours(
    server: Server, plain_server: Server, room: str
) -> None:
    encoded = quote(room, safe="", errors="surrogatepass")
    for method, path, body in (
        ("POST", f"/join/{encoded}", {}),
        ("POST", f"/rooms/{encoded}/join", {}),
        ("POST", f"/rooms/{encoded}/invite", {"user_id": "@somebody:localhost"}),
        ("PUT", f"/rooms/{encoded}/state/m.room.join_rules/", {"join_rule": "public"}),
        ("PUT", f"/directory/list/room/{encoded}", {"visibility": "public"}),
        ("PUT", "/directory/room/%23x%3Alocalhost", {"room_id": room}),
    ):
        reply = server.person().call(method, path, body)
        if reply.status >= 500:
            assert plain_server.person().call(method, path, body).status == reply.status, (
                path,
                reply,
            )


USERS = [
    "", "@", "@a", "a:b", "@a:b:c", "@ü:localhost", "@" + "a" * 400 + ":localhost",
    "@nobody:localhost", "@a\u0001:localhost", "@a\u0000:localhost", 5, None, [], {},
]  # fmt: skip


@pytest.mark.parametrize("user", USERS)
def test_user_ids_of_any_shape_cause_no_500_of_ours(
    server: Server, plain_server: Server, user: Any
) -> None:
    def invite(on: Server) -> list[int]:
        creator = on.person()
        room = creator.new_room()
        invited = creator.call("POST", f"/rooms/{room}/invite", {"user_id": user})
        return [invited.status, creator.create_room(invite=[user]).status]

    before = errors(server)
    statuses = invite(server)
    if max(statuses) >= 500:
        assert [status for status in invite(plain_server) if status >= 500], statuses
    assert errors(server) == before


def errors(server: Server) -> float:
    """How many of the module's decisions broke so far."""
    metrics = server.homeserver.metrics()
    return sum(value for series, value in metrics.items() if "capgroups_errors_total" in series)


def test_when_the_database_fails_a_join_is_refused_and_a_message_passes(start: Starter) -> None:
    server = start(module={"cap": 6, "code_limit": 4})
    room, people = server.group(2)
    person = server.person()
    expect(people[0].invite(room, person))
    server.query("ALTER TABLE capgroups_seats RENAME TO gone")

    reply = person.join(room)
    assert refused(reply, "undecided")
    assert refused(people[0].invite(room, server.person()), "undecided")
    assert people[0].send(room, "still here").ok
    assert people[0].set_room_name_of_own(room, "still me").ok
    log = server.homeserver.log.read_text()
    assert log.count("Could not decide: join") == 1
    assert room in log[log.index("Could not decide: join") :].splitlines()[0]

    server.query("ALTER TABLE gone RENAME TO capgroups_seats")
    assert person.join(room).ok


def test_with_enforce_false_everything_is_decided_and_logged_and_nothing_refused(
    start: Starter,
) -> None:
    server = start(module={"cap": 3, "code_limit": 2, "enforce": False})
    creator, *others = server.people(5)
    room = creator.new_room(visibility="public", preset="public_chat", room_alias_name="open")
    for person in others:
        assert person.join(room).ok
    assert creator.invite(room, server.person()).ok
    assert creator.list_in_directory(room, "public").ok
    assert creator.add_address(room, "#another:localhost").ok
    assert creator.set_state(room, "m.room.guest_access", {"guest_access": "can_join"}).ok

    lines = server.homeserver.journal()
    assert "refused" not in [word for word, _ in lines]
    would_be = [
        (facts["decision"], facts["reason"]) for word, facts in lines if word == "not_enforced"
    ]
    assert would_be == [
        ("creation", "not_listed"),
        ("join", "invite_required"),
        ("join", "friends_only"),
        ("join", "full"),
        ("join", "full"),
        ("invitation", "full"),
        ("listing", "not_listed"),
        ("address", "no_addresses"),
        ("state", "no_public_rooms"),
    ]
    ways = server.query(
        "SELECT how FROM capgroups_admissions WHERE room_id = ? ORDER BY members_after", room
    )
    assert ways == [("creator",)] + [("unenforced",)] * 4
