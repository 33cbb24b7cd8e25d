"""Personal codes ("add me"), and the way around the friends rule that they must not become."""

import asyncio
import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import nio
import pytest

from synapse_capgroups.demo.person import Person, Reply, expect
from synapse_capgroups.demo.story import read_picture
from tests.conftest import API, Server, Starter, eventually, joined_rooms, refused
from tests.refusing_module import SENTENCE, beside, refuse
from tests.test_concierge import ENGLISH, Chat

_different = itertools.count(1)


def personal_code(chat: Chat, wish: str = "me") -> dict[str, Any]:
    picture, text = chat.say(wish, answers=2)
    media = picture["url"].removeprefix("mxc://")
    data = chat.person.call("GET", f"/_matrix/client/v1/media/download/{media}").picture
    link = read_picture(data)
    assert link in text["body"]
    code_id = text["body"].rpartition("revoke ")[2]
    return {"secret": link.partition("#")[2], "code_id": code_id}


def chats_offered(person: Person) -> list[str]:
    sync = expect(person.call("GET", f"/sync?timeout={next(_different)}")).body
    return list(sync.get("rooms", {}).get("invite", {}))


def known(server: Server) -> Chat:
    """Somebody whom the concierge talks to."""
    person = server.person()
    person.new_room(name="Tea")
    return Chat(person)


def test_who_scans_a_personal_code_gets_a_chat_that_its_owner_accepts_or_not(
    server: Server,
) -> None:
    marta = known(server)
    code = personal_code(marta)
    stranger = server.person()
    assert expect(server.preview(code)).body == {
        "state": "alive",
        "group": None,
        "sharer": marta.person.name.lower(),
        "expires_at": expect(server.preview(code)).body["expires_at"],
        "door": server.door(code),
    }
    expect(server.scan(stranger, code))
    (chat,) = chats_offered(marta.person)
    assert stranger.m_direct() == {marta.person.user_id: [chat]}
    group, _ = server.group(3, creator=marta.person)
    Server.admit(group, marta.person, server.person())
    assert refused(marta.person.invite(group, stranger), "friends_only")  # not accepted so far
    expect(marta.person.join(chat))
    assert marta.person.invite(group, stranger).ok


def test_a_real_client_accepts_the_chat_and_answers(server: Server) -> None:
    """matrix-nio, a library on which clients are built."""
    marta = known(server)
    stranger = server.person()
    expect(server.scan(stranger, personal_code(marta)))

    async def answer() -> str:
        client = nio.AsyncClient(server.homeserver.url, marta.person.user_id)
        await client.login(marta.person.password)
        await client.sync(timeout=1)
        (chat,) = client.invited_rooms
        await client.join(chat)
        content = {"msgtype": "m.text", "body": "Hello!"}
        await client.room_send(chat, "m.room.message", content)
        await client.close()
        return str(chat)

    chat = asyncio.run(answer())
    messages = expect(stranger.call("GET", f"/rooms/{chat}/messages?dir=b&limit=5")).body["chunk"]
    assert messages[0]["content"]["body"] == "Hello!"


def test_scanning_again_opens_no_second_chat(server: Server) -> None:
    marta, stranger = known(server), server.person()
    code = personal_code(marta)
    for _ in range(2):
        door = expect(server.scan(stranger, code)).body["room_id"]
        expect(stranger.leave(door))
    assert len(chats_offered(marta.person)) == 1
    # Its owner may try it without harm.
    expect(server.scan(marta.person, code))
    assert len(chats_offered(marta.person)) == 1


def test_a_personal_code_is_used_up_expires_and_can_be_revoked(server: Server) -> None:
    marta = known(server)
    once = personal_code(marta, "me 2d 1 uses")
    expect(server.scan(server.person(), once))
    reply = server.scan(server.person(), once)
    assert refused(reply, "code_used_up") or reply.status == 404
    assert expect(server.preview(once)).body["state"] == "code_used_up"

    other = personal_code(marta)
    server.query("UPDATE capgroups_codes SET expires_at = 1 WHERE code_id = ?", other["code_id"])
    assert refused(server.scan(server.person(), other), "code_expired")

    third = personal_code(marta)
    stranger = known(server)
    stranger.ask(f"revoke {third['code_id']}")
    assert expect(server.preview(third)).body["state"] == "alive"  # not theirs to end
    assert marta.ask(f"revoke {third['code_id']}") == ENGLISH.say("revoked")
    assert refused(server.scan(server.person(), third), "code_revoked")
    assert expect(server.preview(third)).body["state"] == "code_revoked"
    assert "me 7d 20 uses" in marta.ask("me somebody else")


def revoke(person: Person, code_id: str) -> Reply:
    return person.call("DELETE", f"{API}/codes/{quote(code_id, safe='')}")


def test_an_owner_revokes_a_personal_code_over_http_and_may_do_so_again(server: Server) -> None:
    marta = known(server)
    code = personal_code(marta)
    for _ in range(2):
        expect(revoke(marta.person, code["code_id"]))
        assert expect(server.preview(code)).body["state"] == "code_revoked"
    assert refused(server.scan(server.person(), code), "code_revoked")


def test_a_dead_personal_code_that_is_revoked_stays_dead_of_its_own_cause(server: Server) -> None:
    marta = known(server)
    code = personal_code(marta, "me 2d 1 uses")
    expect(server.scan(server.person(), code))
    expect(revoke(marta.person, code["code_id"]))
    assert expect(server.preview(code)).body["state"] == "code_used_up"


def test_a_stranger_learns_nothing_of_a_personal_code_by_revoking_it(server: Server) -> None:
    marta, stranger = known(server), server.person()
    code = personal_code(marta)
    answers = [revoke(stranger, code_id) for code_id in (code["code_id"], "0000000000", "\x00")]
    assert {answer.status for answer in answers} == {404}
    assert len({(answer.error, answer.body["errcode"]) for answer in answers}) == 1
    assert expect(server.preview(code)).body["state"] == "alive"


def test_a_groups_code_is_revoked_without_its_group_by_the_same_people(server: Server) -> None:
    room, (creator, member) = server.group(2)
    code = server.make_code(room, creator)
    for person in (member, server.person()):
        assert revoke(person, code["code_id"]).status == 404
    assert expect(server.preview(code)).body["state"] == "alive"
    expect(revoke(creator, code["code_id"]))
    assert expect(server.preview(code)).body["state"] == "code_revoked"


def test_the_sweep_leaves_living_personal_codes_alone(start: Starter) -> None:
    server = start(module={"cap": 6, "code_limit": 4})
    marta = known(server)
    code = personal_code(marta)
    server.homeserver.stop()
    server.homeserver.start()
    swept = "SELECT COUNT(*) FROM capgroups_codes WHERE died_of IS NULL"
    assert not eventually(lambda: server.query(swept) == [(0,)], 2)
    expect(server.scan(server.person(), code))


def test_a_deactivated_persons_code_is_dead(server: Server) -> None:
    marta = known(server)
    code = personal_code(marta)
    auth = {
        "type": "m.login.password", "password": marta.person.password,
        "identifier": {"type": "m.id.user", "user": marta.person.user_id},
    }  # fmt: skip
    expect(marta.person.call("POST", "/account/deactivate", {"auth": auth}))
    assert refused(server.scan(server.person(), code), "code_revoked")


def code_row(server: Server, code: dict[str, Any]) -> list[tuple[Any, ...]]:
    return server.query(
        "SELECT uses, died_of FROM capgroups_codes WHERE secret = ?", code["secret"]
    )


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
@pytest.mark.parametrize("what", ["invite", "create"])
def test_a_chat_that_fails_to_open_uses_up_nothing_and_leaves_nothing_behind(
    start: Starter, engine: str, what: str
) -> None:
    server = start(engine, module=None, settings=beside({"cap": 6, "code_limit": 4}))
    marta, stranger = known(server), server.person()
    code = personal_code(marta, "me 2d 1 uses")
    expect(stranger.set_m_direct({"@somebody:else": ["!old:else"]}))
    refuse(server, **{what: [stranger.user_id if what == "create" else marta.person.user_id]})
    reply = server.scan(stranger, code)
    assert (reply.status, reply.error) == (403, SENTENCE)
    assert code_row(server, code) == [(0, None)]
    assert expect(server.preview(code)).body["state"] == "alive"
    assert joined_rooms(stranger) == []
    assert stranger.m_direct() == {"@somebody:else": ["!old:else"]}
    assert chats_offered(marta.person) == []
    assert "Traceback" not in server.homeserver.log.read_text()
    refuse(server)
    expect(server.scan(stranger, code))
    assert len(chats_offered(marta.person)) == 1
    assert code_row(server, code) == [(1, "code_used_up")]


def test_a_chat_that_fails_to_open_takes_back_no_use_from_before(start: Starter) -> None:
    server = start(module=None, settings=beside({"cap": 6, "code_limit": 4}))
    marta, stranger = known(server), server.person()
    code = personal_code(marta, "me 2d 2 uses")
    door = expect(server.scan(stranger, code)).body["room_id"]
    (chat,) = chats_offered(marta.person)
    expect(stranger.leave(chat))
    stranger.leave(door)
    refuse(server, create=[stranger.user_id])
    assert server.scan(stranger, code).error == SENTENCE
    assert code_row(server, code) == [(1, None)]
    expect(server.scan(server.person(), code))
    assert code_row(server, code) == [(2, "code_used_up")]


@pytest.mark.newer_synapse
def test_an_owner_who_blocks_invitations_gets_none_and_their_code_is_not_used(
    server: Server,
) -> None:
    marta, stranger = known(server), server.person()
    code = personal_code(marta, "me 2d 1 uses")
    path = f"/user/{marta.person.user_id}/account_data/m.invite_permission_config"
    expect(marta.person.call("PUT", path, {"default_action": "block"}))
    reply = server.scan(stranger, code)
    assert (reply.status, reply.body["errcode"]) == (403, "M_INVITE_BLOCKED")
    assert joined_rooms(stranger) == []
    assert code_row(server, code) == [(0, None)]


def test_opening_a_chat_only_adds_to_the_list_of_direct_chats(server: Server) -> None:
    marta, stranger = known(server), server.person()
    others = {f"@other{number}:else": ["!b:x", "!a:x", 5, None] for number in (3, 1, 2)}
    before: dict[str, Any] = {
        **others,
        marta.person.user_id: [f"!room{number % 7}{number}:x" for number in range(150)],
        "odd": {"no": "list"},
    }
    expect(stranger.set_m_direct(before))
    expect(server.scan(stranger, personal_code(marta)))
    (chat,) = chats_offered(marta.person)
    after = stranger.m_direct()
    assert list(after) == list(before)
    assert after.pop(marta.person.user_id) == [*before.pop(marta.person.user_id), chat]
    assert after == before


@pytest.mark.parametrize("odd", ["!text:x", {"no": "list"}, 5, None])
def test_what_is_no_list_there_is_kept_beside_the_chat(server: Server, odd: object) -> None:
    marta, stranger = known(server), server.person()
    expect(stranger.set_m_direct({marta.person.user_id: odd}))
    expect(server.scan(stranger, personal_code(marta)))
    (chat,) = chats_offered(marta.person)
    kept = [] if odd is None else [odd]
    assert stranger.m_direct() == {marta.person.user_id: [*kept, chat]}
    expect(marta.person.join(chat))
    room, _ = server.group(4, creator=marta.person)
    expect(marta.person.invite(room, stranger))  # they are friends


def test_chats_that_are_opened_at_the_same_moment_are_all_listed(server: Server) -> None:
    owners = [known(server) for _ in range(5)]
    codes = [personal_code(owner) for owner in owners]
    stranger = server.person()
    with ThreadPoolExecutor(len(codes)) as pool:
        for reply in pool.map(lambda code: server.scan(stranger, code), codes):
            expect(reply)
    assert sorted(stranger.m_direct()) == sorted(owner.person.user_id for owner in owners)


def stranger_waved_in(server: Server, eve: Person, room: str, stranger: Person) -> str | None:
    """Eve accepts a stranger's chat and invites them; the reason for which that fails."""
    for chat in eve_chats(server, eve, stranger):
        expect(eve.join(chat))
    invited = eve.invite(room, stranger)
    return invited.reason if not invited.ok else stranger.join(room).reason


def eve_chats(server: Server, eve: Person, stranger: Person) -> list[str]:
    return list(stranger.m_direct().get(eve.user_id, []))


@pytest.mark.full_size
@pytest.mark.parametrize(
    ("friends", "let_in", "reason"),
    [
        ({"max_vouches_per_day": 5}, 5, "vouch_limit"),
        ({"min_age": "1h"}, 0, "friends_only"),
    ],
)
def test_one_account_that_befriends_two_hundred_strangers_cannot_wave_them_all_through(
    start: Starter, friends: dict[str, Any], let_in: int, reason: str
) -> None:
    server = start(module={"cap": 500, "code_limit": 4, "friends": friends})
    room, people = server.group(3)
    eve = known(server)
    Server.admit(room, people[0], eve.person)  # The fourth: from here on only friends.
    code = personal_code(eve, "me 1d")
    strangers = server.people(200)
    with ThreadPoolExecutor(8) as pool:
        for reply in pool.map(lambda stranger: server.scan(stranger, code), strangers):
            expect(reply)
        came = list(
            pool.map(lambda person: stranger_waved_in(server, eve.person, room, person), strangers)
        )
    assert came.count(None) == let_in
    assert set(came) - {None} == {reason}
    assert len(people[0].members(room)) == 4 + let_in


@pytest.mark.both_engines
def test_people_make_look_at_and_end_their_own_codes_over_http(server: Server) -> None:
    owner, other, scanner = server.people(3)
    path = f"{API}/me/codes"
    first, second = (expect(owner.call("POST", path, {"max_uses": 5})).body for _ in range(2))
    for _ in range(2):  # To look at them does not end them.
        listed = expect(owner.call("GET", path)).body["codes"]
        assert [code["state"] for code in listed] == ["alive", "alive"]
    assert {code["code_id"] for code in listed} == {first["code_id"], second["code_id"]}
    page = expect(owner.call("GET", f"{path}?limit=1")).body
    rest = expect(owner.call("GET", f"{path}?limit=1&from={page['next']}")).body
    assert page["codes"] + rest["codes"] == listed
    picture = f"{path}/{first['code_id']}/qr.svg"
    assert expect(owner.call("GET", picture)).picture.startswith(b"<")
    assert other.call("GET", picture).status == 404
    assert other.call("DELETE", f"{path}/{first['code_id']}").status == 404
    assert expect(other.call("GET", path)).body["codes"] == []
    expect(owner.call("DELETE", f"{path}/{first['code_id']}"))
    assert owner.call("GET", picture).reason == "code_revoked"
    assert refused(server.scan(scanner, first), "code_revoked")
    states = [code["state"] for code in expect(owner.call("GET", path)).body["codes"]]
    assert sorted(states) == ["alive", "code_revoked"]
    room = owner.new_room()
    of_group = server.make_code(room, owner)
    assert owner.call("DELETE", f"{path}/{of_group['code_id']}").status == 404
