"""The databases below the homeservers: made, copied, asked and measured."""

import contextlib
import shutil
import sqlite3
from pathlib import Path
from typing import Any, Protocol

import psycopg2

from benchmarks.measuring import process_cpu
from synapse_capgroups.demo.postgres import Postgres


class Engine(Protocol):
    """Databases by name. `folder` is that of the homeserver."""

    name: str

    def create(self, name: str) -> dict[str, Any] | None:
        """Synapse's `database` section for a new database; None is Homeserver's own."""

    def copy(
        self, world: str, world_folder: Path, name: str, folder: Path
    ) -> dict[str, Any] | None:
        """The same for a copy of another homeserver's, which must have ended."""

    def cpu(self, name: str) -> float:
        """CPU seconds of the processes that serve this database so far."""

    def close(self, name: str) -> None:
        """A database that is no longer used."""

    def version(self) -> str: ...


class PostgresEngine:
    name = "PostgreSQL"

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._connection = self.connect("postgres")
        self._cpu: dict[str, dict[int, float]] = {}

    def connect(self, name: str) -> Any:
        """A connection that commits each statement by itself."""
        connection = psycopg2.connect(**self._postgres.arguments(name))
        connection.autocommit = True
        return connection

    def create(self, name: str) -> dict[str, Any] | None:
        return self._postgres.create_database(name)

    def copy(
        self, world: str, world_folder: Path, name: str, folder: Path
    ) -> dict[str, Any] | None:
        with self._connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} TEMPLATE {world}")
        return {
            "name": "psycopg2",
            "args": {**self._postgres.arguments(name), "cp_min": 5, "cp_max": 10},
        }

    def vacuum(self, name: str) -> None:
        """What autovacuum would do later, in the midst of a measurement."""
        connection = self.connect(name)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE)")
        connection.close()

    def cpu(self, name: str) -> float:
        with self._connection.cursor() as cursor:
            cursor.execute(
                "SELECT pid FROM pg_stat_activity "
                "WHERE datname = %s AND backend_type = 'client backend'",
                (name,),
            )
            pids = [pid for (pid,) in cursor.fetchall()]
        # What a process used that has ended meanwhile stays in the sum.
        known = self._cpu.setdefault(name, {})
        for pid in pids:
            with contextlib.suppress(OSError):  # It has ended in this moment.
                known[pid] = process_cpu(pid)
        return sum(known.values())

    def close(self, name: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def version(self) -> str:
        with self._connection.cursor() as cursor:
            cursor.execute("SHOW server_version")
            return f"PostgreSQL {cursor.fetchone()[0].split()[0]}"


class SqliteEngine:
    """A file in the homeserver's folder; its work is done in Synapse's process."""

    name = "SQLite"

    def create(self, name: str) -> dict[str, Any] | None:
        return None

    def copy(
        self, world: str, world_folder: Path, name: str, folder: Path
    ) -> dict[str, Any] | None:
        for file in world_folder.glob("homeserver.db*"):
            shutil.copy(file, folder)
        return None

    def cpu(self, name: str) -> float:
        return 0

    def close(self, name: str) -> None:
        return None

    def version(self) -> str:
        return f"SQLite {sqlite3.sqlite_version}"
