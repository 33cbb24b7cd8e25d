"""Which tests ended differently with the module than without it, and which of them may."""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import attrs
import yaml

from tests.synapse_suite.running import Ran

_EXCEPTION = re.compile(r"[\w.]+: ")  # Where a traceback says what it was.

EXPECTED = Path(__file__).with_name("expected.yaml")


@attrs.frozen
class Expectation:
    """Why a test of Synapse's fails where the rules are enforced.

    Attributes:
        rule: the number of the rule in docs/rules.md, or a word.
        reason: for which the module refuses something in the test; None where it refuses nothing.
        why: in words.
    """

    rule: str
    reason: str | None
    why: str


def expected(*, enforce: bool, path: Path = EXPECTED) -> dict[str, Expectation]:
    """Which tests fail: patterns of their names, such as `…_frozen_dicts_*`.

    Args:
        enforce: with the defaults; else in a trial.
    """
    groups: list[dict[str, Any]] = yaml.safe_load(path.read_text())
    return {
        f"tests.{test}": Expectation(str(group["rule"]), group.get("reason"), group["why"])
        for group in groups
        if enforce or group.get("in_trial", False)
        for test in group["tests"]
    }


@attrs.frozen
class Comparison:
    """How the tests with the module compare with those without it.

    Attributes:
        failing_anyway: tests that fail without the module, too.
        foreseen: tests that fail only with the module, as expected.
        differences: tests that should not have, each with a description.
        outlived: tests that pass although they are expected to fail.
    """

    ran: int
    skipped: int
    failing_anyway: tuple[str, ...]
    foreseen: tuple[str, ...]
    differences: Mapping[str, str]
    outlived: tuple[str, ...]

    @property
    def as_expected(self) -> bool:
        return self.ran > 0 and not self.differences and not self.outlived

    def report(self) -> str:
        lines = [f"{test}\n    {why}" for test, why in self.differences.items()]
        lines += [f"{test}\n    passes: take it out of expected.yaml" for test in self.outlived]
        lines += [f"{test}\n    fails without the module, too" for test in self.failing_anyway]
        wrong = len(self.differences) + len(self.outlived)
        lines += [
            f"{self.ran} of Synapse's tests, {self.skipped} skipped: {len(self.failing_anyway)} "
            f"fail without the module, {len(self.foreseen)} differ as expected, "
            f"{wrong} otherwise"
        ]
        return "\n".join(lines)


def compare(
    loaded: Iterable[Ran], plain: Iterable[Ran], expectations: Mapping[str, Expectation]
) -> Comparison:
    """Compare two runs.

    Args:
        loaded: all tests, with the module.
        plain: at least those that failed, without it.
        expectations: the tests that may fail, as patterns.
    """
    loaded = list(loaded)
    foreseen = {
        ran.test: expectation
        for ran in loaded
        for pattern, expectation in expectations.items()
        if fnmatchcase(ran.test, pattern)
    }
    anyway = {ran.test for ran in plain if ran.outcome == "failed"}
    failed = [ran for ran in loaded if ran.outcome == "failed" and ran.test not in anyway]
    differences: dict[str, str] = {}
    for ran in failed:
        if (expectation := foreseen.get(ran.test)) is None:
            differences[ran.test] = _described(ran)
        elif expectation.reason is not None and expectation.reason not in ran.refused:
            differences[ran.test] = f"not for {expectation.reason}: {_described(ran)}"
    return Comparison(
        ran=len(loaded),
        skipped=sum(ran.outcome == "skipped" for ran in loaded),
        failing_anyway=tuple(sorted(anyway)),
        foreseen=tuple(ran.test for ran in failed if ran.test not in differences),
        differences=differences,
        outlived=tuple(
            ran.test for ran in loaded if ran.outcome == "passed" and ran.test in foreseen
        ),
    )


def _described(ran: Ran) -> str:
    lines = ran.because.splitlines() or [""]
    raised = next((line for line in lines if _EXCEPTION.match(line)), lines[-1])
    refused = f" [refused: {', '.join(ran.refused)}]" if ran.refused else ""
    return f"{raised[:300]}{refused}"
