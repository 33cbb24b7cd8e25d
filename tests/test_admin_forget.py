"""Rule 15 by hand: `capgroups forget`, and the numbers of what is forgotten."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from synapse_capgroups.cli import main
from synapse_capgroups.demo.person import Person, expect
from tests.conftest import API, Server, Starter, eventually
from tests.test_rule_15_forgetting import (
    DAY_MS,
    ask_concierge,
    chat_with_concierge,
    deactivate,
    rows_that_name,
)

Run = tuple[int, str, str]


class Admin:
    """A server admin at a terminal."""

    def __init__(
        self, server: Server, capture: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch
    ) -> None:
        self.server = server
        self.person = server.person(admin=True)
        self._capture = capture
        patch.setenv("CAPGROUPS_TOKEN", self.person._token)
        patch.setenv("CAPGROUPS_SERVER", server.homeserver.url)

    def run(self, *arguments: str) -> Run:
        """The exit code, what is written, and what is written beside it."""
        self._capture.readouterr()
        code = main(list(arguments))
        return (code, *self._capture.readouterr())

    def parsed(self, *arguments: str) -> dict[str, Any]:
        code, out, err = self.run(*arguments, "-o", "json")
        assert code == 0, err
        answer: dict[str, Any] = json.loads(out)
        return answer


@pytest.fixture
def admin(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Admin:
    return Admin(server, capsys, monkeypatch)


def somebody_with_a_past(server: Server) -> tuple[Person, str, list[dict[str, Any]], str]:
    """A person, their group, a dead and a living code of theirs, and a group that they left."""
    person, friend, guest = server.people(3)
    room = person.new_room(name="Their group")
    server.admit(room, person, friend)
    dead, alive = server.make_code(room, person), server.make_code(room, person)
    expect(server.scan(guest, dead))
    expect(person.call("DELETE", f"{API}/codes/{dead['code_id']}"))
    ask_concierge(server, person, "me")  # A personal code, which lives.
    left, (creator,) = server.group(1)
    code = server.make_code(left, creator)
    expect(server.scan(person, code))
    for each in (room, left):
        expect(person.set_room_name_of_own(each, "Someone"))
    expect(person.leave(left))
    expect(creator.call("DELETE", f"{API}/codes/{code['code_id']}"))
    server.query("DELETE FROM capgroups_visits WHERE user_id = ?", person.user_id)
    for name, value in (("inviter", person.user_id), ("user_id", person.user_id)):
        server.query(
            f"UPDATE capgroups_admissions SET admitted_at = admitted_at - ? WHERE {name} = ?",
            2 * DAY_MS, value,
        )  # fmt: skip
    return person, room, [dead, alive], left


def rows_by_table(server: Server, user_id: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name, _ in rows_that_name(server, user_id):
        counts[name] = counts.get(name, 0) + 1
    return counts


@pytest.mark.both_engines
def test_a_deactivated_account_disappears_from_every_table_without_erasure_by_synapse(
    server: Server, admin: Admin
) -> None:
    person, room, _, _ = somebody_with_a_past(server)
    deactivate(person, admin.person, erase=False)
    assert eventually(lambda: "capgroups_chats" not in rows_by_table(server, person.user_id))
    named = rows_by_table(server, person.user_id)
    assert named.keys() >= {"capgroups_admissions", "capgroups_codes", "capgroups_aliases"}

    dry = admin.parsed("forget", person.user_id)
    assert (dry["applied"], dry["deactivated"], dry["kept"]) == (False, True, {})
    assert dry["removed"] == named == rows_by_table(server, person.user_id)

    on_record = server.query("SELECT COUNT(*) FROM capgroups_admissions WHERE room_id = ?", room)
    code, out, _ = admin.run("forget", person.user_id, "--apply")
    assert code == 0
    for name, rows in named.items():
        assert [name, str(rows), "0"] in [line.split() for line in out.splitlines()]
    assert rows_by_table(server, person.user_id) == {}
    # What others need stays.
    after = server.query("SELECT COUNT(*) FROM capgroups_admissions WHERE room_id = ?", room)
    assert after == on_record
    line = [facts for word, facts in server.homeserver.journal() if word == "admin"][-1]
    assert line == {
        "deed": "forget", "by": admin.person.user_id, "deactivated": True, "removed": named,
        "kept": {},
    }  # fmt: skip

    again = admin.run("forget", person.user_id, "--apply")
    assert again[:2] == (
        0,
        f"{person.user_id}: the account is deactivated.\nNo table of the module names it.\n",
    )


@pytest.mark.both_engines
def test_an_account_in_use_loses_its_past_and_keeps_what_it_goes_on_with(
    server: Server, admin: Admin
) -> None:
    person, room, (dead, alive), left = somebody_with_a_past(server)
    chat = chat_with_concierge(server, person)
    named = rows_by_table(server, person.user_id)

    dry = admin.parsed("forget", person.user_id)
    assert rows_by_table(server, person.user_id) == named
    done = admin.parsed("forget", person.user_id, "--apply")
    assert {**dry, "applied": True} == done
    assert done["removed"] == {
        "capgroups_admissions": named["capgroups_admissions"],
        "capgroups_aliases": 1, "capgroups_code_uses": 1, "capgroups_codes": 1,
    }  # fmt: skip
    assert done["kept"] == {
        "capgroups_aliases": 1, "capgroups_chats": 1, "capgroups_codes": 2,
    }  # fmt: skip
    assert rows_by_table(server, person.user_id) == done["kept"]

    assert server.preview(dead).body["sharer"] is None
    assert server.preview(alive).body["state"] == "alive"
    newcomer = server.person()
    expect(server.scan(newcomer, alive))
    assert chat_with_concierge(server, person) == chat
    name = "SELECT displayname FROM capgroups_aliases WHERE user_id = ? AND room_id = ?"
    assert server.query(name, person.user_id, room) == [("Someone",)]
    assert server.query(name, person.user_id, left) == []
    # They go on: the next admission by their code names them again.
    by = "SELECT user_id FROM capgroups_admissions WHERE inviter = ?"
    assert server.query(by, person.user_id) == [(newcomer.user_id,)]
    # It is of today, and the limit on vouches counts it.
    assert admin.parsed("forget", person.user_id)["kept"]["capgroups_admissions"] == 1


def test_what_a_dry_run_looked_at_is_as_it_was(server: Server, admin: Admin) -> None:
    person, *_ = somebody_with_a_past(server)
    before = rows_by_table(server, person.user_id)
    _, out, err = admin.run("forget", person.user_id)
    assert "would go" in out
    assert "Nothing is done yet" in err
    assert rows_by_table(server, person.user_id) == before


def test_only_server_admins_may_and_wrong_input_is_told(server: Server, admin: Admin) -> None:
    _, (owner, member) = server.group(2)
    path = f"{API}/admin/people/{quote(member.user_id)}/forget"
    for person in (owner, member, server.person()):
        reply = person.call("POST", path, {"apply": True})
        assert (reply.status, reply.body["errcode"]) == (403, "M_FORBIDDEN")
    assert rows_by_table(server, member.user_id)
    for said, status in (
        ("@nobody-there:localhost", 404), ("@rosa:elsewhere.org", 404), ("no one", 400),
        ("@groups:localhost", 400), ("@a\0:localhost", 400),
    ):  # fmt: skip
        reply = admin.person.call("POST", f"{API}/admin/people/{quote(said)}/forget", {})
        assert reply.status == status, said
        if "\0" not in said:
            assert admin.run("forget", said) == (2, "", f"{reply.error}\n")
    assert admin.person.call("POST", path, {"apply": "yes"}).status == 400


def test_without_a_token_or_a_server_nobody_is_asked(
    server: Server, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = "The server does not know the access token in CAPGROUPS_TOKEN.\n"
    monkeypatch.setenv("CAPGROUPS_TOKEN", "syt_wrong")
    assert admin.run("forget", "@bob:localhost") == (2, "", wrong)
    monkeypatch.delenv("CAPGROUPS_TOKEN")
    missing = "Missing: the access token in CAPGROUPS_TOKEN.\n"
    assert admin.run("forget", "@bob:localhost") == (2, "", missing)


def test_the_sweep_tells_in_numbers_what_it_has_forgotten(start: Starter) -> None:
    server = start(module={"record": {"keep": "30d"}})
    room, _ = server.group(3)
    server.query(
        "UPDATE capgroups_admissions SET admitted_at = admitted_at - ? WHERE how = 'invite'",
        31 * DAY_MS,
    )
    server.homeserver.stop()
    server.homeserver.start()
    series = 'capgroups_forgotten_total{what="admissions"}'
    assert eventually(lambda: server.homeserver.metrics().get(series) == 2)
    assert ("forgot", {"what": "admissions", "number": 2}) in server.homeserver.journal()
    left = server.query("SELECT how FROM capgroups_admissions WHERE room_id = ?", room)
    assert left == [("creator",)]
