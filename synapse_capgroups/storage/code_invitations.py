"""Invitations by codes: the people of other servers whom a door has invited, until they join."""

from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.tables.conditions import IS_OUT


class CodeInvitations:
    """The statements on `capgroups_code_invitations`."""

    @staticmethod
    def add(txn: LoggingTransaction, room_id: str, user_id: str, code_id: str) -> None:
        """Note that a person of another server is invited by a code, until they join."""
        txn.execute(
            """
            INSERT INTO capgroups_code_invitations (room_id, user_id, code_id) VALUES (?, ?, ?)
            ON CONFLICT (room_id, user_id) DO UPDATE SET code_id = EXCLUDED.code_id
            """,
            (room_id, user_id, code_id),
        )

    @staticmethod
    def code_of(txn: LoggingTransaction, room_id: str, user_id: str) -> str | None:
        """The ID of the code by which a person of another server is invited."""
        txn.execute(
            "SELECT code_id FROM capgroups_code_invitations WHERE room_id = ? AND user_id = ?",
            (room_id, user_id),
        )
        row = txn.fetchone()
        return row[0] if row else None

    @staticmethod
    def others(txn: LoggingTransaction, code_id: str, user_id: str) -> int:
        """How many others a code has invited who may still join."""
        declined = IS_OUT.format(row="invited", user="user_id")
        txn.execute(
            f"""
            SELECT COUNT(*) FROM capgroups_code_invitations AS invited
            WHERE code_id = ? AND user_id <> ? AND NOT {declined}
            """,
            (code_id, user_id),
        )
        row = txn.fetchone()
        return int(row[0]) if row else 0

    @staticmethod
    def remove(txn: LoggingTransaction, room_id: str, user_id: str) -> None:
        """Note that no code invites somebody any more: they have joined, or a person has."""
        txn.execute(
            "DELETE FROM capgroups_code_invitations WHERE room_id = ? AND user_id = ?",
            (room_id, user_id),
        )
