"""The soak: what it counts and how it judges; one short run of it is of full size."""

import contextlib
from collections import Counter
from pathlib import Path

import attrs
import httpx
import pytest

from benchmarks.__main__ import main
from benchmarks.report import PAGE
from benchmarks.soak import page
from benchmarks.soak.answers import NO_ANSWER, Answers
from benchmarks.soak.crowd import CAP, CODE_LIMIT
from benchmarks.soak.logs import Errors, errors_of, reason_for
from benchmarks.soak.looking import (
    LEFT_BEHIND,
    MUST_BE_NONE,
    State,
    comings,
    differences,
    look,
    most_members,
    twice,
)
from benchmarks.soak.run import Outcome
from benchmarks.soak.verdict import MOST_GROWTH, judge, memories
from benchmarks.soak.watching import MAIN, Sample, growth
from synapse_capgroups.demo.person import Reply, expect
from synapse_capgroups.rules.announcements import MARKER
from tests.conftest import Starter
from tests.test_rule_13_approval import answer, ask, group_with_approval

HOUR = 3600.0


def test_a_call_is_made_again_where_the_process_died_and_faults_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("benchmarks.soak.answers._PAUSE", 0)
    replies = iter([
        None,
        Reply(403, {"org.capgroups.reason": "full"}),
        Reply(200, {}),
        Reply(500, {"error": "broken"}),
    ])  # fmt: skip

    def call() -> Reply:
        reply = next(replies)
        if reply is None:
            raise httpx.ConnectError("refused")
        return reply

    answers = Answers()
    assert [answers.ask("join", call).status for _ in range(3)] == [403, 200, 500]
    assert answers.counts == {"join": Counter({NO_ANSWER: 1, "403 full": 1, "200": 1, "500": 1})}
    assert answers.total == 3
    (fault,) = answers.faults
    assert fault.endswith("join: 500 broken")


def test_the_most_members_are_counted_by_what_was_written_together() -> None:
    changes = [
        (1, "!a", "@x", "join"), (2, "!a", "@y", "join"), (2, "!b", "@y", "join"),
        (3, "!a", "@x", "leave"), (3, "!a", "@z", "join"), (4, "!a", "@y", "join"),
        (5, "!a", "@y", None),
    ]  # fmt: skip
    assert most_members(changes) == {"!a": 2, "!b": 1}


def test_each_coming_must_be_on_record_and_a_new_name_is_none() -> None:
    came = comings(
        [("!a", "@x", how) for how in ("invite", "join", "join", "leave", "join")]
        + [("!a", "@y", "join")]
    )
    assert came == {("!a", "@x"): 2, ("!a", "@y"): 1}
    on_record = Counter({("!a", "@x"): 1, ("!a", "@y"): 1, ("!a", "@z"): 1})
    assert differences(came, on_record) == {("!a", "@x"): (2, 1), ("!a", "@z"): (0, 1)}


def test_an_announcement_is_there_twice_where_its_marker_is_in_two_events() -> None:
    def event(room: str, marker: str) -> tuple[str, dict[str, dict[str, str]]]:
        return room, {"content": {MARKER: marker}}

    events = [event("!a", "m.1"), event("!a", "m.2"), event("!b", "m.1"), event("!b", "n.1")]
    assert twice([*events, ("!a", {"content": {}})]) == ["!a m: 2"]


def test_growth_is_the_slope_of_the_line_that_fits() -> None:
    def samples(*points: tuple[float, float]) -> list[Sample]:
        return [Sample(at, MAIN, 1, megabytes) for at, megabytes in points]

    assert growth(samples((0, 100), (HOUR / 2, 105), (HOUR, 110))) == pytest.approx(10)
    assert growth(samples((0, 100), (HOUR, 110))) is None
    assert growth(samples((5, 1), (5, 2), (5, 3))) is None


LOG = """\
2026-01-01 00:00:00,000 synapse.http ERROR GET-1 Failed handle request
Traceback (most recent call last):
  File "a.py", line 1, in a
    raise ValueError("no")
ValueError: no !room:localhost
2026-01-01 00:00:01,000 synapse_capgroups.codes.one_by_one ERROR None Could not clear up: codes
Traceback (most recent call last):
  File "a.py", line 1, in a

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
psycopg2.errors.Serialization: again
2026-01-01 00:00:02,000 synapse_capgroups.journal INFO None admitted {}
"""


def test_tracebacks_are_counted_by_their_kind_and_the_modules_errors_by_themselves() -> None:
    found = errors_of([LOG.splitlines(keepends=True), LOG.splitlines(keepends=True)])
    assert found.tracebacks == {
        "synapse.http: ValueError: no … in a": 2,
        "synapse_capgroups.codes.one_by_one: psycopg2.errors.Serialization: again in a": 2,
    }
    assert found.ours == {"synapse_capgroups.codes.one_by_one: Could not clear up: codes": 2}
    assert "Failed handle request … ValueError: no !room:localhost" in found.examples.values()
    assert found.unexpected == list(found.tracebacks)
    assert reason_for("synapse.http: ValueError") is None
    failed = "synapse.util.task_scheduler: synapse.api.errors.SynapseError: 400: "
    assert reason_for(f"{failed}Users are still joined to this room")
    assert reason_for(f"{failed}Something else") is None
    changed = "synapse.util: RuntimeError: dictionary changed size during iteration in"
    assert reason_for(f"{changed} interval")
    assert reason_for(f"{changed} intervals_of_ours") is None


FAILED_DELETION = """\
2026-01-01 00:00:00,000 synapse.util.task_scheduler ERROR task-1 scheduled task a failed
Traceback (most recent call last):
  File "database.py", line 1, in execute
    self._do_execute(self.txn.execute, sql)
psycopg2.errors.ForeignKeyViolation: update or delete on table "rooms" violates foreign key …
DETAIL:  Key (room_id)=(!a) is still referenced from table "{table}".
"""


def test_a_deletion_that_fails_by_a_table_of_synapses_own_update_is_explained() -> None:
    def unexpected(table: str) -> list[str]:
        log = FAILED_DELETION.format(table=table)
        return errors_of([log.splitlines(keepends=True)]).unexpected

    assert unexpected("sliding_sync_joined_rooms_to_recalculate") == []
    assert len(unexpected("capgroups_codes")) == 1


def an_outcome(state: State, errors: Errors, samples: list[Sample]) -> Outcome:
    answers = Answers()
    answers.ask("join", lambda: Reply(200, {}))
    memory = memories(samples, HOUR)
    counted = {'capgroups_groups{mode="open"}': 2.0}
    checks = list(judge(state, counted, answers, errors, 0, memory, kills=3))
    return Outcome(
        {"processor": "P"}, HOUR, 170, 180, {"worker1": 3}, 10, answers, state, errors, memory,
        checks,
    )  # fmt: skip


CLEAN = State({"seats that are still held": []}, {"groups on record": 2, LEFT_BEHIND: 1})
NOTHING = Errors(Counter(), {}, Counter())
FLAT = [Sample(at, MAIN, 1, 100.0) for at in (0, HOUR / 2, 3 * HOUR / 4, HOUR)]


def test_a_run_in_which_everything_holds_is_well_and_its_pages_say_what_was_run(
    tmp_path: Path,
) -> None:
    outcome = an_outcome(CLEAN, NOTHING, FLAT)
    assert outcome.is_well
    page.write(outcome, "python -m benchmarks soak --minutes 60", "2026-01-01", tmp_path)
    text = (tmp_path / page.DOCUMENT).read_text()
    assert "| seats that are still held | 0 | 0 |  |" in text
    assert "No traceback in any log." in text
    short = (tmp_path / PAGE).read_text()
    assert "soak --minutes 60`, 2026-01-01: 60 minutes, 10 deeds and 1 answers, 3 kills" in short
    assert "main +0 MB an hour, from 100 to 100 MB" in short


def test_what_is_not_as_it_must_be_is_said() -> None:
    held = attrs.evolve(CLEAN, offenders={"seats that are still held": ["!a @x"]})
    steep = [attrs.evolve(s, megabytes=s.at / HOUR * 2 * MOST_GROWTH) for s in FLAT]
    for outcome in (
        an_outcome(held, NOTHING, FLAT),
        an_outcome(
            attrs.evolve(CLEAN, counts={**CLEAN.counts, "groups on record": 3}), NOTHING, FLAT
        ),
        an_outcome(CLEAN, attrs.evolve(NOTHING, tracebacks=Counter({"a: B": 1})), FLAT),
        an_outcome(attrs.evolve(CLEAN, counts={**CLEAN.counts, LEFT_BEHIND: 10}), NOTHING, FLAT),
        an_outcome(CLEAN, NOTHING, steep),
    ):
        assert [check.is_well for check in outcome.checks].count(False) == 1
        assert "**1 of " in " ".join(page.in_short(outcome, "soak", "today"))


@pytest.mark.both_engines
@pytest.mark.parametrize("engine", ["postgres"])
def test_every_statement_runs_and_finds_what_is_wrong(start: Starter, engine: str) -> None:
    server = start(engine, module={"cap": CAP, "code_limit": CODE_LIMIT})
    room, people = server.group(3)
    connection = server.connection()
    connection.autocommit = True
    cursor = connection.cursor()

    def found() -> dict[str, list[str]]:
        state = look(cursor, CAP, CODE_LIMIT, "@groups:localhost", 0)
        assert state.counts["groups on record"] == 1
        offenders = {what: rows for what, rows in state.offenders.items() if rows}
        # Seats of the last minute are not swept yet.
        offenders.pop("seats that are still held", None)
        return offenders

    assert set(look(cursor, CAP, CODE_LIMIT, "@groups:localhost", 0).offenders) > set(MUST_BE_NONE)
    assert found() == {}
    cursor.execute(
        "DELETE FROM capgroups_admissions WHERE room_id = %s AND user_id = %s",
        (room, people[1].user_id),
    )
    who = f"{room} {people[1].user_id}"
    assert found() == {
        "members of groups who are not on record": [who],
        "people who are on record more or less often than they came": [
            f"{who}: came 1, on record 0"
        ],
    }
    connection.close()


@pytest.mark.both_engines
@pytest.mark.parametrize("engine", ["postgres"])
def test_a_moderators_yes_is_no_fault_where_the_code_lets_in_nobody_more(
    start: Starter, engine: str
) -> None:
    what = "codes that let in more people than they may"
    server = start(engine, module={"cap": CAP, "code_limit": CODE_LIMIT})
    room, (creator,), code = group_with_approval(server, max_uses=1)
    for person in [ask(server, code), ask(server, code)]:
        expect(answer(creator, room, person, approve=True))
    rows = server.query("SELECT uses, max_uses FROM capgroups_codes")
    assert rows == [(2, 1)]
    with contextlib.closing(server.connection()) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        assert look(cursor, CAP, CODE_LIMIT, "@groups:localhost", 0).offenders[what] == []
        cursor.execute("UPDATE capgroups_admissions SET how = 'code' WHERE how = 'approved'")
        (found,) = look(cursor, CAP, CODE_LIMIT, "@groups:localhost", 0).offenders[what]
        assert found == f"{code['code_id']} 2 1"


@pytest.mark.full_size
@pytest.mark.long(6)
def test_a_short_run_finds_everything_as_it_must_be(tmp_path: Path) -> None:
    assert main(["soak", "--minutes", "0.5", "--out", str(tmp_path)]) == 0
    assert "WRONG" not in (tmp_path / page.DOCUMENT).read_text()


def test_minutes_must_be_some() -> None:
    with pytest.raises(SystemExit):
        main(["soak", "--minutes", "0"])
