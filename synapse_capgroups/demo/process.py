"""How a process of Synapse's is started."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol


class Process(Protocol):
    """A running process, as `subprocess.Popen` is one."""

    pid: int

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


Launch = Callable[[str, Sequence[str], Path, BinaryIO], Process]


def interpreter(
    app: str,
    arguments: Sequence[str],
    folder: Path,
    output: BinaryIO,
    *,
    python: str = sys.executable,
    environment: Mapping[str, str] | None = None,
) -> Process:
    """Start a Python of its own.

    Args:
        app: the Python module that is run, `synapse.app.homeserver` or another one.
        arguments: its command line.
        folder: where it runs.
        output: where it prints.
        python: which Python; another one may have another Synapse.
        environment: variables that it has beside this process's, or in place of them.
    """
    return subprocess.Popen(
        [python, "-m", app, *arguments],
        cwd=folder,
        stdout=output,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONWARNINGS": "ignore", **(environment or {})},
    )


launch: Launch = interpreter
"""The tests put another one in place, which need not import Synapse anew for each process."""
