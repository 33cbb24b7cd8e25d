"""How transactions are run on Synapse's database."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.storage.engines import PostgresEngine
from synapse.storage.engines._base import IsolationLevel

T = TypeVar("T")


def batches(items: list[str], size: int = 500) -> Iterator[list[str]]:
    # SQLite takes 999 parameters where it is old.
    for start in range(0, len(items) or 1, size):
        if batch := items[start : start + size]:
            yield batch


def is_postgres(txn: LoggingTransaction) -> bool:
    """Locks and isolation levels are words of PostgreSQL that SQLite does not know."""
    return isinstance(txn.database_engine, PostgresEngine)


async def run_read_committed(
    api: ModuleApi, name: str, work: Callable[[LoggingTransaction], T]
) -> T:
    """Run a transaction in which each statement sees what was committed before it.

    `ModuleApi.run_db_interaction` passes the level on to `DatabasePool.runInteraction`, but does
    not tell of it. PostgreSQL is told as the transaction begins, without a statement of its own.
    """
    return await api.run_db_interaction(
        name,
        work,
        isolation_level=IsolationLevel.READ_COMMITTED,  # type: ignore[call-arg]
    )


async def run_single_statement(
    api: ModuleApi, name: str, work: Callable[[LoggingTransaction], T]
) -> T:
    """Run one statement without the BEGIN and COMMIT around it, which take longer than it does.

    A level of isolation must not be given beside `db_autocommit`: psycopg2's `set_isolation_level`
    turns autocommit off again.
    """
    return await api.run_db_interaction(name, work, db_autocommit=True)  # type: ignore[call-arg]
