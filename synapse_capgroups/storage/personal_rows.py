"""The rows that name one person: counted, and forgotten while their account goes on."""

from collections import defaultdict

from synapse.module_api import LoggingTransaction

from synapse_capgroups.storage.forgetting import ERASED, PEOPLE

_COLUMNS: dict[str, list[str]] = defaultdict(list)
for _table, _column in PEOPLE:
    _COLUMNS[_table].append(_column)


class PersonalRows:
    """Statements on all tables that name people. Each runs by an index on that column."""

    @staticmethod
    def count(txn: LoggingTransaction, user_id: str) -> dict[str, int]:
        """How many rows of each table name somebody; tables without any are left out."""
        counts = {}
        for table, columns in sorted(_COLUMNS.items()):
            named = " OR ".join(f"{column} = ?" for column in columns)
            txn.execute(f"SELECT COUNT(*) FROM {table} WHERE {named}", [user_id] * len(columns))
            row = txn.fetchone()
            if row and row[0]:
                counts[table] = int(row[0])
        return counts

    @staticmethod
    def forget_past(txn: LoggingTransaction, user_id: str, before: int) -> None:
        """Name somebody no more where it is not needed for what they do now.

        Args:
            before: younger admissions stay, because limits and joins under way are judged by them.
        """
        txn.execute(
            """
            UPDATE capgroups_admissions SET user_id = ?, after_stream_ordering = NULL
            WHERE user_id = ? AND admitted_at < ?
            """,
            (ERASED, user_id, before),
        )
        txn.execute(
            "UPDATE capgroups_admissions SET inviter = ? WHERE inviter = ? AND admitted_at < ?",
            (ERASED, user_id, before),
        )
        txn.execute(
            """
            DELETE FROM capgroups_code_uses WHERE user_id = ? AND NOT EXISTS (
                SELECT 1 FROM capgroups_codes AS code
                WHERE code.code_id = capgroups_code_uses.code_id AND code.died_of IS NULL
            )
            """,
            (user_id,),
        )
        txn.execute(
            """
            UPDATE capgroups_codes
            SET room_id = CASE WHEN room_id = sharer THEN ? ELSE room_id END, sharer = ?,
                after_stream_ordering = NULL
            WHERE sharer = ? AND died_of IS NOT NULL
            """,
            (ERASED, ERASED, user_id),
        )
        txn.execute(
            """
            DELETE FROM capgroups_aliases WHERE user_id = ? AND NOT EXISTS (
                SELECT 1 FROM current_state_events AS here
                WHERE here.room_id = capgroups_aliases.room_id AND here.type = 'm.room.member'
                AND here.state_key = capgroups_aliases.user_id AND here.membership = 'join'
            )
            """,
            (user_id,),
        )
        txn.execute(
            """
            UPDATE capgroups_series SET organiser = ?
            WHERE organiser = ? AND ended_at IS NOT NULL
            """,
            (ERASED, user_id),
        )
        txn.execute(
            """
            DELETE FROM capgroups_series_helpers WHERE user_id = ? AND EXISTS (
                SELECT 1 FROM capgroups_series AS own
                WHERE own.series_id = capgroups_series_helpers.series_id
                AND own.ended_at IS NOT NULL
            )
            """,
            (user_id,),
        )
        txn.execute(
            "UPDATE capgroups_announcements SET deleted_by = ? WHERE deleted_by = ?",
            (ERASED, user_id),
        )
        txn.execute(
            """
            DELETE FROM capgroups_assignment_rows WHERE user_id = ? AND EXISTS (
                SELECT 1 FROM capgroups_assignments AS own
                WHERE own.assignment_id = capgroups_assignment_rows.assignment_id
                AND own.state = 'done'
            )
            """,
            (user_id,),
        )
        txn.execute(
            "DELETE FROM capgroups_owner_outbox WHERE user_id = ? AND state = 'failed'", (user_id,)
        )
        for column in ("author", "applied_by"):
            txn.execute(
                f"""
                UPDATE capgroups_assignments SET {column} = ?
                WHERE {column} = ? AND state = 'done'
                """,
                (ERASED, user_id),
            )
