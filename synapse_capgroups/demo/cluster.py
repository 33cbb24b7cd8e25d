"""A Synapse of several processes on loopback: PostgreSQL, Redis, the main process and workers."""

import itertools
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import attrs
import httpx
import yaml

from synapse_capgroups.demo import process
from synapse_capgroups.demo.homeserver import Homeserver, StartError, free_port, listener, scraped
from synapse_capgroups.demo.person import Person
from synapse_capgroups.demo.postgres import binaries
from synapse_capgroups.demo.process import Process


def missing_for_workers() -> str | None:
    """What this machine lacks to run workers, and how to install it; None if nothing."""
    if binaries() is None or Redis.program() is None:
        return "Workers need PostgreSQL and Redis: apt-get install postgresql redis-server"
    for module in ("psycopg2", "txredisapi", "hiredis"):
        if find_spec(module) is None:
            return (
                f"Workers need {module}, which is not installed. Install it with: "
                "pip install 'synapse-capgroups[workers]'"
            )
    return None


class Redis:
    """A Redis server of one's own, on loopback, that keeps nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def program() -> str | None:
        """Where it is; None if it is not installed."""
        return shutil.which("redis-server")

    def start(self) -> None:
        program = self.program()
        assert program is not None
        self._folder.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
             "--appendonly", "no", "--dir", str(self._folder)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None


class InTurn(httpx.BaseTransport):
    """Asks the workers in turn, as a load balancer does.

    What workers do not serve goes to the main process, as by the routes of a reverse proxy.
    """

    def __init__(self, main: int, workers: list[int]) -> None:
        """
        Args:
            main: the main process's port on loopback.
            workers: the workers' ports.
        """
        self._main = main
        self._next = itertools.cycle(workers)
        self._http = httpx.HTTPTransport(limits=httpx.Limits(max_connections=None))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._ask(request, next(self._next))
        if response.status_code == 404 and b"M_UNRECOGNIZED" in response.read():
            return self._ask(request, self._main)
        return response

    def _ask(self, request: httpx.Request, port: int) -> httpx.Response:
        request.url = request.url.copy_with(port=port)
        return self._http.handle_request(request)


class Worker:
    """One `generic_worker` process.

    Args:
        replication: the port on which other processes reach it; None if they need not.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        log_config: Mapping[str, Any],
        replication: int | None = None,
    ) -> None:
        self._folder = folder
        self.name = name
        self.port = free_port()
        self.log = folder / f"{name}.log"
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", timeout=120,
            limits=httpx.Limits(max_connections=None),
        )  # fmt: skip
        self._process: Process | None = None
        log = {**log_config, "handlers": {"file": {
            **log_config["handlers"]["file"], "filename": str(self.log),
        }}}  # fmt: skip
        (folder / f"{name}.log.yaml").write_text(yaml.safe_dump(log))
        config = {
            "worker_app": "synapse.app.generic_worker",
            "worker_name": name,
            "worker_listeners": [
                listener(self.port, "client", "health", "metrics"),
                *([listener(replication, "replication")] if replication else []),
            ],
            "worker_log_config": f"{name}.log.yaml",
        }
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(config))

    @property
    def process_id(self) -> int | None:
        """Which process of this machine it is; None if there is none."""
        # It may be killed in another thread.
        running = self._process
        return None if running is None else running.pid

    def start(self) -> None:
        """Start the process, without waiting for it."""
        with (self._folder / f"{self.name}.out").open("ab") as output:
            self._process = process.launch(
                "synapse.app.generic_worker",
                ["-c", "homeserver.yaml", "-c", f"{self.name}.yaml"],
                self._folder,
                output,
            )

    def is_up(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            output = (self._folder / f"{self.name}.out").read_text()
            raise StartError(f"The worker {self.name} ended while it started.", output)
        try:
            return self.http.get("/health", timeout=1).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process = None

    def kill(self) -> None:
        """End the process as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None


@attrs.frozen
class Processes:
    """The processes of a cluster beside the main one.

    Attributes:
        workers: how many, `worker1` and so on.
        chores_on: which of them runs the background tasks; the main process if not given.
        persisters: how many of them write the events, each those of its share of the rooms; the
            main process does if none.
    """

    workers: int
    chores_on: str | None = None
    persisters: int = 0


class Cluster(Homeserver):
    """The same homeserver as several processes, each with the module.

    Args:
        settings: more of homeserver.yaml; `database` must be a PostgreSQL database of its own, and
            `listeners` are those that the main process has beside its two.
    """

    def __init__(
        self,
        folder: Path,
        module: Mapping[str, Any] | None,
        processes: Processes,
        *,
        settings: Mapping[str, Any],
        port: int = 0,
    ) -> None:
        self._redis = Redis(folder / "redis")
        replication, port = free_port(), port or free_port()

        names = [f"worker{number + 1}" for number in range(processes.workers)]
        writers = {name: free_port() for name in names[: processes.persisters]}
        more: dict[str, Any] = {
            "listeners": [
                listener(port, "client", "health", "metrics"),
                listener(replication, "replication"),
                *settings.get("listeners", []),
            ],
            "redis": {"enabled": True, "host": "127.0.0.1", "port": self._redis.port},
            "instance_map": {
                name: {"host": "127.0.0.1", "port": at}
                for name, at in {"main": replication, **writers}.items()
            },
            **({"stream_writers": {"events": list(writers)}} if writers else {}),
            **({"run_background_tasks_on": processes.chores_on} if processes.chores_on else {}),
            **{name: value for name, value in settings.items() if name != "listeners"},
        }
        super().__init__(folder, module, settings=more, port=port)
        log_config = yaml.safe_load((folder / "log.yaml").read_text())
        self.workers = [Worker(folder, name, log_config, writers.get(name)) for name in names]
        in_turn = InTurn(port, [worker.port for worker in self.workers])
        self._turns = httpx.Client(base_url=self.url, timeout=120, transport=in_turn)

    def start(self, waiting: Callable[[], None] = lambda: None, timeout: float = 90) -> None:
        self._redis.start()
        super().start(waiting, timeout)
        for worker in self.workers:
            worker.start()
        deadline = time.monotonic() + timeout
        while not all(worker.is_up() for worker in self.workers):
            if time.monotonic() > deadline:
                raise StartError(f"The workers did not answer within {timeout:.0f} s.", "")
            waiting()
            time.sleep(0.05)

    def stop(self) -> None:
        for worker in self.workers:
            worker.stop()
        super().stop()
        self._redis.stop()

    def register(self, localpart: str, *, password: str = "", admin: bool = False) -> Person:
        """Make an account; its calls go to the workers in turn."""
        return super().register(localpart, password=password, admin=admin).by(self._turns)

    def metrics(self) -> dict[str, float]:
        """The values of all processes, added up."""
        added = Counter(super().metrics())
        for worker in self.workers:
            added.update(scraped(worker.http))
        return dict(added)

    def on(self, person: Person, worker: int) -> Person:
        """The same person, whose calls all go to one worker."""
        return person.by(self.workers[worker].http)
