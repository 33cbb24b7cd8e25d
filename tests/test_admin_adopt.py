"""`capgroups adopt`: from rooms that break the rules to groups that keep them, and back.

The rooms are made by HTTP on a real homeserver without the module, which then gets it.
"""

import collections
import csv
import io
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import yaml

from synapse_capgroups.admin.undo_file import UndoFile
from synapse_capgroups.cli import main
from synapse_capgroups.demo.person import Person, Reply, expect
from tests.conftest import API, Server, eventually, starter

pytestmark = [pytest.mark.both_engines, pytest.mark.long(1)]

_ELSEWHERE = "@rosa:elsewhere.org"
_MODULE = {"cap": 4, "code_limit": 3}


def state(event_type: str, **content: Any) -> dict[str, Any]:
    return {"type": event_type, "state_key": "", "content": content}


class Done:
    """How a command ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def __repr__(self) -> str:
        return f"{self.code}\n{self.out}\n{self.err}"


class Old:
    """A homeserver with rooms from before the module, which now has it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.yaml = str(server.homeserver.folder / "homeserver.yaml")
        self.admin = server.person(admin=True)
        self.owner = server.person()
        self.friends = server.people(5)
        self.rooms: dict[str, str] = {}
        self._make()

    def room(self, kind: str, members: int = 1, **request: Any) -> str:
        self.rooms[kind] = room_id = self.owner.new_room(name=kind, **request)
        for friend in self.friends[: members - 1]:
            expect(self.owner.invite(room_id, friend))
            expect(friend.join(room_id))
        return room_id

    def _make(self) -> None:
        owner, room = self.owner, self.room
        closed: dict[str, Any] = {
            "initial_state": [state("m.room.guest_access", guest_access="forbidden")]
        }
        room("good", members=2, **closed)
        room("above the cap", members=5, **closed)
        room("public", preset="public_chat")
        listed = room("listed", visibility="public", room_alias_name="listed")
        expect(owner.add_address(listed, "#second:localhost"))
        content = {"alias": "#listed:localhost", "alt_aliases": ["#second:localhost"]}
        expect(owner.set_state(listed, "m.room.canonical_alias", content))
        room("restricted", initial_state=[
            state("m.room.join_rules", join_rule="restricted",
                  allow=[{"type": "m.room_membership", "room_id": listed}]),
        ])  # fmt: skip
        room("readable", initial_state=[
            state("m.room.history_visibility", history_visibility="world_readable")
        ])  # fmt: skip
        room("guests")
        addressed = room("only in the directory", **closed)
        expect(owner.add_address(addressed, "#quiet:localhost"))
        with_guest = room("a guest is in it", preset="public_chat", initial_state=[
            state("m.room.guest_access", guest_access="can_join")
        ])  # fmt: skip
        expect(self.server.homeserver.register_guest().join(with_guest))
        gone = room("left to nobody with power", members=2, preset="public_chat")
        expect(owner.set_state(gone, "m.room.power_levels", {"users": {owner.user_id: 100}}))
        expect(owner.leave(gone))
        room("announcements", preset="public_chat", power_level_content_override={
            "events_default": 50
        })  # fmt: skip
        remote = room("remote moderator", room_version="11", **closed)
        users = {owner.user_id: 100, _ELSEWHERE: 50}
        expect(owner.set_state(remote, "m.room.power_levels", {"users": users}))
        self.server.query(
            "INSERT INTO current_state_events (event_id, room_id, type, state_key, membership) "
            "VALUES (?, ?, 'm.room.member', ?, 'join')",
            f"$from-elsewhere-{remote[1:]}", remote, _ELSEWHERE,
        )  # fmt: skip

    def adopt(self, *arguments: str, token: str | None = None, config: str = "") -> Done:
        """What an admin types. In this process, where Synapse is imported already."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setenv("CAPGROUPS_TOKEN", self.admin._token if token is None else token)
            more = ["-c", config] if config else []
            code = main(["adopt", "-c", self.yaml, *more, *arguments])
        return Done(code, out.getvalue(), err.getvalue())

    def plan(self, *arguments: str) -> dict[str, Any]:
        done = self.adopt("-o", "json", *arguments)
        assert done.code in (0, 1), done
        parsed: dict[str, Any] = json.loads(done.out)
        return parsed

    def apply(self, plan: dict[str, Any], file: Path, *more: str, **options: Any) -> Done:
        pause = ["--pause", "0"]
        return self.adopt(
            "--apply", plan["hash"], "--undo-file", str(file), *pause, *more, **options
        )

    def undo(self, file: Path, **options: Any) -> Done:
        return self.adopt("--undo", str(file), "--pause", "0", **options)

    def everything(self) -> dict[str, Any]:
        """All that adopting may change, and all that it may not: event by event."""
        found: dict[str, Any] = {}
        for name, room_id in self.rooms.items():
            events = self.server.query(
                "SELECT s.type, s.state_key, s.event_id, e.json FROM current_state_events AS s "
                "LEFT JOIN event_json AS e ON e.event_id = s.event_id WHERE s.room_id = ?",
                room_id,
            )
            for kind, key, event_id, text in events:
                content = json.loads(text)["content"] if text else None
                # Of what the way there and back writes, the event is another one.
                same = kind in _WRITTEN and key == ""
                found[f"{name} {kind} {key}"] = content if same else (event_id, content)
            listed = self.server.query("SELECT is_public FROM rooms WHERE room_id = ?", room_id)
            found[f"{name} listed"] = bool(listed[0][0])
            found[f"{name} addresses"] = sorted(self.server.query(
                "SELECT a.room_alias, a.creator, s.server FROM room_aliases AS a "
                "LEFT JOIN room_alias_servers AS s ON s.room_alias = a.room_alias "
                "WHERE a.room_id = ?", room_id,
            ))  # fmt: skip
        return found

    def call(self, who: Person, room: str, body: Any) -> Reply:
        path = f"{API}/admin/groups/{quote(self.rooms[room], safe='')}/adopt"
        return who.call("POST", path, body)


_WRITTEN = {
    "m.room.join_rules", "m.room.history_visibility", "m.room.guest_access",
    "m.room.canonical_alias", "m.room.power_levels",
}  # fmt: skip


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> Iterator[Old]:
    with ExitStack() as stack:
        server = starter(request, stack)(
            request.param, module=None, settings={"default_room_version": "10"}
        )
        old = Old(server)
        server.install_module(_MODULE)
        yield old


def by_name(plan: dict[str, Any]) -> dict[str, Any]:
    return {room["name"]: room for room in plan["rooms"]}


def test_what_was_planned_is_done_and_undone(engine: Old, tmp_path: Path) -> None:
    before = engine.everything()
    plan = engine.plan()
    file = tmp_path / "undo.jsonl"
    done = engine.apply(plan, file)
    assert done.code == 0, done
    adopted = engine.everything()
    changed = {key for key in before if adopted[key] != before[key]}
    assert changed == planned_keys(plan)
    assert adopted.keys() == before.keys()
    again = engine.plan()
    assert not [room for room in again["rooms"] if room["changed"]], again

    undone = engine.undo(file)
    assert undone.code == 0, undone
    assert engine.everything() == before
    assert engine.plan() == plan
    journal = [facts for word, facts in engine.server.homeserver.journal() if word == "admin"]
    listed = [facts for facts in journal if facts["group"] == engine.rooms["listed"]][:2]
    assert [(facts["deed"], facts["by"]) for facts in listed] == [
        ("adopted", engine.admin.user_id), ("taken_back", engine.admin.user_id),
    ]  # fmt: skip
    assert listed[0]["steps"] == listed[1]["steps"][::-1] == [
        "m.room.canonical_alias", "m.room.join_rules", "listing",
        "#listed:localhost", "#second:localhost",
    ]  # fmt: skip


def planned_keys(plan: dict[str, Any]) -> set[str]:
    keys = set()
    for room in plan["rooms"]:
        for step in room["steps"] if room["changed"] else []:
            what = {"state": f"{step['name']} ", "listing": "listed", "address": "addresses"}
            keys.add(f"{room['name']} {what[step['what']]}")
    return keys


def messages(engine: Old) -> list[str]:
    """What the concierge has written, but for greetings: a chat may be there already."""
    rows = engine.server.query(
        "SELECT e.json FROM event_json AS e JOIN events AS v ON v.event_id = e.event_id "
        "WHERE v.type = 'm.room.message' AND v.sender = '@groups:localhost'"
    )
    said = [json.loads(text)["content"]["body"] for (text,) in rows]
    return [text for text in said if not text.startswith("Hello!")]


def log(file: Path) -> list[dict[str, Any]]:
    """What was begun by an undo file, and how it ended."""
    lines = [json.loads(line) for line in file.read_bytes().split(b"\n")[:-1]]
    return [line for line in lines if line["kind"] not in ("plan", "room")]


def killed_again_and_again(engine: Old, file: Path, seed: int, *arguments: str) -> int:
    """Run the command and kill it at some moment, until it gets to its end; returns how often."""
    chosen = random.Random(seed)
    environment = {**os.environ, "CAPGROUPS_TOKEN": engine.admin._token}
    command = [sys.executable, "-m", "synapse_capgroups", "adopt", "-c", engine.yaml, *arguments]
    killed = 0
    while True:
        before = len(log(file)) if file.exists() else 0
        running = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        # The first is killed as the file comes to be, the others after some lines.
        until = before + (chosen.randint(2, 6) if killed else 0)
        assert eventually(
            lambda: running.poll() is not None or (file.exists() and len(log(file)) >= until),  # noqa: B023
            seconds=90,
        )
        time.sleep(chosen.random() * 0.02)
        if running.poll() is None:
            running.kill()
            killed += 1
        output = running.communicate()[0]
        if running.returncode != -9:
            assert running.returncode == 0, output.decode()
            return killed


def test_a_command_that_is_killed_goes_on_in_both_directions(engine: Old, tmp_path: Path) -> None:
    before = engine.everything()
    plan = engine.plan()
    file = tmp_path / "undo.jsonl"
    carry_out = ["--apply", plan["hash"], "--undo-file", str(file), "--pause", "0.1"]
    told = collections.Counter(messages(engine))
    assert killed_again_and_again(engine, file, 1, *carry_out) >= 2
    adopted = engine.everything()
    assert {key for key in before if adopted[key] != before[key]} == planned_keys(plan)
    said = collections.Counter(messages(engine)) - told
    assert said == {room["text"]: 1 for room in plan["rooms"] if room["changed"]}

    again = engine.apply(plan, file)
    assert again.code == 0, again
    assert engine.everything() == adopted
    told = collections.Counter(messages(engine))
    assert killed_again_and_again(engine, file, 2, "--undo", str(file), "--pause", "0.1") >= 2
    assert engine.everything() == before
    said = collections.Counter(messages(engine)) - told
    taken_back = (
        "This server's admin has taken back what was changed in “{}”: it is as it was before."
    )
    changed = [room for room in plan["rooms"] if room["changed"]]
    assert said == {taken_back.format(room["name"]): 1 for room in changed}
    lines = log(file)
    assert engine.undo(file).code == 0
    assert log(file) == lines, "nobody was asked"
    assert engine.everything() == before


def test_a_server_that_is_killed_is_waited_for(engine: Old, tmp_path: Path) -> None:
    before = engine.everything()
    plan = engine.plan()
    file = tmp_path / "undo.jsonl"
    homeserver = engine.server.homeserver
    with ThreadPoolExecutor() as pool:
        running = pool.submit(engine.apply, plan, file)
        assert eventually(lambda: file.exists() and len(log(file)) >= 4, seconds=60)
        homeserver.kill()
        homeserver.start()
        done = running.result()
    if done.code == 2:  # It does not wait for ever, and a start can take long.
        assert "The same command goes on" in done.err
        done = engine.apply(plan, file)
    assert done.code == 0, done
    adopted = engine.everything()
    assert {key for key in before if adopted[key] != before[key]} == planned_keys(plan)
    assert engine.undo(file).code == 0
    assert engine.everything() == before


def test_a_room_that_was_changed_meanwhile_is_left_and_said(engine: Old, tmp_path: Path) -> None:
    room, listed, second = engine.rooms["public"], engine.rooms["listed"], engine.rooms["readable"]
    plan = engine.plan()
    file = tmp_path / "undo.jsonl"
    before = engine.everything()
    # Somebody closes a room after the file was written, which is when the plan is fixed.
    UndoFile.create(file, "localhost", plan["hash"], carried_out(plan)).close()
    expect(engine.owner.set_state(room, "m.room.join_rules", {"join_rule": "knock"}))
    done = engine.apply(plan, file)
    assert done.code == 1
    assert f"Left as it is: {room}: It has changed: m.room.join_rules" in done.err
    assert engine.owner.state(room, "m.room.join_rules").body["join_rule"] == "knock"
    assert engine.owner.state(listed, "m.room.join_rules").body["join_rule"] == "invite"
    # And another one before it is taken back.
    expect(
        engine.owner.set_state(
            second, "m.room.history_visibility", {"history_visibility": "joined"}
        )
    )
    undone = engine.undo(file)
    assert undone.code == 1
    assert f"Left as it is: {second}: It has changed: m.room.history_visibility" in undone.err
    assert room not in undone.err, "nothing was done there"
    now = engine.everything()
    assert {key for key in before if now[key] != before[key]} == {
        "public m.room.join_rules ",
        "readable m.room.history_visibility ",
        "readable m.room.guest_access ",
    }
    # What is left can be tried again.
    expect(
        engine.owner.set_state(
            second, "m.room.history_visibility", {"history_visibility": "shared"}
        )
    )
    assert engine.undo(file).code == 0
    steps = {
        step["name"]: step
        for planned in plan["rooms"]
        for step in planned["steps"]
        if planned["name"] == "public"
    }
    back = {"server": "localhost", "undo": True}
    # By hand, to where the other tests begin.
    changed = {**steps["m.room.join_rules"], "after": {"join_rule": "knock"}}
    expect(engine.call(engine.admin, "public", {**back, "steps": [changed]}))
    assert engine.everything() == before


def carried_out(plan: dict[str, Any]) -> list[dict[str, Any]]:
    keys = ("room_id", "name", "steps", "people", "text")
    return [{key: room[key] for key in keys} for room in plan["rooms"] if room["changed"]]


def test_an_address_that_leads_nowhere_holds_nothing_up(engine: Old, tmp_path: Path) -> None:
    before = engine.everything()
    room, file = engine.rooms["listed"], tmp_path / "undo.jsonl"
    row = ("#second:localhost", room, engine.owner.user_id)
    # Synapse would take it out of the room's state as well.
    engine.server.query("DELETE FROM room_aliases WHERE room_alias = ?", row[0])
    assert engine.apply(engine.plan(), file).code == 0
    assert engine.owner.state(room, "m.room.canonical_alias").body == {}
    undone = engine.undo(file)
    assert undone.code == 1
    assert f"Left as it is: {room}: m.room.canonical_alias: Room alias" in undone.err
    now = engine.everything()
    assert {key for key in before if now[key] != before[key]} == {
        "listed m.room.canonical_alias ", "listed addresses",
    }  # fmt: skip
    # It can be tried again.
    engine.server.query(
        "INSERT INTO room_aliases (room_alias, room_id, creator) VALUES (?, ?, ?)", *row
    )
    assert engine.undo(file).code == 0
    assert engine.everything() == before


def test_only_a_server_admin_may_call_it(engine: Old, tmp_path: Path) -> None:
    step = {"what": "listing", "name": "", "before": True, "after": False}
    for undo in (False, True):
        body = {"server": "localhost", "steps": [step], "undo": undo}
        for who in (engine.owner, engine.friends[0], engine.server.person()):
            reply = engine.call(who, "listed", body)
            assert (reply.status, reply.body["errcode"]) == (403, "M_FORBIDDEN")
    path = f"{API}/admin/groups/{quote(engine.rooms['listed'], safe='')}/adopt"
    url = engine.server.homeserver.url + path
    assert httpx.post(url, json=body).status_code == 401
    before = engine.everything()
    file = tmp_path / "undo.jsonl"
    cannot_run(engine.apply(engine.plan(), file, token=engine.owner._token), "not a server admin")
    cannot_run(engine.undo(file, token=engine.owner._token), "not a server admin")
    cannot_run(engine.undo(file, token=""), "Missing: the access token in CAPGROUPS_TOKEN.")
    assert engine.everything() == before


def test_what_no_plan_asks_for_is_refused(engine: Old) -> None:
    before = engine.everything()
    good = {"what": "listing", "name": "", "before": True, "after": False}
    body: dict[str, Any] = {"server": "localhost", "steps": [good]}
    wrong = [
        {**body, "server": "elsewhere.org"},
        {**body, "steps": [{**good, "what": "state", "name": "m.room.name"}]},
        {**body, "steps": [{**good, "before": False, "after": True}]},
        {**body, "steps": {}},
        {**body, "undo": 1},
        {**body, "notice": {"people": ["@a:localhost"]}},
        {**body, "notice": {"people": "@a:localhost", "text": "x"}},
    ]
    for one in wrong:
        assert engine.call(engine.admin, "listed", one).status == 400, one
    address: dict[str, Any] = {
        "what": "address",
        "name": "#j-aaaaaaaaaaaaaaaaaaaaaaaaaa:localhost",
        "before": {"creator": None, "servers": []},
        "after": None,
    }
    give = {**body, "steps": [address], "undo": True}
    assert engine.call(engine.admin, "listed", give).status == 400, "like a code"
    engine.rooms["none"] = "!none:localhost"
    try:
        assert engine.call(engine.admin, "none", body).status == 404
        assert engine.call(engine.admin, "none", {**body, "undo": True}).status == 404
    finally:
        del engine.rooms["none"]
    taken = {**address, "name": "#listed:localhost"}
    reply = engine.call(engine.admin, "good", {**body, "steps": [taken], "undo": True})
    assert (reply.status, reply.reason) == (409, "refused"), "another room has it"
    assert engine.everything() == before


def cannot_run(done: Done, sentence: str) -> None:
    assert done.code == 2, done
    assert sentence in done.err, done
    assert done.err.startswith("capgroups adopt: ")
    assert "Traceback" not in done.err


def test_an_undo_file_that_was_edited_is_refused(engine: Old, tmp_path: Path) -> None:
    plan = engine.plan()
    file, edited = tmp_path / "undo.jsonl", tmp_path / "edited.jsonl"
    assert engine.apply(plan, file).code == 0
    adopted = engine.everything()
    content = file.read_bytes()
    lines = content.split(b"\n")
    wrong = {
        "a word": content.replace(b'"join_rule":"public"', b'"join_rule":"knock"', 1),
        "a line less": b"\n".join([lines[0], *lines[2:]]),
        "a line of the log less": b"\n".join([*lines[:-4], *lines[-3:]]),
        "two changed places": b"\n".join([lines[0], lines[2], lines[1], *lines[3:]]),
        "another server": content.replace(b'"server":"localhost"', b'"server":"elsewhere"', 1),
        "a space": content.replace(b'"kind":"plan"', b'"kind": "plan"', 1),
        "nothing": b"",
        "no JSON": b"undo\n",
        "a list": b"[]\n",
        "no text": b"\xff\xfe\n",
    }
    for name, other in wrong.items():
        assert other != content, name
        edited.write_bytes(other)
        cannot_run(engine.undo(edited), str(edited))
        cannot_run(engine.apply(plan, edited), str(edited))
        assert edited.read_bytes() == other, name
    assert engine.everything() == adopted
    cannot_run(engine.undo(tmp_path / "none"), "Cannot open the undo file")
    # A last line that was not written to its end is what a power cut leaves.
    edited.write_bytes(content[:-30])
    assert engine.undo(edited).code == 0
    file.unlink()


def test_another_servers_file_another_plan_and_a_file_in_use_are_refused(
    engine: Old, tmp_path: Path
) -> None:
    plan = engine.plan()
    before = engine.everything()
    theirs = tmp_path / "theirs.jsonl"
    UndoFile.create(theirs, "elsewhere.org", plan["hash"], carried_out(plan)).close()
    cannot_run(engine.undo(theirs), "The undo file is of elsewhere.org, and this is localhost.")
    cannot_run(engine.apply(plan, theirs), "The undo file is of elsewhere.org")
    file = tmp_path / "undo.jsonl"
    other = {**plan, "hash": "0" * 64}
    done = engine.apply(other, file)
    assert done.code == 2
    assert plan["hash"] in done.err
    assert not file.exists()
    opened = UndoFile.create(file, "localhost", plan["hash"], carried_out(plan))
    cannot_run(engine.apply(plan, file), "Another command is using the undo file")
    opened.close()
    cannot_run(engine.apply(other, file), "The undo file is of the plan")
    cannot_run(engine.apply(plan, tmp_path / "no" / "folder"), "Cannot write the undo file")
    assert engine.everything() == before
    assert log(file) == []
    assert engine.apply(plan, file).code == engine.undo(file).code == 0
    cannot_run(engine.apply(plan, file), "This plan was taken back.")
    assert engine.everything() == before


def test_in_a_trial_the_plan_is_shown_and_nothing_is_changed(engine: Old, tmp_path: Path) -> None:
    plan = engine.plan()
    trial = tmp_path / "trial.yaml"
    module = {"module": "synapse_capgroups.CapGroups", "config": {**_MODULE, "enforce": False}}
    trial.write_text(yaml.safe_dump({"modules": [module]}))
    shown = engine.adopt("-o", "json", config=str(trial))
    assert shown.code == 1
    assert json.loads(shown.out) == plan
    file = tmp_path / "undo.jsonl"
    cannot_run(engine.apply(plan, file, config=str(trial)), "Set `enforce: true`")
    assert not file.exists()
    none = tmp_path / "none.yaml"
    none.write_text("modules: []")
    cannot_run(engine.undo(file, config=str(none)), "Set `enforce: true`")
    # And if the server was not restarted yet.
    before = engine.everything()
    now = tmp_path / "now.yaml"
    now.write_text(yaml.safe_dump({"modules": [{**module, "config": _MODULE}]}))
    engine.server.install_module({**_MODULE, "enforce": False})
    try:
        cannot_run(engine.apply(plan, file, config=str(now)), "The running server does not know")
        assert engine.everything() == before
    finally:
        engine.server.install_module(_MODULE)
    assert engine.apply(plan, file).code == engine.undo(file).code == 0
    assert engine.everything() == before


def test_announcements_and_lobbies_are_changed_only_if_asked_for(
    engine: Old, tmp_path: Path
) -> None:
    before = engine.everything()
    plan, whole = engine.plan(), engine.plan("--all")
    room = by_name(plan)["announcements"]
    assert (room["exempt"], room["changed"]) == ("few_write", False)
    assert by_name(whole)["announcements"]["changed"]
    assert plan["hash"] != whole["hash"]
    table = engine.adopt().out
    assert f"- '{engine.rooms['announcements']}'  # announcements: ordinary members" in table
    file = tmp_path / "undo.jsonl"
    assert engine.apply(whole, file, "--all").code == 0
    now = engine.everything()
    assert now["announcements m.room.join_rules "] == {"join_rule": "invite"}
    assert engine.undo(file).code == 0
    assert engine.everything() == before


def test_the_table_shows_what_is_changed_and_what_owners_read(engine: Old) -> None:
    done = engine.adopt("--rows", "1")
    assert done.code == 1
    plan = engine.plan()
    changed = [room for room in plan["rooms"] if room["changed"]]
    assert f"{len(changed)} of {len(plan['rooms'])} rooms that break a rule" in done.out
    assert f"… and {len(changed) - 1} more: -o csv has them all" in done.out
    assert f"Hash: {plan['hash']}" in done.out
    assert f"--apply {plan['hash']} --undo-file" in done.err
    assert "so this server's admin changes" not in done.out
    assert "So this server's admin changes" in done.out
    rows = list(csv.DictReader(io.StringIO(engine.adopt("-o", "csv").out)))
    what = {row["name"]: (row["what"], row["left"], row["exempt"]) for row in rows}
    assert what == {
        "above the cap": ("", "above_cap", ""),
        "public": ("close", "", ""),
        "listed": ("address close unlist", "", ""),
        "a guest is in it": ("close", "guests_inside", ""),
        "restricted": ("close guests", "", ""),
        "readable": ("history guests", "", ""),
        "guests": ("guests", "", ""),
        "only in the directory": ("address", "", ""),
        "left to nobody with power": ("", "no_power", ""),
        "announcements": ("close", "", "few_write"),
        "remote moderator": ("power", "", ""),
    }
