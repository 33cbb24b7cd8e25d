"""Drops the module's tables, in one transaction in Synapse's database."""

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from synapse_capgroups.admin.exits import CannotRunError
from synapse_capgroups.admin.opening import (
    Opened,
    OpenedPostgres,
    OpenedSqlite,
    connect_postgres,
    first_line,
    sqlite_path,
)
from synapse_capgroups.storage.registration_tokens import RegistrationTokens

_WAIT_SECONDS = 10
_NAME = re.compile("capgroups_[a-z_]+")


def drop_tables(
    database: Mapping[str, Any], folder: Path, check: Callable[[Opened], None]
) -> list[str]:
    """Drop all tables of the module, or none.

    Args:
        database: Synapse's `database` section.
        folder: of homeserver.yaml.
        check: looks for the last time whether they may go, and raises if not.

    Returns:
        Their names.

    Raises:
        CannotRunError: they cannot be dropped.
    """
    arguments = database.get("args") or {}
    is_sqlite = database.get("name", "sqlite3") == "sqlite3"
    opened = _sqlite(sqlite_path(arguments, folder)) if is_sqlite else _postgres(arguments)
    with opened as writing:
        check(writing)
        names = writing.own_tables()
        if "capgroups_codes" in names:
            RegistrationTokens.remove_all(writing.transaction)
        for name in names:
            if not _NAME.fullmatch(name):
                raise CannotRunError(f"{name} is no table of the module's. Rename it first.")
            writing.execute(f"DROP TABLE {name}")
    return names


@contextmanager
def _sqlite(path: Path) -> Iterator[Opened]:
    try:
        uri = f"{path.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=_WAIT_SECONDS)) as connection:
            connection.isolation_level = None
            connection.execute("BEGIN IMMEDIATE")
            yield OpenedSqlite(connection.cursor())
            connection.execute("COMMIT")
    except sqlite3.Error as e:
        raise CannotRunError(
            f"The tables could not be dropped from {path}: {e}. Run this as the user that runs "
            "Synapse."
        ) from e


@contextmanager
def _postgres(arguments: Mapping[str, Any]) -> Iterator[Opened]:
    connection = connect_postgres(arguments)
    import psycopg2

    with closing(connection):
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{_WAIT_SECONDS}s'")
                yield OpenedPostgres(cursor)
        except psycopg2.errors.InsufficientPrivilege as e:
            raise CannotRunError(
                f"The database's role may not drop the tables: {first_line(e)}. Run this with the "
                "`database` section with which Synapse runs."
            ) from e
        except psycopg2.errors.LockNotAvailable as e:
            raise CannotRunError(
                "Somebody uses the module's tables: a worker may still have the module. Restart "
                "all of Synapse and run this again."
            ) from e
        except psycopg2.Error as e:
            raise CannotRunError(f"The tables could not be dropped: {first_line(e)}") from e
