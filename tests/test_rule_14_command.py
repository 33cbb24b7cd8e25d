"""Rule 14: `capgroups assign` shows a plan, and carries out exactly the one that was seen."""

import csv
import io
import json
import shlex
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import attrs
import pytest

from synapse_capgroups import cli
from synapse_capgroups.client import assign
from synapse_capgroups.client.connection import CallError, Homeserver
from synapse_capgroups.client.printing import plan_csv, plan_text
from synapse_capgroups.client.tables import printable
from synapse_capgroups.rules.assignment.asking import read_request
from synapse_capgroups.rules.assignment.facts import PresentGroup, SeriesFacts
from synapse_capgroups.rules.assignment.flaws import UnreadableTable
from synapse_capgroups.rules.assignment.planning import make_plan
from synapse_capgroups.words.lookup import Words

ALL = "/_synapse/client/capgroups/v1/series"
ID = "s-4f0a9c2be16d7783"
PATH = f"{ALL}/{ID}/assignments"
PEOPLE = "user,city\n" + "".join(f"u{n},Ulm\nk{n},Köln\n" for n in range(3)) + "z%,Ulm\n"


def described(series_id: str, name: str = "tea", **more: str) -> dict[str, str]:
    """A series as `GET v1/series` lists it, as far as the command looks."""
    running = {"state": "running", "organiser": "@marta:example.com"}
    return {"series_id": series_id, "name": name, **running, **more}


class Series:
    """A server with one series: it plans by the rules, and carries plans out in three looks."""

    def __init__(self) -> None:
        self.facts = SeriesFacts((PresentGroup(1, 2, 50, (("city", "Ulm"),)),), 2, 100, 20)
        self.assignments: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str]] = []
        self.applied: list[str] = []
        self.fails: list[tuple[int, dict[str, Any]]] = []
        self.failures: list[dict[str, str]] = []
        self.pages = [[described(ID)]]
        """What `GET v1/series` lists."""

    def answer(self, method: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        self.asked.append((method, path.removeprefix(PATH)))
        if self.fails:
            return self.fails.pop(0)
        if (asked := urlsplit(path)).path == ALL:
            number = int(parse_qs(asked.query).get("from", ["0"])[0])
            more = {"next": str(number + 1)} if self.pages[number + 1 :] else {}
            return 200, {"series": self.pages[number], **more}
        match method, path.removeprefix(PATH).split("/")[1:]:
            case "POST", []:
                return self.plan(body)
            case "GET", []:
                keys = ("assignment_id", "hash", "state")
                found = [{key: a[key] for key in keys} for a in self.assignments.values()]
                return 200, {"assignments": found}
            case "POST", [known, "apply"] if body == {"hash": self.assignments[known]["hash"]}:
                if self.assignments[known]["state"] != "done":
                    self.applied.append(known)
                    self.assignments[known]["state"] = "applying"
                return 200, {}
            case "GET", [known]:
                return 200, self.look(self.assignments[known])
        return 404, {"errcode": "M_NOT_FOUND", "error": "There is no such series."}

    def plan(self, body: Any) -> tuple[int, dict[str, Any]]:
        try:
            request = read_request(body, "example.com")
        except UnreadableTable as e:
            return 400, {"error": Words().say(e.flaw.value, **e.values)}
        plan = make_plan(request.table.people, request.asked, self.facts)
        new = str(len(self.assignments) + 1)
        self.assignments[new] = {
            "assignment_id": new, "hash": plan.hash(), "state": "planned", "people": plan.placed,
            "done": 0, "failures": self.failures,
        }  # fmt: skip
        bad_rows = [
            {"line": row.line, "end": row.end, "error": Words().say(row.flaw.value, **row.values)}
            for row in request.table.bad_rows
        ]
        answer = {"assignment_id": new, "hash": plan.hash(), "bad_rows": bad_rows}
        return 200, {**plan.to_json(), **answer}

    def look(self, assignment: dict[str, Any]) -> dict[str, Any]:
        if assignment["state"] == "applying":
            assignment["done"] = min(assignment["done"] + 2, assignment["people"])
            if assignment["done"] == assignment["people"]:
                assignment["state"] = "done"
        return assignment

    def someone_leaves(self) -> None:
        group = self.facts.groups[0]
        self.facts = attrs.evolve(self.facts, groups=(attrs.evolve(group, people=1),))


@attrs.frozen
class Desk:
    """An organiser at a terminal."""

    series: Series
    url: str
    file: Path
    capture: pytest.CaptureFixture[str]

    def run(self, *more: str, series: str = "tea") -> tuple[int, str, str]:
        """The exit code, what is written, and what is written beside it."""
        code = cli.main(["assign", str(self.file), "--series", series, "--server", self.url, *more])
        return (code, *self.capture.readouterr())

    def hash(self) -> str:
        return str(json.loads(self.run("--by", "city", "--format", "json")[1])["hash"])


@pytest.fixture
def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Desk]:
    series = Series()

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status = 401
            answer: dict[str, Any] = {"errcode": "M_UNKNOWN_TOKEN", "error": "Unknown"}
            if self.headers["Authorization"] == "Bearer secret":
                body = json.loads(content) if content else None
                status, answer = series.answer(self.command, self.path, body)
            self.send_response(status)
            if "location" in answer:
                self.send_header("Location", answer.pop("location"))
            raw: bytes = answer.pop("raw", None) or json.dumps(answer).encode()
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = handle_one

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("CAPGROUPS_TOKEN", "secret")
    monkeypatch.setattr(assign, "_POLL", 0.0)
    file = tmp_path / "people.csv"
    file.write_text(PEOPLE)
    yield Desk(series, f"http://127.0.0.1:{server.server_port}", file, capsys)
    server.shutdown()
    server.server_close()


def test_without_a_hash_the_plan_is_shown_and_nothing_is_done(desk: Desk) -> None:
    code, out, err = desk.run("--by", "city", "--size", "3..40")
    assert code == 0
    assert out == (
        "6 people get a place in 2 groups, 1 of them new. 0 people are in a group already. "
        "0 people are left out.\n"
        "\n"
        "group  for              people      then\n"
        "    1  city: Ulm             2  +3     5\n"
        "    2  city: Köln  new       0  +3     3\n"
        "\n"
        "Rows that cannot be read (1):\n"
        "  8: “z%” is no Matrix ID. Write it like @anna:example.com, or just anna if the account "
        "is on this server.\n"
    )
    assert "Nothing is done yet" in err
    assert desk.series.asked == [("GET", ALL), ("POST", "")]
    assert desk.series.applied == []


def test_the_command_that_is_shown_carries_the_plan_out(desk: Desk) -> None:
    _, _, err = desk.run("--by", "city", "--size", "3..")
    command = shlex.split(err.strip().splitlines()[-1])
    assert command[0] == "capgroups"
    assert cli.main(command[1:]) == 0
    _, err = desk.capture.readouterr()
    assert err == "2 of 6 people\n4 of 6 people\nDone: 6 of 6 people.\n"
    assert len(desk.series.applied) == 1


def test_a_second_time_changes_nothing_and_an_interrupted_one_goes_on(desk: Desk) -> None:
    seen = desk.hash()
    assert desk.run("--by", "city", "--apply", seen)[0] == 0
    # The people are placed now, so the table would give another plan.
    desk.series.someone_leaves()
    code, _, err = desk.run("--by", "city", "--apply", seen)
    assert (code, err) == (0, "Done: 6 of 6 people.\n")
    assert len(desk.series.applied) == 1
    done = next(a for a in desk.series.assignments.values() if a["state"] == "done")
    done |= {"state": "stopped", "done": 3}
    code, _, err = desk.run("--by", "city", "--apply", seen)
    assert (code, err) == (0, "5 of 6 people\nDone: 6 of 6 people.\n")


def test_a_plan_that_is_not_the_one_that_was_seen_is_shown_and_not_carried_out(desk: Desk) -> None:
    seen = desk.hash()
    desk.file.write_text(PEOPLE + "new,Ulm\n")
    code, out, err = desk.run("--by", "city", "--apply", seen)
    assert code == 1
    assert "7 people get a place" in out
    assert "Nothing was done" in err
    assert desk.series.applied == []


@pytest.mark.parametrize("said", ["tea", "Tea", ID])
def test_a_series_is_found_by_its_name_or_its_id_on_any_page(desk: Desk, said: str) -> None:
    ended = described("s-0", state="ended")
    desk.series.pages = [[ended, described("s-1", "coffee")], [described(ID)]]
    assert desk.run("--by", "city", series=said)[0] == 0
    assert desk.series.asked == [("GET", ALL), ("GET", f"{ALL}?from=1"), ("POST", "")]


def test_a_name_of_several_series_is_told_with_their_ids(desk: Desk) -> None:
    desk.series.pages = [[described(ID), described("s-1", "TEA", organiser="@otto:example.com")]]
    code, out, err = desk.run("--by", "city")
    assert (code, out) == (1, "")
    assert err.endswith(
        "You run several series called tea. Give the ID of one: "
        f"{ID} of @marta:example.com, s-1 of @otto:example.com.\n"
    )
    assert desk.run("--by", "city", series=ID)[0] == 0


def test_a_series_that_the_caller_does_not_run_is_told(desk: Desk) -> None:
    desk.series.pages = [[described(ID), described("s-1", "cocoa", state="ended")]]
    for said in ("coffee", "cocoa", "s-1", "te"):
        _, _, err = desk.run("--by", "city", series=said)
        assert err.endswith(f"You run no series called {said}. You run: tea.\n")
    desk.series.pages = [[]]
    assert "You run none." in desk.run("--by", "city")[2]
    assert all(method == "GET" for method, _ in desk.series.asked)


def test_who_could_not_be_brought_in_is_listed(desk: Desk) -> None:
    desk.series.failures = [{"user": "@u1:example.com", "error": "They block invitations."}]
    code, _, err = desk.run("--by", "city", "--apply", desk.hash())
    assert code == 1
    assert "@u1:example.com: They block invitations.\n" in err


def test_a_server_that_is_away_for_a_moment_does_not_end_the_watching(desk: Desk) -> None:
    seen = desk.hash()
    original = desk.series.look

    def look(assignment: dict[str, Any]) -> dict[str, Any]:
        if not away:
            away.append(1)
            desk.series.fails = [(502, {"raw": b"<html>"}), (429, {"retry_after_ms": 0})]
        return original(assignment)

    away: list[int] = []
    desk.series.look = look  # type: ignore[method-assign]
    assert desk.run("--by", "city", "--apply", seen)[0] == 0
    assert away


def test_json_and_csv_have_everybody(desk: Desk) -> None:
    plan = json.loads(desk.run("--by", "city", "--format", "json")[1])
    assert plan["totals"]["placed"] == 6
    rows = list(csv.reader(io.StringIO(desk.run("--by", "city", "--format", "csv")[1])))
    assert rows[:2] == [
        ["user", "group", "for", "what"],
        ["'@k0:example.com", "2", "city: Köln", "added to new group"],
    ]
    assert len(rows) == 7


def test_people_can_be_json_and_come_by_standard_input(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = json.dumps([{"user": "anna", "city": "Ulm"}]).encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(people)))
    code = cli.main(["assign", "-", "--series", "tea", "--server", desk.url, "--by", "city"])
    assert code == 0
    assert "1 person gets a place in 1 group" in desk.capture.readouterr()[0]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("user,city\nbjörn,Ulm\n".encode("latin-1"), "Line 2 of the table is not UTF-8"),
        (b"[1,", "This is not JSON"),
        (b"user,town\nanna,Ulm\n", "The table has no column “city”"),
        (b"u" * 20_000_001, "larger than 20 MB"),
    ],
)
def test_a_table_that_cannot_be_read_is_told(desk: Desk, content: bytes, sentence: str) -> None:
    desk.file.write_bytes(content)
    code, out, err = desk.run("--by", "city")
    assert code in (1, 2)
    assert sentence in err
    assert out == ""


@pytest.mark.parametrize(
    ("fails", "sentence"),
    [
        ((403, {"error": "You are no organiser."}), "You are no organiser."),
        ((403, {"error": "No\x1b[2J\u202e."}), "No\ufffd[2J\ufffd."),
        ((404, {}), "Is synapse-capgroups installed there?"),
        ((302, {"location": "http://127.0.0.1:1/"}), "sends its callers elsewhere"),
        ((307, {"location": "http://127.0.0.1:1/"}), "sends its callers elsewhere"),
        ((500, {"raw": b"<html>"}), "The server answers 500."),
        ((200, {"raw": b"<html>"}), "not JSON"),
        ((200, {"raw": b"[" * 100_000}), "not JSON"),
        ((200, {"raw": b"[]"}), "not JSON"),
        ((200, {"totals": 7}), "not what an assignment looks like"),
    ],
)
def test_what_the_server_does_not_do_is_told_in_a_sentence(
    desk: Desk, fails: tuple[int, dict[str, Any]], sentence: str
) -> None:
    desk.series.fails = [fails]
    code, _, err = desk.run("--by", "city")
    assert code == 1
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert "secret" not in err


def test_whoever_calls_too_often_waits_as_long_as_the_server_asks(desk: Desk) -> None:
    waited: list[float] = []
    server = Homeserver(desk.url, "secret", waited.append)
    desk.series.fails = [(429, {"retry_after_ms": 1500}), (429, {}), (429, {"retry_after_ms": 1e9})]
    server.call("GET", "series", ID, "assignments")
    assert waited == [1.5, 1.0, 1.0]
    desk.series.fails = [(429, {"error": "Too often."})] * 9
    with pytest.raises(CallError, match="Too often"):
        server.call("GET", "series", ID, "assignments")


def test_a_token_that_is_missing_or_wrong_is_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for token, sentence in {
        "wrong": "does not know the access token",
        "two\nlines": "is not an access token",
        "": "Missing: the access token in CAPGROUPS_TOKEN",
    }.items():
        monkeypatch.setenv("CAPGROUPS_TOKEN", token)
        code, _, err = desk.run()
        assert code != 0
        assert sentence in err
    assert desk.series.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://chat.example.com",
        "chat.example.com",
        "file:///etc/passwd",
        "https://",
        "https://a?b",
    ],
)
def test_the_token_goes_to_no_other_address(url: str) -> None:
    with pytest.raises(CallError):
        Homeserver(url, "secret")


def test_a_server_that_nobody_runs_is_told(desk: Desk) -> None:
    code, _, err = desk.run("--server", "http://127.0.0.1:1")
    assert code == 1
    assert "cannot be reached" in err


@pytest.mark.parametrize(
    "more",
    [
        ("--size", "20"), ("--size", ".."), ("--size", "0..4"), ("--size", "a..b"),
        ("--apply", "abc"), ("--format", "xml"),
    ],
)  # fmt: skip
def test_an_argument_of_another_form_is_refused(desk: Desk, more: tuple[str, str]) -> None:
    with pytest.raises(SystemExit) as ended:
        desk.run(*more)
    assert ended.value.code == 2
    assert desk.series.asked == []


def test_a_file_that_is_not_there_is_told(desk: Desk) -> None:
    desk.file.unlink()
    code, _, err = desk.run()
    assert (code, desk.series.asked) == (2, [])
    assert "No such file" in err


# What is printed.


def plan(**more: Any) -> dict[str, Any]:
    totals = {"placed": 1, "staying": 1, "left_out": 30, "groups": 1, "new_groups": 0}
    group = {"number": 12, "new": False, "label": {}, "before": 4, "people": ["@a:s"]}
    return {"groups": [group], "staying": [], "left_out": [], "totals": totals, **more}


def test_a_terminal_is_told_nothing_but_text() -> None:
    group = {"number": 1, "new": True, "label": {"a": "\x1b[31m\n北京"}, "before": 0, "people": []}
    text = printable(plan_text(plan(groups=[group])))
    assert "\x1b" not in text
    # Chinese characters take two columns.
    assert text.splitlines()[2:] == [
        "group  for                 people      then",
        "    1  a: \ufffd[31m 北京  new       0  +0     0",
    ]


def test_long_lists_are_cut_in_a_table_and_complete_in_csv() -> None:
    left_out = [{"user": f"@p{n}:s", "reason": "too_few"} for n in range(30)]
    left_out.append({"user": "@x:s", "reason": "of_a_newer_server"})
    bad_rows = [{"line": n, "end": n + n % 2, "error": "Bad."} for n in range(30)]
    text = plan_text(plan(left_out=left_out, bad_rows=bad_rows))
    assert "Left out (30): Too few people" in text
    assert "and 10 more; --format csv" in text
    assert "Left out (1): of_a_newer_server" in text
    assert "  19 to 20: Bad." in text
    assert "and 10 more; --format json" in text
    staying = [{"user": "@y:s", "group": 3}]
    rows = list(csv.reader(io.StringIO(plan_csv(plan(left_out=left_out, staying=staying)))))
    assert len(rows) == 1 + 1 + 31 + 1
    assert ["'@y:s", "3", "", "stays"] in rows
