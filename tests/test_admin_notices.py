"""`capgroups concierge`: a server admin writes to the owners of all groups, once to each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synapse_capgroups.demo.person import Person, expect
from tests.conftest import API, CAP, CODE_LIMIT, Server, Starter, eventually
from tests.test_admin_forget import Admin, admin
from tests.test_concierge import Chat, invitations
from tests.test_rule_15_forgetting import deactivate, restart

ENGINES = pytest.mark.parametrize("engine", ["sqlite", "postgres"])
__all__ = ["admin"]  # A fixture.
TEXT = "The server is moved.\nOn Sunday."


@pytest.fixture
def desk(
    start: Starter, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Admin]:
    def opened(engine: str = "sqlite") -> Admin:
        server = start(engine, module={"cap": CAP, "code_limit": CODE_LIMIT})
        return Admin(server, capsys, monkeypatch)

    return opened


def bodies(chat: Chat) -> list[Any]:
    return [message.get("body") for message in chat.messages()]


def copies(person: Person) -> int:
    """How often somebody gets the text in their chat with the concierge.

    It counts as sent a moment before it is, so that nobody gets it twice.
    """
    chat = Chat(person)
    eventually(lambda: TEXT in bodies(chat))
    return bodies(chat).count(TEXT)


@pytest.mark.both_engines
@ENGINES
def test_each_owner_gets_it_once_and_members_do_not(
    desk: Callable[..., Admin], engine: str, tmp_path: Path
) -> None:
    admin = desk(engine)
    server = admin.server
    owner, heir, member, gone = server.people(4)
    for _ in range(2):  # Whoever has two groups gets one copy.
        room = owner.new_room()
        server.admit(room, owner, member)
    # The creator of this one has left it to somebody.
    handed = gone.new_room(room_version="11")
    server.admit(handed, gone, heir)
    levels = expect(gone.state(handed, "m.room.power_levels")).body
    levels["users"][heir.user_id] = 50
    expect(gone.set_state(handed, "m.room.power_levels", levels))
    expect(gone.leave(handed))
    former = server.person()
    former.new_room()
    deactivate(former, admin.person, erase=False)
    file = tmp_path / "notice.txt"
    file.write_text(f"{TEXT}\n")

    code, out, err = admin.run("concierge", "--notice", str(file))
    assert (code, out) == (0, f"{TEXT}\n")
    assert "2 people would get this. Nothing is sent yet" in err
    assert server.query("SELECT * FROM capgroups_owner_outbox") == []

    code, _, err = admin.run("concierge", "--notice", str(file), "--apply")
    assert code == 0, err
    assert "2 sent, 0 to go" in err
    assert copies(owner) == 1
    assert eventually(lambda: len(invitations(heir, chats_only=True)) == 1)
    assert copies(heir) == 1
    assert invitations(member, chats_only=True) == []

    # The same text is the same notice: only who owns a group since then gets it.
    late = server.person()
    late.new_room()
    assert "1 people would get this. 2 have it" in admin.run("concierge", "--notice", str(file))[2]
    assert admin.run("concierge", "--notice", TEXT, "--apply")[0] == 0
    assert copies(late) == 1
    sent = "SELECT user_id FROM capgroups_owner_outbox WHERE state = 'sent' ORDER BY user_id"
    people = sorted([owner.user_id, heir.user_id, late.user_id])
    assert [user_id for (user_id,) in server.query(sent)] == people
    line = next(facts for word, facts in server.homeserver.journal() if word == "admin")
    assert (line["deed"], line["by"], line["recipients"]) == ("notice", admin.person.user_id, 2)
    deactivate(late, admin.person, erase=False)
    assert eventually(lambda: (late.user_id,) not in server.query(sent))


def test_what_a_killed_process_has_not_sent_is_sent_and_nothing_twice(
    desk: Callable[..., Admin],
) -> None:
    admin = desk()
    server = admin.server
    first, second = server.people(2)
    for person in (first, second):
        person.new_room()
        assert eventually(lambda: len(invitations(person, chats_only=True)) == 1)  # noqa: B023
    server.homeserver.stop()
    # It was killed after it had noted the first copy as sent.
    server.query("INSERT INTO capgroups_owner_notices VALUES (?, ?, ?)", "a" * 16, TEXT, 10**13)
    for person, state in ((first, "sent"), (second, "due")):
        row = ("a" * 16, person.user_id, state)
        server.query("INSERT INTO capgroups_owner_outbox VALUES (?, ?, ?)", *row)
    server.homeserver.start()
    due = "SELECT 1 FROM capgroups_owner_outbox WHERE state = 'due'"
    assert eventually(lambda: server.query(due) == [], 30)
    chat = Chat(second)
    assert eventually(lambda: bodies(chat).count(TEXT) == 1)
    assert TEXT not in bodies(Chat(first))

    server.query("UPDATE capgroups_owner_notices SET written_at = 1")
    restart(server)
    for table in ("capgroups_owner_notices", "capgroups_owner_outbox"):
        assert eventually(lambda: server.query(f"SELECT 1 FROM {table}") == [], 30)  # noqa: B023


def test_a_notice_is_stopped_and_who_wants_no_chat_is_told_of(desk: Callable[..., Admin]) -> None:
    admin = desk()
    server = admin.server
    # The sweep would send it; after the first one, there is a minute until the next.
    swept = "SELECT 1 FROM capgroups_schema WHERE swept_at IS NOT NULL"
    assert eventually(lambda: server.query(swept) != [])
    server.query("INSERT INTO capgroups_owner_notices VALUES (?, ?, ?)", "b" * 16, TEXT, 10**13)
    row = ("b" * 16, "@nobody:localhost", "due")
    server.query("INSERT INTO capgroups_owner_outbox VALUES (?, ?, ?)", *row)
    assert admin.run("concierge", "--stop", "b" * 16)[::2] == (0, "1 people do not get it.\n")
    state = "SELECT state FROM capgroups_owner_outbox"
    assert server.query(state) == [("stopped",)]
    assert admin.run("concierge", "--stop", "c" * 16) == (2, "", "There is no such notice\n")


def test_only_server_admins_may_and_wrong_input_is_told(server: Server, admin: Admin) -> None:
    owner = server.person()
    owner.new_room()
    for person in (owner, server.person()):
        for method, path in (("POST", ""), ("GET", f"/{'0' * 16}"), ("POST", f"/{'0' * 16}/stop")):
            body = {"text": "Hello", "apply": True} if method == "POST" else None
            reply = person.call(method, f"{API}/admin/notices{path}", body)
            assert (reply.status, reply.body["errcode"]) == (403, "M_FORBIDDEN")
    assert server.query("SELECT 1 FROM capgroups_owner_outbox") == []
    for text in ("", "  ", "x" * 4001, "a\0b", None, 5):
        reply = admin.person.call("POST", f"{API}/admin/notices", {"text": text, "apply": True})
        assert reply.status == 400, text
    assert admin.run("concierge", "--notice", " ")[0] == 2
    with pytest.raises(SystemExit) as e:
        admin.run("concierge")
    assert e.value.code == 2
