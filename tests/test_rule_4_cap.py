"""Rule 4: the cap is exact."""

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import httpx
import pytest

from synapse_capgroups.demo.person import Person, Reply, expect
from tests.conftest import CAP, CODE_LIMIT, Server, Starter, eventually, refused
from tests.slow_module import beside


def all_at_once(people: list[Person], room: str) -> list[Reply]:
    """Everybody joins in the same moment."""
    with ThreadPoolExecutor(len(people)) as pool:
        start = threading.Barrier(len(people))

        def join(person: Person) -> Reply:
            start.wait()
            # Synapse's listening queue holds 50. The kernel resets what does not fit, and the
            # person's client tries again.
            for _ in range(20):
                with contextlib.suppress(httpx.TransportError):
                    return person.join(room)
                time.sleep(0.1)
            raise AssertionError("no connection")

        return list(pool.map(join, people))


def invited(server: Server, room: str, creator: Person, count: int) -> list[Person]:
    people = server.people(count)
    for person in people:
        expect(creator.invite(room, person))
    return people


@pytest.mark.parametrize("members", [CAP - 1, CAP])
def test_the_last_seat_is_taken_and_no_more(server: Server, members: int) -> None:
    room, people = server.group(members)
    friend = server.person()
    people[0].befriend(friend)
    reply = people[0].invite(room, friend)
    if members == CAP:
        assert refused(reply, "full")
    else:
        assert friend.join(room).ok
        assert len(people[0].members(room)) == CAP


def test_a_seat_is_free_at_once_when_a_member_leaves(server: Server) -> None:
    room, people = server.group(CAP - 1)
    friends = server.people(4)
    for friend in friends:
        people[0].befriend(friend)
        expect(people[0].invite(room, friend))
    expect(friends[0].join(room))
    for leaver, next_one in pairwise(friends):
        assert refused(next_one.join(room), "full")
        expect(leaver.leave(room))  # a moment after they joined, while their seat is on record
        assert next_one.join(room).ok
    assert len(people[0].members(room)) == CAP


def test_someone_who_leaves_and_comes_back_takes_one_seat(server: Server) -> None:
    room, people = server.group(CAP - 1)
    friend, other = server.people(2)
    people[0].befriend(friend)
    people[0].befriend(other)
    expect(people[0].invite(room, other))
    for _ in range(3):
        expect(people[0].invite(room, friend))
        expect(friend.join(room))
        assert refused(other.join(room), "full")
        expect(friend.leave(room))
    assert other.join(room).ok


def test_a_race_for_the_last_seats_ends_at_the_cap(server: Server) -> None:
    room, people = server.group(CODE_LIMIT)
    friends = server.people(8)
    for friend in friends:
        people[0].befriend(friend)
        expect(people[0].invite(room, friend))
    replies = all_at_once(friends, room)
    assert sum(reply.ok for reply in replies) == CAP - CODE_LIMIT
    assert all(reply.ok or refused(reply, "full") for reply in replies)
    assert len(people[0].members(room)) == CAP


def test_a_race_of_people_who_join_and_leave_never_passes_the_cap(server: Server) -> None:
    room, people = server.group(CODE_LIMIT)
    friends = server.people(6)
    for friend in friends:
        people[0].befriend(friend)
        expect(people[0].invite(room, friend))
    most = 0
    stop = threading.Event()

    def watch() -> None:
        nonlocal most
        while not stop.is_set():
            most = max(most, len(people[0].members(room)))

    def come_and_go(person: Person) -> None:
        for _ in range(6):
            if person.join(room).ok:
                expect(person.leave(room))
                while not people[0].invite(room, person).ok:  # refused while the group is full
                    pass

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with ThreadPoolExecutor(len(friends)) as pool:
            list(pool.map(come_and_go, friends))
    finally:
        stop.set()
        watcher.join()
    assert CODE_LIMIT < most <= CAP


def test_the_record_names_each_member_once_after_a_race(server: Server) -> None:
    room, people = server.group(1)
    everybody = invited(server, room, people[0], CODE_LIMIT + 4)
    all_at_once(everybody, room)
    on_record = server.query(
        "SELECT user_id, members_after FROM capgroups_admissions WHERE room_id = ? "
        "ORDER BY members_after",
        room,
    )
    assert sorted(user for user, _ in on_record) == people[0].members(room)
    assert [after for _, after in on_record] == [1, 2, 3, 4]


HELD = "SELECT user_id FROM capgroups_seats WHERE room_id = ? AND user_id = ?"
RECORDED = "SELECT user_id FROM capgroups_admissions WHERE room_id = ? AND user_id = ?"


def too_large(person: Person, room: str) -> Reply:
    """A join that the rules allow and Synapse then refuses, as an event that nobody can store."""
    reply = person.join(room, {"reason": "x" * 70_000})
    assert reply.status == 413
    return reply


def test_a_join_that_fails_after_the_decision_frees_its_seat_and_its_record_at_once(
    server: Server,
) -> None:
    room, people = server.group(CAP - 1)
    failing, other = server.people(2)
    for friend in (failing, other):
        people[0].befriend(friend)
        expect(people[0].invite(room, friend))
    too_large(failing, room)
    assert server.query(HELD, room, failing.user_id) == []
    assert server.query(RECORDED, room, failing.user_id) == []
    assert other.join(room).ok
    admitted = [
        facts["user"]
        for word, facts in server.homeserver.journal()
        if word == "admitted" and facts["group"] == room
    ]
    assert admitted[-1] == other.user_id
    assert failing.user_id not in admitted


def left_behind(server: Server, room: str, by: Person, ghost: Person, seconds: int) -> None:
    """What a process leaves that was killed so long ago, between a decision and its join."""
    decided = int(time.time() - seconds) * 1000
    server.homeserver.kill()
    server.query(
        "INSERT INTO capgroups_admissions (room_id, user_id, how, inviter, inviter_was_friend, "
        "mode, members_after, admitted_at) VALUES (?, ?, 'invite', ?, FALSE, 'open', 3, ?)",
        room, ghost.user_id, by.user_id, decided,
    )  # fmt: skip
    server.query(
        "INSERT INTO capgroups_seats VALUES (?, ?, 'dead', 0, ?, ?, FALSE)",
        room, ghost.user_id, decided, decided + 60_000,
    )  # fmt: skip
    server.homeserver.start()


def test_what_a_killed_process_leaves_behind_is_swept_a_minute_later(start: Starter) -> None:
    server = start(module={"cap": 6, "code_limit": 4})
    room, people = server.group(2)
    ghost = server.person()
    expect(people[0].invite(room, ghost))
    left_behind(server, room, people[0], ghost, 61)
    assert eventually(lambda: not server.query(HELD, room, ghost.user_id))
    assert server.query(RECORDED, room, ghost.user_id) == []


def test_a_room_that_cannot_be_cleared_up_does_not_stop_the_sweep(start: Starter) -> None:
    server = start(module={"cap": 6, "code_limit": 4})
    room, people = server.group(2)
    ghost = server.person()
    expect(people[0].invite(room, ghost))
    code = server.make_code(room, people[0])
    server.query("UPDATE capgroups_codes SET expires_at = 1")
    server.query(
        "CREATE TRIGGER broken BEFORE DELETE ON capgroups_seats "
        "BEGIN SELECT RAISE(ABORT, 'broken'); END"
    )
    server.query("UPDATE capgroups_schema SET swept_at = 1")
    left_behind(server, room, people[0], ghost, 61)
    died_of = "SELECT died_of FROM capgroups_codes WHERE code_id = ?"
    assert eventually(lambda: server.query(died_of, code["code_id"]) == [("code_expired",)])
    # But this was no sweep, and the health check tells after a while.
    log = server.homeserver.log.read_text
    assert eventually(lambda: "The seats of 1 groups could not be freed." in log())
    assert server.query("SELECT swept_at FROM capgroups_schema") == [(1,)]
    server.homeserver.stop()
    server.query("DROP TRIGGER broken")
    server.homeserver.start()
    assert eventually(lambda: not server.query(HELD, room, ghost.user_id))
    assert eventually(lambda: server.query("SELECT swept_at FROM capgroups_schema") != [(1,)])


def test_who_comes_again_after_a_process_was_killed_is_on_record_once(start: Starter) -> None:
    server = start(module={"cap": 6, "code_limit": 4})
    room, people = server.group(2)
    ghost = server.person()
    expect(people[0].invite(room, ghost))
    left_behind(server, room, people[0], ghost, 10)
    held = server.query("SELECT * FROM capgroups_seats WHERE user_id = ?", ghost.user_id)
    for _ in range(2):
        # Nobody knows that the first attempt is dead: its seat lives no longer for this.
        too_large(ghost, room)
        now = server.query("SELECT * FROM capgroups_seats WHERE user_id = ?", ghost.user_id)
        assert now == held
    assert ghost.join(room).ok
    assert server.query(RECORDED, room, ghost.user_id) == [(ghost.user_id,)]


def test_a_change_of_name_that_lost_to_a_leaving_spends_no_seat(server: Server) -> None:
    room, people = server.group(CAP - 1)
    joining, other = server.people(2)
    for friend in (joining, other):
        people[0].befriend(friend)
        expect(people[0].invite(room, friend))
    # They have left and come again since; another process still had a change of name to write.
    server.query(
        "INSERT INTO capgroups_seats "
        "SELECT room_id, user_id, 'lost', event_stream_ordering, ?, ?, FALSE "
        "FROM room_memberships WHERE room_id = ? AND user_id = ?",
        int(time.time()) * 1000, int(time.time() + 60) * 1000, room, joining.user_id,
    )  # fmt: skip
    lost = expect(people[0].send(room, "x")).body["event_id"]
    server.query(
        "INSERT INTO room_memberships "
        "(event_id, user_id, sender, room_id, membership, event_stream_ordering) "
        "SELECT event_id, ?, ?, room_id, 'join', stream_ordering FROM events WHERE event_id = ?",
        joining.user_id, joining.user_id, lost,
    )  # fmt: skip
    assert refused(other.join(room), "full")


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_seat_is_held_anew_for_as_long_as_its_join_is_under_way(
    start: Starter, engine: str
) -> None:
    module = {"cap": 6, "code_limit": 4}
    server = start(engine, module=module, settings=beside(module, seconds=20))
    room, people = server.group(2)
    slow = server.homeserver.register("slow")
    expect(people[0].invite(room, slow))
    expires = "SELECT expires_at FROM capgroups_seats WHERE room_id = ? AND user_id = ?"
    with ThreadPoolExecutor(1) as pool:
        joining = pool.submit(slow.join, room)
        assert eventually(lambda: bool(server.query(expires, room, slow.user_id)))
        ((first,),) = server.query(expires, room, slow.user_id)
        assert eventually(lambda: server.query(expires, room, slow.user_id)[0][0] > first, 18)
        assert not joining.done()
        assert joining.result().ok


@pytest.mark.full_size
@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_three_hundred_at_once_against_a_cap_of_a_hundred(start: Starter, engine: str) -> None:
    server = start(engine, module={"cap": 100, "code_limit": 100})
    creator = server.person()
    room = creator.new_room()
    everybody = invited(server, room, creator, 300)
    replies = all_at_once(everybody, room)
    assert [reply for reply in replies if not reply.ok and not refused(reply, "full")] == []
    assert sum(reply.ok for reply in replies) == 99
    assert len(creator.members(room)) == 100


@pytest.mark.full_size
def test_a_group_of_five_hundred(start: Starter) -> None:
    server = start(module={"cap": 500, "code_limit": 500})
    creator = server.person()
    room = creator.new_room()
    everybody = invited(server, room, creator, 500)
    late = everybody.pop()
    for person in everybody:
        expect(person.join(room))
    assert len(creator.members(room)) == 500

    reply = late.join(room)
    assert refused(reply, "full")
    assert reply.body["org.capgroups.members"] == 500
    assert reply.body["org.capgroups.limit"] == 500
    assert everybody[250].set_room_name_of_own(room, "Number 250").ok
    expect(everybody[17].leave(room))
    assert late.join(room).ok
    assert len(creator.members(room)) == 500
