"""What each process keeps in memory of the concierge's chats."""

from collections.abc import Callable
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st
from synapse.module_api import ModuleApi
from twisted.internet.defer import Deferred, ensureDeferred

from synapse_capgroups.concierge.chat_rooms import ChatRooms
from synapse_capgroups.concierge.known_chats import KnownChats
from synapse_capgroups.storage.database import Database

ROOMS = [f"!{n}:localhost" for n in range(40)]
PEOPLE = [f"@{n}:localhost" for n in range(5)]
ONE_FINGERPRINT = 0  # bits: with a chat, every other room is taken for one


class Table:
    """`capgroups_chats`, as a transaction of any process finds it."""

    def __init__(self) -> None:
        self.people: dict[str, str] = {}
        self.rows: list[tuple[str]] = []

    def execute(self, sql: str, parameters: tuple[Any, ...]) -> None:
        if "room_id > ?" in sql:
            after, most = parameters
            later = sorted(room_id for room_id in self.people if room_id > after)
            self.rows = [(room_id,) for room_id in later[:most]]
        else:
            (room_id,) = parameters
            self.rows = [(self.people[room_id],)] if room_id in self.people else []

    def fetchall(self) -> list[tuple[str]]:
        return self.rows

    def fetchone(self) -> tuple[str] | None:
        return self.rows[0] if self.rows else None


class Process:
    """A process of a homeserver.

    Attributes:
        questions: how often it has asked for a chat's person.
        waits: what the next such question waits for after its answer was read, if for anything.
    """

    def __init__(self, table: Table, others: "list[Process]", bits: int | None = None) -> None:
        self._table = table
        self._all = others
        self._all.append(self)
        self.rooms = ChatRooms() if bits is None else ChatRooms(bits)
        self.questions = 0
        self.waits: Deferred[None] | None = None
        self.known = KnownChats(cast(ModuleApi, self), cast(Database, self), self.rooms)

    def register_cached_function(self, rooms: ChatRooms) -> None:
        assert rooms is self.rooms

    async def invalidate_cache(self, rooms: ChatRooms, keys: tuple[str, str]) -> None:
        assert rooms is self.rooms
        for process in self._all:
            process.rooms.invalidate(keys)

    async def run(self, _: str, work: Callable[[Any], Any]) -> Any:
        return work(self._table)

    async def look_up(self, _: str, work: Callable[[Any], Any]) -> Any:
        self.questions += 1
        answer = work(self._table)
        if self.waits is not None:
            await self.waits
        return answer


def result(of: Any) -> Any:
    """What something returns that waits for nothing."""
    return ensureDeferred(of).result


def processes(number: int, bits: int | None = None) -> tuple[Table, list[Process]]:
    table, found = Table(), list[Process]()
    for _ in range(number):
        Process(table, found, bits)
    return table, found


def open_chat(table: Table, on: Process, room_id: str, user_id: str) -> None:
    table.people[room_id] = user_id
    result(on.known.tell_all(room_id, user_id))


def close_chat(table: Table, on: Process, room_id: str) -> None:
    del table.people[room_id]
    result(on.known.tell_all(room_id, ""))


def test_a_process_that_starts_knows_all_chats_however_many_pages_they_are() -> None:
    table, (process,) = processes(1)
    table.people = {f"!{n}:localhost": f"@{n}:localhost" for n in range(4_001)}
    result(process.known.remember())
    assert all(process.known.may_have(room_id) for room_id in table.people)
    assert process.questions == 0
    assert result(process.known.is_of("!7:localhost", "@7:localhost"))
    assert not result(process.known.is_of("!7:localhost", "@8:localhost"))
    assert process.questions == 1


def test_a_message_elsewhere_asks_the_database_nothing() -> None:
    table, (process,) = processes(1)
    table.people = {"!chat": "@alice"}
    result(process.known.remember())
    assert not result(process.known.is_of("!other", "@alice"))
    assert not result(process.known.has("!other"))
    assert process.questions == 0


def test_every_process_hears_of_a_new_chat_and_of_one_that_has_ended() -> None:
    table, both = processes(2)
    open_chat(table, both[0], "!chat", "@alice")
    for process in both:
        assert result(process.known.is_of("!chat", "@alice"))
        assert not result(process.known.is_of("!chat", "@mallory"))
    close_chat(table, both[1], "!chat")
    for process in both:
        assert not result(process.known.has("!chat"))
        assert process.questions == 0
    open_chat(table, both[1], "!chat", "@bob")
    assert all(result(process.known.is_of("!chat", "@bob")) for process in both)


def test_a_room_that_is_taken_for_a_chat_by_chance_is_looked_up_once() -> None:
    table, (process,) = processes(1, ONE_FINGERPRINT)
    table.people = {"!chat": "@alice"}
    result(process.known.remember())
    assert process.known.may_have("!busy")
    for _ in range(50):
        assert not result(process.known.is_of("!busy", "@alice"))
        assert not result(process.known.has("!busy"))
    assert process.questions == 1


def test_a_busy_room_of_that_kind_is_not_forgotten_and_what_is_remembered_has_a_bound() -> None:
    table, (process,) = processes(1, ONE_FINGERPRINT)
    table.people = {"!chat": "@alice"}
    result(process.known.remember())
    for n in range(2_500):
        assert not result(process.known.is_of("!busy", "@alice"))
        assert not result(process.known.is_of(f"!quiet{n}", "@alice"))
    assert process.questions == 1 + 2_500
    result(process.known.has("!quiet0"))
    assert process.questions == 2 + 2_500


def test_of_two_chats_with_one_fingerprint_one_ends_and_the_other_stays() -> None:
    table, both = processes(2, ONE_FINGERPRINT)
    open_chat(table, both[0], "!one", "@alice")
    open_chat(table, both[0], "!two", "@bob")
    close_chat(table, both[0], "!one")
    for process in both:
        assert not result(process.known.has("!one"))
        assert result(process.known.is_of("!two", "@bob"))


def test_an_answer_that_a_notice_has_overtaken_is_not_remembered() -> None:
    """The question was asked before the chat was opened, and answered after that was told."""
    table, both = processes(2, ONE_FINGERPRINT)
    open_chat(table, both[0], "!other", "@bob")
    slow = both[1]
    slow.waits = Deferred()
    asked = ensureDeferred(slow.known.is_of("!chat", "@alice"))
    open_chat(table, both[0], "!chat", "@alice")
    slow.waits.callback(None)
    assert asked.result is False
    slow.waits = None
    assert result(slow.known.is_of("!chat", "@alice"))


def test_a_chat_that_ends_while_a_process_starts_is_none_afterwards() -> None:
    table, (process,) = processes(1)
    open_chat(table, process, "!chat", "@alice")
    page = {"!chat": "@alice"}  # It was read, and is added after the notice.
    close_chat(table, process, "!chat")
    for room_id in page:
        process.rooms.add(room_id)
    assert not result(process.known.has("!chat"))


@given(
    st.lists(st.tuples(st.sampled_from(ROOMS), st.sampled_from(["", *PEOPLE]))),
    st.sampled_from([0, 3, 41]),
)
def test_it_answers_as_the_table_would(changes: list[tuple[str, str]], bits: int) -> None:
    table, (one, other) = processes(2, bits)
    for number, (room_id, user_id) in enumerate(changes):
        on = (one, other)[number % 2]
        if user_id:
            open_chat(table, on, room_id, user_id)
        elif room_id in table.people:
            close_chat(table, on, room_id)
    for process in (one, other):
        for room_id in ROOMS:
            person = table.people.get(room_id)
            assert result(process.known.has(room_id)) == (person is not None)
            assert [p for p in PEOPLE if result(process.known.is_of(room_id, p))] == (
                [person] if person else []
            )
