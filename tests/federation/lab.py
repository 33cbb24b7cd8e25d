"""Three homeservers that federate over TLS on loopback: one with the module, two others without.

`hs1` has the module. `hs2` and `hs3` are other people's servers; `hs2` can be a rogue or run on
the oldest Synapse. The lines between them can be cut and healed while all of them run.
"""

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs
import pytest

from synapse_capgroups.demo.cluster import Cluster, Processes, missing_for_workers
from synapse_capgroups.demo.homeserver import Homeserver, free_port
from synapse_capgroups.demo.loopback import federation_settings, with_clients
from synapse_capgroups.demo.person import Person, Reply, expect
from synapse_capgroups.demo.process import interpreter
from tests.conftest import QUIET, Server, new_database, server_folder
from tests.federation.link import Network

OLDEST = "CAPGROUPS_OLDEST_PYTHON"
"""Names the Python of an environment with the oldest Synapse that README claims."""

CAPGROUPS = "synapse_capgroups.CapGroups"
ROGUE = "tests.federation.rogue.Rogue"
WINDOW = "tests.federation.window.Window"


def federating(folder: Path, module: Mapping[str, Any] | None) -> Homeserver:
    """A homeserver of one process that calls others directly."""
    port = free_port()
    folder.mkdir()
    settings = with_clients({**QUIET, **federation_settings(folder)}, port)
    return Homeserver(folder, module, settings=settings, port=port)


class FederatingServer(Server):
    """A homeserver of the lab.

    Attributes:
        name: `hs1`, `hs2` or `hs3`.
    """

    def __init__(
        self, name: str, homeserver: Homeserver, database: Mapping[str, Any] | None
    ) -> None:
        super().__init__(homeserver, database)
        self.name = name
        self._tokens: dict[str, Person] = {}

    def __repr__(self) -> str:
        return self.name

    @property
    def server_name(self) -> str:
        return self.homeserver.server_name

    def has(self, user_id: str) -> bool:
        """Whether this is somebody's homeserver."""
        return user_id.endswith(f":{self.server_name}")

    def register(self, localpart: str, *, admin: bool = False) -> Person:
        return self.homeserver.register(localpart, admin=admin)

    @functools.cached_property
    def admin(self) -> Person:
        """A server admin who is in no room."""
        return self.register("lab-admin", admin=True)

    def somebody(self, user_id: str) -> Person:
        """A person of this server whom the test did not keep, with a login of their own."""
        if user_id not in self._tokens:
            path = f"/_synapse/admin/v1/users/{quote(user_id)}/login"
            token = expect(self.admin.call("POST", path, {})).body["access_token"]
            self._tokens[user_id] = Person(self.admin._http, user_id, token, "")
        return self._tokens[user_id]

    def call_again(self, other: "FederatingServer") -> Reply:
        """Let this server try at once to reach one that it could not reach."""
        path = f"/_synapse/admin/v1/federation/destinations/{other.server_name}/reset_connection"
        return self.admin.call("POST", path, {})


@attrs.frozen
class Lab:
    """Three homeservers, and the network between them."""

    hs1: FederatingServer
    hs2: FederatingServer
    hs3: FederatingServer
    network: Network

    @property
    def servers(self) -> list[FederatingServer]:
        return [self.hs1, self.hs2, self.hs3]

    def cut(self, one: FederatingServer, other: FederatingServer) -> None:
        """Let neither of the two reach the other from now on. Their calls fail at once."""
        self.network.cut(one.server_name, other.server_name)
        self.network.cut(other.server_name, one.server_name)

    def deafen(self, deaf: FederatingServer, to: FederatingServer) -> None:
        """Let one server no longer be reached by the other, but still reach it."""
        self.network.cut(to.server_name, deaf.server_name)

    def stall(self, caller: FederatingServer, called: FederatingServer) -> None:
        """Let the calls of one server to the other wait, as if that were slow."""
        self.network.stall(caller.server_name, called.server_name)

    def heal(self, one: FederatingServer, other: FederatingServer) -> None:
        """Bring the line between the two back, in both directions, and let them try again."""
        self.network.heal(one.server_name, other.server_name)
        self.network.heal(other.server_name, one.server_name)
        self.call_again()

    @contextmanager
    def apart(self, one: FederatingServer, other: FederatingServer) -> Iterator[None]:
        """The two servers cannot reach each other within."""
        self.cut(one, other)
        try:
            yield
        finally:
            self.heal(one, other)

    def lines(self) -> list[tuple[FederatingServer, FederatingServer]]:
        """Who can call whom now, of the servers that run."""
        return [
            (caller, called)
            for caller in self.servers
            for called in self.servers
            if caller is not called and self.network.is_open(caller.server_name, called.server_name)
        ]

    def call_again(self) -> None:
        """Let nobody wait until it is time to try a server again that was out of reach.

        Synapse looks once a minute for servers that it could not reach, and has news for.
        """
        for caller, called in self.lines():
            caller.call_again(called)


Labs = Callable[..., Lab]


in_full = functools.partial(pytest.param, marks=pytest.mark.full_size)
"""A value with which a test runs only at full size, as one more room version."""


def oldest_python() -> str:
    """The Python with the oldest Synapse that README claims; the test is skipped without it."""
    python = os.environ.get(OLDEST)
    if not python:
        pytest.skip(f"{OLDEST} names no Python of an environment with the oldest Synapse")
    return python


def lab_starter(request: pytest.FixtureRequest, stack: ExitStack) -> Labs:
    """Starts labs that end with the stack, for fixtures of any scope."""

    def start(
        module: Mapping[str, Any] | None,
        *,
        engine: str = "sqlite",
        workers: int = 0,
        settings: Mapping[str, Any] | None = None,
        rogue: bool = False,
        oldest: bool = False,
    ) -> Lab:
        """
        Args:
            module: the module's configuration on hs1; None runs hs1 without it.
            engine: the database of hs1, `sqlite` or `postgres`.
            workers: how many workers hs1 has; with any, the engine is PostgreSQL.
            settings: more of homeserver.yaml for hs1.
            rogue: whether hs2 breaks the rules for its people.
            oldest: whether hs2 runs on the oldest Synapse that README claims.
        """
        network = Network()
        stack.callback(network.stop)
        ours = [{"module": CAPGROUPS, "config": dict(module)}] if module is not None else []
        make = functools.partial(_server, request, stack, network)
        hs1 = make("hs1", ours, engine=engine, workers=workers, settings=settings)
        hs2 = make(
            "hs2", [{"module": ROGUE, "config": {}}] if rogue else [],
            python=oldest_python() if oldest else None,
        )  # fmt: skip
        hs3 = make("hs3", [])
        hs1.homeserver.start()
        with ThreadPoolExecutor() as together:
            list(together.map(lambda server: server.homeserver.start(), (hs2, hs3)))
        return Lab(hs1, hs2, hs3, network)

    return start


def _server(
    request: pytest.FixtureRequest,
    stack: ExitStack,
    network: Network,
    name: str,
    modules: list[dict[str, Any]],
    *,
    engine: str = "sqlite",
    workers: int = 0,
    settings: Mapping[str, Any] | None = None,
    python: str | None = None,
) -> FederatingServer:
    """One server of a lab, not started yet."""
    folder = Path(stack.enter_context(server_folder()))
    more = {**QUIET, **federation_settings(folder)}
    more["https_proxy"] = f"http://127.0.0.1:{network.proxy(more['server_name'])}"
    more["no_proxy_hosts"] = []
    more["modules"] = [*modules, {"module": WINDOW, "config": {}}]
    more.update(settings or {})
    # Another Synapse has other tables.
    database = new_database(
        request, folder, "postgres" if workers else engine, empty=python is not None
    )
    if database:
        more["database"] = database
    homeserver: Homeserver
    if workers:
        if missing := missing_for_workers():
            pytest.skip(missing)
        homeserver = Cluster(folder, None, Processes(workers=workers), settings=more)
    else:
        port = free_port()
        launch = functools.partial(interpreter, python=python) if python else None
        more = with_clients(more, port)
        homeserver = Homeserver(folder, None, settings=more, port=port, launch=launch)
    stack.callback(homeserver.stop)
    return FederatingServer(name, homeserver, database)
