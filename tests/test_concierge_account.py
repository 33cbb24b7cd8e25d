"""The concierge's account: whose it is, what Synapse takes it for, and when it is made."""

import contextlib
import hashlib
import hmac
import sqlite3
import time
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml

from synapse_capgroups.demo.homeserver import StartError, listener
from synapse_capgroups.demo.person import Person, expect
from synapse_capgroups.words.lookup import Words
from tests.conftest import CAP, CODE_LIMIT, Server, Starter, eventually
from tests.test_concierge import CONCIERGE, Chat, invitations, person_with_group

ENGLISH = Words()
CONFIG = {"cap": CAP, "code_limit": CODE_LIMIT}
ENGINES = pytest.mark.parametrize("engine", ["sqlite", "postgres"])


def accounts(server: Server) -> list[tuple[Any, ...]]:
    return server.query("SELECT user_type FROM users WHERE name = ?", CONCIERGE)


def on_record(server: Server) -> list[tuple[Any, ...]]:
    try:
        return server.query("SELECT user_id FROM capgroups_accounts WHERE made_at > 0")
    except (sqlite3.Error, psycopg2.Error):  # There are no tables yet.
        return []


def stops(server: Server) -> bool:
    """Whether the start ends with the sentence that the account is somebody's."""
    with contextlib.suppress(StartError):  # It may have answered once before it looked.
        server.homeserver.start()
        assert server.homeserver.returncode(timeout=60) == 1
    return f"the account {CONCIERGE} belongs to somebody" in server.homeserver.output()


def be_without_login(server: Server) -> None:
    """Somebody's account as Synapse sees it where another service logs people in."""
    server.query("UPDATE users SET password_hash = NULL WHERE name = ?", CONCIERGE)
    for table in ("access_tokens", "devices", "user_ips"):
        server.query(f"DELETE FROM {table} WHERE user_id = ?", CONCIERGE)


def avatar_on_invitation(person: Person, room: str) -> str:
    """The picture of whoever invites, as a client is given it with the invitation."""
    invited = expect(person.call("GET", "/sync?timeout=0")).body["rooms"]["invite"][room]
    (avatar,) = [
        event["content"].get("avatar_url", "")
        for event in invited["invite_state"]["events"]
        if event["type"] == "m.room.member" and event["state_key"] == CONCIERGE
    ]
    return str(avatar)


def has_started(server: Server) -> bool:
    return eventually(lambda: on_record(server) == [(CONCIERGE,)], 60)


@ENGINES
def test_somebodys_account_stops_the_start_even_if_synapse_knows_of_no_login(
    start: Starter, engine: str
) -> None:
    server = start(engine, module=None)
    server.homeserver.register("groups")
    server.homeserver.stop()
    be_without_login(server)
    path = server.homeserver.folder / "homeserver.yaml"
    modules = [{"module": "synapse_capgroups.CapGroups", "config": CONFIG}]
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "modules": modules}))
    assert stops(server)
    assert stops(server)  # Nothing was noted that would let it pass the next time.


@ENGINES
def test_the_module_keeps_on_record_that_it_made_the_account(start: Starter, engine: str) -> None:
    server = start(engine, module=CONFIG, empty=True)
    assert has_started(server)
    assert accounts(server) == [("support",)]
    server.homeserver.stop()
    server.homeserver.start()
    chat, _ = person_with_group(server)
    assert chat.ask("help") == ENGLISH.say("help")


@pytest.mark.parametrize("by", ["chat", "door", "migration"])
def test_an_account_that_an_earlier_version_made_is_recognised(start: Starter, by: str) -> None:
    server = start(module=CONFIG)
    chat, room = person_with_group(server)
    server.make_code(room, chat.person)
    server.homeserver.stop()
    server.query("DELETE FROM capgroups_accounts")
    server.query("UPDATE users SET user_type = NULL WHERE name = ?", CONCIERGE)
    for table in {"capgroups_chats", "capgroups_codes"} - {
        "chat": {"capgroups_chats"}, "door": {"capgroups_codes"}, "migration": set()
    }[by]:  # fmt: skip
        server.query(f"DELETE FROM {table}")
    if by == "migration":
        server.query("INSERT INTO capgroups_accounts VALUES ('', 0)")
    server.homeserver.start()
    assert has_started(server)
    assert accounts(server) == [("support",)]


def test_rooms_of_the_concierge_do_not_prove_an_account_that_somebody_uses(
    start: Starter,
) -> None:
    server = start(module=CONFIG)
    person_with_group(server)
    server.homeserver.stop()
    server.query("DELETE FROM capgroups_accounts")
    server.query("UPDATE users SET password_hash = 'x' WHERE name = ?", CONCIERGE)
    assert stops(server)


def test_a_process_that_is_killed_while_it_makes_the_account_recognises_it(
    start: Starter,
) -> None:
    server = start(module=CONFIG)
    assert has_started(server)
    server.homeserver.kill()
    server.query("UPDATE capgroups_accounts SET made_at = 0")
    server.homeserver.start()
    assert has_started(server)
    server.homeserver.stop()
    # The same, but somebody took the name before it came to that.
    server.query("UPDATE capgroups_accounts SET made_at = 0")
    server.query("UPDATE users SET user_type = NULL WHERE name = ?", CONCIERGE)
    assert stops(server)


def test_on_a_fresh_server_the_first_person_makes_the_lobby_and_the_concierge_is_not_in_it(
    start: Starter,
) -> None:
    server = start(
        module={"exempt": {"creators": ["@.*:localhost"]}},
        settings={"auto_join_rooms": ["#lobby:localhost"]},
        empty=True,
    )
    assert eventually(lambda: accounts(server) != [], 60)
    first, second = server.people(2)
    lobby = expect(first.call("GET", "/directory/room/%23lobby:localhost")).body["room_id"]
    assert first.state(lobby, "m.room.create").ok
    assert server.query("SELECT creator FROM rooms WHERE room_id = ?", lobby) == [(first.user_id,)]
    assert first.members(lobby) == sorted([first.user_id, second.user_id])


def consent(server: Server, person: Person) -> None:
    config = yaml.safe_load((server.homeserver.folder / "homeserver.yaml").read_text())
    proof = hmac.new(config["form_secret"].encode(), person.user_id.encode(), hashlib.sha256)
    form = {"u": person.user_id, "h": proof.hexdigest(), "v": "1"}
    reply = person._http.post("/_matrix/consent", data=form)
    assert reply.status_code == 200, reply.text


def test_the_concierge_works_where_people_must_consent_first(start: Starter) -> None:
    server = start(module=CONFIG, run=False)
    folder: Path = server.homeserver.folder
    templates = folder / "consent" / "en"
    templates.mkdir(parents=True)
    for name in ("1.html", "success.html"):
        (templates / name).write_text("Yes.")
    path = folder / "homeserver.yaml"
    config = yaml.safe_load(path.read_text())
    config["listeners"] = [
        listener(server.homeserver.port, "client", "health", "metrics", "consent")
    ]
    config["user_consent"] = {
        "template_dir": str(folder / "consent"),
        "version": "1",
        "block_events_error": "Consent first: %(consent_uri)s",
    }
    path.write_text(yaml.safe_dump(config))
    server.homeserver.start()
    person, stranger = server.people(2)
    assert person.create_room().body["errcode"] == "M_CONSENT_NOT_GIVEN"
    consent(server, person)
    consent(server, stranger)
    room = person.new_room(name="Tea")
    chat = Chat(person)
    _, text = chat.say("code tea", answers=2)
    secret = text["body"].partition("#")[2].split()[0]
    expect(stranger.join(server.door({"secret": secret})))
    assert stranger.user_id in person.members(room)


def test_the_concierge_is_never_online_whatever_it_says(start: Starter) -> None:
    """To tell others that it is, Synapse would read all its rooms after each message."""
    server = start(module=CONFIG, settings={"presence": {"enabled": True}})
    chat, _ = person_with_group(server)
    chat.ask("help")

    def presence(user_id: str) -> dict[str, Any]:
        reply = chat.person.call("GET", f"/presence/{user_id}/status")
        return dict(expect(reply).body)

    assert "last_active_ago" in presence(chat.person.user_id)
    assert presence(CONCIERGE) == {"presence": "offline"}


def test_the_concierge_works_for_those_within_the_limit_of_active_users(start: Starter) -> None:
    server = start(
        module=CONFIG,
        settings={"limit_usage_by_mau": True, "max_mau_value": 1, "mau_trial_days": 0},
    )
    person = server.person()
    expect(person.call("GET", "/sync?timeout=0"))
    assert eventually(lambda: server.query("SELECT 1 FROM monthly_active_users") != [])
    server.homeserver.stop()  # Whatever was remembered is forgotten.
    server.homeserver.start()
    room = person.new_room(name="Tea")
    chat = Chat(person)
    chat.say("code tea", answers=2)
    assert chat.ask("help") == ENGLISH.say("help")
    assert CONCIERGE not in person.members(room)


@ENGINES
def test_another_module_that_denies_registrations_does_not_stop_the_start(
    start: Starter, engine: str
) -> None:
    server = start(engine, module=CONFIG, run=False)
    (server.homeserver.folder / "denier.py").write_text(
        "from synapse.module_api import ModuleApi\n"
        "from synapse.spam_checker_api import RegistrationBehaviour\n"
        "class Denier:\n"
        "    def __init__(self, config, api):\n"
        "        api.register_spam_checker_callbacks(check_registration_for_spam=self.deny)\n"
        "    async def deny(self, *args, **kwargs):\n"
        "        return RegistrationBehaviour.DENY\n"
    )
    path = server.homeserver.folder / "homeserver.yaml"
    config = yaml.safe_load(path.read_text())
    config["modules"].append({"module": "denier.Denier", "config": {}})
    path.write_text(yaml.safe_dump(config))
    server.homeserver.start()
    assert eventually(lambda: accounts(server) == [("support",)], 60)


def test_a_start_that_fails_is_tried_again(start: Starter) -> None:
    server = start(module=None)
    server.homeserver.stop()
    server.query("CREATE TABLE capgroups_seats (in_the_way BIGINT)")
    with contextlib.suppress(StartError):
        server.install_module(CONFIG)
    time.sleep(1)
    server.query("DROP TABLE capgroups_seats")
    assert eventually(lambda: accounts(server) == [("support",)], 60)
    chat, _ = person_with_group(server)
    assert chat.ask("help") == ENGLISH.say("help")


@ENGINES
def test_in_a_trial_no_account_is_made_and_nobody_is_greeted(start: Starter, engine: str) -> None:
    server = start(engine, module={**CONFIG, "enforce": False})
    person = server.person()
    person.new_room(name="Tea")
    person.new_room(is_direct=True, invite=[CONCIERGE])
    time.sleep(3)
    assert accounts(server) == []
    assert invitations(person) == []
    assert "Traceback" not in server.homeserver.log.read_text()


def test_in_a_trial_somebodys_account_of_that_name_is_left_alone(start: Starter) -> None:
    server = start(module=None)
    groups = server.homeserver.register("groups")
    server.install_module({**CONFIG, "enforce": False})
    room = groups.new_room(name="Mine")
    person = server.person()
    expect(groups.invite(room, person))
    expect(person.join(room))
    theirs = person.new_room(invite=[CONCIERGE])
    expect(groups.join(theirs))
    assert person.members(theirs) == sorted([CONCIERGE, person.user_id])
    assert "belongs to somebody" in server.homeserver.log.read_text()


def test_who_has_a_chat_from_before_a_trial_is_told_about_it(start: Starter) -> None:
    server = start(module=CONFIG)
    chat, _ = person_with_group(server)
    server.install_module({**CONFIG, "enforce": False})
    assert eventually(lambda: answered(chat))
    assert chat.messages()[-1]["body"] == ENGLISH.say("trial")


def answered(chat: Chat) -> bool:
    """Whether the concierge says something more; it may not listen yet."""
    before = len(chat.messages())
    expect(chat.person.send(chat.room, "help"))
    return eventually(lambda: len(chat.messages()) > before, 1)


def test_the_concierges_invitation_has_a_picture(start: Starter) -> None:
    server = start(module={})
    person = server.person()
    person.new_room(name="Tea")
    assert eventually(lambda: invitations(person) != [])
    (room,) = invitations(person)
    shown = avatar_on_invitation(person, room)
    assert shown.startswith("mxc://localhost/")
    # It is kept as long as it can be shown.
    server.homeserver.stop()
    server.homeserver.start()
    other = server.person()
    other.new_room(name="Chess")
    assert eventually(lambda: invitations(other) != [])
    assert avatar_on_invitation(other, invitations(other)[0]) == shown
    # Somebody has deleted old media.
    server.homeserver.stop()
    server.query("DELETE FROM local_media_repository WHERE media_id = ?", shown.rpartition("/")[2])
    server.homeserver.start()
    third = server.person()
    third.new_room(name="Cake")
    assert eventually(lambda: invitations(third) != [])
    assert avatar_on_invitation(third, invitations(third)[0]) not in ("", shown)


def test_an_avatar_that_a_server_admin_has_chosen_stays(start: Starter) -> None:
    server = start(module={})
    admin = server.person(admin=True)
    path = f"/_synapse/admin/v2/users/{CONCIERGE}"
    chosen = "mxc://elsewhere.example/logo"
    profile = f"/profile/{CONCIERGE}/avatar_url"
    server.person().new_room(name="Chess")
    assert eventually(lambda: "avatar_url" in admin.call("GET", profile).body)
    expect(admin.call("PUT", path, {"avatar_url": chosen}))
    server.homeserver.stop()
    server.homeserver.start()
    admin.new_room(name="Tea")
    assert eventually(lambda: invitations(admin) != [])
    assert expect(admin.call("GET", profile)).body["avatar_url"] == chosen
