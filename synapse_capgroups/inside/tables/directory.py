"""Statements on addresses and the room directory."""

from collections.abc import Collection

from synapse.module_api import LoggingTransaction


class DirectoryTables:
    """Statements on `rooms` and `room_aliases`."""

    @staticmethod
    def is_listed(txn: LoggingTransaction, room_id: str) -> bool:
        """Whether the room directory shows the room."""
        txn.execute("SELECT is_public FROM rooms WHERE room_id = ?", (room_id,))
        row = txn.fetchone()
        return bool(row and row[0])

    @staticmethod
    def has_address(txn: LoggingTransaction, room_id: str) -> bool:
        txn.execute("SELECT 1 FROM room_aliases WHERE room_id = ? LIMIT 1", (room_id,))
        return txn.fetchone() is not None

    @staticmethod
    def has_one_address_of(
        txn: LoggingTransaction, room_id: str, addresses: Collection[str]
    ) -> bool:
        """Whether a room has one of these addresses. By the unique index on the address."""
        txn.execute(
            f"""
            SELECT 1 FROM room_aliases
            WHERE room_alias IN ({", ".join("?" * len(addresses))}) AND room_id = ? LIMIT 1
            """,
            (*addresses, room_id),
        )
        return txn.fetchone() is not None
