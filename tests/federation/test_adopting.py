"""Groups from before, in which people of other servers moderate, are adopted and taken back."""

import json
from pathlib import Path
from typing import Any

import pytest

from synapse_capgroups.cli import main
from synapse_capgroups.demo.person import Person, expect
from tests.conftest import eventually
from tests.federation.lab import Labs
from tests.federation.looking import agree
from tests.federation.test_old_groups import VERSIONS, levels, moderated


def adopt(yaml: Path, *arguments: str) -> int:
    return main(["adopt", "-c", str(yaml), "--pause", "0", *arguments])


def state(person: Person, room: str) -> dict[str, Any]:
    """The contents of a room's state, as somebody's server has it."""
    events: Any = expect(person.call("GET", f"/rooms/{room}/state")).body[""]
    return {f"{event['type']} {event['state_key']}": event["content"] for event in events}


def test_remote_moderators_are_demoted_on_every_server_and_get_their_power_back(
    start_lab: Labs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lab = start_lab(None)
    groups = [moderated(lab, version, level) for version in VERSIONS for level in (0, 50)]
    for room, alice, _, _ in groups:
        expect(alice.set_state(room, "m.room.join_rules", {"join_rule": "public"}))
    before = [state(alice, room) for room, alice, _, _ in groups]
    monkeypatch.setenv("CAPGROUPS_TOKEN", lab.hs1.admin._token)
    monkeypatch.setenv("CAPGROUPS_SERVER", lab.hs1.homeserver.url)
    lab.hs1.install_module({"cap": 6, "code_limit": 6})
    yaml = lab.hs1.homeserver.folder / "homeserver.yaml"
    assert adopt(yaml, "-o", "json") == 1
    plan = json.loads(capsys.readouterr().out)
    assert {room["room_id"] for room in plan["rooms"] if room["changed"]} == {
        room for room, *_ in groups
    }
    assert [room["left"] for room in plan["rooms"]] == [[]] * len(groups)
    file = str(tmp_path / "undo.jsonl")
    assert adopt(yaml, "--apply", plan["hash"], "--undo-file", file) == 0
    for room, alice, rosa, tom in groups:
        assert eventually(lambda: levels(rosa, room) == levels(alice, room), 30)  # noqa: B023
        users = levels(rosa, room)["users"]
        assert (users[rosa.user_id], users[tom.user_id]) == (0, 0)
        assert rosa.invite(room, lab.hs2.person()).status == 403
        assert rosa.set_state(room, "m.room.join_rules", {"join_rule": "public"}).status == 403
        expect(rosa.send(room, "I still write here."))
    assert adopt(yaml, "-o", "json") == 0

    assert adopt(yaml, "--undo", file) == 0
    for (room, alice, rosa, tom), old in zip(groups, before, strict=True):
        assert state(alice, room) == old
        assert eventually(lambda: state(rosa, room) == old, 30)  # noqa: B023
        assert agree(lab, room) == sorted(p.user_id for p in (alice, rosa, tom))
