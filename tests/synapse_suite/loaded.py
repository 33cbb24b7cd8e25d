"""Runs in a process of its own, where the package `tests` is Synapse's.

Several of these processes share the work: each takes the next class of tests that nobody has taken.
"""

import argparse
import contextlib
import contextvars
import importlib
import inspect
import json
import logging
import os
import sys
import unittest
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

JOURNAL = "synapse_capgroups.journal"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--suite", type=Path, required=True, help="holds Synapse's package `tests`")
    parser.add_argument("--claims", type=Path, required=True, help="shared by all processes")
    parser.add_argument("--results", type=Path, required=True, help="a line of JSON for each test")
    parser.add_argument("--module", help="the module's configuration as JSON; none: not loaded")
    parser.add_argument("tests", type=Path, help="a file with their names, one a line")
    options = parser.parse_args()

    # In the place of this script's folder, and before any other package `tests`.
    sys.path[0] = str(options.suite)
    importlib.import_module("tests")  # Patches Twisted before Synapse is imported.
    check_schemas_once()
    journal = Journal()
    if options.module is not None:
        module = json.loads(options.module)
        load_into_each_homeserver(module)
        if module.get("enforce", True):
            keep_to_the_rules()
    with options.results.open("w", encoding="utf-8", buffering=1) as results:
        for name, cases in by_class(options.tests.read_text().split()):
            try:
                os.close(os.open(options.claims / name, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            for case in cases:
                print(json.dumps(run(case, journal)), file=results)


def check_schemas_once() -> None:
    """Synapse checks its own schema of power levels at each use, as in `tests.fork_server`."""
    validator: Any = importlib.import_module("synapse.events.validator")
    for kind in ("POWER_LEVELS", "MENTIONS"):
        checked = getattr(validator, f"{kind}_VALIDATOR")
        checked.check_schema(getattr(validator, f"{kind}_SCHEMA"))
        checked.check_schema = lambda *_, **__: None


def load_into_each_homeserver(raw: dict[str, Any]) -> None:
    """Have it loaded where Synapse's tests load modules, first of all."""
    from synapse_capgroups import CapGroups

    server: Any = importlib.import_module("tests.server")  # Synapse's.
    start = server.start_test_homeserver

    def start_with_module(*, hs: Any, reactor: Any, **others: Any) -> None:
        loaded = [each for each in hs.config.modules.loaded_modules if each[0] is not CapGroups]
        hs.config.modules.loaded_modules = [(CapGroups, CapGroups.parse_config(raw)), *loaded]
        start(hs=hs, reactor=reactor, **others)
        reactor.advance(0)  # The tables are made.

    server.start_test_homeserver = start_with_module


def keep_to_the_rules() -> None:
    """Have the tests' own helper make private rooms, and invite people before they join.

    Most tests need some room, and make a public one; most people in them walk into it.
    """
    helper = importlib.import_module("tests.rest.client.utils").RestHelper
    create_room_as, change_membership = helper.create_room_as, helper.change_membership
    creation, membership = inspect.signature(create_room_as), inspect.signature(change_membership)

    def privately(self: Any, *args: Any, **kwargs: Any) -> Any:
        asked = creation.bind(self, *args, **kwargs)
        asked.apply_defaults()
        if asked.arguments["expect_code"] == 200:
            content = dict(asked.arguments["extra_content"] or {})
            if content.get("preset") == "public_chat":
                del content["preset"]
            asked.arguments["extra_content"] = content
            if asked.arguments["is_public"]:
                asked.arguments["is_public"] = False
        return create_room_as(*asked.args, **asked.kwargs)

    def invited_first(self: Any, *args: Any, **kwargs: Any) -> Any:
        asked = membership.bind(self, *args, **kwargs)
        asked.apply_defaults()
        room_id, user_id = asked.arguments["room"], asked.arguments["targ"]
        if asked.arguments["membership"] == "join" and asked.arguments["expect_code"] == 200:
            invite(self, room_id, user_id)
        return change_membership(*asked.args, **asked.kwargs)

    helper.create_room_as, helper.change_membership = privately, invited_first


def invite(helper: Any, room_id: str, user_id: str) -> None:
    """Have a member of the room invite somebody who is not there yet, if one can."""
    from synapse.types import UserID, create_requester
    from twisted.internet import defer

    async def by_a_member() -> None:
        store = helper.hs.get_datastores().main
        now, _ = await store.get_local_current_membership_for_user_in_room(user_id, room_id)
        if now in ("join", "invite", "ban"):
            return
        for member in await store.get_local_users_in_room(room_id):
            with contextlib.suppress(Exception):
                await helper.hs.get_room_member_handler().update_membership(
                    create_requester(member),
                    UserID.from_string(user_id),
                    room_id,
                    "invite",
                    ratelimit=False,
                )
                return

    done = defer.ensureDeferred(by_a_member())
    done.addErrback(lambda _: None)  # The test's own join tells what is wrong.
    for _ in range(100):
        if done.called:
            return
        helper.reactor.advance(0)


class Journal(logging.Handler):
    """What the module refused in a test."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals: list[dict[str, Any]] = []
        logger = logging.getLogger(JOURNAL)
        logger.setLevel(logging.INFO)
        logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        word, _, line = record.getMessage().partition(" ")
        facts = json.loads(line)
        if word != "admitted" and "reason" in facts:  # What it forgets has none.
            self.refusals.append(facts)


class Outcome(unittest.TestResult):
    """What became of one test."""

    def __init__(self) -> None:
        super().__init__()
        self.outcome = "passed"
        self.because = ""

    def addSkip(self, test: Any, reason: str) -> None:
        if self.outcome == "passed":
            self.outcome = "skipped"

    def addError(self, test: Any, err: Any) -> None:
        if self.outcome != "failed":
            self.outcome, self.because = "failed", self._exc_info_to_string(err, test)  # type: ignore[attr-defined]

    addFailure = addError


def run(case: unittest.TestCase, journal: Journal) -> dict[str, Any]:
    outcome = Outcome()
    journal.refusals.clear()
    case.run(outcome)
    if left := left_behind():
        outcome.outcome, outcome.because = "failed", f"The module left behind: {left}"
    return {
        "test": case.id(),
        "outcome": outcome.outcome,
        "because": outcome.because.strip(),
        "refused": sorted({refusal["reason"] for refusal in journal.refusals}),
    }


def left_behind() -> list[str]:
    """What of the module's is still there after a test, and would be in the next homeserver."""
    return [v.name for v in contextvars.copy_context() if v.name.startswith("capgroups_")]


def by_class(names: Sequence[str]) -> list[tuple[str, list[unittest.TestCase]]]:
    """The tests of these names, class by class, those with most tests first."""
    from twisted.trial.runner import TestLoader

    found: dict[str, list[unittest.TestCase]] = {}
    loader: Any = TestLoader()
    for name in names:
        for case in _flat(loader.loadByName(name, recurse=True)):
            found.setdefault(case.id().rpartition(".")[0] or case.id(), []).append(case)
    return sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))


def _flat(suite: Any) -> Iterator[unittest.TestCase]:
    if isinstance(suite, unittest.TestCase) or not hasattr(suite, "__iter__"):
        yield suite
    else:
        for each in suite:
            yield from _flat(each)


if __name__ == "__main__":
    main()
