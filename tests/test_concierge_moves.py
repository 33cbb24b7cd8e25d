"""The concierge moves to another name: what its old account has goes, or is made anew."""

from typing import Any

import pytest

from synapse_capgroups.demo.person import expect
from tests.conftest import API, CAP, CODE_LIMIT, Server, Starter, eventually, joined_rooms
from tests.test_admin_forget import Admin, admin
from tests.test_concierge import CONCIERGE, Chat
from tests.test_rule_11_series import start_series

__all__ = ["admin"]  # A fixture.

CONFIG = {"cap": CAP, "code_limit": CODE_LIMIT}
PORTER = "@porter:localhost"


def rooms_of(server: Server, user_id: str) -> list[Any]:
    return server.query("SELECT room_id FROM rooms WHERE creator = ?", user_id)


def deactivated(server: Server, user_id: str) -> list[Any]:
    return server.query("SELECT deactivated FROM users WHERE name = ?", user_id)


@pytest.mark.both_engines
@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_with_another_name_codes_die_chats_end_spaces_are_made_anew_and_back_again(
    start: Starter, engine: str
) -> None:
    server = start(engine, module=CONFIG)
    owner, helper = server.people(2)
    room = owner.new_room(name="Tea")
    old_chat = Chat(owner)
    code, dead = server.make_code(room, owner), server.make_code(room, owner)
    expect(owner.call("DELETE", f"{API}/codes/{dead['code_id']}"))
    run = start_series(server)
    expect(run.call("PUT", f"/helpers/{helper.user_id}"))
    live = expect(run.call("POST", "/codes", {})).body
    visitor = server.person()
    expect(server.scan(visitor, code))  # Stands in the door yet.
    assert visitor.user_id in owner.members(room)

    server.install_module({**CONFIG, "concierge": "porter"})
    assert eventually(lambda: deactivated(server, CONCIERGE) == [(1,)], 180)
    assert rooms_of(server, CONCIERGE) == []
    for gone in (code, dead, live):
        assert server.preview(gone).body["state"] == "code_revoked"
        reply = server.scan(server.person(), gone)
        assert reply.reason == "code_revoked", reply
    assert old_chat.room not in joined_rooms(owner)
    # The organiser has a space again, of the new account, and the helper is asked anew.
    assert eventually(lambda: bool(run.spaces()) and run.spaces()[0] in joined_rooms(run.organiser))
    assert {(space,) for space in run.spaces()} <= set(rooms_of(server, PORTER))
    (space,) = run.spaces()
    standing = (
        "SELECT membership FROM current_state_events "
        "WHERE room_id = ? AND type = 'm.room.member' AND state_key = ?"
    )
    assert eventually(lambda: server.query(standing, space, helper.user_id) == [("invite",)], 30)

    # It goes on, in chats of the new account.
    again = server.make_code(room, owner)
    newcomer = server.person()
    expect(server.scan(newcomer, again))
    assert newcomer.user_id in owner.members(room)
    owner.new_room(name="Cake")
    greeted = """
        SELECT event.sender FROM events AS event JOIN capgroups_chats AS chat
        ON chat.room_id = event.room_id
        WHERE chat.user_id = ? AND event.type = 'm.room.message'
        """
    assert eventually(lambda: server.query(greeted, owner.user_id) == [(PORTER,)], 30)

    # Synapse deletes no room on which a stopped process had a lock, for two minutes.
    eventually(lambda: server.query("SELECT 1 FROM worker_read_write_locks") == [], 30)
    # Back again: the old account is used once more.
    server.install_module(CONFIG)
    assert eventually(lambda: deactivated(server, PORTER) == [(1,)], 180)
    assert deactivated(server, CONCIERGE) == [(0,)]
    assert rooms_of(server, PORTER) == []
    last = server.make_code(room, owner)
    assert server.preview(again).body["state"] == "code_revoked"
    assert server.preview(last).body["state"] == "alive"


def test_the_command_says_what_it_means_and_whether_the_name_is_free(
    server: Server, admin: Admin
) -> None:
    owner, taken = server.people(2)
    server.make_code(owner.new_room(), owner)
    code, out, _ = admin.run("concierge", "--rename", "porter")
    assert code == 0
    assert "@porter:localhost is free" in out
    assert "`concierge: porter`" in out
    name = taken.user_id[1:].partition(":")[0]
    sentence = f"{taken.user_id} belongs to somebody. Choose another name.\n"
    assert admin.run("concierge", "--rename", name) == (2, "", sentence)
    assert admin.run("concierge", "--rename", "groups")[::2] == (
        2, "@groups:localhost is the concierge. Choose another name.\n",
    )  # fmt: skip
    for wrong in ("Porter", "a b", "@porter:localhost"):
        code, _, err = admin.run("concierge", "--rename", wrong)
        assert code == 2
        assert "The name must be the localpart of a Matrix ID" in err
    assert owner.call("GET", f"{API}/admin/concierge/porter").status == 403
