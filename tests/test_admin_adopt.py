"""`capgroups adopt`: from rooms that break the rules to groups that keep them, and back.

The rooms are made by HTTP on a real homeserver without the module, which then gets it.
"""

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from synapse_capgroups.cli import main
from synapse_capgroups.demo.person import Person, Reply, expect
from tests.conftest import API, Server, starter

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


def planned_keys(plan: dict[str, Any]) -> set[str]:
    keys = set()
    for room in plan["rooms"]:
        for step in room["steps"] if room["changed"] else []:
            what = {"state": f"{step['name']} ", "listing": "listed", "address": "addresses"}
            keys.add(f"{room['name']} {what[step['what']]}")
    return keys
