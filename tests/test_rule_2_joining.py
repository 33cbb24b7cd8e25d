"""Rule 2: who may join, in this order; and invitations that could only fail."""

import time
from urllib.parse import quote

import pytest

from synapse_capgroups.demo.person import expect
from tests.conftest import CAP, CODE_LIMIT, Server, eventually, refused


def test_a_member_may_rename_themselves_in_a_full_group(server: Server) -> None:
    room, people = server.group(CAP)
    assert people[1].set_room_name_of_own(room, "Somebody else").ok
    content = people[0].state(room, "m.room.member", people[1].user_id).body
    assert content["displayname"] == "Somebody else"


def test_a_repeated_join_of_a_member_takes_no_seat_and_is_never_refused(server: Server) -> None:
    room, people = server.group(CAP)
    assert people[1].join(room).ok
    assert len(people[0].members(room)) == CAP


def test_a_global_name_change_reaches_a_full_group(server: Server) -> None:
    room, people = server.group(CAP)
    path = f"/profile/{people[1].user_id}/displayname"
    expect(people[1].call("PUT", path, {"displayname": "Global"}))

    def name_in_group() -> object:
        return people[0].state(room, "m.room.member", people[1].user_id).body.get("displayname")

    assert eventually(lambda: name_in_group() == "Global")


def test_a_banned_person_is_refused_and_hears_nothing_about_limits(server: Server) -> None:
    room, people = server.group(CAP - 1)
    banned = server.person()
    people[0].befriend(banned)
    expect(people[0].invite(room, banned))
    expect(people[0].ban(room, banned))
    server.admit(room, people[0], server.person(), as_friend=True)
    assert len(people[0].members(room)) == CAP

    for reply in (banned.join(room), people[0].invite(room, banned)):
        assert reply.status == 403
        assert "ban" in reply.error
        assert "org.capgroups.limit" not in reply.body


def test_a_stranger_cannot_join_a_full_group(server: Server) -> None:
    room, _ = server.group(CAP)
    reply = server.person().join(room)
    assert refused(reply, "full")
    assert reply.body["org.capgroups.members"] == CAP
    assert reply.body["org.capgroups.limit"] == CAP


def test_an_invited_friend_cannot_join_a_full_group(server: Server) -> None:
    room, people = server.group(CAP - 1)
    late = server.person()
    people[0].befriend(late)
    expect(people[0].invite(room, late))
    server.admit(room, people[0], server.person(), as_friend=True)
    assert refused(late.join(room), "full")


def test_below_the_code_limit_a_stranger_needs_an_invitation(server: Server) -> None:
    room, _ = server.group(1)
    assert refused(server.person().join(room), "invite_required")


def test_below_the_code_limit_any_members_invitation_will_do(server: Server) -> None:
    room, people = server.group(2)
    someone = server.person()
    expect(people[1].invite(room, someone))
    assert someone.join(room).ok


def test_an_invitation_by_someone_who_left_is_void(server: Server) -> None:
    room, people = server.group(3)
    someone = server.person()
    expect(people[1].invite(room, someone))
    expect(people[1].leave(room))
    assert refused(someone.join(room), "invite_required")


def test_a_withdrawn_invitation_is_void(server: Server) -> None:
    room, people = server.group(2)
    someone = server.person()
    expect(people[0].invite(room, someone))
    expect(people[0].kick(room, someone))
    assert refused(someone.join(room), "invite_required")


def test_the_last_place_below_the_code_limit_needs_no_friend(server: Server) -> None:
    room, people = server.group(CODE_LIMIT - 1)
    someone = server.person()
    expect(people[0].invite(room, someone))
    assert someone.join(room).ok


def test_from_the_code_limit_on_an_invitation_by_a_stranger_is_not_enough(server: Server) -> None:
    room, people = server.group(CODE_LIMIT - 1)
    someone = server.person()
    expect(people[1].invite(room, someone))  # while it was enough
    server.admit(room, people[0], server.person())
    reply = someone.join(room)
    assert refused(reply, "friends_only")
    assert reply.body["org.capgroups.members"] == CODE_LIMIT
    assert reply.body["org.capgroups.limit"] == CODE_LIMIT


def test_from_the_code_limit_on_a_friends_invitation_is_enough(server: Server) -> None:
    room, people = server.group(CODE_LIMIT)
    someone = server.person()
    people[2].befriend(someone)
    expect(people[2].invite(room, someone))
    assert someone.join(room).ok


def test_from_the_code_limit_on_friendship_without_an_invitation_is_not_enough(
    server: Server,
) -> None:
    room, people = server.group(CODE_LIMIT)
    someone = server.person()
    people[0].befriend(someone)
    assert refused(someone.join(room), "friends_only")


def test_a_friend_who_left_the_group_vouches_for_nobody(server: Server) -> None:
    room, people = server.group(CODE_LIMIT + 1)
    someone = server.person()
    people[1].befriend(someone)
    expect(people[1].invite(room, someone))
    expect(people[1].leave(room))
    assert refused(someone.join(room), "friends_only")


def test_the_decision_is_made_when_the_join_happens(server: Server) -> None:
    room, people = server.group(CODE_LIMIT)
    someone = server.person()
    chat = people[1].befriend(someone)
    expect(people[1].invite(room, someone))
    expect(people[1].leave(chat))
    assert refused(someone.join(room), "friends_only")


def test_a_group_that_shrinks_below_the_code_limit_is_open_again(server: Server) -> None:
    room, people = server.group(CODE_LIMIT)
    someone = server.person()
    assert refused(people[0].invite(room, someone), "friends_only")
    expect(people[-1].leave(room))
    expect(people[0].invite(room, someone))
    assert someone.join(room).ok


def test_an_invitation_that_could_only_fail_is_refused_when_it_is_sent(server: Server) -> None:
    room, people = server.group(CODE_LIMIT)
    someone = server.person()
    reply = people[0].invite(room, someone)
    assert refused(reply, "friends_only")
    assert reply.body["org.capgroups.limit"] == CODE_LIMIT

    for _ in range(CAP - CODE_LIMIT):
        server.admit(room, people[0], server.person(), as_friend=True)
    people[0].befriend(someone)
    reply = people[0].invite(room, someone)
    assert refused(reply, "full")
    assert reply.body["org.capgroups.members"] == CAP


def test_a_stranger_who_invites_learns_nothing_about_the_group(server: Server) -> None:
    room, _ = server.group(CAP)
    reply = server.person().invite(room, server.person())
    assert reply.status == 403
    assert not [key for key in reply.body if key.startswith("org.capgroups")]


def test_a_creation_that_invites_more_than_the_cap_is_refused_before_the_room_exists(
    server: Server,
) -> None:
    creator, *others = server.people(CAP + 1)
    reply = creator.create_room(invite=[person.user_id for person in others])
    assert refused(reply, "full")
    assert reply.body["org.capgroups.members"] == CAP + 1
    assert reply.body["org.capgroups.limit"] == CAP
    assert server.query("SELECT * FROM rooms WHERE creator = ?", creator.user_id) == []

    assert creator.create_room(invite=[person.user_id for person in others[:-1]]).ok


def test_a_server_admin_passes_and_counts_as_a_member(server: Server) -> None:
    room, people = server.group(CAP - 1)
    admin = server.person(admin=True)
    people[0].befriend(admin)
    expect(people[0].invite(room, admin))
    server.admit(room, people[0], server.person(), as_friend=True)
    assert admin.join(room).ok  # the cap stands in nobody's way who runs the server
    assert len(people[0].members(room)) == CAP + 1
    someone = server.person()
    people[0].befriend(someone)
    assert refused(people[0].invite(room, someone), "full")


def test_a_guest_cannot_be_in_a_group(server: Server) -> None:
    room, people = server.group(2)
    guest = server.homeserver.register_guest()
    assert refused(people[0].invite(room, guest), "no_guests")
    assert guest.join(room).status == 403
    assert refused(people[0].create_room(invite=[guest.user_id]), "no_guests")


def test_knocking_is_allowed_and_its_answer_is_an_invitation_like_any_other(
    server: Server,
) -> None:
    room, people = server.group(CODE_LIMIT)
    expect(people[0].set_state(room, "m.room.join_rules", {"join_rule": "knock"}))
    someone = server.person()
    expect(someone.call("POST", f"/knock/{room}", {}))
    assert refused(people[0].invite(room, someone), "friends_only")
    people[0].befriend(someone)
    expect(people[0].invite(room, someone))
    assert someone.join(room).ok


@pytest.mark.parametrize(
    "query",
    ["", pytest.param("?org.matrix.msc4140.delay=100", marks=pytest.mark.newer_synapse)],
)
def test_nobody_joins_in_anothers_name_or_holds_a_seat_for_them(server: Server, query: str) -> None:
    room, people = server.group(CODE_LIMIT - 1)
    sleeper, eve = server.people(2)
    expect(people[0].invite(room, sleeper))
    path = f"/rooms/{room}/state/m.room.member/{sleeper.user_id}{query}"
    for attacker in (eve, people[1]):
        assert attacker.call("PUT", path, {"membership": "join"}).status == 403
    time.sleep(0.3)
    for table in ("capgroups_seats", "capgroups_admissions"):
        assert server.query(f"SELECT * FROM {table} WHERE user_id = ?", sleeper.user_id) == []
    assert sleeper.user_id not in people[0].members(room)
    own = f"/rooms/{room}/state/m.room.member/{sleeper.user_id}"
    assert sleeper.call("PUT", own, {"membership": "join"}).ok


@pytest.mark.parametrize("members", [1, CODE_LIMIT, CAP])
def test_a_server_admin_makes_somebody_admin_of_any_group(server: Server, members: int) -> None:
    admin, other = server.person(admin=True), server.person()
    room, people = server.group(members)
    path = f"/_synapse/admin/v1/rooms/{quote(room, safe='')}/make_room_admin"
    expect(admin.call("POST", path, {}))
    expect(admin.join(room))
    expect(admin.call("POST", path, {"user_id": other.user_id}))
    assert people[0].state(room, "m.room.member", other.user_id).body["membership"] == "invite"
    # Whoever is no admin themselves is judged when they join, as anybody.
    assert other.join(room).ok == (members == 1)
