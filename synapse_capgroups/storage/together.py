"""Statements that are sent to the database together."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.transactions import is_postgres


@contextmanager
def together(txn: LoggingTransaction) -> Iterator[LoggingTransaction]:
    """Send statements together, when the last one's result is read or else at the end.

    To PostgreSQL and back takes longer than most statements run. It runs them one after the other,
    and each sees what was committed before it began itself: one behind a lock sees what the lock
    waited for. Only the last one's result can be read.

    Yields:
        What takes the transaction's place.
    """
    waiting = _Together(txn)
    yield cast(LoggingTransaction, waiting)
    waiting.send()


class _Together:
    """The part of a transaction that the statements of the module's use."""

    def __init__(self, txn: LoggingTransaction) -> None:
        self._txn = txn
        self.database_engine = txn.database_engine
        self._statements: list[str] = []
        self._parameters: list[Any] = []

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        if not is_postgres(self._txn):
            # SQLite is in this process, and takes one at a time.
            self._txn.execute(sql, parameters)
            return
        self._statements.append(sql)
        self._parameters.extend(parameters)

    def send(self) -> None:
        if self._statements:
            self._txn.execute(";".join(self._statements), self._parameters)
            self._statements, self._parameters = [], []

    def fetchone(self) -> Any:
        self.send()
        return self._txn.fetchone()

    def fetchall(self) -> Any:
        self.send()
        return self._txn.fetchall()
