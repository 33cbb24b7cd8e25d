"""What people want to hear from the concierge, in which language, and when they heard something."""

from collections.abc import Collection

from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.transactions import batches


class Readers:
    """The statements on `capgroups_readers`.

    Who has no row hears everything, in the server's language.
    """

    @staticmethod
    def set_quiet(txn: LoggingTransaction, user_id: str, *, is_quiet: bool) -> None:
        """Note whether somebody wants no news."""
        txn.execute(
            """
            INSERT INTO capgroups_readers (user_id, is_quiet, told_at) VALUES (?, ?, 0)
            ON CONFLICT (user_id) DO UPDATE SET is_quiet = EXCLUDED.is_quiet
            """,
            (user_id, is_quiet),
        )

    @staticmethod
    def quiet_among(txn: LoggingTransaction, user_ids: Collection[str]) -> set[str]:
        """Those of these people who want no news."""
        found: set[str] = set()
        for batch in batches(sorted(user_ids)):
            txn.execute(
                f"""
                SELECT user_id FROM capgroups_readers
                WHERE is_quiet AND user_id IN ({", ".join("?" * len(batch))})
                """,
                batch,
            )
            found.update(user_id for (user_id,) in txn.fetchall())
        return found

    @staticmethod
    def told_at(txn: LoggingTransaction, user_id: str) -> int:
        """When somebody was told news last, in milliseconds since 1970; 0 if that is long ago."""
        txn.execute("SELECT told_at FROM capgroups_readers WHERE user_id = ?", (user_id,))
        row = txn.fetchone()
        return int(row[0]) if row else 0

    @staticmethod
    def told(txn: LoggingTransaction, user_id: str, now: int) -> None:
        """Note that somebody is told news."""
        txn.execute(
            """
            INSERT INTO capgroups_readers (user_id, is_quiet, told_at) VALUES (?, ?, ?)
            ON CONFLICT (user_id) DO UPDATE SET told_at = EXCLUDED.told_at
            """,
            (user_id, False, now),
        )

    @staticmethod
    def forget(txn: LoggingTransaction, told_before: int) -> None:
        """Forget who was told news before a time, if nothing else is known of them."""
        txn.execute(
            """
            DELETE FROM capgroups_readers
            WHERE NOT is_quiet AND language IS NULL AND told_at < ?
            """,
            (told_before,),
        )

    @staticmethod
    def language(txn: LoggingTransaction, user_id: str) -> str | None:
        """The language that somebody writes in; None for the server's."""
        txn.execute("SELECT language FROM capgroups_readers WHERE user_id = ?", (user_id,))
        row = txn.fetchone()
        return row[0] if row else None

    @staticmethod
    def set_language(txn: LoggingTransaction, user_id: str, language: str | None) -> None:
        """Note the language that somebody writes in; None for the server's."""
        txn.execute(
            """
            INSERT INTO capgroups_readers (user_id, is_quiet, told_at, language)
            VALUES (?, ?, 0, ?)
            ON CONFLICT (user_id) DO UPDATE SET language = EXCLUDED.language
            """,
            (user_id, False, language),
        )
