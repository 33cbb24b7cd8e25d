"""Runs tests of Synapse's in several processes, with or without the module."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs


@attrs.frozen
class Ran:
    """What became of one test.

    Attributes:
        outcome: `passed`, `failed` or `skipped`.
        because: the traceback of one that failed.
        refused: for which reasons the module refused something in it, or in a trial would have.
    """

    test: str
    outcome: str
    because: str = ""
    refused: Sequence[str] = ()


def run(
    suite: Path, names: Sequence[str], module: Mapping[str, Any] | None, *, processes: int
) -> list[Ran]:
    """Run these tests, in the order of their names.

    Args:
        suite: the folder that holds Synapse's package `tests`.
        names: of packages, modules, classes or tests.
        module: the module's configuration; None to run without it.
    """
    if not names:
        return []
    with tempfile.TemporaryDirectory(prefix="synapse-suite-") as work:
        place = Path(work)
        (place / "claims").mkdir()
        (place / "names").write_text("\n".join(names))
        folders = [place / str(number) for number in range(processes)]
        started = [_start(folder, place, suite, module) for folder in folders]
        try:
            for process, folder in zip(started, folders, strict=True):
                if process.wait():
                    raise RuntimeError((folder / "output").read_text(errors="replace"))
        finally:
            for process in started:
                process.kill()
                process.wait()
        lines = [
            line for folder in folders for line in (folder / "results").read_text().splitlines()
        ]
    return sorted((Ran(**json.loads(line)) for line in lines), key=lambda ran: ran.test)


def _start(
    folder: Path, place: Path, suite: Path, module: Mapping[str, Any] | None
) -> subprocess.Popen[bytes]:
    folder.mkdir()
    loaded = ["--module", json.dumps(module)] if module is not None else []
    command = [
        sys.executable, str(Path(__file__).with_name("loaded.py")),
        "--suite", str(suite), "--claims", str(place / "claims"),
        "--results", str(folder / "results"), *loaded, str(place / "names"),
    ]  # fmt: skip
    with (folder / "output").open("wb") as output:
        return subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
