"""`capgroups check`: what the module would mean on a server, without the module and without writes.

The rooms are made by HTTP on a real homeserver that has no module.
"""

import csv
import hashlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml

from synapse_capgroups.admin.exits import CannotRunError
from synapse_capgroups.admin.homeserver_yaml import read
from synapse_capgroups.admin.opening import opened
from synapse_capgroups.cli import main
from synapse_capgroups.demo.person import Person, expect
from tests.conftest import Server, starter

pytestmark = pytest.mark.both_engines
on_postgres = pytest.mark.parametrize("engine", ["postgres"], indirect=True)

_ELSEWHERE = "@rosa:elsewhere.org"


def check(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What an admin types. In this process, where Synapse is imported already."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(["check", *arguments])
    return subprocess.CompletedProcess([], code, out.getvalue(), err.getvalue())


def check_by_itself(yaml: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The same in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "synapse_capgroups", "check", "-c", yaml, *arguments],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def found(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode in (0, 1), done.stderr
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


class Old:
    """A homeserver that never had the module, with a room of each kind."""

    def __init__(self, server: Server, further: Path) -> None:
        """
        Args:
            further: a folder for further files of its configuration.
        """
        self.server = server
        self._further = further
        self.folder = server.homeserver.folder
        self.yaml = str(self.folder / "homeserver.yaml")
        self.owner = server.person()
        self.module: dict[str, Any] = {"cap": 4, "code_limit": 3}
        self.rooms: dict[str, str] = {}
        self._make()

    def check(self, *arguments: str, **config: Any) -> subprocess.CompletedProcess[str]:
        """Check it with this configuration of the module, in a file of its own."""
        more = self.settings(module={**self.module, **config})
        return check("-c", self.yaml, "-c", more, *arguments)

    def settings(self, module: Mapping[str, Any] | None = None, **settings: Any) -> str:
        """A further file for `-c`."""
        if module is not None:
            settings["modules"] = [
                {"module": "no.such.module.Other"},
                {"module": "synapse_capgroups.CapGroups", "config": dict(module)},
            ]
        path = self._further / "more.yaml"
        path.write_text(yaml.safe_dump(settings))
        return str(path)

    def _make(self) -> None:
        owner, server = self.owner, self.server
        friends = server.people(5)

        def room(kind: str, members: int = 1, by: Person = owner, **request: Any) -> str:
            self.rooms[kind] = room_id = by.new_room(name=kind, **request)
            for friend in friends[: members - 1]:
                expect(by.invite(room_id, friend))
                expect(friend.join(room_id))
            return room_id

        room("plain", members=2)
        room("knock", initial_state=[_state("m.room.join_rules", join_rule="knock")])
        room("at the code limit", members=3)
        room("at the cap", members=4)
        room("above the cap", members=5)
        room("public", preset="public_chat")
        listed = room("listed", visibility="public", room_alias_name="listed")
        room("restricted", initial_state=[
            _state("m.room.join_rules", join_rule="restricted",
                   allow=[{"type": "m.room_membership", "room_id": listed}]),
        ])  # fmt: skip
        room("readable", initial_state=[
            _state("m.room.history_visibility", history_visibility="world_readable")
        ])  # fmt: skip
        room("addressed", room_alias_name="addressed")
        was = room("was addressed", room_alias_name="was")
        expect(owner.call("DELETE", "/directory/room/%23was%3Alocalhost"))
        expect(owner.set_state(was, "m.room.canonical_alias", {}))
        other = room("addressed by the other kind", room_alias_name="other")
        content = {"alt_aliases": ["#other:localhost"]}
        expect(owner.set_state(other, "m.room.canonical_alias", content))
        room("space", creation_content={"type": "m.space"}, preset="public_chat")
        room("exempt", preset="public_chat")
        room("lobby", preset="public_chat", room_alias_name="lobby")
        self.module["exempt"] = {"rooms": [self.rooms["exempt"], "#lobby:localhost"]}
        room("of a bridge", by=(bridge := server.person()), preset="public_chat")
        server.query("UPDATE users SET appservice_id = 'bridge' WHERE name = ?", bridge.user_id)
        expect(owner.leave(room("left", preset="public_chat")))
        self.heir = friends[0]
        gone = room("handed on", members=2, preset="public_chat")
        levels = {"users": {owner.user_id: 100, self.heir.user_id: 50}}
        expect(owner.set_state(gone, "m.room.power_levels", levels))
        expect(owner.leave(gone))
        with_remote = room("remote moderator", room_version="11")
        expect(owner.set_state(
            with_remote, "m.room.power_levels", {"users": {owner.user_id: 100, _ELSEWHERE: 50}}
        ))  # fmt: skip
        self._join_from_elsewhere(with_remote)
        kept = room("remote member", room_version="11", power_level_content_override={
            "users_default": 1, "invite": 1, "users": {owner.user_id: 100, _ELSEWHERE: 0}
        })  # fmt: skip
        self._join_from_elsewhere(kept)

    def _join_from_elsewhere(self, room_id: str) -> None:
        """What the table says after somebody of another server has joined."""
        self.server.query(
            "INSERT INTO current_state_events (event_id, room_id, type, state_key, membership) "
            "VALUES (?, ?, 'm.room.member', ?, 'join')",
            f"$from-elsewhere-{room_id[1:]}", room_id, _ELSEWHERE,
        )  # fmt: skip


def _state(event_type: str, **content: Any) -> dict[str, Any]:
    return {"type": event_type, "state_key": "", "content": content}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Old]:
    with ExitStack() as stack:
        server = starter(request, stack)(
            request.param, module=None,
            settings={"allow_guest_access": False, "default_room_version": "10"},
        )  # fmt: skip
        yield Old(server, tmp_path_factory.mktemp("further"))


EXPECTED = {
    "above the cap": ["above_cap"],
    "public": ["public"],
    "listed": ["listed", "public", "addressed"],
    "restricted": ["public"],
    "readable": ["world_readable"],
    "addressed": ["addressed"],
    "addressed by the other kind": ["addressed"],
    "space": ["public"],
    "handed on": ["public"],
    "remote moderator": ["remote_moderators", "remote_invites"],
}


def test_each_room_that_breaks_a_rule_is_found_and_no_other(engine: Old) -> None:
    done = engine.check("-o", "json")
    result = found(done)
    rooms = {room["name"]: room for room in result["rooms"]}
    assert {name: room["breaches"] for name, room in rooms.items() if room["breaches"]} == EXPECTED
    assert {name for name, room in rooms.items() if not room["breaches"]} == {
        "at the code limit", "at the cap",
    }  # fmt: skip
    assert done.returncode == 1
    counts = result["counts"]
    assert counts["breaking"] == len(EXPECTED)
    assert counts["breaches"]["public"] == 5
    assert counts["rooms"]["application_service"] == 1
    assert counts["rooms"]["exempt"] == 2
    assert counts["notes"]["above_code_limit"] == 2
    # Synapse's private presets open each room to guests, whom this server does not have.
    assert counts["notes"]["guests_allowed"] > 5


def test_it_tells_of_each_room_what_an_admin_needs(engine: Old) -> None:
    rooms = {room["name"]: room for room in found(engine.check("-o", "json"))["rooms"]}
    listed = rooms["listed"]
    assert listed["room_id"] == engine.rooms["listed"]
    assert listed["addresses"] == ["#listed:localhost"]
    assert listed["creator"] == listed["owner"] == engine.owner.user_id
    assert (listed["members"], listed["remote"]) == (1, 0)
    assert abs(listed["last_activity"] / 1000 - time.time()) < 600
    assert rooms["above the cap"]["members"] == 5
    assert rooms["handed on"]["creator"] == engine.owner.user_id
    assert rooms["handed on"]["owner"] == engine.heir.user_id
    assert rooms["remote moderator"]["remote"] == 1


def test_the_configuration_decides_what_breaks_a_rule(engine: Old) -> None:
    def breaking(**config: Any) -> set[str]:
        rooms = found(engine.check("-o", "json", **config))["rooms"]
        return {room["name"] for room in rooms if room["breaches"]}

    usual = set(EXPECTED)
    assert breaking(cap=5) == usual - {"above the cap"}
    assert breaking(federation="open") == usual - {"remote moderator"}
    assert breaking(enforce=False) == usual
    assert breaking(exempt={"spaces": True}) == usual - {"space"} | {"exempt", "lobby"}
    assert breaking(exempt={"creators": [".*"]}) == set()
    assert engine.check(exempt={"creators": [".*"]}).returncode == 0


def test_guests_break_a_rule_where_there_can_be_guests(engine: Old) -> None:
    more = engine.settings(allow_guest_access=True)
    rooms = found(check("-c", engine.yaml, "-c", more, "-o", "json"))["rooms"]
    assert {"plain", "knock"} <= {r["name"] for r in rooms if r["breaches"] == ["guests"]}


def test_without_statistics_of_synapses_the_same_is_found(engine: Old) -> None:
    """They are a second behind, or turned off."""
    before = found(engine.check("-o", "json"))
    kept = engine.server.query("SELECT stream_id FROM stats_incremental_position")[0][0]
    engine.server.query("UPDATE stats_incremental_position SET stream_id = 0")
    rows = engine.server.query("SELECT room_id, join_rules FROM room_stats_state")
    try:
        engine.server.query("UPDATE room_stats_state SET join_rules = 'invite'")
        behind = found(engine.check("-o", "json"))
    finally:
        for room_id, join_rules in rows:
            engine.server.query(
                "UPDATE room_stats_state SET join_rules = ? WHERE room_id = ?", join_rules, room_id
            )
        engine.server.query("UPDATE stats_incremental_position SET stream_id = ?", kept)
    assert by_id(behind) == by_id(before)
    assert behind["counts"] == before["counts"]


def by_id(result: dict[str, Any]) -> dict[str, Any]:
    return {room["room_id"]: room for room in result["rooms"]}


def test_the_table_says_it_in_words(engine: Old) -> None:
    done = engine.check("--rows", "3")
    assert done.returncode == 1
    text = done.stdout
    assert f"{len(EXPECTED)} groups break a rule" in text
    assert "It has more than 4 members. They stay, and nobody else can join." in text
    assert engine.rooms["above the cap"] in text
    assert f"… and {len(EXPECTED) + 2 - 3} more: -o csv has them all" in text


def test_names_that_members_choose_do_no_harm(engine: Old) -> None:
    """Neither to a terminal nor to a spreadsheet."""
    evil = {"\x1b[2Jgone\u202e": 2, '=cmd|"/c calc"!A1': 2}
    rooms = [engine.owner.new_room(name=name, preset="public_chat") for name in evil]
    try:
        table = engine.check("--rows", "100").stdout
        assert "gone" in table
        assert "\x1b" not in table
        assert "\u202e" not in table
        rows = list(csv.DictReader(io.StringIO(engine.check("-o", "csv").stdout)))
        names = {row["room_id"]: row["name"] for row in rows}
        assert names[rooms[1]].startswith("'=")
        assert all(row["creator"].startswith("'@") for row in rows)
        assert {row["breaches"] for row in rows} >= {"listed public addressed", "above_cap"}
    finally:
        for room_id in rooms:
            expect(engine.owner.leave(room_id))


def facts(done: subprocess.CompletedProcess[str]) -> dict[str, tuple[str, str]]:
    return {fact["subject"]: (fact["weight"], fact["found"]) for fact in found(done)["facts"]}


def test_what_the_module_depends_on_is_told(engine: Old) -> None:
    usual = facts(check("-c", engine.yaml, "-o", "json"))
    assert usual["internals"][0] == "good"
    assert usual["module"] == ("note", "not in homeserver.yaml")
    assert usual["concierge"] == ("good", "@groups:localhost is free")
    assert usual["x_forwarded"][0] == "change"
    assert usual["rc_joins_per_room"][0] == "good"
    more = engine.settings(
        module={"concierge": engine.heir.user_id[1:].split(":")[0]},
        public_baseurl=None,
        allow_per_room_profiles=False,
        auto_join_rooms=["#lobby:localhost"],
        auto_accept_invites={"enabled": True},
        rc_joins_per_room={"per_second": 1, "burst_count": 10},
        encryption_enabled_by_default_for_room_type="all",
        instance_map={
            "main": {"host": "localhost", "port": 1}, "worker1": {"host": "localhost", "port": 2},
        },
        redis={"enabled": True},
    )  # fmt: skip
    done = check("-c", engine.yaml, "-c", more, "-o", "json")
    assert done.returncode == 1  # Synapse would not start: the account is somebody's.
    other = facts(done)
    assert other["concierge"] == ("stop", engine.heir.user_id)
    assert other["other modules"][1] == "no.such.module.Other, synapse_capgroups.CapGroups"
    for subject in (
        "public_baseurl", "allow_per_room_profiles", "auto_join_rooms", "rc_joins_per_room",
    ):  # fmt: skip
        assert other[subject][0] == "change", subject
    for subject in ("auto_accept_invites", "encryption by default", "workers"):
        assert other[subject][0] == "note", subject


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"module": {"cap": "many"}},
            "The module's configuration has a mistake. cap: found 'many'",
        ),
        ({"database": {"name": "oracle"}}, "Unsupported database type"),
        ({"listeners": "all"}, "Synapse cannot use"),
        ({"rc_joins": 3}, "Synapse cannot use"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_told(
    engine: Old, settings: dict[str, Any], sentence: str
) -> None:
    done = check("-c", engine.yaml, "-c", engine.settings(**settings))
    assert_cannot_run(done, sentence)


def assert_cannot_run(done: subprocess.CompletedProcess[str], sentence: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    assert sentence in done.stderr
    assert done.stderr.startswith("capgroups check: ")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_file_that_is_not_there_or_is_no_yaml_is_told(tmp_path: Path) -> None:
    assert_cannot_run(check("-c", str(tmp_path / "no.yaml")), "There is no file")
    broken = tmp_path / "broken.yaml"
    broken.write_text("server_name: [")
    assert_cannot_run(check("-c", str(broken)), "is no YAML")
    broken.write_text("report_stats: false")
    assert_cannot_run(check("-c", str(broken)), "server_name")
    broken.write_bytes(b"server_name: \xff\xfe")
    assert_cannot_run(check("-c", str(broken)), "broken.yaml")


def sqlite(folder: Path, name: str = "homeserver.db") -> str:
    """A configuration with a database in this folder, of a server that needs nothing else."""
    config = {
        "server_name": "localhost",
        "report_stats": False,
        "media_store_path": str(folder / "media"),
        "signing_key_path": str(folder / "no.key"),
        "database": {"name": "sqlite3", "args": {"database": str(folder / name)}},
    }
    path = folder / "homeserver.yaml"
    path.write_text(yaml.safe_dump(config))
    return str(path)


def test_a_database_that_is_missing_empty_or_somebody_elses_is_told(tmp_path: Path) -> None:
    assert_cannot_run(check("-c", sqlite(tmp_path)), "No such file")
    (tmp_path / "homeserver.db").touch()
    assert_cannot_run(check("-c", sqlite(tmp_path)), "This is no database of Synapse's")
    (tmp_path / "homeserver.db").write_bytes(os.urandom(5000))
    assert_cannot_run(check("-c", sqlite(tmp_path)), "file is not a database")
    assert not (tmp_path / "media").exists()


def fingerprints(server: Server) -> dict[str, str]:
    """A checksum of each table and, on SQLite, of each file."""
    if server.engine == "sqlite":
        return {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest() + str(path.stat().st_mtime_ns)
            for path in sorted(server.homeserver.folder.rglob("*"))
            if path.is_file()
        }
    tables = server.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    row = "md5(COALESCE(string_agg(t::text, ',' ORDER BY t::text), ''))"
    return {name: server.query(f"SELECT {row} FROM {name} AS t")[0][0] for (name,) in tables}


def test_nothing_is_written_and_the_server_need_not_run(engine: Old) -> None:
    """In a process of its own, as an admin runs it."""
    running = by_id(found(engine.check("-o", "json")))
    engine.server.homeserver.stop()
    try:
        before = fingerprints(engine.server)
        done = check_by_itself(
            engine.yaml, "-c", engine.settings(module=engine.module), "-o", "json"
        )
        assert fingerprints(engine.server) == before
        assert by_id(found(done)) == running
    finally:
        engine.server.homeserver.start()


def test_a_server_that_runs_writes_meanwhile(engine: Old) -> None:
    """A check that is under way keeps nobody waiting, and sees one moment."""
    server = read([engine.yaml])
    raw = server.parsed.database.databases[0].config
    with opened(raw, engine.folder, timeout=60) as database:
        rooms = database.rooms("localhost")
        first = next(rooms)
        begun = time.monotonic()
        made = engine.owner.new_room(name="made meanwhile")
        expect(engine.owner.send(made, "quickly"))
        assert time.monotonic() - begun < 4
        seen = {first.room_id, *(room.room_id for room in rooms)}
        assert engine.rooms["public"] in seen
        assert made not in seen


def test_a_write_is_refused_by_the_database(engine: Old) -> None:
    raw = read([engine.yaml]).parsed.database.databases[0].config
    with (
        pytest.raises(CannotRunError, match=r"read-?only"),
        opened(raw, engine.folder, timeout=60) as database,
    ):
        database.execute("DELETE FROM rooms WHERE room_id = ?", ("!nowhere",))


def role(engine: Old, name: str, *grants: str) -> str:
    """A further file for `-c` with another role of PostgreSQL's."""
    database = engine.server._database
    assert database is not None
    engine.server.query(f"DROP ROLE IF EXISTS {name}")
    engine.server.query(f"CREATE ROLE {name} LOGIN")
    for grant in grants:
        engine.server.query(f"GRANT {grant} TO {name}")
    arguments = {**database["args"], "user": name}
    return engine.settings(module=engine.module, database={**database, "args": arguments})


@on_postgres
def test_a_role_that_may_only_select_is_enough(engine: Old) -> None:
    everything = by_id(found(engine.check("-o", "json")))
    more = role(engine, "looker", "SELECT ON ALL TABLES IN SCHEMA public")
    try:
        assert by_id(found(check("-c", engine.yaml, "-c", more, "-o", "json"))) == everything
    finally:
        engine.server.query("DROP OWNED BY looker")


@on_postgres
def test_a_role_that_may_not_select_is_told_what_it_needs(engine: Old) -> None:
    more = role(engine, "nobody")
    assert_cannot_run(check("-c", engine.yaml, "-c", more), "GRANT SELECT ON ALL TABLES")


@on_postgres
def test_a_migration_that_runs_is_told(engine: Old) -> None:
    """Synapse's own changes of tables hold locks that nobody else can read beside.

    On SQLite readers see the tables as they were before.
    """
    database = engine.server._database
    assert database is not None
    arguments = {key: value for key, value in database["args"].items() if key[:3] != "cp_"}
    with closing(psycopg2.connect(**arguments)) as migration:
        migration.cursor().execute("LOCK TABLE rooms IN ACCESS EXCLUSIVE MODE")
        assert_cannot_run(check("-c", engine.yaml), "Synapse is upgrading them")


@on_postgres
def test_a_server_that_does_not_answer_or_a_database_that_is_missing_is_told(engine: Old) -> None:
    database = engine.server._database
    assert database is not None
    for other in ({"dbname": "nosuch"}, {"port": 1}, {"nosuch": "option"}):
        more = engine.settings(database={**database, "args": {**database["args"], **other}})
        assert_cannot_run(check("-c", engine.yaml, "-c", more), "Cannot connect to the database")


def test_another_schema_is_told(engine: Old) -> None:
    query = engine.server.query
    query("UPDATE schema_compat_version SET compat_version = 9999")
    try:
        assert_cannot_run(check("-c", engine.yaml), "A newer Synapse has used this database")
    finally:
        query("UPDATE schema_compat_version SET compat_version = 84")
    version = query("SELECT version FROM schema_version")[0][0]
    query("UPDATE schema_version SET version = 60")
    try:
        assert_cannot_run(check("-c", engine.yaml), "Upgrade Synapse first")
    finally:
        query("UPDATE schema_version SET version = ?", version)
    query("ALTER TABLE room_stats_state RENAME TO elsewhere")
    try:
        assert_cannot_run(check("-c", engine.yaml), "does not have the tables of Synapse")
    finally:
        query("ALTER TABLE elsewhere RENAME TO room_stats_state")


def test_a_start_of_synapses_during_the_look_is_noticed(tmp_path: Path) -> None:
    """A file that nobody had open is read without the log that a server writes beside it."""
    path = tmp_path / "homeserver.db"
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE schema_version (version)")
        made.execute("CREATE TABLE rooms (room_id)")
        made.execute("INSERT INTO schema_version VALUES (94)")
        made.commit()
    raw = {"name": "sqlite3", "args": {"database": str(path)}}

    def start_a_server() -> None:
        with closing(sqlite3.connect(path)) as server:
            server.execute("PRAGMA journal_mode = WAL")
            server.execute("INSERT INTO rooms VALUES ('!new')")
            server.commit()
            shutil.copy(f"{path}-wal", tmp_path / "kept")
        (tmp_path / "kept").rename(f"{path}-wal")

    with (
        pytest.raises(CannotRunError, match="Synapse was started"),
        opened(raw, tmp_path, timeout=60),
    ):
        start_a_server()


def test_with_the_module_its_own_rooms_and_account_are_none_of_its_findings(engine: Old) -> None:
    """After weeks with it, `check` tells what is left; here after a first start."""
    server = engine.server
    server.install_module(engine.module)
    try:
        code = server.make_code(engine.rooms["plain"], engine.owner)
        result = found(check("-c", engine.yaml, "-o", "json"))
        by_subject = {fact["subject"]: fact for fact in result["facts"]}
        assert by_subject["concierge"]["found"] == "@groups:localhost is the module's"
        assert by_subject["tables of the module"]["found"].startswith("version ")
        assert by_subject["module"]["found"] == "in `modules`"
        assert result["counts"]["rooms"]["concierge"] >= 1
        assert {room["name"] for room in result["rooms"] if room["breaches"]} == set(EXPECTED)
        assert code["code_id"]
    finally:
        server.homeserver.stop()
