"""Transactions on Synapse's database, and the locks inside them."""

import hashlib
from collections.abc import Callable
from typing import TypeVar

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.inside.transactions import (
    is_postgres,
    run_read_committed,
    run_single_statement,
)
from synapse_capgroups.storage.schema import migrate

T = TypeVar("T")

# The first half of each advisory lock's key: Synapse itself and other modules use other numbers.
_ROOM_LOCKS = 0x63617000  # "cap"
_PERSON_LOCKS = 0x63617001
_SCHEMA_LOCK = 0x63617002
_SERIES_LOCKS = 0x63617003
_TRIAL_LOCK = 0x63617004


class Database:
    """Runs transactions on Synapse's database."""

    def __init__(self, api: ModuleApi) -> None:
        self._api = api
        self._schema_is_current = False

    async def run(self, name: str, work: Callable[[LoggingTransaction], T]) -> T:
        """Run `work` in one transaction and return its result.

        On PostgreSQL the transaction is READ COMMITTED: at Synapse's default, REPEATABLE READ, a
        statement after a lock would still see the database as it was before the lock.

        Args:
            name: what Synapse's database metrics show, after `capgroups_`.

        Raises:
            DatabaseTooNewError: the tables belong to a newer version of this module.
        """

        def transaction(txn: LoggingTransaction) -> T:
            if not self._schema_is_current:
                migrate_alone(txn)
            return work(txn)

        result = await run_read_committed(self._api, f"capgroups_{name}", transaction)
        self._schema_is_current = True
        return result

    async def look_up(self, name: str, work: Callable[[LoggingTransaction], T]) -> T:
        """The same where `work` is a single statement that only reads, at a quarter of the time."""
        if not self._schema_is_current:
            return await self.run(name, work)
        return await run_single_statement(self._api, f"capgroups_{name}", work)


def lock_room(txn: LoggingTransaction, room_id: str) -> None:
    """Be the only transaction that decides about this room, until the transaction's end.

    SQLite needs none: Synapse has one connection to it.

    The end does not wait for the disk. PostgreSQL writes its log in order: once the join that
    follows is safe, so is what was decided before it; and if power fails first, neither happened.
    """
    _lock(txn, _ROOM_LOCKS, room_id, "set_config('synchronous_commit', 'off', true)")


def lock_person(txn: LoggingTransaction, user_id: str) -> None:
    """Be the only one that counts this person's vouches. Always taken after a room's lock."""
    _lock(txn, _PERSON_LOCKS, user_id)


def lock_series(txn: LoggingTransaction, series_id: str) -> None:
    """Be the only transaction that gives places in this series. Always before a room's lock."""
    _lock(txn, _SERIES_LOCKS, series_id)


def lock_trial(txn: LoggingTransaction) -> None:
    """Be the only transaction that writes what a trial has counted."""
    _lock(txn, _TRIAL_LOCK, "")


def migrate_alone(txn: LoggingTransaction) -> None:
    """Bring the tables up to date, while no other process does: many can start together."""
    _lock(txn, _SCHEMA_LOCK, "")
    migrate(txn)


def _lock(txn: LoggingTransaction, kind: int, name: str, beside: str = "1") -> None:
    if is_postgres(txn):
        # Two names with the same key wait for each other needlessly, and that is all.
        digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=4).digest()
        txn.execute(
            f"SELECT pg_advisory_xact_lock(?, ?), {beside}",
            (kind, int.from_bytes(digest, "big", signed=True)),
        )
