"""Rule 3: who is a friend."""

import json
from typing import Any

import pytest

from synapse_capgroups.demo.person import Person, expect
from tests.conftest import CODE_LIMIT, Server, Starter, refused


def are_friends(server: Server, a: Person, b: Person) -> bool:
    """Asks the server: a friend's invitation to a group of the code limit's size is accepted."""
    room, people = server.group(CODE_LIMIT - 1)
    server.admit(room, people[0], a)
    reply = a.invite(room, b)
    assert reply.ok or refused(reply, "friends_only"), reply
    return reply.ok


def direct_chat(a: Person, b: Person, **request: Any) -> str:
    """A chat of two that nobody's `m.direct` lists yet."""
    room = a.new_room(invite=[b.user_id], **request)
    expect(b.join(room))
    return room


def test_two_who_share_a_direct_chat_are_friends(server: Server) -> None:
    a, b = server.people(2)
    assert not are_friends(server, a, b)
    a.befriend(b)
    assert are_friends(server, a, b)
    assert are_friends(server, b, a)


@pytest.mark.parametrize("lister", [0, 1])
def test_it_is_enough_that_one_of_them_lists_the_chat(server: Server, lister: int) -> None:
    pair = server.people(2)
    room = direct_chat(*pair)
    assert not are_friends(server, *pair)
    expect(pair[lister].set_m_direct({pair[1 - lister].user_id: [room]}))
    assert are_friends(server, *pair)


def test_one_alone_cannot_make_a_friendship(server: Server) -> None:
    a, b = server.people(2)
    room = a.start_direct_chat(b)
    assert not are_friends(server, a, b)
    assert not are_friends(server, b, a)
    expect(b.join(room))
    assert are_friends(server, a, b)


def test_leaving_the_chat_ends_the_friendship(server: Server) -> None:
    a, b = server.people(2)
    room = a.befriend(b)
    expect(b.leave(room))
    assert not are_friends(server, a, b)


@pytest.mark.parametrize("joins", [True, False])
def test_a_chat_with_a_third_who_is_in_it_or_invited_makes_no_friends(
    server: Server, joins: bool
) -> None:
    a, b, third = server.people(3)
    room = a.befriend(b)
    expect(a.invite(room, third))
    if joins:
        expect(third.join(room))
    assert not are_friends(server, a, b)
    expect(third.leave(room))
    assert are_friends(server, a, b)


def test_a_room_listed_under_somebody_else_makes_no_friends(server: Server) -> None:
    a, b, other = server.people(3)
    room = direct_chat(a, b)
    expect(a.set_m_direct({other.user_id: [room], a.user_id: [room]}))
    assert not are_friends(server, a, b)


def test_nobody_is_a_friend_of_themselves(server: Server) -> None:
    a, b = server.people(2)
    room = a.new_room()
    expect(a.set_m_direct({a.user_id: [room], b.user_id: [room]}))
    assert not are_friends(server, a, b)


@pytest.mark.parametrize(
    "content",
    [
        {"{b}": "{room}"},
        {"{b}": {"{room}": True}},
        {"{b}": [1, None, 2.5, [], {}, ["{room}"]]},
        {"{b}": None},
        {"{b}": ["!\u0000", "!\ud800", "", "!" * 5000]},
        {"": [], "x": 5},
        {},
    ],
)
def test_m_direct_of_any_shape_is_survived(server: Server, content: dict[str, Any]) -> None:
    a, b = server.people(2)
    room = direct_chat(a, b)

    def fill(value: Any) -> Any:
        if isinstance(value, dict):
            return {fill(k): fill(v) for k, v in value.items()}
        if isinstance(value, list):
            return [fill(v) for v in value]
        if isinstance(value, str):
            return value.replace("{b}", b.user_id).replace("{room}", room)
        return value

    if not a.set_m_direct(fill(content)).ok:
        # Synapse did not take it over HTTP; an older one or another tool may have.
        expect(a.set_m_direct({"placeholder": []}))
        server.query(
            "UPDATE account_data SET content = ? WHERE user_id = ? "
            "AND account_data_type = 'm.direct'",
            json.dumps(fill(content)), a.user_id,
        )  # fmt: skip
    assert not are_friends(server, a, b)


@pytest.mark.parametrize("content", ["[]", "5", "null", '"text"', "{", "[" * 50000])
def test_m_direct_that_is_no_object_is_survived(server: Server, content: str) -> None:
    a, b = server.people(2)
    a.befriend(b)
    server.query(
        "UPDATE account_data SET content = ? WHERE user_id = ? AND account_data_type = 'm.direct'",
        content, a.user_id,
    )  # fmt: skip
    assert not are_friends(server, a, b)


def test_ten_thousand_entries_hide_no_friend(server: Server) -> None:
    a, b = server.people(2)
    room = direct_chat(a, b)
    many = [f"!room{i}:localhost" for i in range(10_000)]
    others = {f"@other{i}:localhost": [f"!x{i}:localhost"] for i in range(10_000)}
    expect(a.set_m_direct({**others, b.user_id: [*many, room]}))
    assert are_friends(server, a, b)


def test_a_friendship_counts_only_once_it_has_the_minimum_age(start: Starter) -> None:
    server = start(module={"cap": 6, "code_limit": 4, "friends": {"min_age": "1h"}})
    a, b = server.people(2)
    room = a.befriend(b)
    assert not are_friends(server, a, b)

    def age(person: Person, minutes: int) -> None:
        server.query(
            "UPDATE events SET received_ts = received_ts - ? WHERE room_id = ? AND event_id IN "
            "(SELECT event_id FROM room_memberships WHERE user_id = ?)",
            minutes * 60_000, room, person.user_id,
        )  # fmt: skip

    age(a, 61)
    assert not are_friends(server, a, b)  # the other one came an hour later
    age(b, 61)
    expect(b.set_room_name_of_own(room, "a new name is no new beginning"))
    assert are_friends(server, a, b)

    expect(b.leave(room))
    expect(a.invite(room, b))
    expect(b.join(room))
    assert not are_friends(server, a, b)


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_chat_with_too_many_changes_of_names_counts_as_young(start: Starter, engine: str) -> None:
    server = start(engine, module={"cap": 6, "code_limit": 4, "friends": {"min_age": "1h"}})
    a, b = server.people(2)
    room = a.befriend(b)
    server.query("UPDATE events SET received_ts = received_ts - 7200000 WHERE room_id = ?", room)

    def rename(times: int, mark: str) -> None:
        """As somebody does who joined long ago and changes their name in all their rooms."""
        numbers = f"""
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {times})
        """
        server.query(
            f"""
            INSERT INTO events (event_id, stream_ordering, type, room_id, processed, outlier,
                topological_ordering, depth, origin_server_ts, received_ts, sender, instance_name)
            {numbers} SELECT '$' || ? || i, -i - ?, type, room_id, processed, outlier,
                topological_ordering, depth, origin_server_ts, received_ts, sender, instance_name
            FROM n, events WHERE event_id = (
                SELECT event_id FROM room_memberships
                WHERE room_id = ? AND user_id = ? AND membership = 'join' LIMIT 1
            )
            """,
            mark, 1000 * ord(mark), room, b.user_id,
        )  # fmt: skip
        server.query(
            f"""
            INSERT INTO room_memberships (event_id, user_id, sender, room_id, membership)
            {numbers} SELECT '$' || ? || i, ?, ?, ?, 'join' FROM n
            """,
            mark, b.user_id, b.user_id, room,
        )  # fmt: skip

    rename(500, "a")
    assert are_friends(server, a, b)
    rename(1600, "d")
    assert not are_friends(server, a, b)


def test_a_member_vouches_for_so_many_people_a_day(start: Starter) -> None:
    server = start(module={"cap": 50, "code_limit": 4, "friends": {"max_vouches_per_day": 2}})
    room, people = server.group(4)
    creator = people[0]
    friends = server.people(4)
    for friend in friends:
        creator.befriend(friend)
        expect(creator.invite(room, friend))
    assert friends[0].join(room).ok
    assert friends[1].join(room).ok
    reply = friends[2].join(room)
    assert refused(reply, "vouch_limit")
    assert reply.body["org.capgroups.limit"] == 2

    other = server.person()
    creator.befriend(other)
    assert refused(creator.invite(room, other), "vouch_limit")

    # Only what is brought in from the code limit on is a vouch, and only a day long.
    server.query(
        "UPDATE capgroups_admissions SET admitted_at = admitted_at - ?", 24 * 3600 * 1000 + 1
    )
    assert friends[2].join(room).ok

    # A join that came to nothing is no vouch, not even against its own second attempt.
    for _ in range(2):
        assert friends[3].join(room, {"reason": "x" * 70_000}).status == 413
    assert friends[3].join(room).ok
    assert refused(creator.invite(room, other), "vouch_limit")
