"""The concierge: what it answers, to whom, and that it listens nowhere else."""

import contextlib
import itertools
import json
import time
from typing import Any
from urllib.parse import quote

import pytest

from synapse_capgroups.concierge.lines import commands
from synapse_capgroups.concierge.parsing import CodeWish, code_wish, matching
from synapse_capgroups.concierge.picture_messages import file_name
from synapse_capgroups.concierge.understanding import Understood
from synapse_capgroups.concierge.voice import MOST_PARTS, parts
from synapse_capgroups.demo.homeserver import StartError
from synapse_capgroups.demo.person import Person, expect
from synapse_capgroups.demo.story import read_picture
from synapse_capgroups.limits.table import COMMANDS
from synapse_capgroups.people.remarks import ACCOUNT_DATA_TYPE
from synapse_capgroups.people.time_zones import local_time
from synapse_capgroups.rules.verdict import Reason, Refusal
from synapse_capgroups.words.lookup import Audience, Words
from tests.conftest import CODE_LIMIT, Server, Starter, eventually, refused

CONCIERGE = "@groups:localhost"


def concierge_of(person: Person) -> str:
    """The concierge of somebody's server."""
    return f"@groups:{person.user_id.partition(':')[2]}"


ENGLISH = Words()
_limits = itertools.count(1)


def invitations(person: Person, *, chats_only: bool = False) -> list[str]:
    """Rooms that the concierge has invited this person to; an organisers' space is no chat."""
    # Synapse remembers its answer to a first sync for a while, one for each filter.
    sync = f'/sync?timeout=0&filter={{"room":{{"timeline":{{"limit":{next(_limits)}}}}}}}'
    rooms = expect(person.call("GET", sync)).body.get("rooms", {}).get("invite", {})
    return [
        room
        for room, invited in rooms.items()
        if any(
            event["sender"] == concierge_of(person)
            and (event["content"].get("is_direct") or not chats_only)
            for event in invited["invite_state"]["events"]
        )
    ]


class Chat:
    """One person's room with the concierge."""

    def __init__(self, person: Person, opened: str = "") -> None:
        """
        Args:
            opened: the room that the person has made for it; else they accept an invitation.
        """
        self.person = person
        self.room = opened
        if not opened:
            assert eventually(lambda: len(invitations(person, chats_only=True)) == 1)
            (self.room,) = invitations(person, chats_only=True)
            expect(person.join(self.room))
        assert eventually(lambda: self.messages() != [])  # The greeting follows the invitation.

    def messages(self) -> list[dict[str, Any]]:
        path = f"/rooms/{quote(self.room)}/messages?dir=b&limit=100"
        events = expect(self.person.call("GET", path)).body["chunk"]
        return [
            event["content"]
            for event in reversed(events)
            if event["type"] == "m.room.message" and event["sender"] == concierge_of(self.person)
        ]

    def say(self, text: str, answers: int = 1) -> list[dict[str, Any]]:
        """Write something and wait for so many answers."""
        before = len(self.messages())
        expect(self.person.send(self.room, text))
        assert eventually(lambda: len(self.messages()) >= before + answers), self.messages()
        return self.messages()[before:]

    def ask(self, text: str) -> str:
        (answer,) = self.say(text)
        assert answer["msgtype"] == "m.notice"
        return str(answer["body"])


def person_with_group(server: Server, name: str = "Tea") -> tuple[Chat, str]:
    person = server.person()
    room = person.new_room(name=name)
    return Chat(person), room


def test_who_creates_their_first_group_is_greeted_once_in_an_unencrypted_room(
    start: Starter,
) -> None:
    server = start(
        module={"cap": 6, "code_limit": CODE_LIMIT},
        settings={"encryption_enabled_by_default_for_room_type": "all"},
    )
    chat, _ = person_with_group(server)
    assert not chat.person.state(chat.room, "m.room.encryption").ok
    greeting = [ENGLISH.say("greeting"), ENGLISH.say("greeting_group", group="Tea")]
    assert [message["body"] for message in chat.messages()] == ["\n".join(greeting)]
    chat.person.new_room(name="Another")
    chat.person.befriend(server.person())
    assert chat.ask("help") == ENGLISH.say("help")
    assert invitations(chat.person) == []


def test_the_greeting_shows_a_hostile_name_on_one_line_and_needs_none(server: Server) -> None:
    hostile, _ = person_with_group(server, "A\nB " + 200 * "x")
    (greeting,) = [str(message["body"]) for message in hostile.messages()]
    line = greeting.removeprefix(ENGLISH.say("greeting")).strip("\n")
    assert "\n" not in line
    assert line == ENGLISH.say("greeting_group", group="A B " + 75 * "x" + "…")
    nameless = server.person()
    nameless.new_room()
    assert [m["body"] for m in Chat(nameless).messages()] == [ENGLISH.say("greeting")]


def test_a_direct_chat_is_no_reason_for_a_greeting(server: Server) -> None:
    a, b = server.people(2)
    a.befriend(b)
    a.new_room()
    assert eventually(lambda: len(invitations(a)) == 1)
    assert invitations(b) == []


ENCRYPTION = {"algorithm": "m.megolm.v1.aes-sha2"}


def standing(person: Person, room: str) -> object:
    """The concierge's membership in somebody's room."""
    return person.state(room, "m.room.member", CONCIERGE).body.get("membership")


def last_word(person: Person, room: str) -> str:
    """What the concierge said last in somebody's room."""
    path = f"/rooms/{quote(room)}/messages?dir=b&limit=100"
    events = expect(person.call("GET", path)).body["chunk"]
    said = (e for e in events if e["type"] == "m.room.message" and e["sender"] == CONCIERGE)
    return str(next(said)["content"]["body"])


def link_to(room: str) -> str:
    return f"https://matrix.to/#/{quote(room)}?via=localhost"


@pytest.mark.parametrize("preset", ["trusted_private_chat", "private_chat"])
def test_who_opens_a_chat_with_it_is_answered_there(server: Server, preset: str) -> None:
    person = server.person()
    opened = person.new_room(is_direct=True, invite=[CONCIERGE], preset=preset)
    chat = Chat(person, opened)
    assert invitations(person) == []
    assert [message["body"] for message in chat.messages()] == [ENGLISH.say("greeting")]
    assert chat.ask("groups") == ENGLISH.say("no_groups")  # Their chat is none.
    assert chat.ask("help") == ENGLISH.say("help")
    # It is a chat like any other, whatever power its person has there.
    other = server.person()
    assert refused(person.invite(opened, other), "concierge_chat")
    assert refused(other.join(opened), "concierge_chat")
    assert server.query(
        "SELECT user_id FROM capgroups_admissions WHERE room_id = ? AND user_id = ?",
        opened, CONCIERGE,
    ) == []  # fmt: skip
    person.new_room(name="Tea")
    assert eventually(lambda: chat.ask("groups").startswith("1. Tea"))
    assert invitations(person) == []


def test_in_an_encrypted_chat_it_says_where_it_can_read_and_leaves(server: Server) -> None:
    person = server.person()
    encrypted = {"type": "m.room.encryption", "content": ENCRYPTION}
    theirs = person.new_room(is_direct=True, invite=[CONCIERGE], initial_state=[encrypted])
    chat = Chat(person)
    assert chat.room != theirs
    assert not person.state(chat.room, "m.room.encryption").ok
    assert eventually(lambda: standing(person, theirs) == "leave")
    said = ENGLISH.say("encrypted_here", link=link_to(chat.room))
    assert last_word(person, theirs) == said
    assert chat.ask("help") == ENGLISH.say("help")


def test_a_second_chat_is_answered_with_the_way_to_the_first(server: Server) -> None:
    chat, _ = person_with_group(server)
    second = chat.person.new_room(is_direct=True, invite=[CONCIERGE])
    assert eventually(lambda: standing(chat.person, second) == "leave")
    said = ENGLISH.say("have_chat", link=link_to(chat.room))
    assert last_word(chat.person, second) == said
    assert invitations(chat.person) == []
    assert chat.ask("help") == ENGLISH.say("help")


def test_a_chat_that_its_person_encrypts_is_replaced_by_one_that_can_be_read(
    server: Server,
) -> None:
    person = server.person()
    opened = person.new_room(is_direct=True, invite=[CONCIERGE])
    Chat(person, opened)
    expect(person.set_state(opened, "m.room.encryption", ENCRYPTION))
    secret = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x"}
    expect(person.call("PUT", f"/rooms/{quote(opened)}/send/m.room.encrypted/1", secret))
    chat = Chat(person)
    assert chat.room != opened
    assert eventually(lambda: standing(person, opened) == "leave")
    assert last_word(person, opened) == ENGLISH.say("encrypted_left")
    assert chat.ask("help") == ENGLISH.say("help")


@pytest.mark.parametrize("with_whom", ["a third person", "nobody else, and it is a group"])
def test_it_comes_into_no_other_room(server: Server, with_whom: str) -> None:
    person, third = server.people(2)
    invited = [CONCIERGE, third.user_id] if with_whom == "a third person" else [CONCIERGE]
    is_chat = with_whom == "a third person"
    theirs = person.new_room(is_direct=is_chat, invite=invited)
    assert eventually(lambda: standing(person, theirs) == "leave")
    assert Chat(person).room != theirs
    assert person.members(theirs) == [person.user_id]


def test_who_has_left_the_chat_that_they_made_can_make_another(server: Server) -> None:
    person = server.person()
    first = Chat(person, person.new_room(is_direct=True, invite=[CONCIERGE]))
    expect(person.leave(first.room))
    second = Chat(person, person.new_room(is_direct=True, invite=[CONCIERGE]))
    assert second.ask("help") == ENGLISH.say("help")


def test_it_takes_no_seat_in_a_group_that_invites_it(server: Server) -> None:
    room, people = server.group(2)
    expect(people[0].invite(room, CONCIERGE))
    assert eventually(
        lambda: people[0].state(room, "m.room.member", CONCIERGE).body.get("membership") == "leave"
    )
    assert len(people[0].members(room)) == 2


def test_who_left_the_chat_gets_a_new_one_when_they_ask(server: Server) -> None:
    chat, _ = person_with_group(server)
    expect(chat.person.leave(chat.room))
    opened = chat.person.new_room(is_direct=True, invite=[CONCIERGE])
    assert Chat(chat.person, opened).ask("help") == ENGLISH.say("help")


def test_a_code_comes_as_a_picture_and_a_link_and_lets_a_stranger_in(server: Server) -> None:
    chat, room = person_with_group(server)
    picture, text = chat.say("CODE tea 2d 5 uses", answers=2)
    assert picture["msgtype"] == "m.image"
    assert picture["info"]["w"] == 900
    assert picture["info"]["h"] > 900
    media = picture["url"].removeprefix("mxc://")
    data = chat.person.call("GET", f"/_matrix/client/v1/media/download/{media}").picture
    link = read_picture(data)
    assert link in text["body"]
    assert "for 5 people" in text["body"]

    secret = link.partition("#")[2]
    stranger = server.person()
    expect(stranger.join(server.door({"secret": secret})))
    assert stranger.user_id in chat.person.members(room)

    listed = chat.ask("codes 1")
    assert f"alive, by {chat.person.user_id}" in listed
    assert "used once" in listed
    assert secret not in listed
    who = chat.ask("who tea")
    assert f"({chat.person.user_id}) created the group" in who
    assert f"({stranger.user_id}) came by the code" in who

    code_id = listed.split()[0]
    assert chat.ask(f"revoke {code_id}") == ENGLISH.say("revoked")
    assert "withdrawn" in chat.ask("codes 1")
    assert not server.person().join(server.door({"secret": secret})).ok


def test_the_concierge_lists_twenty_codes_at_once_and_says_how_to_see_more(
    server: Server,
) -> None:
    chat, room = person_with_group(server)
    code = server.make_code(room, chat.person)
    for number in range(24):
        server.query(
            "INSERT INTO capgroups_codes (code_id, secret, room_id, sharer, created_at, "
            "expires_at, uses, died_of, died_at, door_closed_at, address_moved_at) "
            "SELECT ?, ?, room_id, sharer, created_at - ?, expires_at, 0, 'code_revoked', "
            "created_at, 1, 1 FROM capgroups_codes WHERE code_id = ?",
            f"{room[1:6].lower()}old{number:02}", f"s{number}{room}", number + 1, code["code_id"],
        )  # fmt: skip
    first = chat.ask("codes 1").splitlines()
    assert first[0].startswith(code["code_id"])
    assert (len(first), first[-1]) == (21, "There are older ones: codes 1 page 2")
    second = chat.ask(first[-1].partition(": ")[2]).splitlines()
    assert len(second) == 5
    assert not set(first) & set(second)
    assert "no join codes" in chat.ask("codes 1 page 3")


def test_groups_are_numbered_and_direct_chats_are_not_among_them(server: Server) -> None:
    chat, _ = person_with_group(server, "Tea")
    chat.person.new_room(name="Chess")
    chat.person.befriend(server.person())
    server.plain_room(chat.person, name="No group")
    assert chat.ask("groups") == "1. Chess \u2013 1 of 6 members\n2. Tea \u2013 1 of 6 members"


def test_a_name_of_ones_own(server: Server) -> None:
    chat, room = person_with_group(server)
    assert chat.ask("name 1 Uncle Bob") == "In Tea you are now called Uncle Bob."
    content = chat.person.state(room, "m.room.member", chat.person.user_id).body
    assert content["displayname"] == "Uncle Bob"
    assert chat.ask("name 1") == ENGLISH.say("which_name")
    assert chat.ask("name 1 " + "x" * 300) == ENGLISH.say("name_too_long")


def test_it_does_not_talk_about_groups_that_the_asker_is_not_in(server: Server) -> None:
    owner, _room = person_with_group(server, "A very secret group")
    _, text = owner.say("code 1", answers=2)
    code_id = text["body"].split()[-1]
    other, _ = person_with_group(server, "Tea")
    for command in ("code", "codes", "who"):
        answer = other.ask(f"{command} secret")
        assert answer == ENGLISH.say("no_such_group", said="secret")
    other.person.new_room(name="Chess")
    assert other.ask("name secret X") == ENGLISH.say("no_such_group", said="secret")
    assert other.ask(f"revoke {code_id}") == ENGLISH.say("no_such_code")
    assert other.ask("revoke doesnotexist") == ENGLISH.say("no_such_code")
    assert "secret" not in other.ask("groups")


def test_only_who_has_the_level_makes_and_sees_codes(server: Server) -> None:
    chat, _ = person_with_group(server, "Their own")
    room, people = server.group(1)
    server.admit(room, people[0], chat.person)
    for command in ("code A group", "codes A group", "who A group"):
        assert chat.ask(command) == ENGLISH.refusal(Refusal(Reason.NOT_ENTITLED), Audience.SHARING)


def test_at_the_code_limit_it_says_why_there_are_no_codes(server: Server) -> None:
    chat, room = person_with_group(server)
    for _ in range(CODE_LIMIT - 1):
        server.admit(room, chat.person, server.person())
    assert chat.ask("code 1") == ENGLISH.refusal(
        Refusal(Reason.CODE_CLOSED, limit=CODE_LIMIT), Audience.SHARING
    )


def hint(said: str) -> str:
    """The answer to what has nothing of a command."""
    return ENGLISH.say("hint", said=said, first="“code”", second="“groups”")


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("kdjfh", hint("kdjfh")),
        ("code 99", ENGLISH.say("no_such_group", said="99")),
        ("code 1 9999d", ENGLISH.say("lifetime", days=30)),
        ("code 1 0 uses", ENGLISH.say("uses")),
        ("revoke", ENGLISH.say("no_such_code")),
        ("revoke ' OR 1=1", ENGLISH.say("no_such_code")),
        ("   ", ENGLISH.say("help")),
        ("name", ENGLISH.say("which_name")),
        ("{0} {said}", hint("{0} {said}")),
    ],
)
def test_anything_else_is_answered_with_a_hint_never_with_silence(
    server: Server, said: str, answer: str
) -> None:
    chat, _ = person_with_group(server)
    assert chat.ask(said) == answer


def test_other_kinds_of_message_are_answered_and_other_bots_are_not(server: Server) -> None:
    chat, _ = person_with_group(server)
    before = len(chat.messages())
    accepted: list[str] = []
    messages: list[tuple[str, dict[str, Any]]] = [
        ("m.room.message", {"msgtype": "m.notice", "body": "help"}),
        ("m.room.message", {"msgtype": "m.image", "body": "x", "url": "mxc://a/b"}),
        ("m.room.message", {"msgtype": "m.text", "body": 5}),
        ("m.room.message", {"msgtype": "m.text"}),
        ("m.room.message", {"msgtype": ["m.text"], "body": "help"}),
        ("m.room.encrypted", {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x"}),
    ]
    for number, (event_type, content) in enumerate(messages):
        reply = chat.person.call("PUT", f"/rooms/{chat.room}/send/{event_type}/{number}", content)
        if reply.ok:  # Synapse itself does not take some of them.
            accepted.append(str(content.get("msgtype", event_type)))
    assert {"m.notice", "m.image", "m.room.encrypted"} <= set(accepted)
    assert eventually(lambda: len(chat.messages()) == before + len(accepted) - 1)
    said = {message["body"] for message in chat.messages()[before:]}
    assert said == {ENGLISH.say("text_only"), ENGLISH.say("encrypted")}


def test_it_still_listens_after_a_restart(start: Starter) -> None:
    server = start(module={"cap": 6, "code_limit": CODE_LIMIT})
    chat, _ = person_with_group(server)
    server.homeserver.stop()
    server.homeserver.start()
    assert chat.ask("help") == ENGLISH.say("help")


def test_an_account_that_belongs_to_somebody_is_not_taken_for_the_concierge(
    start: Starter,
) -> None:
    server = start(module=None)
    server.homeserver.register("groups")
    with contextlib.suppress(StartError):  # It may have answered once before it looked.
        server.install_module({})
        assert server.homeserver.returncode(timeout=20) == 1
    assert "@groups:localhost belongs to somebody" in server.homeserver.output()


@pytest.mark.parametrize("language", ["de", "zh-Hans"])
def test_it_answers_in_the_servers_language(start: Starter, language: str) -> None:
    server = start(module={"cap": 6, "code_limit": CODE_LIMIT, "language": language})
    chat, _ = person_with_group(server)
    words = Words(language)
    greeting = [words.say("greeting"), words.say("greeting_group", group="Tea")]
    assert [message["body"] for message in chat.messages()] == ["\n".join(greeting)]
    assert chat.ask("help") == words.say("help")
    assert "Tea" in chat.ask("groups")
    chat.say("code 1", answers=2)


def test_commands_are_read_one_a_line_without_quotes_and_only_so_many() -> None:
    assert commands("> help\n\n Groups \ncode Tea time") == [
        Understood("groups", ""), Understood("code", "Tea time"),
    ]  # fmt: skip
    assert len(commands("help\n" * 100)) == 5


@pytest.mark.parametrize(
    ("rest", "wish"),
    [
        ("1", CodeWish("1")),
        ("Tea 2 go", CodeWish("Tea 2 go")),
        ("Tea 7d", CodeWish("Tea", 7 * 86_400_000)),
        ("Tea 12H 20 uses", CodeWish("Tea", 12 * 3_600_000, 20)),
        ("Tea 1 use", CodeWish("Tea", None, 1)),
        ("Group 7d 3 uses 2w", CodeWish("Group 7d", 2 * 604_800_000, 3)),
        ("7d", CodeWish("", 7 * 86_400_000)),
        ("", CodeWish("")),
    ],
)
def test_what_follows_code(rest: str, wish: CodeWish) -> None:
    assert code_wish(rest) == wish


def test_a_group_is_meant_by_its_number_its_name_or_a_part_of_it() -> None:
    names = ["Tea", "Tea on Sundays", "Chess", "7 of us"]
    assert matching("3", names) == [2]
    assert matching("tea", names) == [0]
    assert matching("sunday", names) == [1]
    assert matching("e", names) == [0, 1, 2]
    assert matching("7", names) == []
    assert matching("0", names) == []
    assert matching("", names) == []


def test_a_remark_is_used_in_what_the_concierge_tells_and_by_nobody_else(server: Server) -> None:
    chat, room = person_with_group(server)
    guest = server.person()
    Server.admit(room, chat.person, guest)
    assert guest.user_id in chat.ask("who 1")
    assert "Uncle Bob" in chat.ask(f"remark {guest.user_id} Uncle Bob")
    assert f"Uncle Bob ({guest.user_id}) was invited by" in chat.ask("who 1")
    data = f"/account_data/{ACCOUNT_DATA_TYPE}"
    own = f"/user/{chat.person.user_id}{data}"
    assert expect(chat.person.call("GET", own)).body == {guest.user_id: "Uncle Bob"}
    assert guest.call("GET", own).status == 403
    chat.ask(f"remark {guest.user_id}")
    assert "Uncle Bob" not in chat.ask("who 1")
    assert expect(chat.person.call("GET", own)).body == {}


def test_who_is_told_by_names_in_the_room_and_in_the_readers_own_time(server: Server) -> None:
    chat, room = person_with_group(server)
    guest, gone = server.people(2)
    for person in (guest, gone):
        Server.admit(room, chat.person, person)
    expect(guest.set_room_name_of_own(room, "Uncle\nBob"))
    expect(gone.leave(room))
    at = "UPDATE capgroups_admissions SET admitted_at = ? WHERE room_id = ?"
    server.query(at, 1767225600000, room)  # 2026, in UTC.
    said = chat.ask("who 1").splitlines()
    assert all(line.startswith("2026-01-01 00:00 UTC: ") for line in said)
    assert any(f" Uncle Bob ({guest.user_id}) was invited by" in line for line in said)
    assert any(f": {gone.user_id} was invited by" in line for line in said)
    assert "A friend" in chat.ask(f"remark {guest.user_id} A friend")
    assert f" A friend ({guest.user_id}) was invited by" in chat.ask("who 1")

    localpart = chat.person.user_id[1:].partition(":")[0]
    for fields, shown in (
        ('{"m.tz": "Europe/Berlin"}', "2026-01-01 01:00 CET"),
        ('{"us.cloke.msc4175.tz": "America/New_York"}', "2025-12-31 19:00 EST"),
        ('{"m.tz": "../../etc/passwd"}', "2026-01-01 00:00 UTC"),
        ('{"m.tz": 5}', "2026-01-01 00:00 UTC"),
    ):
        server.query("UPDATE profiles SET fields = ? WHERE user_id = ?", fields, localpart)
        assert chat.ask("who 1").startswith(f"{shown}: ")


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        (None, "UTC"), ("", "UTC"), ("Nowhere/Else", "UTC"), ("Europe", "UTC"), ("x\0y", "UTC"),
        ("/etc/passwd", "UTC"), ("tzdata.zi", "UTC"), (100 * "x", "UTC"),
    ],
)  # fmt: skip
def test_what_is_no_time_zone_is_utc(zone: str | None, shown: str) -> None:
    assert local_time(0, zone) == f"1970-01-01 00:00 {shown}"
    assert local_time(0, "Asia/Tashkent") == "1970-01-01 06:00 UTC+06"


@pytest.mark.parametrize("said", ["remark", "remark Bob Uncle", "remark @bob Uncle"])
def test_a_remark_about_nobody_is_answered_with_an_example(server: Server, said: str) -> None:
    chat, _ = person_with_group(server)
    assert "remark @bob:example.com" in chat.ask(said)


def test_an_answer_that_is_too_large_for_one_event_comes_in_parts(server: Server) -> None:
    chat, room = person_with_group(server)
    now = int(time.time() * 1000)
    for number in range(60):
        server.query(
            "INSERT INTO capgroups_admissions (room_id, user_id, how, inviter, inviter_was_friend,"
            " mode, members_after, admitted_at) VALUES (?, ?, 'invite', ?, FALSE, 'open', 2, ?)",
            room, f"@{number}-{'x' * 240}:localhost", f"@{'y' * 240}:localhost", now + number,
        )  # fmt: skip
    chat.say("who 1")
    assert eventually(lambda: len(chat.messages()) >= 3)
    said = [message["body"] for message in chat.messages()[1:]]
    assert len(said) == 2
    assert [f"@{number}-" in "\n".join(said) for number in (9, 10, 59)] == [False, True, True]
    assert chat.ask("help") == ENGLISH.say("help")


def test_a_groups_name_of_any_length_leaves_room_for_an_answer(server: Server) -> None:
    chat, _ = person_with_group(server, "A" + "\U0001f375" * 14_000)
    chat.person.new_room(name="B" + "\U0001f375" * 14_000)
    answer = chat.ask("groups")
    assert answer.startswith("1. A\U0001f375")
    assert "\n2. B\U0001f375" in answer
    assert len(answer) < 500
    assert "for A\U0001f375" in chat.say("code 1", answers=2)[1]["body"]


@pytest.mark.parametrize("text", ["", "a", "\n\n", "x\n" * 9000, "x" * 100_000, "\x01" * 30_000])
def test_what_is_said_in_parts_fits_into_events(text: str) -> None:
    said = parts(text, "more")
    assert 1 <= len(said) <= MOST_PARTS
    assert all(len(json.dumps(part)) < 40_000 for part in said)
    if len(text) < 20_000:
        assert "\n".join(said) == text.rstrip("\n")
    else:
        assert said[-1].endswith("more")


def test_of_a_message_with_more_than_five_commands_the_rest_is_said_to_be_dropped(
    server: Server,
) -> None:
    chat, _ = person_with_group(server)
    said = chat.say("help\n" * 8, answers=6)
    assert [message["body"] for message in said[:5]] == [ENGLISH.say("help")] * 5
    assert said[5]["body"] == ENGLISH.say("dropped", most=5, dropped=3)


def test_who_writes_too_often_is_told_so_once_and_then_not_answered_until_they_may(
    server: Server,
) -> None:
    chat, _ = person_with_group(server)
    # Of two answers that are the same to the millisecond, Synapse makes one event.
    for number in range(10):
        expect(chat.person.send(chat.room, "\n".join(f"huh{number}{line}" for line in "abcde")))

    def said() -> list[str]:
        return [str(message["body"]) for message in chat.messages()[1:]]

    assert eventually(lambda: ENGLISH.say("too_often") in said(), 30)
    assert eventually(lambda: sum("huh" in text for text in said()) >= COMMANDS.burst, 30)
    before = -1
    while before != (before := len(said())):
        time.sleep(2 * COMMANDS.period)
    helped, told = sum("huh" in text for text in said()), said().count(ENGLISH.say("too_often"))
    assert COMMANDS.burst <= helped < 50
    # Once for each time that they may not; some may meanwhile.
    assert 1 <= told <= helped - COMMANDS.burst + 1
    assert helped + told == len(said())
    assert chat.ask("help") == ENGLISH.say("help")


def test_it_listens_again_when_its_first_transaction_has_failed(start: Starter) -> None:
    server = start(module={"cap": 6, "code_limit": CODE_LIMIT})
    chat, _ = person_with_group(server)
    server.homeserver.stop()
    server.query("ALTER TABLE capgroups_chats RENAME TO chats_elsewhere")
    server.homeserver.start()
    expect(chat.person.send(chat.room, "help"))
    time.sleep(1)
    server.query("ALTER TABLE chats_elsewhere RENAME TO capgroups_chats")
    before = len(chat.messages())

    def answers() -> bool:
        expect(chat.person.send(chat.room, "help"))
        return len(chat.messages()) > before

    assert eventually(answers, 20)


def test_a_name_of_ones_own_leaves_the_picture_in_the_group_as_it_is(server: Server) -> None:
    chat, room = person_with_group(server)
    user = chat.person.user_id
    profile = {"avatar_url": "mxc://localhost/everywhere"}
    expect(chat.person.call("PUT", f"/profile/{quote(user)}/avatar_url", profile))

    def here() -> dict[str, Any]:
        return chat.person.state(room, "m.room.member", user).body

    assert eventually(lambda: here().get("avatar_url") == profile["avatar_url"])
    own = {"membership": "join", "displayname": "Bob", "avatar_url": "mxc://localhost/here"}
    expect(chat.person.set_state(room, "m.room.member", own, user))
    assert chat.ask("name 1 Uncle") == "In Tea you are now called Uncle."
    content = here()
    assert (content["displayname"], content["avatar_url"]) == ("Uncle", "mxc://localhost/here")


def test_who_arrived_under_a_pseudonym_chooses_a_name_without_showing_their_picture(
    start: Starter,
) -> None:
    server = start(module={"names": {"on_arrival": "pseudonym"}})
    owner, room = person_with_group(server)
    person = server.person()
    profile = {"avatar_url": "mxc://localhost/everywhere"}
    expect(person.call("PUT", f"/profile/{quote(person.user_id)}/avatar_url", profile))
    expect(server.scan(person, server.make_code(room, owner.person)))
    person.new_room(name="Chess")
    chat = Chat(person)
    for name in ("Uncle", person.name):
        assert name in chat.ask(f"name Tea {name}")
        content = person.state(room, "m.room.member", person.user_id).body
        assert content["displayname"] == name
        assert not content.get("avatar_url")


def test_a_remark_about_nobody_says_so(server: Server) -> None:
    chat, _ = person_with_group(server)
    nobody = "@nobody-of-that-name:localhost"
    assert chat.ask(f"remark {nobody} Bob") == ENGLISH.say("no_such_person", user=nobody)
    elsewhere = "@bob:example.com"
    assert chat.ask(f"remark {elsewhere} Bob") == ENGLISH.say(
        "remarked", user=elsewhere, name="Bob"
    )


@pytest.mark.parametrize(
    ("called", "name"),
    [
        ("Tea on Sundays", "Tea on Sundays"),
        ("../../etc/passwd", "etc passwd"),
        ('a"b\n<c>', "a b c"),
        ("\u8336", "\u8336"),
        ("...", "join-code"),
        ("x" * 300, "x" * 60),
    ],
)
def test_a_picture_is_named_after_its_group(called: str, name: str) -> None:
    assert file_name(called) == name


def test_quiet_is_switched_on_and_off(server: Server) -> None:
    chat, _ = person_with_group(server)
    who = "SELECT is_quiet FROM capgroups_readers WHERE user_id = ?"
    assert chat.ask("please be quiet") == ENGLISH.say("quiet_on")
    assert [bool(row[0]) for row in server.query(who, chat.person.user_id)] == [True]
    assert chat.ask("quiet on!") == ENGLISH.say("quiet_on")
    assert chat.ask("quiet about chess") == ENGLISH.say("which_quiet")
    assert chat.ask("Ruhe aus") == Words("de").say("quiet_off")
    assert [bool(row[0]) for row in server.query(who, chat.person.user_id)] == [False]
