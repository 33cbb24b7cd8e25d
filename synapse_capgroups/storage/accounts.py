"""Accounts that the module made: any other account of such a name is somebody's."""

from synapse.module_api import LoggingTransaction

_UNCLAIMED = ""
"""The row that migration 3 leaves where an earlier version had its tables: that kept no record."""


class Accounts:
    """The statements on `capgroups_accounts`."""

    @staticmethod
    def made_at(txn: LoggingTransaction, user_id: str) -> int | None:
        """When the module made this account; 0 if it was about to, None if it never was."""
        txn.execute("SELECT made_at FROM capgroups_accounts WHERE user_id = ?", (user_id,))
        row = txn.fetchone()
        return int(row[0]) if row else None

    @staticmethod
    def all(txn: LoggingTransaction) -> dict[str, int]:
        """All accounts that the module made, with when; 0 of one that it was about to make."""
        txn.execute(
            "SELECT user_id, made_at FROM capgroups_accounts WHERE user_id <> ?", (_UNCLAIMED,)
        )
        return {user_id: int(made_at) for user_id, made_at in txn.fetchall()}

    @staticmethod
    def is_about_to_make(txn: LoggingTransaction, user_id: str) -> None:
        """Note that the module makes this account now, before it does."""
        Accounts.has_made(txn, user_id, 0)

    @staticmethod
    def has_made(txn: LoggingTransaction, user_id: str, now: int) -> None:
        txn.execute(
            """
            INSERT INTO capgroups_accounts (user_id, made_at) VALUES (?, ?)
            ON CONFLICT (user_id) DO UPDATE SET made_at = EXCLUDED.made_at
            """,
            (user_id, now),
        )

    @staticmethod
    def may_be_unclaimed(txn: LoggingTransaction) -> bool:
        """Whether an earlier version had its tables here, and no account was looked at since."""
        return Accounts.made_at(txn, _UNCLAIMED) is not None

    @staticmethod
    def all_claimed(txn: LoggingTransaction) -> None:
        """From now on only the record counts."""
        txn.execute("DELETE FROM capgroups_accounts WHERE user_id = ?", (_UNCLAIMED,))
