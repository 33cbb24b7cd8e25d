"""`capgroups assign`: shows the plan of an assignment, and carries out the one that was seen."""

import argparse
import json
import re
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from synapse_capgroups.client.connection import CallError, Homeserver
from synapse_capgroups.client.environment import add_server_argument, default_server, homeserver
from synapse_capgroups.client.printing import plan_csv, plan_text
from synapse_capgroups.client.terminal import complain, note, show
from synapse_capgroups.rules.assignment.csv_text import decoded
from synapse_capgroups.rules.assignment.entries import parsed
from synapse_capgroups.rules.assignment.flaws import UnreadableTable
from synapse_capgroups.rules.assignment.table import MAX_BYTES
from synapse_capgroups.rules.series import called_alike
from synapse_capgroups.words.lookup import in_language

_POLL = 2.0  # seconds
_MOST_FAILED_POLLS = 30

Json = dict[str, Any]
FORMATS: Mapping[str, Callable[[Json], str]] = {
    "table": plan_text,
    "json": lambda plan: json.dumps(plan, indent=2),
    "csv": lambda plan: plan_csv(plan).rstrip("\r\n"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument(
        "file", help="the people: CSV or JSON with a column `user`; - reads standard input"
    )
    parser.add_argument("--series", required=True, help="the series' name, or its ID")
    parser.add_argument(
        "--by",
        action="append",
        default=[],
        metavar="COLUMNS",
        help="a group for each value of these columns, separated by commas. Without it, a column "
        "`group` says where each person goes",
    )
    parser.add_argument(
        "--size",
        type=sizes,
        metavar="MIN..MAX",
        help="how many people a group has; either number may be left out",
    )
    parser.add_argument(
        "--apply",
        type=_hash,
        metavar="HASH",
        help="carry out the plan with this hash, or go on with it. Without it nothing is done",
    )
    add_server_argument(parser)
    parser.add_argument("--format", choices=FORMATS, default="table", help="default: table")


def run(arguments: argparse.Namespace, sleep: Callable[[float], None] = time.sleep) -> int:
    """Plan or apply. Returns 0, 1 if not all was done, and 2 if nothing could be asked."""
    try:
        server = homeserver(arguments, sleep)
        body = _table(arguments.file)
        if columns := [name for said in arguments.by for name in said.split(",")]:
            body["by"] = columns
        if arguments.size:
            body["size"] = arguments.size
        assignments = Assignments(server, series_id(server, arguments.series))
        if arguments.apply:
            return _apply(assignments, body, arguments)
        return _plan(assignments, body, arguments)
    except UnreadableTable as e:
        return complain(in_language("en").say(e.flaw.value, **e.values), 2)
    except OSError as e:
        return complain(f"{arguments.file}: {e.strerror}", 2)
    except CallError as e:
        return complain(str(e), 2 if e.unasked else 1)
    except (KeyError, TypeError, AttributeError):
        return complain("The server's answer is not what an assignment looks like.", 1)
    except KeyboardInterrupt:
        return complain("You have stopped watching. What was begun goes on at the server.", 130)


def series_id(server: Homeserver, said: str) -> str:
    """The ID of the series that the caller means, among those that they run and have not ended.

    Args:
        said: its name or its ID.

    Raises:
        CallError: they may mean none or several.
    """
    page = server.call("GET", "series")
    known = page["series"]
    while after := page.get("next"):
        page = server.call("GET", "series", after=after)
        known += page["series"]
    running = [one for one in known if one["state"] != "ended"]
    meant = [one for one in running if one["series_id"] == said] or [
        one for one in running if called_alike(one["name"], said)
    ]
    if len(meant) == 1:
        return str(meant[0]["series_id"])
    if meant:
        several = ", ".join(f"{one['series_id']} of {one['organiser']}" for one in meant)
        raise CallError(f"You run several series called {said}. Give the ID of one: {several}.")
    names = ", ".join(one["name"] for one in running)
    yours = f"You run: {names}." if names else "You run none."
    raise CallError(f"You run no series called {said}. {yours}")


@attrs.frozen
class Assignments:
    """The assignments of one series, over HTTP."""

    server: Homeserver
    series: str

    def plan(self, body: Json) -> Json:
        """Have a plan made."""
        return self.server.call("POST", "series", self.series, "assignments", body=body)

    def begun(self, plan_hash: str) -> str | None:
        """The ID of the assignment with this plan that was applied before, if there is one."""
        answer = self.server.call("GET", "series", self.series, "assignments")
        for assignment in answer["assignments"]:
            if assignment["hash"] == plan_hash and assignment["state"] != "planned":
                return str(assignment["assignment_id"])
        return None

    def apply(self, assignment_id: str, plan_hash: str) -> None:
        """Have a plan carried out; nothing happens if it was."""
        path = ("series", self.series, "assignments", assignment_id, "apply")
        self.server.call("POST", *path, body={"hash": plan_hash})

    def progress(self, assignment_id: str, after: str = "") -> Json:
        """How far an assignment is, and a page of those who have no place."""
        path = ("series", self.series, "assignments", assignment_id)
        return self.server.call("GET", *path, after=after)

    def end(self, assignment_id: str) -> Json:
        """The same with all who have no place."""
        end = page = self.progress(assignment_id)
        while after := page.get("next"):
            page = self.progress(assignment_id, after)
            end["failures"] += page["failures"]
        end.pop("next", None)
        return end


def _plan(assignments: Assignments, body: Json, arguments: argparse.Namespace) -> int:
    plan = assignments.plan(body)
    show(FORMATS[arguments.format](plan), raw=arguments.format != "table")
    if plan["totals"]["placed"]:
        note(
            "\nNothing is done yet. To do exactly this:\n  "
            + shlex.join(["capgroups", "assign", *_repeated(arguments), "--apply", plan["hash"]])
        )
    return 0


def _repeated(arguments: argparse.Namespace) -> list[str]:
    repeated = [arguments.file, "--series", arguments.series]
    for said in arguments.by:
        repeated += ["--by", said]
    if arguments.size:
        repeated += ["--size", f"{arguments.size.get('min', '')}..{arguments.size.get('max', '')}"]
    if arguments.server != default_server():
        repeated += ["--server", arguments.server]
    return repeated


def _apply(assignments: Assignments, body: Json, arguments: argparse.Namespace) -> int:
    assignment_id = assignments.begun(arguments.apply)
    if assignment_id is None:
        plan = assignments.plan(body)
        if plan["hash"] != arguments.apply:
            show(FORMATS[arguments.format](plan), raw=arguments.format != "table")
            return complain(
                "Nothing was done: the table or the series has changed, so this is another plan "
                f"than the one you saw. Its hash is {plan['hash']}.",
                1,
            )
        assignment_id = str(plan["assignment_id"])
    assignments.apply(assignment_id, arguments.apply)
    end = _watch(assignments, assignment_id)
    if arguments.format == "json":
        show(json.dumps(end, indent=2), raw=True)
    failures = end["failures"]
    for failure in failures:
        note(f"{failure['user']}: {failure['error']}")
    if end["state"] != "done":
        return complain("The assignment was stopped. The same command goes on with it.", 1)
    note(f"Done: {end['done']} of {end['people']} people.")
    return 1 if failures else 0


def _watch(assignments: Assignments, assignment_id: str) -> Json:
    """Tell how far it is until it has ended."""
    told, failed = None, 0
    while True:
        try:
            progress = assignments.progress(assignment_id)
            failed = 0
        except CallError as e:
            failed += 1
            if not e.passing or failed > _MOST_FAILED_POLLS:
                raise
        else:
            if progress["state"] != "applying":
                return assignments.end(assignment_id)
            if (now := f"{progress['done']} of {progress['people']} people") != told:
                note(now)
                told = now
        assignments.server.sleep(_POLL)


def _table(file: str) -> Json:
    if file == "-":
        data = sys.stdin.buffer.read(MAX_BYTES + 1)
    else:
        with Path(file).open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    text = decoded(data)
    return {"people": parsed(text)} if text.lstrip()[:1] in ("[", "{") else {"csv": text}


def sizes(said: str) -> dict[str, int]:
    """What `--size` means: `20..40`, `20..` or `..40`."""
    found = re.fullmatch(r"([1-9][0-9]{0,5})?\.\.([1-9][0-9]{0,5})?", said)
    if found is None or not any(found.groups()):
        raise argparse.ArgumentTypeError(f"'{said}' is not like 20..40, 20.. or ..40")
    asked = zip(("min", "max"), found.groups(), strict=True)
    return {key: int(number) for key, number in asked if number}


def _hash(said: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", said):
        raise argparse.ArgumentTypeError("the hash that the plan ends with has 64 characters")
    return said
