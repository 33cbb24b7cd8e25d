"""What the concierge says unasked: seldom, once, to those who have a chat with it.

The tests let time pass by moving everything in the tables into the past, and start the server
again: it sweeps at once.
"""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from synapse_capgroups.demo.person import Person, expect
from synapse_capgroups.rules.news import nearly_full_from, well_below
from tests.conftest import API, Server, Starter, eventually
from tests.test_concierge import ENGLISH, Chat, invitations, person_with_group
from tests.test_rule_13_approval import promote
from tests.test_rule_15_forgetting import deactivate, restart

ENGINES = pytest.mark.parametrize("engine", ["sqlite", "postgres"])
MINUTE_MS = 60 * 1000
HOUR_MS = 60 * MINUTE_MS
LAST = ENGLISH.say("news_quiet")


def later(server: Server, ms: int) -> None:
    """Stop the server, let this much time pass, and start it again."""
    server.homeserver.stop()
    for table, column in (
        ("capgroups_admissions", "admitted_at"),
        ("capgroups_codes", "died_at"),
        ("capgroups_schema", "news_until"),
        ("capgroups_news", "happened_at"),
        ("capgroups_news", "due_at"),
        ("capgroups_readers", "told_at"),
    ):
        server.query(f"UPDATE {table} SET {column} = {column} - ?", ms)
    server.homeserver.start()


def swept(server: Server) -> None:
    """Start the server again, and wait until it has swept and told what there is to tell."""
    swept_at = "SELECT swept_at FROM capgroups_schema"
    server.homeserver.stop()
    server.query("UPDATE capgroups_schema SET swept_at = NULL")
    server.homeserver.start()
    assert eventually(lambda: server.query(swept_at) != [(None,)])
    due = "SELECT 1 FROM capgroups_news, capgroups_schema WHERE due_at <= news_until"
    assert eventually(lambda: server.query(due) == [])


def news(chat: Chat) -> list[list[str]]:
    """The lines of each message of news, but for the one that tells how to end them."""
    told = [str(message["body"]).splitlines() for message in chat.messages()]
    return [lines[:-1] for lines in told if lines[-1] == LAST]


def all_news(server: Server, chat: Chat, messages: int) -> list[list[str]]:
    """All news that somebody has when there is nothing more to tell."""
    assert eventually(lambda: len(news(chat)) >= messages), chat.messages()
    swept(server)
    found = news(chat)
    assert len(found) == messages
    return found


def called(person: Person) -> str:
    return f"{person.user_id[1:].partition(':')[0]} ({person.user_id})"


def revoke(by: Person, room: str, code: dict[str, object]) -> None:
    expect(by.call("DELETE", f"{API}/groups/{quote(room)}/codes/{code['code_id']}"))


def test_nearly_full_is_from_ninety_per_cent_on() -> None:
    assert [nearly_full_from(limit) for limit in (2, 5, 10, 100, 101, 500)] == [
        2, 5, 9, 90, 91, 450,
    ]  # fmt: skip
    assert [well_below(limit) for limit in (2, 5, 10, 100, 101, 500)] == [1, 4, 8, 80, 80, 400]


@ENGINES
def test_a_sharer_hears_once_of_what_their_codes_died_of(start: Starter, engine: str) -> None:
    server = start(engine, module={"cap": 30, "code_limit": 20})
    chat, room = person_with_group(server)
    sharer, other, silent = chat.person, *server.people(2)
    for member in (other, silent):
        server.admit(room, sharer, member)
    promote(room, sharer, other, silent)
    expired, used_up, revoked, own_end = (
        server.make_code(room, by=sharer, **({"max_uses": 1} if n == 1 else {})) for n in range(4)
    )
    personal = str(chat.say("me 7d", 2)[-1]["body"]).split()[-1]
    of_silent = server.make_code(room, silent)
    expect(server.scan(server.person(), used_up))
    revoke(other, room, revoked)
    revoke(sharer, room, own_end)
    revoke(sharer, room, of_silent)
    server.query(
        "UPDATE capgroups_codes SET expires_at = 1 WHERE code_id IN (?, ?)",
        expired["code_id"],
        personal,
    )
    swept(server)
    dead = "SELECT COUNT(*) FROM capgroups_codes WHERE died_of IS NOT NULL"
    assert server.query(dead) == [(6,)]
    assert news(chat) == []  # It is too early.

    later(server, 40 * MINUTE_MS)
    (lines,) = all_news(server, chat, 1)
    assert sorted(lines) == sorted(
        [
            ENGLISH.say("news_expired", code_id=expired["code_id"], group="Tea"),
            ENGLISH.say("news_used_up", code_id=used_up["code_id"], group="Tea"),
            ENGLISH.say("news_revoked", code_id=revoked["code_id"], group="Tea"),
            ENGLISH.say("news_own_code", code_id=personal, state=ENGLISH.say("code_expired")),
        ]
    )
    # Whoever has no chat is invited to none.
    assert invitations(silent) == []
    assert server.query("SELECT * FROM capgroups_news WHERE kind <> 'came'") == []


@ENGINES
def test_who_came_by_somebodys_codes_is_told_a_day_after_the_first(
    start: Starter, engine: str
) -> None:
    server = start(engine, module={"cap": 30, "code_limit": 20})
    chat, tea = person_with_group(server)
    sharer = chat.person
    cake = sharer.new_room(name="Cake")
    codes = [server.make_code(room, sharer) for room in (tea, cake)]
    crowd = server.people(7)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda person: expect(server.scan(person, codes[0])), crowd))
    guest = server.person()
    expect(server.scan(guest, codes[1]))

    later(server, 23 * HOUR_MS)
    swept(server)
    assert news(chat) == []
    later(server, 2 * HOUR_MS)
    (lines,) = all_news(server, chat, 1)
    assert len(lines) == 2
    start_of_line = ENGLISH.say("news_came", number=7, group="Tea", people="")
    assert lines[0].startswith(start_of_line)
    named = lines[0].removeprefix(start_of_line).split(", ")
    assert len(named) == 6
    assert named[-1] == "…"
    assert set(named[:-1]) < {called(person) for person in crowd}
    one = called(guest)
    assert lines[1] == ENGLISH.say("news_came", number=1, group="Cake", people=one)

    # Those who come later are told another day, and nobody twice.
    late = server.person()
    expect(server.scan(late, codes[1]))
    later(server, HOUR_MS)
    swept(server)
    later(server, 25 * HOUR_MS)
    lines = all_news(server, chat, 2)[-1]
    one = called(late)
    assert lines == [ENGLISH.say("news_came", number=1, group="Cake", people=one)]


@ENGINES
def test_owners_hear_once_that_a_group_is_nearly_full_until_it_is_well_below(
    start: Starter, engine: str
) -> None:
    server = start(engine, module={"cap": 20, "code_limit": 10})
    chat, room = person_with_group(server)
    owner = chat.person
    moderator, _ = person_with_group(server, "Their own")
    server.admit(room, owner, moderator.person)
    promote(room, owner, moderator.person)
    members = server.people(6)
    for member in members:
        server.admit(room, owner, member)
    later(server, 40 * MINUTE_MS)
    swept(server)
    assert news(chat) == []
    server.admit(room, owner, server.person())  # The ninth.
    later(server, 2 * HOUR_MS)
    near = ENGLISH.say("news_near_code_limit", group="Tea", members=9, limit=10)
    assert all_news(server, chat, 1) == [[near]]
    assert news(moderator) == []  # They may share, and own nothing.

    # It goes up and down a little: nothing new.
    expect(owner.kick(room, members[0]))
    server.admit(room, owner, server.person())
    later(server, 2 * HOUR_MS)
    swept(server)
    assert len(news(chat)) == 1
    # From far below, it is told anew.
    for member in members[1:5]:
        expect(owner.kick(room, member))
    for _ in range(4):
        server.admit(room, owner, server.person())
    later(server, 2 * HOUR_MS)
    assert all_news(server, chat, 2) == [[near], [near]]

    # 90 % of the cap; what is past already is not said to be near.
    for _ in range(9):
        server.admit(room, owner, server.person(), as_friend=True)
    later(server, 2 * HOUR_MS)
    assert all_news(server, chat, 3)[-1] == [
        ENGLISH.say("news_near_cap", group="Tea", members=18, limit=20)
    ]


def test_a_newcomer_by_a_code_who_has_a_chat_hears_of_names(start: Starter) -> None:
    server = start(module={"cap": 30, "code_limit": 20})
    sharer = server.person()
    room = sharer.new_room(name="Tea")
    code = server.make_code(room, sharer)
    chat, _ = person_with_group(server, "Their own")
    named, _ = person_with_group(server, "Another")
    gone, _ = person_with_group(server, "One more")
    stranger = server.person()
    for person in (chat.person, named.person, gone.person, stranger):
        expect(server.scan(person, code))
    expect(named.person.set_room_name_of_own(room, "Uncle Bob"))
    expect(gone.person.leave(room))
    later(server, 40 * MINUTE_MS)
    assert all_news(server, chat, 1) == [[ENGLISH.say("news_newcomer", group="Tea")]]
    assert news(named) == news(gone) == []
    assert invitations(stranger) == []
    # Who has no chat costs nothing, and would hear of other things for the first time.
    told = server.query("SELECT user_id FROM capgroups_readers")
    assert (stranger.user_id,) not in told
    assert (chat.person.user_id,) in told


def test_quiet_ends_news_and_there_is_one_message_an_hour(start: Starter) -> None:
    server = start(module={"cap": 30, "code_limit": 20})
    chat, room = person_with_group(server)
    quiet, quiet_room = person_with_group(server, "Cake")
    gone, gone_room = person_with_group(server, "Away")
    assert quiet.ask("quiet") == ENGLISH.say("quiet_on")

    def one_dies(person: Person, room: str) -> str:
        code = server.make_code(room, person)
        server.query("UPDATE capgroups_codes SET expires_at = 1 WHERE code_id = ?", code["code_id"])
        return str(code["code_id"])

    first = one_dies(chat.person, room)
    one_dies(quiet.person, quiet_room)
    one_dies(gone.person, gone_room)
    swept(server)
    deactivate(gone.person, server.person(admin=True), erase=False)
    later(server, 40 * MINUTE_MS)
    expired = [ENGLISH.say("news_expired", code_id=first, group="Tea")]
    assert all_news(server, chat, 1) == [expired]

    second = one_dies(chat.person, room)
    swept(server)
    later(server, 31 * MINUTE_MS)
    restart(server)
    waits = "SELECT about FROM capgroups_news WHERE user_id = ? AND kind = 'code_died'"
    assert eventually(lambda: server.query(waits, chat.person.user_id) == [(second,)])
    assert len(news(chat)) == 1  # One was sent half an hour ago.
    later(server, 31 * MINUTE_MS)
    expired = [ENGLISH.say("news_expired", code_id=second, group="Tea")]
    assert all_news(server, chat, 2)[-1] == expired

    # Who was quiet missed it, and is not told afterwards.
    assert quiet.ask("quiet off") == ENGLISH.say("quiet_off")
    swept(server)
    assert news(quiet) == []
    # That somebody was written to is forgotten after a day.
    later(server, 25 * HOUR_MS)
    assert eventually(lambda: server.query("SELECT * FROM capgroups_readers") == [])
    assert server.query("SELECT * FROM capgroups_news") == []


def test_many_news_are_one_message_with_a_bound(start: Starter) -> None:
    server = start(module={"cap": 30, "code_limit": 20})
    chat, room = person_with_group(server)
    for _ in range(13):
        server.make_code(room, chat.person)
    server.query("UPDATE capgroups_codes SET expires_at = 1")
    swept(server)
    later(server, 40 * MINUTE_MS)
    (lines,) = all_news(server, chat, 1)
    assert len(lines) == 11
    assert lines[-1] == ENGLISH.say("and_more")
