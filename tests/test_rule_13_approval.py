"""Rule 13: moderators can ask to be asked."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from synapse_capgroups.demo.person import Person, Reply, expect
from synapse_capgroups.rules.approval import MOST_BY_CODE, MOST_OF_PERSON
from synapse_capgroups.rules.verdict import Reason, Refusal
from synapse_capgroups.words.lookup import Audience, Words
from tests.conftest import API, CAP, CODE_LIMIT, Server, Starter, eventually, joined_rooms, refused
from tests.refusing_module import SENTENCE, beside, refuse
from tests.test_concierge import Chat, invitations
from tests.test_rule_11_live_codes import series_on
from tests.test_rule_15_forgetting import deactivate, restart, rows_that_name

pytestmark = pytest.mark.long(0.5)

ENGINES = pytest.mark.parametrize("engine", ["sqlite", "postgres"])
SMALL = {"cap": CAP, "code_limit": CODE_LIMIT}
ENGLISH = Words()
DAY_MS = 24 * 60 * 60 * 1000


def turn(person: Person, room: str, *, on: bool = True) -> Reply:
    return person.call("PUT", f"{API}/groups/{quote(room)}/approval", {"on": on})


def answer(person: Person, room: str, who: Person, *, approve: bool) -> Reply:
    path = f"{API}/groups/{quote(room)}/requests/{quote(who.user_id)}"
    return person.call("POST", path, {"approve": approve})


def requests(person: Person, room: str, query: str = "") -> Reply:
    return person.call("GET", f"{API}/groups/{quote(room)}/requests{query}")


def waiting(person: Person, room: str) -> list[str]:
    """The Matrix IDs of those who wait, as a moderator sees them."""
    return [waits["user_id"] for waits in expect(requests(person, room)).body["requests"]]


def number_of(server: Server, who: Person) -> int:
    rows = server.query("SELECT number FROM capgroups_requests WHERE user_id = ?", who.user_id)
    return int(rows[0][0])


def promote(room: str, by: Person, *people: Person, level: int = 50) -> None:
    levels = expect(by.state(room, "m.room.power_levels")).body
    users = {**levels["users"], **{person.user_id: level for person in people}}
    expect(by.set_state(room, "m.room.power_levels", {**levels, "users": users}))


def group_with_approval(
    server: Server, members: int = 1, **code: Any
) -> tuple[str, list[Person], dict[str, Any]]:
    """A group, its members, of whom the creator has turned approval on, and a code of theirs."""
    room, people = server.group(members)
    made = server.make_code(room, people[0], **code)
    expect(turn(people[0], room))
    return room, people, made


def ask(server: Server, code: Mapping[str, Any], person: Person | None = None) -> Person:
    """Somebody scans the code and waits."""
    person = person or server.person()
    assert refused(server.scan(person, code), "awaiting_approval")
    return person


def already(reply: Reply, by: Person, *, approved: bool) -> bool:
    """Whether somebody reads that another moderator was first, and who that was."""
    return (
        reply.status == 409
        and reply.reason == "already_answered"
        and reply.body["org.capgroups.answered_by"] == by.user_id
        and reply.body["org.capgroups.approved"] is approved
        and by.user_id in reply.error
    )


# Waiting at the door.


def test_who_scans_a_code_waits_and_is_brought_in_when_a_moderator_agrees(server: Server) -> None:
    room, (creator,), code = group_with_approval(server)
    bob = server.person()
    reply = server.scan(bob, code)
    assert refused(reply, "awaiting_approval")
    assert reply.error == ENGLISH.refusal(Refusal(Reason.AWAITING_APPROVAL), Audience.JOINING)
    assert joined_rooms(bob) == []
    (request,) = expect(requests(creator, room)).body["requests"]
    assert request["user_id"] == bob.user_id
    assert request["code_id"] == code["code_id"]
    assert request["expires_at"] - request["asked_at"] == 7 * DAY_MS
    expect(answer(creator, room, bob, approve=True))
    assert joined_rooms(bob) == [room]
    assert waiting(creator, room) == []


def test_the_record_says_by_which_code_they_asked_and_who_agreed(server: Server) -> None:
    room, (creator,), code = group_with_approval(server)
    bob = ask(server, code)
    expect(answer(creator, room, bob, approve=True))
    record = server.query(
        "SELECT how, inviter, code_id FROM capgroups_admissions WHERE room_id = ? AND user_id = ?",
        room,
        bob.user_id,
    )
    assert record == [("approved", creator.user_id, code["code_id"])]
    said = [
        (word, facts) for word, facts in server.homeserver.journal() if facts.get("group") == room
    ]
    words = [word for word, facts in said if facts.get("user") == bob.user_id]
    assert words == ["asked", "admitted", "approved"]
    path = f"{API}/groups/{quote(room)}/codes"
    assert expect(creator.call("GET", path)).body["codes"][0]["uses"] == 1
    chat = Chat(creator)
    assert f"({bob.user_id}) asked by the code {code['code_id']}" in chat.ask("who A group")


def test_who_waits_holds_no_seat_and_uses_up_no_code(server: Server) -> None:
    room, (creator,), code = group_with_approval(server, max_uses=1)
    for _ in range(3):
        ask(server, code)
    group = expect(creator.call("GET", f"{API}/groups/{quote(room)}")).body
    assert (group["members"], group["seats_left"], group["approval"]) == (1, CAP - 1, True)
    assert server.preview(code).body["state"] == "alive"
    assert len(waiting(creator, room)) == 3


def test_scanning_again_makes_no_second_request(server: Server) -> None:
    room, (creator,), code = group_with_approval(server)
    other = server.make_code(room, creator)
    bob = ask(server, code)
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda made: server.scan(bob, made), [code, other, code, other]))
    assert all(refused(reply, "awaiting_approval") for reply in again)
    assert waiting(creator, room) == [bob.user_id]


def test_a_member_is_let_pass_and_a_banned_person_reads_that_they_are(server: Server) -> None:
    room, (creator, member), code = group_with_approval(server, 2)
    bob = server.person()
    expect(creator.ban(room, bob))
    assert refused(server.scan(bob, code), "banned")
    expect(server.scan(member, code))
    assert waiting(creator, room) == []


def test_who_is_invited_by_a_moderator_need_not_wait(server: Server) -> None:
    room, (creator,), code = group_with_approval(server)
    bob = server.person()
    expect(creator.invite(room, bob))
    expect(server.scan(bob, code))
    assert bob.user_id in creator.members(room)


def test_the_preview_says_that_a_moderator_is_asked(server: Server) -> None:
    room, (creator,), code = group_with_approval(server)
    assert expect(server.preview(code)).body["approval"] is True
    expect(turn(creator, room, on=False))
    time.sleep(1.1)  # An answer is a second old at most.
    assert expect(server.preview(code)).body["approval"] is False


def test_with_approval_off_a_code_lets_people_in_at_once_and_who_waited_comes_by_it(
    server: Server,
) -> None:
    room, (creator,), code = group_with_approval(server)
    bob = ask(server, code)
    expect(turn(creator, room, on=False))
    assert waiting(creator, room) == [bob.user_id]
    expect(server.scan(bob, code))
    assert bob.user_id in creator.members(room)
    assert waiting(creator, room) == []


def test_a_series_asks_in_each_of_its_groups_and_a_person_once(server: Server) -> None:
    series = series_on(server, fill=1)
    organiser, first = series.organiser, series.first
    expect(turn(organiser, first))
    bob, eve, tom = server.people(3)
    for person in (bob, eve, tom):
        assert refused(series.scan(person), "awaiting_approval")
    expect(answer(organiser, first, bob, approve=True))
    expect(answer(organiser, first, eve, approve=False))
    # The next group is filled now, and asks its moderators too, but not about the same people.
    assert refused(series.scan(eve), "not_approved")
    assert refused(series.scan(tom), "awaiting_approval")
    zoe = server.person()
    assert refused(series.scan(zoe), "awaiting_approval")
    second = series.rooms[1]
    assert waiting(organiser, first) == [tom.user_id]
    assert waiting(organiser, second) == [zoe.user_id]
    expect(answer(organiser, second, zoe, approve=True))
    assert zoe.user_id in organiser.members(second)


# Answers.


def test_a_no_is_told_in_the_chat_with_the_concierge_once_and_stands_for_a_week(
    server: Server,
) -> None:
    room, (creator,), code = group_with_approval(server)
    bob = ask(server, code)
    assert invitations(bob) == []
    expect(answer(creator, room, bob, approve=False))
    chat = Chat(bob)
    told = ENGLISH.say("request_refused", group="A group")
    assert eventually(lambda: [m["body"] for m in chat.messages()][1:] == [told])
    reply = server.scan(bob, code)
    assert refused(reply, "not_approved")
    assert reply.error == ENGLISH.refusal(Refusal(Reason.NOT_APPROVED), Audience.JOINING)
    assert waiting(creator, room) == []
    assert already(answer(creator, room, bob, approve=True), creator, approved=False)
    # A week later.
    back = "UPDATE capgroups_requests SET answered_at = answered_at - ? WHERE user_id = ?"
    server.query(back, 8 * DAY_MS, bob.user_id)
    ask(server, code, bob)
    assert len(chat.messages()) == 2


def test_who_was_refused_can_be_invited_by_a_moderator_who_decides_otherwise(
    server: Server,
) -> None:
    room, (creator,), code = group_with_approval(server)
    bob = ask(server, code)
    expect(answer(creator, room, bob, approve=False))
    server.admit(room, creator, bob)
    assert bob.user_id in creator.members(room)


def test_the_first_answer_counts_and_a_second_moderator_reads_who_gave_it(server: Server) -> None:
    room, (creator, other), code = group_with_approval(server, 2)
    promote(room, creator, other)
    bob, eve = ask(server, code), ask(server, code)
    expect(answer(other, room, bob, approve=True))
    assert already(answer(creator, room, bob, approve=True), other, approved=True)
    assert already(answer(creator, room, bob, approve=False), other, approved=True)
    assert bob.user_id in creator.members(room)
    expect(answer(creator, room, eve, approve=False))
    assert already(answer(other, room, eve, approve=True), creator, approved=False)
    assert eve.user_id not in creator.members(room)


def test_of_many_answers_at_once_exactly_one_counts(server: Server) -> None:
    room, people, code = group_with_approval(server, 3)
    promote(room, people[0], *people[1:])
    bob = ask(server, code)
    with ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(lambda n: answer(people[n % 3], room, bob, approve=True), range(6)))
    assert sorted(reply.status for reply in replies) == [200, 409, 409, 409, 409, 409]
    assert bob.user_id in people[0].members(room)
    record = "SELECT COUNT(*) FROM capgroups_admissions WHERE room_id = ? AND user_id = ?"
    assert server.query(record, room, bob.user_id) == [(1,)]


def test_a_request_for_a_full_group_waits_until_there_is_a_place(server: Server) -> None:
    room, people, code = group_with_approval(server)
    creator = people[0]
    bob = ask(server, code)
    creator.befriend(bob)
    while len(people) < CAP:
        people.append(server.person())
        server.admit(room, creator, people[-1], as_friend=len(people) > CODE_LIMIT)
    reply = answer(creator, room, bob, approve=True)
    assert refused(reply, "full")
    assert reply.body["org.capgroups.limit"] == CAP
    assert waiting(creator, room) == [bob.user_id]
    expect(people[1].leave(room))
    expect(answer(creator, room, bob, approve=True))
    assert bob.user_id in creator.members(room)


def test_from_the_code_limit_on_only_a_friend_of_theirs_can_agree(server: Server) -> None:
    room, (creator, other), code = group_with_approval(server, 2)
    promote(room, creator, other)
    bob = ask(server, code)
    for _ in range(CODE_LIMIT - 2):
        server.admit(room, creator, server.person())
    # The code is dead, and the request waits on.
    assert server.preview(code).body["state"] == "code_closed"
    assert refused(answer(creator, room, bob, approve=True), "friends_only")
    assert waiting(creator, room) == [bob.user_id]
    other.befriend(bob)
    assert refused(answer(creator, room, bob, approve=True), "friends_only")
    expect(answer(other, room, bob, approve=True))
    assert bob.user_id in creator.members(room)


def test_a_request_outlives_its_code(server: Server) -> None:
    room, (creator,), code = group_with_approval(server)
    bob = ask(server, code)
    path = f"{API}/groups/{quote(room)}/codes/{code['code_id']}"
    expect(creator.call("DELETE", path))
    expect(answer(creator, room, bob, approve=True))
    assert bob.user_id in creator.members(room)


def test_who_was_banned_meanwhile_cannot_be_agreed_to_and_the_request_is_over(
    server: Server,
) -> None:
    room, (creator,), code = group_with_approval(server)
    bob = ask(server, code)
    expect(creator.ban(room, bob))
    assert refused(answer(creator, room, bob, approve=True), "banned")
    assert waiting(creator, room) == []
    assert answer(creator, room, bob, approve=True).status == 404
    assert bob.user_id not in creator.members(room)


def test_who_came_in_by_an_invitation_meanwhile_waits_no_more(server: Server) -> None:
    room, (creator,), code = group_with_approval(server)
    bob = ask(server, code)
    server.admit(room, creator, bob)
    assert waiting(creator, room) == []
    assert already(answer(creator, room, bob, approve=False), creator, approved=True)


def test_the_account_of_who_waits_may_be_gone_or_suspended(start: Starter) -> None:
    server = start(
        module=SMALL, settings={"experimental_features": {"msc3823_account_suspension": True}}
    )
    admin = server.person(admin=True)
    room, (creator,), code = group_with_approval(server)
    bob, eve = ask(server, code), ask(server, code)
    deactivate(bob, admin, erase=False)
    assert waiting(creator, room) == [eve.user_id]
    assert answer(creator, room, bob, approve=True).status == 404
    path = f"/_synapse/admin/v1/suspend/{quote(eve.user_id)}"
    expect(admin.call("PUT", path, {"suspend": True}))
    assert refused(answer(creator, room, eve, approve=True), "requester_suspended")
    expect(admin.call("PUT", path, {"suspend": False}))
    expect(answer(creator, room, eve, approve=True))
    # A suspended moderator decides nothing.
    tom = ask(server, code)
    expect(
        admin.call("PUT", f"/_synapse/admin/v1/suspend/{quote(creator.user_id)}", {"suspend": True})
    )
    for approve in (True, False):
        reply = answer(creator, room, tom, approve=approve)
        assert (reply.status, reply.body["errcode"]) == (403, "M_USER_SUSPENDED")
    assert turn(creator, room, on=False).status == 403
    assert eve.user_id in eve.members(room)
    assert tom.user_id not in eve.members(room)


def test_who_has_lost_the_power_or_left_answers_nothing(server: Server) -> None:
    room, (creator, other), code = group_with_approval(server, 2)
    promote(room, creator, other)
    bob = ask(server, code)
    promote(room, creator, other, level=0)
    assert refused(answer(other, room, bob, approve=True), "not_entitled")
    promote(room, creator, other)
    expect(other.leave(room))
    assert answer(other, room, bob, approve=True).status == 404
    assert waiting(creator, room) == [bob.user_id]


def test_a_stranger_and_a_member_without_the_power_may_do_none_of_it(server: Server) -> None:
    room, (creator, member), code = group_with_approval(server, 2)
    bob = ask(server, code)
    stranger = server.person()
    tries: list[Callable[[Person], Reply]] = [
        lambda who: turn(who, room, on=False),
        lambda who: turn(who, room),
        lambda who: requests(who, room),
        lambda who: answer(who, room, bob, approve=True),
        lambda who: answer(who, room, bob, approve=False),
        # Whether anybody waits is not told either.
        lambda who: answer(who, room, stranger, approve=True),
    ]
    for attempt in tries:
        assert refused(attempt(member), "not_entitled")
        for outsider in (stranger, bob):
            unknown = attempt(outsider)
            assert (unknown.status, unknown.body["errcode"]) == (404, "M_NOT_FOUND")
            assert unknown.error == ENGLISH.say("group_unknown")
    assert waiting(creator, room) == [bob.user_id]


def test_a_request_that_another_module_stands_against_waits_on(start: Starter) -> None:
    server = start(module=None, settings=beside(SMALL))
    room, (creator,), code = group_with_approval(server)
    bob = ask(server, code)
    for what in ("invite", "join"):
        refuse(server, **{what: [bob.user_id]})
        reply = answer(creator, room, bob, approve=True)
        assert (reply.status, reply.error) == (403, SENTENCE)
        assert waiting(creator, room) == [bob.user_id]
        assert joined_rooms(bob) == []
    refuse(server)
    expect(answer(creator, room, bob, approve=True))
    assert bob.user_id in creator.members(room)


def test_who_is_agreed_to_arrives_under_a_generated_name_where_newcomers_do(
    start: Starter,
) -> None:
    server = start(module={**SMALL, "names": {"on_arrival": "pseudonym"}})
    room, (creator,), code = group_with_approval(server)
    bob = ask(server, code)
    expect(answer(creator, room, bob, approve=True))
    shown = expect(creator.state(room, "m.room.member", bob.user_id)).body["displayname"]
    assert len(shown.split()) == 2
    assert bob.name.lower() not in shown.lower()


# Invitations.


def test_with_approval_on_members_without_the_power_invite_nobody(server: Server) -> None:
    room, (creator, member), _ = group_with_approval(server, 2)
    bob = server.person()
    reply = member.invite(room, bob)
    assert refused(reply, "approval_required")
    assert reply.error == ENGLISH.refusal(Refusal(Reason.APPROVAL_REQUIRED), Audience.INVITING)
    server.admit(room, creator, bob)
    expect(turn(creator, room, on=False))
    expect(member.invite(room, server.person()))


def test_an_invitation_that_no_moderator_stands_for_any_more_lets_nobody_in(
    server: Server,
) -> None:
    room, (creator, member, other) = server.group(3)
    promote(room, creator, other)
    bob, eve = server.people(2)
    expect(member.invite(room, bob))
    expect(turn(creator, room))
    reply = bob.join(room)
    assert refused(reply, "approval_required")
    assert reply.error == ENGLISH.refusal(Refusal(Reason.APPROVAL_REQUIRED), Audience.JOINING)
    expect(other.invite(room, eve))
    promote(room, creator, other, level=0)
    assert refused(eve.join(room), "approval_required")
    promote(room, creator, other)
    expect(eve.join(room))


# Bounds.


def test_so_many_people_wait_by_one_code_and_one_person_in_so_many_groups(server: Server) -> None:
    room, (creator,), code = group_with_approval(server)
    now = int(time.time() * 1000)

    def wait(number: int, room_id: str, user_id: str, code_id: str, asked_at: int) -> None:
        server.query(
            "INSERT INTO capgroups_requests (number, room_id, user_id, code_id, asked_at, told_at) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            number, room_id, user_id, code_id, asked_at, asked_at,
        )  # fmt: skip

    start = int(code["code_id"], 16) % 10**8 * 1000 + 10**12
    for number in range(MOST_BY_CODE):
        wait(start + number, room, f"@{number}:elsewhere", code["code_id"], now)
    bob = server.person()
    assert refused(server.scan(bob, code), "too_many_requests")
    ask(server, server.make_code(room, creator), bob)
    # One whose time is over counts no more.
    server.query(
        "UPDATE capgroups_requests SET asked_at = ? WHERE number = ?", now - 8 * DAY_MS, start
    )
    ask(server, code)

    eve = server.person()
    for number in range(MOST_OF_PERSON):  # In rooms that there are: the others are swept away.
        wait(start + 100 + number, creator.new_room(), eve.user_id, "other", now)
    _, _, tea_code = group_with_approval(server)
    assert refused(server.scan(eve, tea_code), "too_many_own_requests")
    server.query("DELETE FROM capgroups_requests WHERE number = ?", start + 100)
    ask(server, tea_code, eve)
    server.query(
        "DELETE FROM capgroups_requests WHERE number >= ? AND number < ?", start, start + 200
    )


def test_a_list_of_requests_has_pages(server: Server) -> None:
    room, (creator,), code = group_with_approval(server)
    people = [ask(server, code).user_id for _ in range(3)]
    first = expect(requests(creator, room, "?limit=2")).body
    assert [waits["user_id"] for waits in first["requests"]] == people[:2]
    second = expect(requests(creator, room, f"?limit=2&from={first['next']}")).body
    assert [waits["user_id"] for waits in second["requests"]] == people[2:]
    assert "next" not in second
    assert requests(creator, room, "?from=5-abc").status == 400


# Time, restarts and forgetting.


@ENGINES
def test_a_request_ends_after_a_week_and_can_be_made_again(start: Starter, engine: str) -> None:
    server = start(engine, module=SMALL)
    room, (creator,), code = group_with_approval(server)
    bob, eve = ask(server, code), ask(server, code)
    server.query("UPDATE capgroups_requests SET asked_at = asked_at - ?", 8 * DAY_MS)
    # Before the sweep has seen it, too.
    assert answer(creator, room, bob, approve=True).status == 404
    ask(server, code, bob)
    restart(server)
    assert eventually(lambda: waiting(creator, room) == [bob.user_id])
    ended = [
        facts["user"] for word, facts in server.homeserver.journal() if word == "request_ended"
    ]
    assert ended == [eve.user_id]
    expect(answer(creator, room, bob, approve=True))
    server.query("UPDATE capgroups_requests SET answered_at = answered_at - ?", 8 * DAY_MS)
    restart(server)
    assert eventually(lambda: server.query("SELECT * FROM capgroups_requests") == [])
    assert eventually(lambda: server.query("SELECT * FROM capgroups_told") == [])


@ENGINES
def test_who_was_agreed_to_while_the_server_was_killed_waits_on(
    start: Starter, engine: str
) -> None:
    server = start(engine, module=SMALL)
    room, (creator,), code = group_with_approval(server)
    bob = ask(server, code)
    server.homeserver.stop()
    now = int(time.time() * 1000)
    # As a process leaves it that is killed between its decision and the join.
    server.query(
        "INSERT INTO capgroups_seats (room_id, user_id, attempt, after_stream_ordering, "
        "admitted_at, expires_at) VALUES (?, ?, 'x', 0, ?, ?)",
        room, bob.user_id, now, now + 1000,
    )  # fmt: skip
    server.query(
        "UPDATE capgroups_requests SET answered_at = ?, answered_by = ?, approved = ?",
        now, creator.user_id, True,
    )  # fmt: skip
    time.sleep(1.1)
    server.homeserver.start()
    assert eventually(lambda: waiting(creator, room) == [bob.user_id])
    expect(answer(creator, room, bob, approve=True))
    assert bob.user_id in creator.members(room)


@ENGINES
def test_nothing_of_who_waited_is_kept_when_account_or_room_are_gone(
    start: Starter, engine: str
) -> None:
    server = start(engine, module=SMALL)
    admin = server.person(admin=True)
    room, (creator, other), code = group_with_approval(server, 2)
    promote(room, creator, other)
    bob, eve, tom = (ask(server, code) for _ in range(3))
    deactivate(bob, None, erase=False)
    assert rows_that_name(server, bob.user_id) == []
    expect(answer(other, room, tom, approve=False))
    deactivate(other, admin, erase=True)
    assert rows_that_name(server, other.user_id) == []
    refusals = "SELECT answered_by FROM capgroups_requests WHERE user_id = ?"
    assert server.query(refusals, tom.user_id) == [("an erased account",)]
    # Who is deactivated while the module is off is found by the sweep.
    server.query("UPDATE users SET deactivated = 1 WHERE name = ?", eve.user_id)
    restart(server)
    assert eventually(lambda: rows_that_name(server, eve.user_id) == [])
    expect(turn(creator, room))
    deactivate(creator, admin, erase=True)
    assert server.query("SELECT set_by FROM capgroups_approval") == [("an erased account",)]
    # Synapse takes deactivated people out of their rooms afterwards; a deletion meanwhile fails.
    parting = "SELECT COUNT(*) FROM users_pending_deactivation"
    assert eventually(lambda: server.query(parting) == [(0,)], 60)
    purge = {"purge": True, "force_purge": True}
    path = f"/_synapse/admin/v2/rooms/{quote(room)}"
    rooms = "SELECT 1 FROM rooms WHERE room_id = ?"
    for _ in range(3):  # A deletion that Synapse gives up is asked for again, as an admin does.
        expect(admin.call("DELETE", path, purge))
        if gone := eventually(lambda: server.query(rooms, room) == [], 20):
            break
    assert gone, admin.call("GET", f"{path}/delete_status")
    restart(server)
    for table in ("approval", "requests", "told"):
        assert eventually(lambda t=table: server.query(f"SELECT * FROM capgroups_{t}") == [])  # type: ignore[misc]


def test_the_group_that_replaces_one_with_approval_has_approval_too(server: Server) -> None:
    room, (creator,), _ = group_with_approval(server)
    upgrade = {"new_version": "11"}
    successor = expect(creator.call("POST", f"/rooms/{quote(room)}/upgrade", upgrade)).body
    path = f"{API}/groups/{quote(successor['replacement_room'])}"
    assert eventually(lambda: expect(creator.call("GET", path)).body["approval"] is True)


def test_in_a_trial_nobody_waits(start: Starter) -> None:
    server = start(module=SMALL)
    room, (creator, member), code = group_with_approval(server, 2)
    bob, eve = ask(server, code), server.person()
    server.install_module({**SMALL, "enforce": False})
    expect(server.scan(bob, code))
    expect(member.invite(room, eve))
    expect(eve.join(room))
    assert turn(creator, room, on=False).status == 404


# In the chat with the concierge.


def test_a_moderator_does_all_of_it_in_the_chat_with_the_concierge(server: Server) -> None:
    creator = server.person()
    room = creator.new_room(name="Tea")
    chat = Chat(creator)
    code = server.make_code(room, creator)
    assert chat.ask("approval tea") == ENGLISH.say("which_approval")
    assert chat.ask("approval tea ON") == ENGLISH.say("approval_on", group="Tea")
    assert chat.ask("requests") == ENGLISH.say("nobody_waits")
    bob = server.person()
    before = len(chat.messages())
    ask(server, code, bob)
    number = number_of(server, bob)
    name = f"{bob.user_id[1:].split(':')[0]} ({bob.user_id})"
    line = ENGLISH.say("request_line", who=name, group="Tea", number=number)
    assert eventually(lambda: len(chat.messages()) == before + 1)
    assert chat.messages()[-1]["body"] == line
    assert chat.ask("requests") == line
    assert chat.ask("requests tea") == line
    assert chat.ask("yes") == ENGLISH.say("nothing_to_confirm")
    assert chat.ask("yes bob") == ENGLISH.say("which_request")
    said = chat.ask(f"yes {number} 99")
    assert said.splitlines() == [
        ENGLISH.say("said_yes", who=name, group="Tea"),
        ENGLISH.say("no_such_request", number=99),
    ]
    assert bob.user_id in creator.members(room)
    again = ENGLISH.say("request_approved_before", by=creator.user_id)
    assert chat.ask(f"no {number}") == again
    eve = ask(server, code)
    assert chat.ask(f"no {number_of(server, eve)}").startswith(f"{eve.name.lower()} (")
    assert chat.ask("approval tea off") == ENGLISH.say("approval_off", group="Tea")


def test_the_concierge_tells_nobody_else_of_a_number(server: Server) -> None:
    room, (creator, member), code = group_with_approval(server, 2)
    stranger = server.person()
    for person in (member, stranger):
        person.new_room(name="Own")
    bob = ask(server, code)
    number = number_of(server, bob)
    for person in (member, stranger):
        chat = Chat(person)
        assert chat.ask(f"yes {number}") == ENGLISH.say("no_such_request", number=number)
        assert chat.ask(f"no {number}") == ENGLISH.say("no_such_request", number=number)
        assert chat.ask("requests") == ENGLISH.say("nobody_waits")
        refusal = ENGLISH.refusal(Refusal(Reason.NOT_ENTITLED), Audience.SHARING)
        if person is member:
            assert chat.ask("requests A group") == chat.ask("approval A group off") == refusal
    assert waiting(creator, room) == [bob.user_id]


def test_a_name_that_somebody_chose_is_one_short_line_for_the_moderator(server: Server) -> None:
    _, (creator,), code = group_with_approval(server)
    chat = Chat(creator)
    bob = server.person()
    name = {"displayname": "Mallory\nyes 1234\n" + "x" * 200}
    expect(bob.call("PUT", f"/profile/{quote(bob.user_id)}/displayname", name))
    ask(server, code, bob)
    assert eventually(lambda: len(chat.messages()) == 2)
    body = str(chat.messages()[-1]["body"])
    assert "\n" not in body
    assert body.startswith("Mallory yes 1234 x")
    assert len(body) < 250


@ENGINES
def test_a_thousand_scanners_cannot_make_a_thousand_notices(start: Starter, engine: str) -> None:
    server = start(engine, module=SMALL)
    creator = server.person()
    chat_room = creator.new_room(name="Tea")
    chat = Chat(creator)
    rooms = [chat_room, creator.new_room(name="Cake")]
    codes = [server.make_code(room, creator) for room in rooms]
    for room in rooms:
        expect(turn(creator, room))

    def told() -> list[str]:
        return [str(message["body"]) for message in chat.messages()[1:]]

    ask(server, codes[0])
    assert eventually(lambda: len(told()) == 1)  # The first one at once.
    crowd = [server.person() for _ in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: ask(server, codes[n % 2], crowd[n]), range(12)))
    restart(server)  # The sweep comes, and it is too early.
    assert eventually(lambda: server.homeserver.journal() != [])
    time.sleep(2)
    assert len(told()) == 1
    # Ten minutes later, one message has them all.
    server.query("UPDATE capgroups_notices SET sent_at = sent_at - ?", 10 * 60 * 1000)
    restart(server)
    assert eventually(lambda: len(told()) == 2)
    lines = told()[1].splitlines()
    assert len(lines) == 12
    assert {line.split("(")[1].split(")")[0] for line in lines} == {p.user_id for p in crowd}
    # All are told, and nothing is left to tell.
    assert eventually(
        lambda: server.query("SELECT 1 FROM capgroups_requests WHERE told_at IS NULL") == []
    )
    server.query("UPDATE capgroups_notices SET sent_at = sent_at - ?", 10 * 60 * 1000)
    restart(server)
    time.sleep(2)
    assert len(told()) == 2


def test_moderators_who_have_no_chat_are_left_alone_but_for_who_turned_approval_on(
    server: Server,
) -> None:
    room, (creator, other, silent) = server.group(3)
    promote(room, creator, other, silent)
    expect(turn(other, room))
    ask(server, server.make_code(room, creator))
    chats = [Chat(moderator) for moderator in (other, creator)]
    assert eventually(lambda: [len(chat.messages()) for chat in chats] == [2, 2])
    assert invitations(silent) == []


@ENGINES
def test_a_notice_that_a_killed_process_has_missed_is_sent_after_the_restart(
    start: Starter, engine: str
) -> None:
    server = start(engine, module=SMALL)
    room, (creator,), code = group_with_approval(server)
    chat = Chat(creator)
    bob = ask(server, code)
    assert eventually(lambda: len(chat.messages()) == 2)
    eve = ask(server, code)
    expect(answer(creator, room, bob, approve=False))
    assert eventually(
        lambda: server.query("SELECT 1 FROM capgroups_chats WHERE user_id = ?", bob.user_id) != []
    )
    # As if both had been killed before they wrote: the claim is old, and nobody was told.
    server.homeserver.stop()
    server.query("UPDATE capgroups_notices SET sent_at = 0")
    server.query(
        "UPDATE capgroups_requests SET told_at = NULL, answered_at = answered_at - 100000 "
        "WHERE user_id = ?",
        bob.user_id,
    )
    server.homeserver.start()
    assert eventually(lambda: len(chat.messages()) == 3)
    assert eve.user_id in str(chat.messages()[-1]["body"])
    theirs = Chat(bob)
    told = ENGLISH.say("request_refused", group="A group")
    assert eventually(lambda: told in [m["body"] for m in theirs.messages()])
