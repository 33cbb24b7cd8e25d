"""Visits: who is at which door, and until when."""

from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.tables.conditions import IS_DEACTIVATED
from synapse_capgroups.storage.living_codes import CodeSlice

_IS_DEACTIVATED = IS_DEACTIVATED.format(row="there", user="state_key")


class Visits:
    """The statements on `capgroups_visits`."""

    @staticmethod
    def note(txn: LoggingTransaction, door: str, user_id: str, leave_at: int) -> None:
        txn.execute(
            """
            INSERT INTO capgroups_visits (door, user_id, leave_at) VALUES (?, ?, ?)
            ON CONFLICT (door, user_id) DO UPDATE SET leave_at = EXCLUDED.leave_at
            """,
            (door, user_id, leave_at),
        )

    @staticmethod
    def due(txn: LoggingTransaction, now: int) -> list[tuple[str, str]]:
        txn.execute("SELECT door, user_id FROM capgroups_visits WHERE leave_at <= ?", (now,))
        return [(door, user_id) for door, user_id in txn]

    @staticmethod
    def unnoticed(
        txn: LoggingTransaction, concierge: str, part: CodeSlice
    ) -> list[tuple[str, str]]:
        """Who is at the door of one of these codes without a visit on record, by the door.

        Before the first sweep: codes that expired since the last one are among the living.
        """
        txn.execute(
            f"""
            SELECT code.door, there.state_key
            FROM capgroups_codes AS code JOIN current_state_events AS there
            ON there.room_id = code.door AND there.type = 'm.room.member'
            WHERE code.died_of IS NULL AND code.code_id > ? AND code.code_id <= ?
            AND there.membership = 'join' AND there.state_key <> ?
            AND NOT EXISTS (
                SELECT 1 FROM capgroups_visits AS visit
                WHERE visit.door = code.door AND visit.user_id = there.state_key
            )
            AND NOT {_IS_DEACTIVATED}
            """,
            (part.after, part.until, concierge),
        )
        return [(door, user_id) for door, user_id in txn.fetchall()]

    @staticmethod
    def any_at(txn: LoggingTransaction, door: str) -> bool:
        """Whether somebody is at a door."""
        txn.execute("SELECT 1 FROM capgroups_visits WHERE door = ? LIMIT 1", (door,))
        return txn.fetchone() is not None

    @staticmethod
    def end_all(txn: LoggingTransaction, door: str) -> None:
        """Forget who is at a door, whose room is being deleted."""
        txn.execute("DELETE FROM capgroups_visits WHERE door = ?", (door,))

    @staticmethod
    def end(txn: LoggingTransaction, door: str, user_id: str) -> None:
        txn.execute("DELETE FROM capgroups_visits WHERE door = ? AND user_id = ?", (door, user_id))
