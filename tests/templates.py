"""Databases with Synapse's tables in them, copied for each homeserver of the tests.

Making the tables is nearly half of a first start. A template is what a homeserver without the
module and without accounts leaves behind, so that the module's own first start stays one.
"""

import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psycopg2

from synapse_capgroups.demo.homeserver import Homeserver
from synapse_capgroups.demo.postgres import Postgres

_NAME = "synapse_template"


class Templates:
    """Makes a template when one is first needed, and copies of it.

    Args:
        folder: an empty one, for the templates.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._has_postgres = False

    def copy_sqlite(self, to: Path) -> None:
        """Put a copy where a homeserver in this folder has its database."""
        folder = self._folder / "sqlite"
        if not folder.exists():
            folder.mkdir()
            _run(folder, None, lambda sql: _rows(_open(folder), sql))
        source, copy = _open(folder), _open(to)
        source.backup(copy)
        source.close()
        copy.close()

    def copy_postgres(self, postgres: Postgres, name: str) -> dict[str, Any]:
        """Make a database of this name and return Synapse's `database` section for it."""
        if not self._has_postgres:
            folder = self._folder / "postgres"
            folder.mkdir()
            arguments = postgres.arguments(_NAME)
            database = postgres.create_database(_NAME)
            _run(folder, database, lambda sql: _rows(psycopg2.connect(**arguments), sql))
            self._has_postgres = True
        return postgres.create_database(name, template=_NAME)


def _open(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(folder / "homeserver.db", timeout=30)


def _rows(connection: Any, sql: str) -> list[tuple[Any, ...]]:
    cursor = connection.cursor()
    cursor.execute(sql)
    rows = cursor.fetchall()
    connection.close()
    return list(rows)


def _run(
    folder: Path,
    database: Mapping[str, Any] | None,
    ask: Callable[[str], list[tuple[Any, ...]]],
) -> None:
    """Run Synapse until it has nothing left to do for its tables."""
    homeserver = Homeserver(
        folder, None, database=database, settings={"background_updates": {"sleep_enabled": False}}
    )
    homeserver.start()
    try:
        end = time.monotonic() + 60
        while ask("SELECT update_name FROM background_updates"):
            assert time.monotonic() < end
            time.sleep(0.05)
    finally:
        homeserver.stop()
    # A copy of these would be people or rooms that no test has made.
    assert ask("SELECT name FROM users") == ask("SELECT room_id FROM rooms") == []
