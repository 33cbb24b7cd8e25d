"""Homeservers to compare: copies of one world, each a process of its own."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Generic, TypeVar

import attrs
import httpx

from benchmarks.checkouts import HERE, THIS, Checkout
from benchmarks.engines import Engine, PostgresEngine, SqliteEngine
from benchmarks.measuring import Round, compare_each, process_cpu, settle
from benchmarks.results import Comparison
from synapse_capgroups.demo.cluster import Cluster, Processes, Redis
from synapse_capgroups.demo.homeserver import Homeserver
from synapse_capgroups.demo.person import Person, expect
from synapse_capgroups.demo.postgres import Postgres, binaries
from synapse_capgroups.demo.process import Launch, interpreter

T = TypeVar("T")

MODULE: Mapping[str, Any] = {}
"""This module with its defaults."""

EMPTY_CALLBACK = {
    "modules": [{"module": "benchmarks.empty_check_event_allowed.Module", "config": {}}]
}


@attrs.frozen
class Account:
    """A person, on whichever copy of the world."""

    user_id: str
    token: str
    password: str


class Server(Homeserver):
    """A homeserver whose processor time is read."""

    def __init__(
        self,
        folder: Path,
        engine: Engine,
        name: str,
        module: Mapping[str, Any] | None,
        **options: Any,
    ) -> None:
        super().__init__(folder, module, **options)
        self.name = name
        self._engine = engine
        self.http = httpx.Client(
            base_url=self.url, timeout=300, limits=httpx.Limits(max_connections=None)
        )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def cpu(self) -> float:
        return process_cpu(self.pid)

    def database_cpu(self) -> float:
        return self._engine.cpu(self.name)

    def person(self, account: Account) -> Person:
        return Person(self.http, account.user_id, account.token, account.password)

    def accounts(self, localparts: Sequence[str]) -> list[Account]:
        """New accounts, in this order."""
        people = side_by_side(self.register, localparts)
        return [account_of(person) for person in people]

    def fill(
        self, room_id: str, people: Sequence[Person], creator: Person, at_once: int = 8
    ) -> None:
        """Let people join a room that is open to all until they have."""
        expect(creator.set_state(room_id, "m.room.join_rules", {"join_rule": "public"}))
        side_by_side(lambda person: expect(person.join(room_id)), people, at_once)
        expect(creator.set_state(room_id, "m.room.join_rules", {"join_rule": "invite"}))

    def transactions(self) -> float:
        """How many database transactions of the module ran so far."""
        return sum(
            value
            for series, value in self.metrics().items()
            if series.startswith("synapse_storage_transaction_time_count_total{")
            and 'desc="capgroups_' in series
        )


@attrs.frozen
class World(Generic[T]):
    """A homeserver's database and keys after it was filled and ended."""

    name: str
    folder: Path
    contents: T


class Bench:
    """Makes worlds, and servers on copies of them.

    Attributes:
        folder: where they are kept.
        checkouts: those whose modules are compared; this one first.
    """

    def __init__(self, folder: Path, engine: Engine, checkouts: Sequence[Checkout]) -> None:
        self.folder = folder
        self.engine = engine
        self.checkouts = checkouts
        self._numbers = itertools.count(1)

    def _new(self, kind: str) -> tuple[str, Path]:
        name = f"{kind}{next(self._numbers)}"
        folder = self.folder / name
        folder.mkdir()
        return name, folder

    @contextmanager
    def empty(
        self, settings: Mapping[str, Any] | None = None, port: int = 0, kind: str = "empty"
    ) -> Iterator[Server]:
        """A running homeserver without the module, in which there is nothing."""
        name, folder = self._new(kind)
        section = self.engine.create(name)
        server = Server(
            folder, self.engine, name, None, database=section, settings=settings, port=port
        )
        try:
            server.start()
            yield server
        finally:
            server.stop()

    def world(
        self,
        build: Callable[[Server], T],
        settings: Mapping[str, Any] | None = None,
        port: int = 0,
    ) -> World[T]:
        """Fill a homeserver without the module and end it."""
        with self.empty(settings, port, "world") as server:
            contents = build(server)
            settle(server)
        if isinstance(self.engine, PostgresEngine):
            self.engine.vacuum(server.name)
        return World(server.name, server.folder, contents)

    @contextmanager
    def server(
        self,
        world: World[Any],
        module: Mapping[str, Any] | None,
        settings: Mapping[str, Any] | None = None,
        port: int = 0,
        checkout: Checkout = THIS,
    ) -> Iterator[Server]:
        """A running homeserver on a copy of a world."""
        name, folder = self._new("server")
        section = self.engine.copy(world.name, world.folder, name, folder)
        # Homeserver keeps what it finds; so the copy is the same server.
        shutil.copy(world.folder / "signing.key", folder)
        server = Server(
            folder,
            self.engine,
            name,
            module,
            database=section,
            settings=settings,
            port=port,
            launch=None if checkout is THIS else _launch(checkout),
        )
        try:
            server.start()
            settle(server)
            yield server
        finally:
            server.stop()
            self.engine.close(name)
            shutil.rmtree(folder)

    @contextmanager
    def servers(
        self,
        world: World[Any],
        module: Mapping[str, Any],
        settings: Mapping[str, Any] | None = None,
    ) -> Iterator[list[Server]]:
        """A homeserver without the module, and one with that of each checkout."""
        with ExitStack() as stack:
            servers = [stack.enter_context(self.server(world, None, settings))]
            for checkout in self.checkouts:
                one = self.server(world, module, settings, checkout=checkout)
                servers.append(stack.enter_context(one))
            yield servers

    def compare(
        self, name: str, found: Sequence[Sequence[Round]], **more: float | None
    ) -> list[Comparison]:
        """Compare rounds on such servers; see `compare_each`."""
        subjects = [checkout.subject for checkout in self.checkouts]
        return compare_each(name, subjects, found, **more)

    def has_clusters(self) -> bool:
        """Whether a server of several processes can be started here."""
        parts = (Redis.program(), find_spec("txredisapi"))
        return isinstance(self.engine, PostgresEngine) and all(parts)

    @contextmanager
    def cluster(
        self,
        world: World[Any],
        module: Mapping[str, Any] | None,
        workers: int = 1,
        settings: Mapping[str, Any] | None = None,
    ) -> Iterator[tuple[Cluster, int]]:
        """The same with workers; the process ID of the first one comes with it."""
        name, folder = self._new("cluster")
        section = self.engine.copy(world.name, world.folder, name, folder)
        assert section is not None
        shutil.copy(world.folder / "signing.key", folder)
        cluster = Cluster(
            folder,
            module,
            Processes(workers),
            settings={**(settings or {}), "database": section},
        )
        try:
            cluster.start()
            process = cluster.workers[0]._process
            assert process is not None
            yield cluster, process.pid
        finally:
            cluster.stop()
            self.engine.close(name)
            shutil.rmtree(folder)


@contextmanager
def bench(database: str, checkouts: Sequence[Checkout] = (THIS,)) -> Iterator[Bench]:
    """A place to run servers in.

    Args:
        database: postgres, sqlite, or auto: PostgreSQL where it is installed.
        checkouts: those whose modules are compared.
    """
    os.environ.update(_path(THIS))
    if database == "auto":
        database = "postgres" if binaries() else "sqlite"
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="capgroups-benchmarks-")
        folder = Path(stack.enter_context(temporary))
        folder.chmod(0o755)
        engine: Engine = SqliteEngine()
        if database == "postgres":
            home = folder / "postgres"
            home.mkdir()
            postgres = Postgres(home)
            postgres.start()
            stack.callback(postgres.stop)
            engine = PostgresEngine(postgres)
        yield Bench(folder, engine, checkouts)


def _launch(checkout: Checkout) -> Launch:
    return partial(interpreter, environment=_path(checkout))


def _path(checkout: Checkout) -> dict[str, str]:
    """What lets Synapse, which is started in a folder of its own, find this checkout's module."""
    paths = (str(checkout.path), str(HERE), os.environ.get("PYTHONPATH"))
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def account_of(person: Person) -> Account:
    return Account(person.user_id, person._token, person.password)


def side_by_side(work: Callable[[Any], T], items: Sequence[Any], at_once: int = 8) -> list[T]:
    """The results of doing this with each, some at a time, in the items' order."""
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(work, items))
