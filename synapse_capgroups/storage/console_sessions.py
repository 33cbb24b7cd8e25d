"""Who may use the console: links that work once, keys of widgets, and the sessions that they open.

Of all, only a hash is here: whoever reads the tables can open nothing.
"""

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.tables.users import Account


@attrs.frozen
class ConsoleSession:
    """One session. Times are in milliseconds since 1970.

    Attributes:
        session_id: what its owner calls it by; no secret.
    """

    session_id: str
    user_id: str
    opened_at: int
    expires_at: int


class ConsoleSessions:
    """The statements on `capgroups_console_links`, `…_widgets` and `…_sessions`."""

    @staticmethod
    def offer(txn: LoggingTransaction, user_id: str, link_hash: str, expires_at: int) -> None:
        """Write down a link. The one that somebody got before is worth nothing any more."""
        txn.execute(
            """
            INSERT INTO capgroups_console_links (user_id, link_hash, expires_at) VALUES (?, ?, ?)
            ON CONFLICT (user_id) DO UPDATE
            SET link_hash = excluded.link_hash, expires_at = excluded.expires_at
            """,
            (user_id, link_hash, expires_at),
        )

    @staticmethod
    def redeem(txn: LoggingTransaction, link_hash: str, now: int) -> str | None:
        """Use a link up; returns whose it was, and None if it is worth nothing."""
        txn.execute(
            "SELECT user_id FROM capgroups_console_links WHERE link_hash = ? AND expires_at > ?",
            (link_hash, now),
        )
        row = txn.fetchone()
        txn.execute("DELETE FROM capgroups_console_links WHERE link_hash = ?", (link_hash,))
        # Of two at the same moment, one finds nothing to delete.
        return str(row[0]) if row and txn.rowcount == 1 else None

    @staticmethod
    def offer_widget(txn: LoggingTransaction, user_id: str, key_hash: str) -> None:
        """Write down the key of somebody's widget. The one before is worth nothing any more."""
        txn.execute(
            """
            INSERT INTO capgroups_console_widgets (user_id, key_hash) VALUES (?, ?)
            ON CONFLICT (user_id) DO UPDATE SET key_hash = excluded.key_hash
            """,
            (user_id, key_hash),
        )

    @staticmethod
    def has_widget(txn: LoggingTransaction, user_id: str, key_hash: str) -> bool:
        """Whether this is the key of somebody's widget."""
        txn.execute(
            "SELECT 1 FROM capgroups_console_widgets WHERE key_hash = ? AND user_id = ?",
            (key_hash, user_id),
        )
        return txn.fetchone() is not None

    @staticmethod
    def open(
        txn: LoggingTransaction, session: ConsoleSession, token_hash: str, *, most: int
    ) -> None:
        """Begin a session. Of the earlier ones of this person, the latest `most` - 1 go on."""
        txn.execute(
            """
            DELETE FROM capgroups_console_sessions WHERE token_hash IN (
                SELECT token_hash FROM capgroups_console_sessions WHERE user_id = ?
                ORDER BY opened_at DESC, token_hash LIMIT 100 OFFSET ?
            )
            """,
            (session.user_id, most - 1),
        )
        txn.execute(
            """
            INSERT INTO capgroups_console_sessions
            (token_hash, session_id, user_id, opened_at, expires_at) VALUES (?, ?, ?, ?, ?)
            """,
            (
                token_hash, session.session_id, session.user_id, session.opened_at,
                session.expires_at,
            ),
        )  # fmt: skip

    @staticmethod
    def by_token(
        txn: LoggingTransaction, token_hash: str, now: int
    ) -> tuple[ConsoleSession, Account] | None:
        """The living session of a token, with what its owner's account may do."""
        txn.execute(
            """
            SELECT own.session_id, own.user_id, own.opened_at, own.expires_at,
                account.deactivated, account.locked, account.shadow_banned, account.suspended
            FROM capgroups_console_sessions AS own
            LEFT JOIN users AS account ON account.name = own.user_id
            WHERE own.token_hash = ? AND own.expires_at > ?
            """,
            (token_hash, now),
        )
        row = txn.fetchone()
        return None if row is None else (ConsoleSession(*row[:4]), Account.of_row(*row[4:]))

    @staticmethod
    def of_person(txn: LoggingTransaction, user_id: str, now: int) -> list[ConsoleSession]:
        """Somebody's living sessions, the latest first."""
        txn.execute(
            """
            SELECT session_id, user_id, opened_at, expires_at FROM capgroups_console_sessions
            WHERE user_id = ? AND expires_at > ? ORDER BY opened_at DESC, session_id
            """,
            (user_id, now),
        )
        return [ConsoleSession(*row) for row in txn.fetchall()]

    @staticmethod
    def end(txn: LoggingTransaction, user_id: str, session_id: str) -> bool:
        """End one session; False if the person has none of this ID."""
        txn.execute(
            "DELETE FROM capgroups_console_sessions WHERE user_id = ? AND session_id = ?",
            (user_id, session_id),
        )
        return txn.rowcount > 0

    @staticmethod
    def end_all(txn: LoggingTransaction, user_id: str) -> int:
        """End somebody's sessions, link and widget; returns how many sessions it were."""
        txn.execute("DELETE FROM capgroups_console_widgets WHERE user_id = ?", (user_id,))
        txn.execute("DELETE FROM capgroups_console_links WHERE user_id = ?", (user_id,))
        txn.execute("DELETE FROM capgroups_console_sessions WHERE user_id = ?", (user_id,))
        return txn.rowcount

    @staticmethod
    def forget(txn: LoggingTransaction, now: int) -> None:
        """Forget what is over."""
        for table in ("links", "sessions"):
            txn.execute(f"DELETE FROM capgroups_console_{table} WHERE expires_at <= ?", (now,))
