"""How far the sweep is: when the last one ended, and what it has looked at."""

from synapse.module_api import LoggingTransaction


class Sweeps:
    """The statements on these columns of `capgroups_schema`, which has one row."""

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

    @staticmethod
    def looked_until(txn: LoggingTransaction) -> int | None:
        """Up to when was looked for news, in milliseconds since 1970; None before the first."""
        txn.execute("SELECT news_until FROM capgroups_schema")
        row = txn.fetchone()
        return row[0] if row else None

    @staticmethod
    def look_until(txn: LoggingTransaction, until: int) -> None:
        """Note up to when was looked for news."""
        txn.execute("UPDATE capgroups_schema SET news_until = ?", (until,))

    @staticmethod
    def codes_until(txn: LoggingTransaction) -> str:
        """After which code the next slice of the living ones begins; empty for the first."""
        txn.execute("SELECT codes_until FROM capgroups_schema")
        row = txn.fetchone()
        return row[0] if row else ""

    @staticmethod
    def look_at_codes_after(txn: LoggingTransaction, code_id: str) -> None:
        """Note after which code the next slice begins."""
        txn.execute("UPDATE capgroups_schema SET codes_until = ?", (code_id,))
