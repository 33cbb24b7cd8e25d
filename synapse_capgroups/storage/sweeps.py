"""When the last sweep ended, for whoever asks whether the module works."""

from synapse.module_api import LoggingTransaction


class Sweeps:
    """The statements on that column of `capgroups_schema`, which has one row."""

    @staticmethod
    def done(txn: LoggingTransaction, now: int) -> None:
        """Note the end of a sweep, in milliseconds since 1970."""
        txn.execute("UPDATE capgroups_schema SET swept_at = ?", (now,))

    @staticmethod
    def last(txn: LoggingTransaction) -> int | None:
        """When the last one ended; None before the first."""
        txn.execute("SELECT swept_at FROM capgroups_schema")
        row = txn.fetchone()
        return row[0] if row else None
