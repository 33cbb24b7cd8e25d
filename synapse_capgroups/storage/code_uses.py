"""Uses of codes: who came in by which code."""

from synapse.module_api import LoggingTransaction


class CodeUses:
    """The statements on `capgroups_code_uses`. How many there are is in the code's own row, too."""

    @staticmethod
    def add(txn: LoggingTransaction, code_id: str, user_id: str, now: int) -> bool:
        """Note that somebody entered by a code; False if that is on record already."""
        txn.execute(
            """
            INSERT INTO capgroups_code_uses (code_id, user_id, used_at) VALUES (?, ?, ?)
            ON CONFLICT (code_id, user_id) DO NOTHING
            """,
            (code_id, user_id, now),
        )
        return bool(txn.rowcount)

    @staticmethod
    def has(txn: LoggingTransaction, code_id: str, user_id: str) -> bool:
        """Whether a person's entry by a code is counted."""
        txn.execute(
            "SELECT 1 FROM capgroups_code_uses WHERE code_id = ? AND user_id = ?",
            (code_id, user_id),
        )
        return txn.fetchone() is not None

    @staticmethod
    def remove_of_time(txn: LoggingTransaction, code_id: str, user_id: str, used_at: int) -> bool:
        """Take a use off the record that was counted at this moment; False if there is none."""
        txn.execute(
            "DELETE FROM capgroups_code_uses WHERE code_id = ? AND user_id = ? AND used_at = ?",
            (code_id, user_id, used_at),
        )
        return bool(txn.rowcount)
