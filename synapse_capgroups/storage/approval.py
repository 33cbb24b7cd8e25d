"""The groups in which a moderator agrees to each newcomer (rule 13): one row for each."""

from synapse.module_api import LoggingTransaction


class Approval:
    """The statements on `capgroups_approval`."""

    @staticmethod
    def is_on(txn: LoggingTransaction, room_id: str) -> bool:
        """Whether a group has approval. A trial does not ask."""
        txn.execute("SELECT 1 FROM capgroups_approval WHERE room_id = ?", (room_id,))
        return txn.fetchone() is not None

    @staticmethod
    def set_by(txn: LoggingTransaction, room_id: str) -> str | None:
        """Who turned approval on; None if it is off."""
        txn.execute("SELECT set_by FROM capgroups_approval WHERE room_id = ?", (room_id,))
        row = txn.fetchone()
        return row[0] if row else None

    @staticmethod
    def turn_on(txn: LoggingTransaction, room_id: str, user_id: str, now: int) -> bool:
        """Turn approval on; False if it is on already."""
        txn.execute(
            """
            INSERT INTO capgroups_approval (room_id, set_by, set_at) VALUES (?, ?, ?)
            ON CONFLICT (room_id) DO NOTHING
            """,
            (room_id, user_id, now),
        )
        return bool(txn.rowcount)

    @staticmethod
    def turn_off(txn: LoggingTransaction, room_id: str) -> bool:
        """Turn approval off; False if it is off already."""
        txn.execute("DELETE FROM capgroups_approval WHERE room_id = ?", (room_id,))
        return bool(txn.rowcount)

    @staticmethod
    def hand_on(txn: LoggingTransaction, room_id: str, successor: str) -> None:
        """Turn it on in the group that replaces this one, or is like it, if it is on here."""
        txn.execute(
            """
            INSERT INTO capgroups_approval (room_id, set_by, set_at)
            SELECT CAST(? AS TEXT), set_by, set_at FROM capgroups_approval WHERE room_id = ?
            ON CONFLICT (room_id) DO NOTHING
            """,
            (successor, room_id),
        )
