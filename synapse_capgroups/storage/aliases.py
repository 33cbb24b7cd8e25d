"""Aliases: who is called what in which group, as they chose themselves."""

from synapse.module_api import LoggingTransaction

from synapse_capgroups.rules.names import Alias


class Aliases:
    """The statements on `capgroups_aliases`."""

    @staticmethod
    def of(txn: LoggingTransaction, room_id: str, user_id: str) -> Alias | None:
        txn.execute(
            """
            SELECT displayname, avatar_url FROM capgroups_aliases
            WHERE room_id = ? AND user_id = ?
            """,
            (room_id, user_id),
        )
        row = txn.fetchone()
        return Alias(*row) if row else None

    @staticmethod
    def set(txn: LoggingTransaction, room_id: str, user_id: str, alias: Alias | None) -> None:
        """Note somebody's alias, or that they have none any more."""
        if alias is None:
            txn.execute(
                "DELETE FROM capgroups_aliases WHERE room_id = ? AND user_id = ?",
                (room_id, user_id),
            )
            return
        txn.execute(
            """
            INSERT INTO capgroups_aliases (room_id, user_id, displayname, avatar_url)
            VALUES (?, ?, ?, ?)
            ON CONFLICT (room_id, user_id) DO UPDATE SET
                displayname = EXCLUDED.displayname, avatar_url = EXCLUDED.avatar_url
            """,
            (room_id, user_id, alias.displayname, alias.avatar_url),
        )

    @staticmethod
    def names_in(txn: LoggingTransaction, room_id: str) -> list[str]:
        """All aliases in a group, those of people who have left included."""
        txn.execute("SELECT displayname FROM capgroups_aliases WHERE room_id = ?", (room_id,))
        return [name for (name,) in txn.fetchall()]
