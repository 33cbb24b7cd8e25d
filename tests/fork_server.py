"""Starts processes of Synapse's quickly: it has imported Synapse already, and forks.

Most of the time of a start goes into Python's imports. Synapse does the same for tests of its own
(`synapse.app.complement_fork_starter`). The demo's tests start real processes.
"""

import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from synapse_capgroups.demo import process
from synapse_capgroups.demo.process import Process

APPS = ("synapse.app.homeserver", "synapse.app.generic_worker")
_IMPORTED_LATER = (
    "synapse_capgroups",
    "synapse_capgroups.module",
    "synapse.storage.prepare_database",
    "PIL.Image",
    "psycopg2.extensions",
)

# OpenSSL reads the certificates of the system for each of Synapse's clients; no test needs them.
_QUICK = {"PYTHONWARNINGS": "ignore", "SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": os.devnull}


class Fork:
    """A process that the fork server has started, as `subprocess.Popen` would show it."""

    def __init__(self, server: "ForkServer", pid: int) -> None:
        self._server = server
        self.pid = pid
        self._ended = os.pidfd_open(pid)
        self._returncode: int | None = None

    def poll(self) -> int | None:
        if self._returncode is None and select.select([self._ended], [], [], 0)[0]:
            self._close()
        return self._returncode

    def wait(self, timeout: float | None = None) -> int:
        if self._returncode is None:
            if not select.select([self._ended], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            self._close()
        assert self._returncode is not None
        return self._returncode

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self.poll() is None:
            signal.pidfd_send_signal(self._ended, number)

    def _close(self) -> None:
        self._returncode = self._server.ask({"ended": self.pid})
        os.close(self._ended)


class ForkServer:
    """The process that forks. It starts when it is first needed."""

    def __init__(self) -> None:
        # Now, and not at the first start, which may be that of a test that changes it.
        self._environment = dict(os.environ)
        self._process: subprocess.Popen[bytes] | None = None
        self._one_at_a_time = threading.Lock()

    def launch(self, app: str, arguments: Sequence[str], folder: Path, output: BinaryIO) -> Process:
        """Start a process, as `synapse_capgroups.demo.process.interpreter` does."""
        if self._process is None:
            self._start()
        if app not in APPS or self._changes_environment():
            return process.interpreter(app, arguments, folder, output)
        order = {
            "app": app, "arguments": list(arguments), "folder": str(folder), "output": output.name,
        }  # fmt: skip
        return Fork(self, self.ask(order))

    def ask(self, order: Mapping[str, Any]) -> int:
        """Give an order to the process and return the number that it answers."""
        with self._one_at_a_time:
            self._file.write(json.dumps(order) + "\n")
            self._file.flush()
            return int(self._file.readline())

    def stop(self) -> None:
        """End the process and all that it has started."""
        if self._process is not None:
            self._file.close()
            self._socket.close()
            self._process.wait(20)
            self._process = None

    def _start(self) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**self._environment, **_QUICK},
                cwd=Path(__file__).parents[1],
            )
        self._file = self._socket.makefile("rw")

    def _changes_environment(self) -> bool:
        # What is imported already would not see it.
        return _lasting(os.environ) != _lasting(self._environment)


def _lasting(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what pytest changes for each test, and OpenCV when a test imports it."""
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith("PYTEST_") and name != "LD_LIBRARY_PATH"
    }


def _check_schemas_once() -> None:
    """Synapse checks its own schema of power levels at each use: a third of a room's creation."""
    from synapse.events import validator

    for kind in ("POWER_LEVELS", "MENTIONS"):  # The oldest Synapse has the first one only.
        checked = getattr(validator, f"{kind}_VALIDATOR", None)
        if checked is not None:
            checked.check_schema(getattr(validator, f"{kind}_SCHEMA"))
            checked.check_schema = lambda *_, **__: None


def _read_words_once() -> None:
    """Three files of YAML, which a process reads when it starts: a fifth of that."""
    from synapse_capgroups.words.languages import LANGUAGES, own_texts

    for language in LANGUAGES:
        own_texts(language)


def _child(order: Mapping[str, Any], reactor: Any) -> NoReturn:
    from synapse.app.complement_fork_starter import _worker_entrypoint

    status = 1
    try:
        # It must not outlive the tests.
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        os.chdir(order["folder"])
        sys.path.insert(0, order["folder"])  # As `python -m` does: a test's own module is there.
        app = importlib.import_module(order["app"])
        _worker_entrypoint(app.main, reactor, [order["app"], *order["arguments"]])
        status = 0
    except SystemExit as e:
        status = e.code if isinstance(e.code, int) else int(e.code is not None)
        if isinstance(e.code, str):
            print(e.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def main(orders: socket.socket) -> None:
    """Fork for each order until nobody is there any more who gives them."""
    # Its home on the oldest Synapse too.
    from synapse.app.complement_fork_starter import ProxiedReactor  # type: ignore[attr-defined]
    from twisted.internet.main import installReactor

    # A reactor that is made now would be one for all processes together.
    reactor = ProxiedReactor()
    installReactor(reactor)  # type: ignore[no-untyped-call]
    for name in APPS + _IMPORTED_LATER:
        importlib.import_module(name)
    _check_schemas_once()
    _read_words_once()
    gc.collect()
    gc.freeze()
    file = orders.makefile("rw")
    for line in file:
        order = json.loads(line)
        if "ended" in order:
            _, status = os.waitpid(order["ended"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if answer == 0:
                orders.close()
                file.detach()
                _child(order, reactor)
        file.write(f"{answer}\n")
        file.flush()


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
