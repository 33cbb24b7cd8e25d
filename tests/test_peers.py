"""This module beside those of others: all do the same, and the race for the last seat is exact."""

import json
from pathlib import Path
from typing import Any

import httpx

from benchmarks import report
from benchmarks.__main__ import main
from benchmarks.peers import endpoint
from benchmarks.peers.invite_checker import _Api
from benchmarks.peers.race import CAP, WORKERS, members_at_the_end
from benchmarks.peers.subjects import AGAIN, COUNTING, OURS, PLAIN, Subject, subjects
from benchmarks.sizes import TINY
from synapse_capgroups.demo.person import expect
from tests.conftest import Clusters, Starter


def test_each_server_does_the_same_and_the_page_says_what_is_not_installed(tmp_path: Path) -> None:
    assert main(["peers", "--tiny", "--database", "sqlite", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / report.DATA).read_text())["figures"]["peers"]
    by_operation: dict[str, list[str]] = {}
    for comparison in found["comparisons"]:
        by_operation.setdefault(comparison["name"], []).append(comparison["subject"])
    small, large = TINY.peer_groups
    assert set(by_operation) == {
        f"beside others: {operation}"
        for operation in (
            f"message, group of {large}",
            *(
                f"{what}, group of {size}"
                for what in ("join", "invitation")
                for size in (small, large)
            ),
        )
    }
    there = [subject for subject in subjects(2, 2, "") if subject.is_there]
    assert [subject.name for subject in there[:4]] == [PLAIN, AGAIN, OURS, COUNTING]
    for names in by_operation.values():
        assert names == [subject.name for subject in there[1:]]
    text = (tmp_path / report.PAGE).read_text()
    assert ("Not installed, and so not measured: " in text) == (
        len(there) < len(subjects(2, 2, ""))
    )
    assert "The race needs PostgreSQL" in text


def test_with_this_module_one_of_many_gets_the_last_seat(start_cluster: Clusters) -> None:
    _, cluster = start_cluster(module={"cap": CAP, "code_limit": CAP}, workers=WORKERS)
    assert members_at_the_end(cluster, TINY) == [CAP] * TINY.races


def settings_of(name: str) -> dict[str, Any]:
    """Of the subject of this name, with a cap of 2."""
    one: Subject = next(subject for subject in subjects(2, 2, "") if subject.name == name)
    return dict(one.settings)


def test_the_counting_cap_refuses_a_third_person_who_comes_alone(start: Starter) -> None:
    server = start(module=None, settings=settings_of(COUNTING))
    creator, second, third = server.people(3)
    room = creator.new_room()
    for person in (second, third):
        expect(creator.invite(room, person))
    expect(second.join(room))
    assert third.join(room).status == 403
    assert second.join(room).ok, "a member again"
    assert len(creator.members(room)) == 2


def test_the_endpoint_answers_on_one_connection() -> None:
    with endpoint.running() as url, httpx.Client() as http:
        for body in ({}, {"user": "@a:b", "text": "x" * 10_000}):
            answer = http.post(f"{url}/user_may_join_room", json=body)
            assert (answer.status_code, answer.json()) == (200, {})


def test_the_shim_leaves_out_the_callback_that_synapse_has_not() -> None:
    class Real:
        server_name = "localhost"

        def register_third_party_rules_callbacks(self, **callbacks: Any) -> None:
            self.registered = callbacks

    real = Real()
    api = _Api(real)  # type: ignore[arg-type]
    api.register_third_party_rules_callbacks(on_upgrade_room=len)
    assert real.registered == {}
    api.register_third_party_rules_callbacks(check_event_allowed=len)
    assert real.registered == {"check_event_allowed": len}
    assert api.server_name == "localhost"
