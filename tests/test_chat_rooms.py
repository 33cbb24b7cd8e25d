"""What each process keeps in memory of the concierge's chats."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from synapse_capgroups.concierge.chat_rooms import ChatRooms

ROOMS = [f"!{n}:localhost" for n in range(40)]
PEOPLE = [f"@{n}:localhost" for n in range(5)]


def test_the_concierge_hears_nobody_but_its_person() -> None:
    rooms = ChatRooms()
    rooms.invalidate(("!chat", "@alice"))
    assert rooms.has("!chat")
    assert rooms.is_of("!chat", "@alice")
    assert not rooms.is_of("!chat", "@mallory")
    assert not rooms.has("!other")
    assert not rooms.is_of("!other", "@alice")
    rooms.invalidate(("!chat", ""))
    assert not rooms.has("!chat")
    assert not rooms.is_of("!chat", "@alice")


@given(
    st.lists(st.tuples(st.sampled_from(ROOMS), st.sampled_from(["", *PEOPLE]))),
    st.sampled_from([0, 1, 10_000]),
)
def test_it_answers_as_a_dictionary_would(changes: list[tuple[str, str]], expected: int) -> None:
    rooms, people = ChatRooms(), dict[str, str]()
    rooms.expect(expected)
    for room_id, user_id in changes:
        rooms.invalidate((room_id, user_id))
        if user_id:
            people[room_id] = user_id
        else:
            people.pop(room_id, None)
    assert [rooms.has(room_id) for room_id in ROOMS] == [room_id in people for room_id in ROOMS]
    assert [rooms.is_of(room_id, user_id) for room_id in ROOMS for user_id in PEOPLE] == [
        people.get(room_id) == user_id for room_id in ROOMS for user_id in PEOPLE
    ]


def test_more_chats_than_were_expected_are_all_found() -> None:
    rooms = ChatRooms()
    chats = [(f"!{n}:localhost", f"@{n}:localhost") for n in range(20_000)]
    rooms.remember(chats)
    assert all(rooms.is_of(*chat) for chat in chats)
    assert not any(rooms.has(f"!other{n}:localhost") for n in range(20_000))
    for room_id, _ in chats[::2]:
        rooms.invalidate((room_id, ""))
    assert [rooms.has(room_id) for room_id, _ in chats] == [False, True] * 10_000


def test_a_chat_takes_less_than_twenty_bytes() -> None:
    number = 100_000
    tracemalloc.start()
    try:
        rooms = ChatRooms()
        rooms.expect(number)
        rooms.remember((f"!{n}:localhost", f"@{n}:localhost") for n in range(number))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 20 * number
    assert rooms.is_of("!7:localhost", "@7:localhost")
