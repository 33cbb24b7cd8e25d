"""Opens a homeserver's database for reading alone, so that nothing is written and nobody waits.

PostgreSQL: one transaction, READ ONLY and REPEATABLE READ, which takes only the lock that every
SELECT takes. It gives up where an upgrade of the tables holds a stronger one.

SQLite: the file is opened with `mode=ro`. Synapse uses a write-ahead log, in which nobody waits for
a reader. A database without one that nobody has open is read as `immutable`: SQLite would make the
log's files otherwise, as the user who runs this, and Synapse might not be able to open them later.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from synapse.module_api import LoggingTransaction
from synapse.storage.schema import SCHEMA_VERSION

from synapse_capgroups.admin.exits import CannotRunError
from synapse_capgroups.inside.tables.all_rooms import AllRooms, Room

_OLDEST_SCHEMA = 85
"""Below it `users` lacks columns that are read here; Synapse 1.143, the oldest, has 92."""
_WAIT_SECONDS = 5
_CONNECT_SECONDS = 10
_FETCHED_AT_ONCE = 5000


class Opened:
    """A database that is open for reading. Runs statements like a transaction of Synapse's."""

    engine = ""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def execute(self, sql: str, parameters: Iterable[Any] = (), /) -> None:
        self._cursor.execute(sql, tuple(parameters))

    def fetchone(self) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._cursor.fetchone()
        return row

    @property
    def description(self) -> Any:
        """The columns of the statement that was run last."""
        return self._cursor.description

    def fetchall(self) -> list[tuple[Any, ...]]:
        return list(self._cursor.fetchall())

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._cursor)

    @property
    def transaction(self) -> LoggingTransaction:
        """For statements that a running module asks as well: they need no more than this has."""
        return cast(LoggingTransaction, self)

    @property
    def version(self) -> str:
        raise NotImplementedError

    def has_table(self, name: str) -> bool:
        raise NotImplementedError

    def own_tables(self) -> list[str]:
        """The names of the module's tables."""
        raise NotImplementedError

    def rooms(self, server_name: str) -> Iterator[Room]:
        """All rooms in which anybody is."""
        raise NotImplementedError


class OpenedSqlite(Opened):
    engine = "SQLite"

    @property
    def version(self) -> str:
        return f"SQLite {sqlite3.sqlite_version}"

    def has_table(self, name: str) -> bool:
        self.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,))
        return self.fetchone() is not None

    def own_tables(self) -> list[str]:
        self.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'capgroups!_%' "
            "ESCAPE '!' ORDER BY name"
        )
        return [name for (name,) in self.fetchall()]

    def rooms(self, server_name: str) -> Iterator[Room]:
        return AllRooms.in_pages(self, server_name)


class OpenedPostgres(Opened):
    engine = "PostgreSQL"

    def execute(self, sql: str, parameters: Iterable[Any] = (), /) -> None:
        # As Synapse's `PostgresEngine.convert_param_style`.
        self._cursor.execute(sql.replace("%", "%%").replace("?", "%s"), tuple(parameters))

    @property
    def version(self) -> str:
        self.execute("SHOW server_version")
        row = self.fetchone()
        return f"PostgreSQL {str(row[0]).split()[0] if row else ''}"

    def has_table(self, name: str) -> bool:
        self.execute("SELECT to_regclass(?) IS NOT NULL", (name,))
        row = self.fetchone()
        return bool(row and row[0])

    def own_tables(self) -> list[str]:
        # Those that a statement without a schema would reach, as Synapse's do.
        self.execute(
            "SELECT tablename FROM pg_tables WHERE tablename LIKE 'capgroups!_%' ESCAPE '!' "
            "AND schemaname = current_schema() ORDER BY tablename"
        )
        return [name for (name,) in self.fetchall()]

    def rooms(self, server_name: str) -> Iterator[Room]:
        # With a name, the rows stay on the server's side until they are fetched.
        cursor = self._cursor.connection.cursor("capgroups_rooms")
        cursor.itersize = _FETCHED_AT_ONCE
        return AllRooms.at_once(OpenedPostgres(cursor), server_name)


@contextmanager
def opened(database: Mapping[str, Any], folder: Path, *, timeout: int) -> Iterator[Opened]:
    """Open a database.

    Args:
        database: Synapse's `database` section.
        folder: of homeserver.yaml, where a relative name of a file is looked for if there is none
            here.
        timeout: seconds that PostgreSQL may take for a statement.

    Raises:
        CannotRunError: it cannot be opened or read, or is none of a Synapse that is known here.
    """
    if database.get("name", "sqlite3") == "sqlite3":
        with _sqlite(database.get("args") or {}, folder) as reading:
            _require_synapse(reading)
            yield reading
    else:
        with _postgres(database.get("args") or {}, timeout) as reading:
            _require_synapse(reading)
            yield reading


def sqlite_path(arguments: Mapping[str, Any], folder: Path) -> Path:
    """The file of an SQLite database, here or beside homeserver.yaml.

    Raises:
        CannotRunError: it has none.
    """
    name = str(arguments.get("database"))
    if name == ":memory:":
        raise CannotRunError("The database is `:memory:`: there is nothing to look at.")
    path = Path(name)
    # Unlike `Path.exists`, this is no error where the folder is somebody else's.
    return path if os.path.exists(path) else folder / name


@contextmanager
def _sqlite(arguments: Mapping[str, Any], folder: Path) -> Iterator[Opened]:
    path = sqlite_path(arguments, folder)
    log = path.with_name(f"{path.name}-wal")
    try:
        with path.open("rb"):
            pass
    except OSError as e:
        raise CannotRunError(
            f"Cannot read the database {path}: {e.strerror}. It is the `database` of "
            "homeserver.yaml. Run this as the user that runs Synapse, in the same folder."
        ) from e
    quiet = not log.exists()
    uri = f"file:{quote(str(path.absolute()))}?mode=ro{'&immutable=1' if quiet else ''}"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=_WAIT_SECONDS)) as connection:
            connection.isolation_level = None
            connection.execute("PRAGMA query_only = ON")
            # One view of it all, unless a writer would have to wait for that.
            mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
            if mode == "wal":
                connection.execute("BEGIN")
            yield OpenedSqlite(connection.cursor())
    except sqlite3.DatabaseError as e:
        raise CannotRunError(_sqlite_problem(e, path)) from e
    if quiet and log.exists():
        raise CannotRunError(
            "Synapse was started while its database was read, so what was read may be wrong. "
            "Run this again."
        )


def _sqlite_problem(error: sqlite3.DatabaseError, path: Path) -> str:
    text = str(error)
    if "locked" in text or "busy" in text:
        return f"{path} is locked: Synapse is upgrading its tables. Try again in some minutes."
    if "no such" in text:
        return _another_schema(text)
    return f"Cannot read the database {path}: {text}."


def connect_postgres(arguments: Mapping[str, Any]) -> Any:
    """Connect to a PostgreSQL database by Synapse's `args`.

    Raises:
        CannotRunError: it cannot be reached.
    """
    try:
        import psycopg2
    except ModuleNotFoundError as e:
        raise CannotRunError(
            "homeserver.yaml names PostgreSQL, and psycopg2 is not installed here. Run this in "
            "Synapse's own environment."
        ) from e
    options = {key: value for key, value in arguments.items() if not key.startswith("cp_")}
    options = {"connect_timeout": _CONNECT_SECONDS, "application_name": "capgroups", **options}
    try:
        return psycopg2.connect(**options)
    except (psycopg2.Error, TypeError) as e:
        raise CannotRunError(f"Cannot connect to the database: {str(e).strip()}") from e


@contextmanager
def _postgres(arguments: Mapping[str, Any], timeout: int) -> Iterator[Opened]:
    connection = connect_postgres(arguments)
    import psycopg2

    with closing(connection):
        try:
            connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = '{timeout}s'")
                cursor.execute(f"SET LOCAL lock_timeout = '{_WAIT_SECONDS}s'")
                # All rows are fetched, not the first tenth of them as PostgreSQL would guess.
                cursor.execute("SET LOCAL cursor_tuple_fraction = 1.0")
                cursor.execute("SET LOCAL work_mem = '64MB'")
                # Hundreds of short statements: to start helpers for each takes longer than it
                # saves, and a running Synapse may want them.
                cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0")
                yield OpenedPostgres(cursor)
            connection.rollback()
        except psycopg2.errors.InsufficientPrivilege as e:
            raise CannotRunError(
                f"The database's role may not read this: {first_line(e)}. It needs SELECT on all "
                "tables (GRANT SELECT ON ALL TABLES IN SCHEMA public TO …), and nothing more."
            ) from e
        except psycopg2.errors.LockNotAvailable as e:
            raise CannotRunError(
                "Somebody holds a lock on Synapse's tables: Synapse is upgrading them. Try again "
                "in some minutes."
            ) from e
        except psycopg2.errors.QueryCanceled as e:
            raise CannotRunError(
                f"A statement took longer than {timeout} seconds. Run this on a copy of the "
                "database, or with a longer --timeout."
            ) from e
        except (psycopg2.errors.UndefinedTable, psycopg2.errors.UndefinedColumn) as e:
            raise CannotRunError(_another_schema(first_line(e))) from e
        except psycopg2.Error as e:
            raise CannotRunError(f"The database did not answer: {first_line(e)}") from e


def first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _another_schema(detail: str) -> str:
    return (
        f"This database does not have the tables of Synapse as this version knows them ({detail}). "
        "Run this with the Synapse that uses the database."
    )


def _require_synapse(reading: Opened) -> None:
    """Check that it is a database of Synapse's that this Synapse could use, and is not changing.

    Raises:
        CannotRunError: it is not.
    """
    if not (reading.has_table("schema_version") and reading.has_table("rooms")):
        raise CannotRunError(
            "This is no database of Synapse's: the tables schema_version and rooms are missing. "
            "Is it the right `database` in homeserver.yaml? A new Synapse makes its tables at its "
            "first start."
        )
    reading.execute("SELECT version FROM schema_version")
    row = reading.fetchone()
    version = int(row[0]) if row else 0
    if version < _OLDEST_SCHEMA:
        raise CannotRunError(
            f"The tables of this database have version {version}, of an old Synapse. Upgrade "
            "Synapse first."
        )
    if reading.has_table("schema_compat_version"):
        reading.execute("SELECT compat_version FROM schema_compat_version")
        row = reading.fetchone()
        if row and int(row[0]) > SCHEMA_VERSION:
            raise CannotRunError(
                f"A newer Synapse has used this database (it needs version {row[0]} of the tables, "
                f"and the Synapse installed here knows {SCHEMA_VERSION}). Run this with that one."
            )
