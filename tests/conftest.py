"""Real homeservers for the tests.

`server` is one that many tests share, each with fresh people and rooms. It has small limits. With
`--engines=both` every test that uses it runs twice, on SQLite and on PostgreSQL; without, only what
is marked `both_engines` does, and all else runs on SQLite.
"""

import itertools
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest
import yaml
from hypothesis import HealthCheck, settings

from synapse_capgroups.demo import process
from synapse_capgroups.demo.cluster import Cluster, Processes, missing_for_workers
from synapse_capgroups.demo.homeserver import Homeserver
from synapse_capgroups.demo.person import Person, Reply, expect
from synapse_capgroups.demo.postgres import Postgres, binaries
from tests.fork_server import ForkServer
from tests.templates import Templates

API = "/_synapse/client/capgroups/v1"
CAP = 6
CODE_LIMIT = 4

QUIET = {"push": {"enabled": False}, "presence": {"enabled": False}}
"""Settings of each homeserver: who is notified of an event takes a sixth of making a room."""

_ALONE = {**QUIET, "send_federation": False}
"""Settings of a homeserver without others: Synapse would look for one at each event."""

# Hypothesis would fail a test that takes 200 ms once, as on a busy machine.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

_names = itertools.count(1)
_ENGINE_NAMES = ("server", "small", "engine")  # Of parameters.


class Server:
    """A running homeserver, fresh people on it, and a look into its database."""

    def __init__(self, homeserver: Homeserver, database: Mapping[str, Any] | None) -> None:
        self.homeserver = homeserver
        self._database = database
        self.engine = "postgres" if database else "sqlite"

    def person(self, *, admin: bool = False) -> Person:
        return self.homeserver.register(f"user{next(_names)}", admin=admin)

    def people(self, count: int) -> list[Person]:
        return [self.person() for _ in range(count)]

    def group(
        self, members: int, *, creator: Person | None = None, **request: Any
    ) -> tuple[str, list[Person]]:
        """A group with this many members, the creator first. Above the limit they are friends."""
        creator = creator or self.person()
        room_id = creator.new_room(name="A group", **request)
        people = [creator]
        while len(people) < members:
            people.append(self.person())
            self.admit(room_id, creator, people[-1], as_friend=len(people) > CODE_LIMIT)
        return room_id, people

    def plain_room(self, person: Person, **request: Any) -> str:
        """A room that is no group, with this person in it, on the server that tests share."""
        owner = self.homeserver.register(f"exempt{next(_names)}")
        room_id = owner.new_room(invite=[person.user_id], **request)
        expect(person.join(room_id))
        return room_id

    def install_module(self, config: Mapping[str, Any]) -> None:
        """Stop the server, give it the module with this configuration, start it again."""
        self.homeserver.stop()
        path = self.homeserver.folder / "homeserver.yaml"
        parsed = yaml.safe_load(path.read_text())
        name = "synapse_capgroups.CapGroups"
        others = [other for other in parsed.get("modules", []) if other["module"] != name]
        parsed["modules"] = [{"module": name, "config": dict(config)}, *others]
        path.write_text(yaml.safe_dump(parsed))
        self.homeserver.start()

    @staticmethod
    def admit(room_id: str, by: Person, person: Person, *, as_friend: bool = False) -> None:
        if as_friend:
            by.befriend(person)
        expect(by.invite(room_id, person))
        expect(person.join(room_id))

    def make_code(self, room_id: str, by: Person, **body: Any) -> dict[str, Any]:
        """Make a join code over HTTP and return what the server says of it."""
        return expect(by.call("POST", f"{API}/groups/{quote(room_id)}/codes", body)).body

    def scan(self, person: Person, code: Mapping[str, Any]) -> Reply:
        """What a client does with a scanned code: it joins the door by its address."""
        return person.join(self.door(code))

    def door(self, code: Mapping[str, Any]) -> str:
        return f"#j-{code['secret']}:{self.homeserver.server_name}"

    def preview(self, code: Mapping[str, Any]) -> Reply:
        return self.person().call("POST", f"{API}/codes/preview", {"secret": code["secret"]})

    def connection(self) -> Any:
        """A connection to its PostgreSQL database."""
        assert self._database
        arguments = self._database["args"].items()
        return psycopg2.connect(**{k: v for k, v in arguments if not k.startswith("cp_")})

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Ask the database directly. Parameters are `?` on both engines."""
        if self._database:
            connection = self.connection()
            with connection, connection.cursor() as cursor:
                cursor.execute(sql.replace("?", "%s"), parameters)
                rows = cursor.fetchall() if cursor.description else []
        else:
            connection = sqlite3.connect(self.homeserver.folder / "homeserver.db", timeout=30)
            with connection:
                rows = connection.execute(sql, parameters).fetchall()
        connection.close()
        return [tuple(row) for row in rows]


def refused(reply: Reply, reason: str) -> bool:
    """Whether this module refused for this reason, with a sentence (rule 8)."""
    return (
        reply.status == 403
        and reply.body.get("errcode") == "M_FORBIDDEN"
        and reply.reason == reason
        and reply.error.endswith(".")
    )


def joined_rooms(person: Person) -> list[str]:
    return sorted(expect(person.call("GET", "/joined_rooms")).body["joined_rooms"])


def eventually(condition: Callable[[], bool], seconds: float = 30) -> bool:
    """Whether something that Synapse does in the background comes true in time.

    The longer it takes, the seldomer it is looked for: a look costs other tests' processor time.
    """
    start = time.monotonic()
    while not condition():
        waited = time.monotonic() - start
        if waited > seconds:
            return False
        time.sleep(min(max(0.03, waited / 10), 0.5))
    return True


@contextmanager
def nothing_is_written(server: Server, table: str) -> Iterator[None]:
    """What would write into a table waits, as on a slow disk. With SQLite it does not."""
    with ExitStack() as stack:
        if server._database is not None:
            connection = server.connection()
            stack.callback(connection.close)
            connection.cursor().execute(f"LOCK TABLE {table} IN SHARE MODE")
        yield


Starter = Callable[..., Server]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--engines", choices=["some", "both"], default="some",
        help="both: what can run on SQLite and on PostgreSQL does; some: where the SQL is tested",
    )  # fmt: skip


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two processes for each processor, as some wait for their servers and for time to pass."""
    return (os.cpu_count() or 1) * 2


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the second engine where nobody asks for it; the longest tests come first."""
    # By the option, by `-k` or by the id of a test.
    asked = " ".join([config.option.keyword, *config.args])
    if config.getoption("engines") == "some" and "postgres" not in asked:
        config.hook.pytest_deselected(items=[item for item in items if _is_second(item)])
        items[:] = [item for item in items if not _is_second(item)]
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items[:] = _dealt(items, processes)


def _dealt(items: list[pytest.Item], processes: int) -> list[pytest.Item]:
    """The tests in an order in which each process begins with some of the longest.

    xdist cuts what is to be done into as many parts as there are processes, and who has finished
    takes from the end of another's part: the longest, all in the first part, would be one after the
    other in one process. What is marked by one line stays together, as it may share a server.
    """
    rest = sorted(items, key=_minutes, reverse=True)
    longest = [
        list(tests)
        for (minutes, _), tests in itertools.groupby(rest, lambda i: (_minutes(i), i.path))
        if minutes
    ]
    del rest[: sum(map(len, longest))]
    dealt: list[pytest.Item] = []
    for part in range(processes):
        size = (len(items) - len(dealt)) // (processes - part)
        mine = list(itertools.chain(*longest[part::processes]))
        others = max(0, size - len(mine))
        dealt += mine + rest[:others]
        del rest[:others]
    return dealt + rest


def _minutes(item: pytest.Item) -> float:
    marker = item.get_closest_marker("long")
    return float(marker.args[0]) if marker else 0


def _is_second(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    engines = [callspec.params.get(name) for name in _ENGINE_NAMES] if callspec else []
    return "postgres" in engines and item.get_closest_marker("both_engines") is None


def server_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder for a server, in memory where there is room: no database waits for a disk."""
    memory = Path("/dev/shm")
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 * 2**30
    return tempfile.TemporaryDirectory(prefix="capgroups-test-", dir=memory if roomy else None)


@pytest.fixture(scope="session", autouse=True)
def fork_server() -> Iterator[None]:
    """Synapse is imported once in each process of pytest's, not for each homeserver."""
    server = ForkServer()
    process.launch = server.launch
    try:
        yield
    finally:
        process.launch = process.interpreter
        server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with tempfile.TemporaryDirectory(prefix="capgroups-postgres-") as folder:
        Path(folder).chmod(0o755)
        home = Path(folder) / "server"
        home.mkdir()
        postgres = Postgres(home)
        postgres.start()
        try:
            yield postgres
        finally:
            postgres.stop()


@pytest.fixture(scope="session")
def templates() -> Iterator[Templates]:
    """Databases to copy, made once in each process of pytest's."""
    with server_folder() as folder:
        yield Templates(Path(folder))


def new_database(
    request: pytest.FixtureRequest, folder: Path, engine: str, *, empty: bool = False
) -> dict[str, Any] | None:
    """A database without people and rooms; with PostgreSQL, Synapse's section for it.

    Args:
        folder: the homeserver's, where SQLite has it.
        empty: whether it has no tables either.
    """
    templates: Templates = request.getfixturevalue("templates")
    if engine == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        name = f"synapse{next(_names)}"
        return postgres.create_database(name) if empty else templates.copy_postgres(postgres, name)
    if not empty:
        templates.copy_sqlite(folder)
    return None


def starter(request: pytest.FixtureRequest, stack: ExitStack) -> Starter:
    """Starts homeservers that end with the stack, for fixtures of any scope."""

    def start(
        engine: str = "sqlite",
        *,
        module: Mapping[str, Any] | None,
        settings: Mapping[str, Any] | None = None,
        run: bool = True,
        empty: bool = False,
    ) -> Server:
        """
        Args:
            run: whether it is started at once.
            empty: whether Synapse makes its tables in its first start, as on a new server.
        """
        folder = Path(stack.enter_context(server_folder()))
        database = new_database(request, folder, engine, empty=empty)
        homeserver = Homeserver(
            folder, module, database=database, settings={**_ALONE, **(settings or {})}
        )
        stack.callback(homeserver.stop)
        if run:
            homeserver.start()
        return Server(homeserver, database)

    return start


@pytest.fixture
def start(request: pytest.FixtureRequest) -> Iterator[Starter]:
    """Starts homeservers that end with the test."""
    with ExitStack() as stack:
        yield starter(request, stack)


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The homeserver that tests share: a cap of 6, a code limit of 4."""
    with ExitStack() as stack:
        yield starter(request, stack)(
            request.param,
            module={
                "cap": CAP,
                "code_limit": CODE_LIMIT,
                "exempt": {"creators": ["@exempt.*:localhost"]},
            },
        )


Clusters = Callable[..., tuple[Server, Cluster]]


@pytest.fixture
def start_cluster(request: pytest.FixtureRequest) -> Iterator[Clusters]:
    """Starts homeservers of several processes that end with the test."""
    if missing := missing_for_workers():
        pytest.skip(missing)
    with ExitStack() as stack:

        def start(
            *,
            module: Mapping[str, Any] | None,
            settings: Mapping[str, Any] | None = None,
            **processes: Any,
        ) -> tuple[Server, Cluster]:
            folder = Path(stack.enter_context(server_folder()))
            database = new_database(request, folder, "postgres")
            cluster = Cluster(
                folder,
                module,
                Processes(**processes),
                settings={**_ALONE, **(settings or {}), "database": database},
            )
            stack.callback(cluster.stop)
            cluster.start()
            return Server(cluster, database), cluster

        yield start


@pytest.fixture(scope="session")
def plain_server(request: pytest.FixtureRequest, server: Server) -> Iterator[Server]:
    """A homeserver without the module, on the same engine, to compare with."""
    with ExitStack() as stack:
        yield starter(request, stack)(server.engine, module=None)
