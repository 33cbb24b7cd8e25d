"""The rooms in which the concierge talks to people: one for each person."""

from synapse.module_api import LoggingTransaction


class Chats:
    """The statements on `capgroups_chats`."""

    @staticmethod
    def with_person(txn: LoggingTransaction, user_id: str) -> str | None:
        """The room in which the concierge talks to this person."""
        txn.execute("SELECT room_id FROM capgroups_chats WHERE user_id = ?", (user_id,))
        row = txn.fetchone()
        return row[0] if row else None

    @staticmethod
    def add(txn: LoggingTransaction, user_id: str, room_id: str) -> bool:
        """Note a room; False if this person has one by now."""
        txn.execute(
            """
            INSERT INTO capgroups_chats (user_id, room_id) VALUES (?, ?)
            ON CONFLICT (user_id) DO NOTHING
            """,
            (user_id, room_id),
        )
        return bool(txn.rowcount)

    @staticmethod
    def remove(txn: LoggingTransaction, user_id: str) -> None:
        txn.execute("DELETE FROM capgroups_chats WHERE user_id = ?", (user_id,))

    @staticmethod
    def all_rooms(txn: LoggingTransaction) -> list[str]:
        txn.execute("SELECT room_id FROM capgroups_chats")
        return [room_id for (room_id,) in txn]
