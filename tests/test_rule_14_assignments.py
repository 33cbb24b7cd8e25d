"""Rule 14: a plan is made at the server, and what was seen of it is carried out, once."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs
import pytest

from synapse_capgroups import cli
from synapse_capgroups.client import assign
from synapse_capgroups.demo.person import Person, Reply, expect
from tests.conftest import CODE_LIMIT, Clusters, Server, Starter, eventually
from tests.test_rule_11_series import Run, start_series
from tests.test_rule_15_forgetting import deactivate, rows_that_name

LARGE = {"cap": 60, "code_limit": 50}
JOINS = {**LARGE, "series": {"assign": "join"}}
DAY_MS = 24 * 60 * 60 * 1000


@attrs.frozen
class Desk:
    """A series whose organiser puts people into groups."""

    run: Run

    @property
    def server(self) -> Server:
        return self.run.server

    def plan(self, **body: Any) -> dict[str, Any]:
        return expect(self.run.call("POST", "/assignments", body)).body

    def plan_of(self, cities: dict[str, list[Person]], **body: Any) -> dict[str, Any]:
        people = [{"user": p.user_id, "city": c} for c, group in cities.items() for p in group]
        return self.plan(people=people, by=["city"], **body)

    def apply(self, plan: dict[str, Any], by: Person | None = None) -> Reply:
        path = f"/assignments/{plan['assignment_id']}/apply"
        return self.run.call("POST", path, {"hash": plan["hash"]}, by)

    def stop(self, plan: dict[str, Any]) -> Reply:
        return self.run.call("POST", f"/assignments/{plan['assignment_id']}/stop", {})

    def look(self, plan: dict[str, Any]) -> dict[str, Any]:
        return self.run.get(f"/assignments/{plan['assignment_id']}")

    def at_its_end(self, plan: dict[str, Any], seconds: float = 60) -> dict[str, Any]:
        """Wait until it is done."""
        assert eventually(lambda: self.state(plan) == "done", seconds), self.look(plan)
        return self.look(plan)

    def state(self, plan: dict[str, Any]) -> str:
        """Without a call over HTTP, of which there may be five in a second."""
        state = "SELECT state FROM capgroups_assignments WHERE assignment_id = ?"
        return str(self.server.query(state, plan["assignment_id"])[0][0])

    def carry_out(self, plan: dict[str, Any]) -> dict[str, Any]:
        expect(self.apply(plan))
        return self.at_its_end(plan)

    def done(self, plan: dict[str, Any], people: int, seconds: float = 30) -> bool:
        """Wait until so many have a place, and it goes on."""
        count = """
            SELECT COUNT(*) FROM capgroups_assignment_rows
            WHERE assignment_id = ? AND state = 'done'
        """

        def is_so() -> bool:
            ((done,),) = self.server.query(count, plan["assignment_id"])
            return bool(done >= people)

        return eventually(is_so, seconds)

    def room(self, number: int) -> str:
        return str({g["number"]: g["room_id"] for g in self.run.groups()}[number])

    def present(self, number: int, membership: str = "invite") -> set[str]:
        found = self.server.query(
            """
            SELECT state_key FROM current_state_events
            WHERE room_id = ? AND type = 'm.room.member' AND membership = ? AND state_key <> ?
            """,
            self.room(number),
            membership,
            self.run.organiser.user_id,
        )
        return {user for (user,) in found}

    def events_of(self, person: Person) -> int:
        """How often the membership of a person has changed in groups of the series."""
        ((count,),) = self.server.query(
            """
            SELECT COUNT(*) FROM room_memberships WHERE user_id = ? AND room_id IN (
                SELECT room_id FROM capgroups_series_groups WHERE series_id = ?
            )
            """,
            person.user_id,
            self.run.series_id,
        )
        return int(count)


def desk(server: Server, **others: Any) -> Desk:
    return Desk(start_series(server, **others))


def ids(people: list[Person]) -> set[str]:
    return {person.user_id for person in people}


def failures(end: dict[str, Any]) -> dict[str, str]:
    return {failure["user"]: failure["error"] for failure in end["failures"]}


def left_out(plan: dict[str, Any]) -> dict[str, str]:
    return {left["user"]: left["reason"] for left in plan["left_out"]}


@pytest.mark.both_engines
def test_people_are_invited_into_groups_for_their_values(server: Server) -> None:
    at = desk(server)
    ulm, bonn = server.people(2), server.people(3)
    plan = at.plan_of({"Ulm": ulm, "Bonn": bonn})
    assert [(g["number"], g["new"], g["label"]) for g in plan["groups"]] == [
        (1, False, {"city": "Bonn"}),
        (2, True, {"city": "Ulm"}),
    ]
    assert plan["bad_rows"] == []
    assert len(at.run.groups()) == 1
    assert at.look(plan)["state"] == "planned"
    end = at.carry_out(plan)
    assert (end["people"], end["done"], end["failures"]) == (5, 5, [])
    assert at.present(1) == ids(bonn)
    assert at.present(2) == ids(ulm)
    assert [group["label"] for group in at.run.groups()] == ["city: Bonn", "city: Ulm"]
    expect(ulm[0].join(at.room(2)))


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
@pytest.mark.both_engines
def test_where_the_admin_allows_it_people_are_joined(start: Starter, engine: str) -> None:
    at = desk(start(engine, module=JOINS))
    people = at.server.people(3)
    suspended, ignoring, left = more = at.server.people(3)
    at.server.query("UPDATE users SET suspended = ? WHERE name = ?", True, suspended.user_id)
    path = f"/user/{quote(ignoring.user_id)}/account_data/m.ignored_user_list"
    ignored: dict[str, Any] = {"ignored_users": {at.run.organiser.user_id: {}}}
    expect(ignoring.call("PUT", path, ignored))
    expect(at.run.organiser.invite(at.run.first, left))
    expect(left.join(at.run.first))
    expect(left.leave(at.run.first))
    end = at.carry_out(at.plan(people=[{"user": p.user_id} for p in people + more]))
    # Who could not join, or would not, is asked as by any invitation, and nobody is told of it.
    assert (end["done"], end["failures"]) == (6, [])
    assert at.present(1, "join") == ids(people)
    assert at.present(1, "invite") == ids(more)
    admitted = at.server.query(
        "SELECT DISTINCT how, inviter FROM capgroups_admissions WHERE inviter IS NOT NULL"
    )
    assert admitted == [("invite", at.run.organiser.user_id)]


def test_a_table_is_read_and_what_is_wrong_with_it_is_said(server: Server) -> None:
    at = desk(server)
    person, other = server.people(2)
    text = f"user,city\n{person.user_id},Ulm\n{other.user_id[1:].split(':')[0]},Ulm\nz%,Ulm\n"
    plan = at.plan(csv=text + "nobody-here,Ulm\n", by=["city"])
    assert plan["groups"][0]["people"] == sorted(ids([person, other]))
    assert [(row["line"], row["end"]) for row in plan["bad_rows"]] == [(4, 4)]
    assert plan["bad_rows"][0]["error"].endswith(".")
    assert left_out(plan) == {"@nobody-here:localhost": "no_account"}
    for body, says in (
        ({"csv": "name\nx\n"}, "name"),
        ({"csv": text, "by": ["town"]}, "town"),
        ({"csv": text, "by": ["\ud800"]}, "by"),
        ({"csv": "user\n\ud800\n"}, "UTF-8"),
        ({"people": [{"user": person.user_id}], "size": {"min": CODE_LIMIT}}, str(CODE_LIMIT)),
        ({}, "csv"),
        ([], "object"),
    ):
        reply = at.run.call("POST", "/assignments", body)
        assert (reply.status, says in reply.error) == (400, True), reply


def test_a_body_that_would_take_much_memory_is_refused_before_it_is_parsed(server: Server) -> None:
    at = desk(server)
    small = at.server.person()
    assert at.run.call("POST", "/assignments", {"people": [[]] * 700_000}).status == 413
    assert at.run.call("POST", "/assignments", {"csv": "x" * 3_000_000}).status == 400
    rows = "".join(f"u{n},Ulm,{'x' * 100}\n" for n in range(30_000))
    text = f"user,city,remark\n{rows}{small.user_id},Ulm,\n"
    plan = at.plan(csv=text, by=["city"])
    assert plan["groups"][0]["people"] == [small.user_id]
    assert plan["totals"]["left_out"] == 30_000


def test_applying_twice_changes_nothing(server: Server) -> None:
    at = desk(server)
    people = server.people(3)
    plan = at.plan_of({"Ulm": people})
    before = at.carry_out(plan)
    expect(people[0].leave(at.room(1)))  # Declines.
    assert at.carry_out(plan) == before
    assert at.present(1) == ids(people[1:])
    assert [at.events_of(person) for person in people] == [2, 1, 1]
    again = at.plan_of({"Ulm": people})
    assert len(again["staying"]) == 2


def test_nothing_else_is_done_than_what_was_seen(server: Server) -> None:
    at, other = desk(server), desk(server)
    person = server.person()
    plan = at.plan_of({"Ulm": [person]})
    refusal = at.apply({**plan, "hash": "0" * 64})
    assert (refusal.status, refusal.reason) == (409, "other_plan")
    assert refusal.error.endswith(".")
    assert other.run.call("GET", f"/assignments/{plan['assignment_id']}").status == 404
    assert other.apply(plan).status == 404
    assert at.apply({**plan, "assignment_id": "x%00"}).status == 404
    assert at.look(plan)["state"] == "planned"
    assert at.events_of(person) == 0


def test_a_plan_for_groups_that_are_others_by_now_is_not_applied(server: Server) -> None:
    at = desk(server)
    ulm, bonn = server.people(2), server.people(2)
    plan = at.plan_of({"Ulm": ulm, "Bonn": bonn})
    expect(at.run.take(at.run.organiser.new_room()))  # It has the number that was planned.
    refusal = at.apply(plan)
    assert (refusal.status, refusal.reason) == (409, "series_has_changed")
    stranger = server.person()
    plan = at.plan_of({"Ulm": ulm, "Bonn": bonn})
    server.admit(at.room(1), at.run.organiser, stranger)
    assert at.apply(plan).reason == "series_has_changed"
    assert at.present(1) | at.present(2) == set()
    assert [group["label"] for group in at.run.groups()] == [None, None]
    assert at.carry_out(at.plan_of({"Ulm": ulm, "Bonn": bonn}))["done"] == 4
    assert at.present(1, "join") == {stranger.user_id}


def test_who_cannot_be_placed_is_left_out_of_the_plan_and_told_why(server: Server) -> None:
    at = desk(server)
    inside, invited, banned, removed, gone = people = server.people(5)
    first, organiser = at.run.first, at.run.organiser
    for person in (inside, banned):
        server.admit(first, organiser, person)
    expect(organiser.ban(first, banned))
    server.admit(first, organiser, removed)
    expect(organiser.kick(first, removed))
    expect(organiser.invite(first, invited))
    deactivate(gone, None, erase=False)
    guest = server.homeserver.register_guest()
    everybody = [*people, organiser, guest]
    plan = at.plan(people=[{"user": person.user_id} for person in everybody])
    assert {s["user"] for s in plan["staying"]} == ids([inside, invited])
    assert left_out(plan) == {
        banned.user_id: "banned", removed.user_id: "removed", gone.user_id: "no_account",
        organiser.user_id: "organiser", guest.user_id: "guest",
    }  # fmt: skip


def test_what_changes_meanwhile_is_decided_anew_for_each_person(start: Starter) -> None:
    server = start(module=LARGE)
    at = desk(server)
    organiser = at.run.organiser
    people = server.people(6)
    banned, removed, gone, placed, elsewhere, fine = people
    plan = at.plan_of({"Ulm": people[:5], "Bonn": [fine]})
    for person in (banned, removed):
        server.admit(at.run.first, organiser, person)
    expect(organiser.ban(at.run.first, banned))
    expect(organiser.kick(at.run.first, removed))
    deactivate(gone, None, erase=False)
    expect(organiser.invite(at.run.first, placed))
    expect(placed.leave(at.run.first))
    expect(organiser.invite(at.run.first, elsewhere))
    # Somebody is in the group that was empty, so that is another plan; without, it is applied.
    assert at.apply(plan).reason == "series_has_changed"
    expect(elsewhere.leave(at.run.first))
    expect(at.apply(plan))
    end = at.at_its_end(plan)
    assert failures(end).keys() == {banned.user_id, removed.user_id}
    assert all(said.endswith(".") for said in failures(end).values())
    # A deactivated account is in no plan any more.
    assert (end["people"], end["done"]) == (5, 3)
    assert rows_that_name(server, gone.user_id) == []


def test_no_limit_is_passed(server: Server) -> None:
    at = desk(server, fill=2, max_groups=2)
    people = server.people(5)
    plan = at.plan_of({"Ulm": people[:2], "Bonn": people[2:]})
    assert sorted(left_out(plan).values()) == ["no_group_left"]
    assert [len(group["people"]) for group in plan["groups"]] == [2, 2]
    ulm = next(group["number"] for group in plan["groups"] if group["label"] == {"city": "Ulm"})
    expect(at.apply(plan))
    at.at_its_end(plan)
    assert len(at.run.groups()) == 2
    # Two places were seen, and one is left when it comes to it.
    more = server.people(2)
    expect(people[0].leave(at.room(ulm)))
    expect(people[1].leave(at.room(ulm)))
    plan = at.plan_of({"Ulm": more})
    assert len(plan["groups"][0]["people"]) == 2
    expect(at.run.organiser.invite(at.room(ulm), server.person()))
    end = at.carry_out(plan)
    assert end["done"] == 1
    assert list(failures(end).values()) == ["Their group has no place left."]
    assert len(at.present(ulm)) == 2


def test_a_server_that_cannot_be_reached_holds_up_nobody(server: Server) -> None:
    at = desk(server)
    here, there = server.person(), "@somebody:nowhere.invalid"
    plan = at.plan(people=[{"user": here.user_id}, {"user": there}])
    assert plan["totals"]["placed"] == 2
    end = at.carry_out(plan)
    assert at.present(1) == {here.user_id}
    assert failures(end).keys() == {there}
    assert failures(end)[there].strip()


def test_a_stopped_assignment_stays_so_until_it_is_applied_again(start: Starter) -> None:
    server = start(module=LARGE)
    at = desk(server, fill=8)
    people = server.people(24)
    plan = at.plan_of({"Ulm": people})
    expect(at.apply(plan))
    assert at.done(plan, 3)
    expect(at.stop(plan))
    stopped = at.look(plan)
    assert stopped["state"] == "stopped"
    assert stopped["done"] < len(people)
    server.homeserver.stop()
    server.homeserver.start()
    assert at.look(plan)["done"] - stopped["done"] <= 1  # The one that was under way.
    # What it had reserved and not made is nobody's meanwhile.
    assert [group for group in at.run.groups() if group["room_id"] is None] == []
    end = at.carry_out(plan)
    assert (end["done"], end["failures"]) == (24, [])
    assert {at.events_of(person) for person in people} == {1}
    assert [len(at.present(number)) for number in (1, 2, 3)] == [8, 8, 8]
    expect(at.stop(plan))
    assert at.look(plan)["state"] == "done"


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
@pytest.mark.both_engines
def test_a_killed_process_goes_on_where_it_was(start: Starter, engine: str) -> None:
    server = start(engine, module=JOINS)
    at = desk(server, fill=8)
    people = server.people(24)
    plan = at.plan_of({"Ulm": people})
    expect(at.apply(plan))
    for done in (2, 9, 15):
        assert at.done(plan, done)
        server.homeserver.kill()
        server.homeserver.start()
    end = at.at_its_end(plan, 120)
    assert (end["done"], end["failures"]) == (24, [])
    assert [len(at.present(number, "join")) for number in (1, 2, 3)] == [8, 8, 8]
    assert len(at.run.groups()) == 3
    assert {at.events_of(person) for person in people} == {2}


def test_any_process_takes_the_call_and_one_works_it_off(start_cluster: Clusters) -> None:
    server, cluster = start_cluster(module=JOINS, workers=2)
    at = desk(server, fill=8)
    people = server.people(16)
    plan = at.plan_of({"Ulm": people})
    callers = [cluster.on(at.run.organiser, number) for number in (0, 1)]
    with ThreadPoolExecutor(2) as pool:
        replies = list(pool.map(lambda caller: at.apply(plan, caller), callers))
    assert [reply.status for reply in replies] == [200, 200]
    end = at.at_its_end(plan)
    assert (end["done"], end["failures"]) == (16, [])
    assert [len(at.present(number, "join")) for number in (1, 2)] == [8, 8]
    assert {at.events_of(person) for person in people} == {2}


def test_helpers_have_the_same_right_and_invite_in_their_own_name(server: Server) -> None:
    at = desk(server)
    helper, *people = at.run.helper(), *server.people(2)
    assert eventually(lambda: helper.user_id in at.present(1, "join"))
    other = server.people(2)
    plan = at.plan_of({"Ulm": people, "Bonn": other})
    expect(at.apply(plan, helper))
    assert at.at_its_end(plan)["failures"] == []
    senders = server.query(
        """
        SELECT DISTINCT e.sender FROM events AS e
        JOIN room_memberships AS m ON m.event_id = e.event_id
        WHERE m.membership = 'invite' AND m.user_id IN (?, ?)
        """,
        people[0].user_id,
        other[0].user_id,
    )
    assert senders == [(helper.user_id,)]


def test_nobody_else_learns_of_an_assignment(server: Server) -> None:
    at = desk(server)
    person, stranger = server.people(2)
    former = at.run.helper()
    plan = at.plan_of({"Ulm": [person]})
    at.carry_out(plan)
    expect(person.join(at.room(1)))
    expect(at.run.drop(former))
    path = f"/assignments/{plan['assignment_id']}"
    for who in (stranger, person, former):
        for method, rest, body in (
            ("POST", "/assignments", {"people": []}),
            ("GET", "/assignments", None),
            ("GET", path, None),
            ("POST", f"{path}/apply", {"hash": plan["hash"]}),
            ("POST", f"{path}/stop", {}),
        ):
            reply = at.run.call(method, rest, body, who)
            assert (reply.status, reply.error) == (404, UNKNOWN), reply


UNKNOWN = "There is no such series, or you do not run it."


def test_who_no_longer_runs_the_series_stops_what_they_apply(start: Starter) -> None:
    server = start(module=LARGE)
    at = desk(server)
    helper = at.run.helper()
    plan = at.plan_of({"Ulm": server.people(30)})
    expect(at.apply(plan, helper))
    assert at.done(plan, 2)
    expect(at.run.drop(helper))
    assert eventually(lambda: at.state(plan) == "stopped")
    assert at.look(plan)["done"] < 30
    assert at.carry_out(plan)["done"] == 30


def test_no_live_code_brings_strangers_into_a_group_that_is_kept(server: Server) -> None:
    at = desk(server, fill=3)
    ulm = server.people(1)
    plan = at.plan_of({"Ulm": ulm})
    assert at.carry_out(plan)["done"] == 1
    code = expect(at.run.call("POST", "/codes", {})).body
    strangers = server.people(4)
    for stranger in strangers:
        expect(server.scan(stranger, code))
    assert at.present(1, "join") == set()
    assert at.present(2, "join") | at.present(3, "join") == ids(strangers)
    assert len(at.present(2, "join")) == 3
    # They are nobody's with a value, and those of the value fill their own group.
    plan = at.plan_of({"Ulm": server.people(2)})
    assert [(group["number"], group["before"]) for group in plan["groups"]] == [(1, 1)]


def test_the_latest_plans_are_kept_and_all_are_forgotten(start: Starter) -> None:
    server = start(module=LARGE)
    at = desk(server)
    people = server.people(3)
    plans = [at.plan_of({"Ulm": people[:2], f"city{n}": people[2:]}) for n in range(7)]
    listed = at.run.get("/assignments")["assignments"]
    assert [one["assignment_id"] for one in listed] == [
        plan["assignment_id"] for plan in reversed(plans[2:])
    ]
    expect(at.apply(plans[-1]))
    at.at_its_end(plans[-1])
    deactivate(people[0], None, erase=False)
    named = [table for table, _ in rows_that_name(server, people[0].user_id)]
    assert "capgroups_assignment_rows" not in named
    old = "UPDATE capgroups_assignments SET created_at = created_at - ?"
    server.homeserver.stop()
    server.query(old, 31 * DAY_MS)
    server.homeserver.start()
    for table in ("assignments", "assignment_groups", "assignment_rows"):
        count = f"SELECT COUNT(*) FROM capgroups_{table}"
        assert eventually(lambda count=count: server.query(count) == [(0,)]), table  # type: ignore[misc]


def test_nobody_is_put_into_groups_again_and_again(start: Starter) -> None:
    server = start(module=LARGE)
    organiser, person = server.people(2)
    desks = [Desk(start_series(server, organiser)) for _ in range(6)]
    plans = [at.plan_of({"Ulm": [person]}) for at in desks]
    ends = [at.carry_out(plan) for at, plan in zip(desks, plans, strict=True)]
    assert [end["done"] for end in ends] == [1] * 5 + [0]
    assert left_out(desks[5].plan_of({"Ulm": [person]})) == {person.user_id: "over_limit"}


def test_the_journal_and_the_metrics_name_nobody_who_is_assigned(start: Starter) -> None:
    server = start(module=LARGE)
    at = desk(server)
    plan = at.plan_of({"Ulm": server.people(2)})
    at.carry_out(plan)
    lines = [facts for word, facts in server.homeserver.journal() if word == "assignment"]
    assert [line["what"] for line in lines] == ["planned", "applied", "done"]
    assert {line["by"] for line in lines} == {at.run.organiser.user_id}
    assert "Ulm" not in json.dumps(lines)
    assert server.homeserver.metrics()['capgroups_assigned_total{outcome="placed"}'] == 2


def test_the_command_carries_out_what_it_showed(
    start: Starter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = start(module=LARGE)
    at = desk(server, fill=2)
    people = server.people(3)
    file = tmp_path / "people.csv"
    file.write_text("user,city\n" + "".join(f"{person.user_id},Ulm\n" for person in people))
    monkeypatch.setenv("CAPGROUPS_TOKEN", at.run.organiser._token)
    monkeypatch.setattr(assign, "_POLL", 0.1)
    command = ["assign", str(file), "--series", at.run.series_id, "--by", "city"]
    command += ["--server", server.homeserver.url]
    assert cli.main(command) == 0
    shown = capsys.readouterr()
    seen = re.search(r"--apply ([0-9a-f]{64})", shown.out + shown.err)
    assert seen is not None
    assert at.run.get("/assignments")["assignments"][0]["state"] == "planned"
    for _ in range(2):
        assert cli.main([*command, "--apply", seen[1]]) == 0
        assert "Done: 3 of 3 people." in capsys.readouterr().err
    assert {at.events_of(person) for person in people} == {1}


@pytest.mark.before_release
def test_2000_people_are_assigned_whatever_happens_meanwhile(start: Starter) -> None:
    server = start("postgres", module={**JOINS, "cap": 500, "code_limit": 200})
    at = desk(server, fill=100)
    people = server.people(2000)
    cities = {f"city {n}": people[n::10] for n in range(10)}
    plan = at.plan_of(cities, size={"min": 50, "max": 100})
    assert plan["totals"]["placed"] == 2000
    expect(at.apply(plan))
    for done in (300, 700):
        assert at.done(plan, done, 600)
        server.homeserver.kill()
        server.homeserver.start()
    assert at.done(plan, 1200, 600)
    expect(at.stop(plan))
    expect(at.apply(plan))
    end = at.at_its_end(plan, 1200)
    assert (end["done"], end["failures"]) == (2000, [])
    assert [len(at.present(number, "join")) for number in range(1, 21)] == [100] * 20
    assert {at.events_of(person) for person in people[::20]} == {2}
    assert at.carry_out(plan) == end
