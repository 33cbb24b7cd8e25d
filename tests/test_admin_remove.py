"""`capgroups remove`: nothing is left but the groups, and installing again works."""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import psycopg2
import pytest
import yaml

from synapse_capgroups.admin.remove import run
from synapse_capgroups.cli import main
from synapse_capgroups.demo.person import Person, expect
from tests.conftest import API, CAP, CODE_LIMIT, Server, Starter, eventually, refused
from tests.test_concierge import CONCIERGE, Chat
from tests.test_rule_11_series import start_series
from tests.test_rule_15_forgetting import tables

CONFIG = {"cap": CAP, "code_limit": CODE_LIMIT}
REMOTE = "@rosa:elsewhere.org"


class Desk:
    """An admin at a terminal, beside a server that the module was used on."""

    def __init__(
        self, server: Server, capture: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch
    ) -> None:
        self.server = server
        self._capture = capture
        self._patch = patch
        self.admin = server.person(admin=True)
        self.be(self.admin)
        self.yaml = str(server.homeserver.folder / "homeserver.yaml")
        self.owner, self.member = server.people(2)
        self.room = self.owner.new_room(name="A group")
        server.admit(self.room, self.owner, self.member)
        self.chat = Chat(self.owner)
        self.code = server.make_code(self.room, self.owner)
        dead = server.make_code(self.room, self.owner)
        expect(self.owner.call("DELETE", f"{API}/codes/{dead['code_id']}"))
        expect(server.scan(server.person(), self.code))
        expect(self.owner.set_room_name_of_own(self.room, "Someone"))
        # As the module writes it before it lets somebody of another server in.
        levels = expect(self.owner.state(self.room, "m.room.power_levels")).body
        levels["users"] = {**levels.get("users", {}), REMOTE: 0}
        expect(self.owner.set_state(self.room, "m.room.power_levels", levels))
        self.series = start_series(server)

    def be(self, person: Person) -> None:
        """Whose access token is in the environment."""
        self._patch.setenv("CAPGROUPS_TOKEN", person._token)

    def remove(
        self, *arguments: str, sleep: Callable[[float], None] | None = None
    ) -> tuple[int, str, str]:
        """The exit code, what is written, and what is written beside it."""
        self._capture.readouterr()
        if sleep is None:
            code = main(["remove", "-c", self.yaml, *arguments])
        else:
            given = argparse.Namespace(config=[self.yaml], timeout=60, apply=True, server=None)
            code = run(given, sleep)
        return (code, *self._capture.readouterr())

    def uninstall(self, *, restart: bool = True) -> None:
        """Take the module out of homeserver.yaml."""
        path = self.server.homeserver.folder / "homeserver.yaml"
        parsed = yaml.safe_load(path.read_text())
        path.write_text(yaml.safe_dump({**parsed, "modules": []}))
        if restart:
            self.server.homeserver.stop()
            self.server.homeserver.start()

    def swept_long_ago(self) -> None:
        """The module is gone since a while: nobody has to wait."""
        self.server.query("UPDATE capgroups_schema SET swept_at = 1")

    def rooms_of_the_concierge(self) -> int:
        query = "SELECT COUNT(*) FROM rooms WHERE creator = ?"
        return int(self.server.query(query, CONCIERGE)[0][0])

    def state(self) -> dict[str, Any]:
        """What the group's state says."""
        state = expect(self.owner.call("GET", f"/rooms/{self.room}/state")).body[""]
        return {f"{e['type']} {e['state_key']}": e["content"] for e in state}


Opener = Callable[..., Desk]


@pytest.fixture
def desk(
    start: Starter, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Opener:
    def opened(engine: str = "sqlite") -> Desk:
        return Desk(start(engine, module=CONFIG), capsys, monkeypatch)

    return opened


@pytest.mark.both_engines
@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_nothing_is_left_but_the_groups_and_installing_again_works(
    desk: Opener, engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    at = desk(engine)
    server, owner, member, room = at.server, at.owner, at.member, at.room
    before = at.state()
    at.uninstall()
    for token in ("of a code", "of an admin"):
        server.query("INSERT INTO registration_tokens VALUES (?, 1, 0, 0, NULL)", token)
    server.query("UPDATE capgroups_codes SET registration_token = 'of a code'")

    code, out, err = at.remove()
    assert code == 0
    assert "rooms: doors of codes" in out
    assert "rooms: organisers' spaces" in out
    assert f"account: {CONCIERGE}" in out
    assert "Nothing is done yet" in err
    assert at.rooms_of_the_concierge() > 3
    assert tables(server)

    at.swept_long_ago()
    code, _, err = at.remove("--apply")
    assert code == 0, err
    assert "Nothing of the module is left." in err
    assert tables(server) == []
    assert at.rooms_of_the_concierge() == 0
    assert server.query("SELECT room_alias FROM room_aliases") == []
    assert server.query("SELECT token FROM registration_tokens") == [("of an admin",)]
    gone = "SELECT deactivated FROM users WHERE name = ?"
    assert server.query(gone, CONCIERGE) == [(1,)]
    assert server.query("SELECT user_id FROM erased_users") == [(CONCIERGE,)]

    # The group is as it was, and people go on in it without the module.
    assert at.state() == before
    newcomer = server.person()
    expect(member.invite(room, newcomer))
    expect(newcomer.join(room))
    expect(newcomer.send(room, "Hello"))
    levels = expect(owner.state(room, "m.room.power_levels")).body
    assert (levels["users_default"], levels["invite"], levels["users"][REMOTE]) == (1, 1, 0)
    # What the module would put back.
    changed = {**levels, "invite": 0, "users": {**levels["users"], REMOTE: 50}}
    expect(owner.set_state(room, "m.room.power_levels", changed))
    assert expect(owner.state(room, "m.room.power_levels")).body == changed
    assert not server.scan(server.person(), at.code).ok

    assert at.remove()[:2] == (0, "The module has nothing on localhost.\n")
    assert at.remove("--apply")[0] == 0
    main(["check", "-c", at.yaml, "-o", "json"])
    facts = {fact["subject"]: fact for fact in json.loads(capsys.readouterr().out)["facts"]}
    assert facts["tables of the module"]["found"] == "none yet"
    assert facts["concierge"]["weight"] == "good"
    assert "is free" in facts["concierge"]["found"]

    server.install_module(CONFIG)
    assert eventually(lambda: server.query(gone, CONCIERGE) == [(0,)], 30)
    assert server.query("SELECT user_id FROM erased_users") == []
    new, scanner = owner.new_room(name="New"), server.person()
    expect(server.scan(scanner, server.make_code(new, owner)))
    assert scanner.user_id in owner.members(new)
    other = server.person()
    other.new_room(name="Tea")
    assert "code" in Chat(other).ask("help")
    name = expect(other.call("GET", f"/profile/{CONCIERGE}/displayname")).body
    assert name == {"displayname": "Groups"}
    assert refused(server.person().join(room), "friends_only")


def test_as_long_as_the_module_is_there_nothing_is_removed(desk: Opener) -> None:
    at = desk()
    for arguments in ([], ["--apply"]):
        code, out, err = at.remove(*arguments)
        assert (code, out) == (2, "")
        assert "still in `modules` of homeserver.yaml" in err
    at.uninstall(restart=False)
    rooms = at.rooms_of_the_concierge()
    code, _, err = at.remove("--apply")
    assert code == 2
    assert "The running server still has the module" in err
    assert at.rooms_of_the_concierge() == rooms


def test_a_process_that_runs_a_trial_is_found_out_by_its_sweep(desk: Opener) -> None:
    at = desk()
    at.uninstall()
    at.server.query("UPDATE capgroups_schema SET swept_at = 1")
    long_ago = at.remove()
    assert long_ago[0] == 0
    slept: list[float] = []

    def sweep(seconds: float) -> None:
        slept.append(seconds)
        if seconds < 100:
            time.sleep(seconds)
        else:
            at.server.query("UPDATE capgroups_schema SET swept_at = swept_at + 60000")

    soon = "UPDATE capgroups_schema SET swept_at = ?"
    at.server.query(soon, 32_503_680_000_000)  # As if the clocks differed.
    code, _, err = at.remove(sleep=sweep)
    assert code == 2
    assert "A process of Synapse still runs the module" in err
    assert slept[-1] == 130
    assert "capgroups_codes" in tables(at.server)


def test_what_was_interrupted_goes_on(desk: Opener) -> None:
    at = desk()
    at.uninstall()
    at.swept_long_ago()
    rooms = at.rooms_of_the_concierge()

    def stop(seconds: float) -> None:
        time.sleep(seconds)
        if at.rooms_of_the_concierge() < rooms:
            raise KeyboardInterrupt

    code, _, err = at.remove(sleep=stop)
    assert code == 130
    assert "it goes on from here" in err
    assert 0 < at.rooms_of_the_concierge() < rooms
    assert "capgroups_codes" in tables(at.server)
    again = at.remove("--apply")
    assert again[0] == 0, again
    assert at.rooms_of_the_concierge() == 0
    assert tables(at.server) == []


def test_wrong_input_is_told_and_changes_nothing(
    desk: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = desk()
    at.uninstall()
    at.swept_long_ago()
    rooms, rows = at.rooms_of_the_concierge(), tables(at.server)

    def cannot(sentence: str, *arguments: str) -> None:
        code, _, err = at.remove("--apply", *arguments)
        assert code == 2
        assert sentence in err

    at.be(at.owner)
    cannot("not a server admin's")
    monkeypatch.setenv("CAPGROUPS_TOKEN", "syt_wrong")
    cannot("does not know the access token")
    monkeypatch.delenv("CAPGROUPS_TOKEN")
    cannot("Missing: the access token in CAPGROUPS_TOKEN")
    at.be(at.admin)
    cannot("Synapse's Admin API did not answer", "--server", "http://127.0.0.1:9")
    cannot("Over http:// others could read your token", "--server", "http://example.com")
    cannot("There is no file", "-c", "/nowhere.yaml")
    # Tables of another version, older or newer.
    for version in (1, 1000):
        (known,) = at.server.query("SELECT version FROM capgroups_schema")
        at.server.query("UPDATE capgroups_schema SET version = ?", version)
        cannot(f"have version {version}")
        at.server.query("UPDATE capgroups_schema SET version = ?", *known)
    at.server.homeserver.stop()
    cannot("Synapse's Admin API did not answer")
    assert at.remove()[0] == 0  # To look needs no server.
    assert (at.rooms_of_the_concierge(), tables(at.server)) == (rooms, rows)


@pytest.mark.parametrize("engine", ["postgres"])
@pytest.mark.both_engines
def test_a_role_that_may_only_read_drops_nothing(desk: Opener, engine: str) -> None:
    at = desk(engine)
    at.uninstall()
    at.swept_long_ago()
    database = at.server._database
    assert database is not None
    at.server.query("DROP ROLE IF EXISTS only_reads")
    at.server.query("CREATE ROLE only_reads LOGIN")
    at.server.query("GRANT SELECT ON ALL TABLES IN SCHEMA public TO only_reads")
    arguments = {**database["args"], "user": "only_reads"}
    psycopg2.connect(**{k: v for k, v in arguments.items() if k[:3] != "cp_"}).close()
    more = at.server.homeserver.folder / "more.yaml"
    more.write_text(yaml.safe_dump({"database": {**database, "args": arguments}}))
    code, _, err = at.remove("--apply", "-c", str(more))
    assert code == 2
    assert "The database's role may not drop the tables" in err
    assert "capgroups_codes" in tables(at.server)
    at.server.query("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM only_reads")
    at.server.query("DROP ROLE only_reads")
    assert at.remove("--apply")[0] == 0


def test_a_room_that_is_not_the_concierges_stays_whatever_the_tables_say(desk: Opener) -> None:
    at = desk()
    at.uninstall()
    at.swept_long_ago()
    at.server.query("UPDATE capgroups_chats SET room_id = ?", at.room)
    assert at.remove("--apply")[0] == 0
    expect(at.member.send(at.room, "Still here"))
