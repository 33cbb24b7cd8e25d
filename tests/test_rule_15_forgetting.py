"""Rule 15: nothing is kept that nobody needs."""

import time
from typing import Any
from urllib.parse import quote

import pytest

from synapse_capgroups.demo.person import Person, expect
from tests.conftest import CAP, CODE_LIMIT, Server, Starter, eventually, refused

ENGINES = pytest.mark.parametrize("engine", ["sqlite", "postgres"])
DAY_MS = 24 * 60 * 60 * 1000


def tables(server: Server) -> list[str]:
    where = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE ?"
        if server.engine == "sqlite"
        else "SELECT tablename FROM pg_tables WHERE tablename LIKE ?"
    )
    return [name for (name,) in server.query(where, "capgroups_%")]


def rows_that_name(server: Server, what: str) -> list[tuple[str, tuple[Any, ...]]]:
    """All rows of the module's tables that have this text in any column.

    But for the seats, which are of the last minute.
    """
    found = [
        (table, row)
        for table in tables(server)
        if table != "capgroups_seats"
        for row in server.query(f"SELECT * FROM {table}")
        if any(isinstance(value, str) and what in value for value in row)
    ]
    return sorted(found, key=repr)


def deactivate(person: Person, by: Person | None, *, erase: bool) -> None:
    """By a server admin, or by the person."""
    if by is not None:
        path = f"/_synapse/admin/v1/deactivate/{quote(person.user_id)}"
        expect(by.call("POST", path, {"erase": erase}))
        return
    auth = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": person.user_id},
        "password": person.password,
    }
    expect(person.call("POST", "/account/deactivate", {"auth": auth, "erase": erase}))


def chat_with_concierge(server: Server, person: Person) -> str:
    def rooms() -> list[tuple[Any, ...]]:
        return server.query("SELECT room_id FROM capgroups_chats WHERE user_id = ?", person.user_id)

    assert eventually(lambda: bool(rooms()))
    return str(rooms()[0][0])


def ask_concierge(server: Server, person: Person, text: str) -> str:
    """The concierge's answer to a command."""
    room = chat_with_concierge(server, person)
    expect(person.join(room))
    path = f"/rooms/{quote(room)}/messages?dir=b&limit=20"

    def said() -> list[str]:
        chunk = expect(person.call("GET", path)).body["chunk"]
        return [str(e["content"].get("body")) for e in chunk if e["type"] == "m.room.message"]

    assert eventually(lambda: said() != [], 30)  # It listens from its greeting on.
    expect(person.send(room, text))
    # Synapse shows an event only when those that it is writing beside it are written, too.
    assert eventually(lambda: text in said() and said().index(text) > 0, 30)
    return said()[said().index(text) - 1]


def restart(server: Server) -> None:
    """The first sweep is at the start."""
    server.homeserver.stop()
    server.homeserver.start()


@pytest.mark.parametrize("by_admin", [False, True])
def test_a_deactivated_person_loses_codes_visits_and_the_chat_at_once(
    server: Server, by_admin: bool
) -> None:
    person, other = server.people(2)
    room, _ = server.group(2, creator=person)
    code = server.make_code(room, person)
    ask_concierge(server, person, "me")  # A personal code.
    elsewhere, (creator,) = server.group(1)
    expect(server.scan(person, server.make_code(elsewhere, creator)))
    chat = chat_with_concierge(server, person)

    deactivate(person, server.person(admin=True) if by_admin else None, erase=False)

    assert server.preview(code).body["state"] == "code_revoked"
    assert not server.scan(other, code).ok
    died = "SELECT died_of FROM capgroups_codes WHERE sharer = ?"
    assert server.query(died, person.user_id) == [("code_revoked",), ("code_revoked",)]
    # What came in is on record still: nobody asked that it be erased.
    assert {table for table, _ in rows_that_name(server, person.user_id)} == {
        "capgroups_admissions", "capgroups_codes", "capgroups_code_uses",
    }  # fmt: skip
    assert eventually(lambda: server.query("SELECT 1 FROM rooms WHERE room_id = ?", chat) == [])


@pytest.mark.parametrize("by_admin", [False, True])
def test_an_erased_account_disappears_from_every_table(server: Server, by_admin: bool) -> None:
    person, friend, guest = server.people(3)
    room = person.new_room(name="The erased one's group")
    server.admit(room, person, friend)
    code = server.make_code(room, person)
    expect(server.scan(guest, code))
    expect(person.set_room_name_of_own(room, "Someone"))
    expect(person.call("PUT", f"/rooms/{quote(room)}/state/m.room.power_levels", {
        **expect(person.state(room, "m.room.power_levels")).body,
        "users": {friend.user_id: 50},
    }))  # fmt: skip
    ask_concierge(server, person, "me")
    elsewhere, (creator,) = server.group(1)
    expect(server.scan(person, server.make_code(elsewhere, creator)))
    friend.new_room(name="Another")  # So the concierge greets them.
    named = {table for table, _ in rows_that_name(server, person.user_id)}
    assert named >= {
        "capgroups_admissions", "capgroups_codes", "capgroups_code_uses", "capgroups_visits",
        "capgroups_aliases", "capgroups_chats",
    }  # fmt: skip
    before = server.query("SELECT COUNT(*) FROM capgroups_admissions WHERE room_id = ?", room)

    deactivate(person, server.person(admin=True) if by_admin else None, erase=True)

    assert eventually(lambda: rows_that_name(server, person.user_id) == [])
    after = server.query("SELECT COUNT(*) FROM capgroups_admissions WHERE room_id = ?", room)
    assert after == before
    assert server.preview(code).body["state"] == "code_revoked"
    assert server.preview(code).body["sharer"] is None
    who = ask_concierge(server, friend, "who erased one's")
    assert "an erased account created the group" in who
    assert f"({friend.user_id}) was invited by an erased account" in who
    assert "by an erased account" in ask_concierge(server, friend, "codes erased one's")
    listed = expect(
        friend.call("GET", f"/_synapse/client/capgroups/v1/groups/{quote(room)}/codes")
    ).body["codes"]
    assert [code["sharer"] for code in listed] == [None]


@ENGINES
def test_what_a_killed_process_did_not_forget_the_sweep_forgets(
    start: Starter, engine: str
) -> None:
    server = start(engine, module={"cap": CAP, "code_limit": CODE_LIMIT})
    erased, deactivated, staying = server.people(3)
    codes = {}
    for person in (erased, deactivated, staying):
        room, _ = server.group(2, creator=person)
        codes[person] = server.make_code(room, person)
        chat_with_concierge(server, person)
    server.homeserver.stop()
    for person in (erased, deactivated):
        server.query("UPDATE users SET deactivated = 1 WHERE name = ?", person.user_id)
    server.query("INSERT INTO erased_users (user_id) VALUES (?)", erased.user_id)
    server.homeserver.start()

    assert eventually(lambda: rows_that_name(server, erased.user_id) == [])
    died = "SELECT died_of FROM capgroups_codes WHERE sharer = ?"
    assert eventually(
        lambda: (
            server.query(died, deactivated.user_id) == [("code_revoked",)]
            and "capgroups_chats"
            not in {table for table, _ in rows_that_name(server, deactivated.user_id)}
        )
    )
    for person in (erased, deactivated):
        assert server.preview(codes[person]).body["state"] == "code_revoked"
    assert server.preview(codes[staying]).body["state"] == "alive"
    assert chat_with_concierge(server, staying)


def test_who_is_reactivated_begins_anew(server: Server) -> None:
    admin, person = server.person(admin=True), server.person()
    room, (_, member) = server.group(2, creator=person)
    code = server.make_code(room, person)
    chat = chat_with_concierge(server, person)
    deactivate(person, admin, erase=True)
    assert eventually(lambda: rows_that_name(server, person.user_id) == [])
    # Synapse takes a deactivated person out of their rooms in the background.
    assert eventually(lambda: person.user_id not in member.members(room))

    path = f"/_synapse/admin/v2/users/{quote(person.user_id)}"
    active = {"deactivated": False, "password": "new-password"}
    # On a new server Synapse is still making the index that it needs for this.
    assert eventually(lambda: admin.call("PUT", path, active).ok, 60)
    login = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": person.user_id},
        "password": "new-password",
    }
    token = expect(admin.call("POST", "/login", login)).body["access_token"]
    again = Person(admin._http, person.user_id, token, "new-password")
    assert server.preview(code).body["state"] == "code_revoked"
    assert rows_that_name(server, person.user_id) == []
    again.new_room()
    assert chat_with_concierge(server, again) != chat


def purge(admin: Person, room: str) -> None:
    reply = admin.call("DELETE", f"/_synapse/admin/v2/rooms/{quote(room)}", {"purge": True})
    status = f"/_synapse/admin/v2/rooms/delete_status/{expect(reply).body['delete_id']}"
    assert eventually(
        lambda: expect(admin.call("GET", status)).body["status"] == "complete", seconds=30
    )


@ENGINES
def test_a_deleted_room_loses_its_rows_and_is_no_longer_counted(
    start: Starter, engine: str
) -> None:
    server = start(engine, module={"cap": CAP, "code_limit": CODE_LIMIT})
    admin = server.person(admin=True)
    gone, people = server.group(2)
    staying, _ = server.group(CODE_LIMIT)
    code = server.make_code(gone, people[0])
    expect(server.scan(server.person(), code))
    expect(people[0].set_room_name_of_own(gone, "Someone"))
    kept = rows_that_name(server, staying)
    purge(admin, gone)
    assert rows_that_name(server, gone)
    # Who knows the room's ID and knocks at it does not bring it back.
    assert not server.person().join(gone).ok

    restart(server)
    assert eventually(lambda: rows_that_name(server, gone) == [])
    assert rows_that_name(server, staying) == kept
    assert eventually(lambda: server.homeserver.metrics().get('capgroups_groups{mode="open"}') == 0)
    assert server.homeserver.metrics()['capgroups_groups{mode="friends"}'] == 1
    # Whoever still holds the code hears why it is dead.
    assert server.preview(code).body["state"] == "code_revoked"
    assert not server.scan(server.person(), code).ok


def on_record(server: Server, room: str) -> list[str]:
    """Who is on record in a room, in order; and it counts as a group if anybody is."""
    found = server.query(
        """
        SELECT record.user_id, met.room_id
        FROM capgroups_admissions AS record LEFT JOIN capgroups_groups AS met
        ON met.room_id = record.room_id
        WHERE record.room_id = ? ORDER BY admitted_at, members_after
        """,
        room,
    )
    assert all(met == room for _, met in found)
    return [user_id for user_id, _ in found]


def test_a_direct_chat_leaves_no_record(server: Server) -> None:
    a, b, stranger = server.people(3)
    room = a.befriend(b)
    assert refused(stranger.join(room), "invite_required")
    expect(a.invite(room, stranger))
    expect(stranger.leave(room))
    expect(b.leave(room))
    expect(a.invite(room, b))
    expect(b.join(room))  # No longer said to be direct, but in a's list.
    assert on_record(server, room) == []
    assert rows_that_name(server, room) == []
    lines = [facts for word, facts in server.homeserver.journal() if word == "admitted"]
    assert room not in {facts.get("group") for facts in lines}


def test_a_direct_chat_that_only_the_invitation_names_so_leaves_no_record(server: Server) -> None:
    a, b = server.people(2)
    room = a.new_room(is_direct=True, invite=[b.user_id])
    expect(b.join(room))
    assert on_record(server, room) == []


def test_a_direct_chat_that_grows_is_a_group_on_record_from_then_on(server: Server) -> None:
    a, b, third, fourth = server.people(4)
    room = a.befriend(b)
    server.admit(room, a, third)
    assert on_record(server, room) == [a.user_id, third.user_id]
    expect(third.leave(room))
    server.admit(room, b, fourth)
    assert on_record(server, room) == [a.user_id, third.user_id, fourth.user_id]


def test_an_entry_by_code_is_on_record_in_a_direct_chat_too(server: Server) -> None:
    a, b = server.people(2)
    room = a.new_room(is_direct=True)
    assert on_record(server, room) == []
    expect(server.scan(b, server.make_code(room, a)))
    assert on_record(server, room) == [a.user_id, b.user_id]


def test_a_group_of_two_is_on_record(server: Server) -> None:
    a, b, c = server.people(3)
    room = a.new_room(invite=[b.user_id])
    assert on_record(server, room) == [a.user_id]
    expect(b.join(room))
    assert on_record(server, room) == [a.user_id, b.user_id]
    # Nor does it help to call a group of three direct.
    room = a.new_room(is_direct=True, invite=[b.user_id, c.user_id])
    expect(b.join(room))
    assert on_record(server, room) == [a.user_id, b.user_id]


@ENGINES
def test_what_was_kept_of_direct_chats_before_is_swept_away(start: Starter, engine: str) -> None:
    server = start(engine, module={"cap": CAP, "code_limit": CODE_LIMIT})
    a, b, third = server.people(3)
    chats = [a.new_room(invite=[b.user_id]) for _ in range(2)]
    by_code, grown, unlisted, left = (a.new_room(invite=[b.user_id]) for _ in range(4))
    for room in (*chats, by_code, grown, unlisted, left):
        expect(b.join(room))
    server.admit(grown, a, third)
    expect(third.leave(grown))
    expect(b.leave(left))
    expect(b.leave(by_code))
    expect(server.scan(b, server.make_code(by_code, a)))
    expect(a.set_m_direct({b.user_id: [chats[0], by_code, grown, left]}))
    expect(b.set_m_direct({a.user_id: [chats[1]]}))
    kept = [on_record(server, room) for room in (by_code, grown, unlisted)]
    assert all(len(people) > 1 for people in kept)

    restart(server)
    assert eventually(lambda: [on_record(server, room) for room in (*chats, left)] == [[]] * 3)
    assert [on_record(server, room) for room in (by_code, grown, unlisted)] == kept


@ENGINES
def test_admissions_are_kept_for_so_long_and_removed_in_slices(start: Starter, engine: str) -> None:
    server = start(engine, module={"record": {"keep": "30d"}})
    room, (creator, member) = server.group(2)
    now = int(time.time() * 1000)
    server.query(
        """
        INSERT INTO capgroups_admissions
            (room_id, user_id, how, inviter_was_friend, mode, members_after, admitted_at)
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
        SELECT '!old:localhost', '@old:localhost', 'invite', FALSE, 'open', 1, ? + i FROM n
        """,
        now - 31 * DAY_MS,
    )
    server.query(
        "UPDATE capgroups_admissions SET admitted_at = ? WHERE user_id = ?",
        now - 29 * DAY_MS, member.user_id,
    )  # fmt: skip
    old = "SELECT COUNT(*) FROM capgroups_admissions WHERE admitted_at < ?"
    # So that the room of these rows does not count as deleted.
    copy = "INSERT INTO rooms (room_id, is_public, creator) VALUES (?, FALSE, ?)"
    server.query(copy, "!old:localhost", creator.user_id)
    restart(server)
    assert eventually(lambda: server.query(old, now - 30 * DAY_MS) == [(500,)])
    restart(server)
    assert eventually(lambda: server.query(old, now - 30 * DAY_MS) == [(0,)])
    assert sorted(on_record(server, room)) == sorted([creator.user_id, member.user_id])
