"""Organisers' spaces: the rooms that show them the groups of a series as a folder (rule 11)."""

from collections.abc import Collection

from synapse.module_api import LoggingTransaction


class SeriesSpaces:
    """The statements on `capgroups_series_spaces`."""

    @staticmethod
    def add(txn: LoggingTransaction, series_id: str, number: int, room_id: str) -> bool:
        """Note a space that was made; False if the series has that one already."""
        txn.execute(
            """
            INSERT INTO capgroups_series_spaces (series_id, number, room_id) VALUES (?, ?, ?)
            ON CONFLICT DO NOTHING
            """,
            (series_id, number, room_id),
        )
        return txn.rowcount > 0

    @staticmethod
    def of(txn: LoggingTransaction, series_id: str) -> list[str]:
        """The room IDs of a series' spaces, the first one first."""
        txn.execute(
            "SELECT room_id FROM capgroups_series_spaces WHERE series_id = ? ORDER BY number",
            (series_id,),
        )
        return [room_id for (room_id,) in txn.fetchall()]

    @staticmethod
    def series_of(txn: LoggingTransaction, room_id: str) -> str | None:
        """The series whose space a room is; None if it is none."""
        txn.execute("SELECT series_id FROM capgroups_series_spaces WHERE room_id = ?", (room_id,))
        row = txn.fetchone()
        return str(row[0]) if row else None

    @staticmethod
    def remove(txn: LoggingTransaction, room_id: str) -> None:
        """Forget a space, which is made anew."""
        txn.execute("DELETE FROM capgroups_series_spaces WHERE room_id = ?", (room_id,))

    @staticmethod
    def rooms(txn: LoggingTransaction) -> set[str]:
        """All spaces of all series."""
        txn.execute("SELECT room_id FROM capgroups_series_spaces")
        return {room_id for (room_id,) in txn.fetchall()}

    @staticmethod
    def standings(
        txn: LoggingTransaction, series_id: str, user_ids: Collection[str]
    ) -> dict[tuple[str, str], tuple[str, str]]:
        """How people stand in the spaces of a series.

        Returns:
            By room ID and Matrix ID: the membership, and the sender of its event.
        """
        found: dict[tuple[str, str], tuple[str, str]] = {}
        for user_id in user_ids:
            txn.execute(
                """
                SELECT space.room_id, own.membership, e.sender
                FROM capgroups_series_spaces AS space
                JOIN current_state_events AS own ON own.room_id = space.room_id
                    AND own.type = 'm.room.member' AND own.state_key = ?
                JOIN events AS e ON e.event_id = own.event_id
                WHERE space.series_id = ?
                """,
                (user_id, series_id),
            )
            for room_id, membership, sender in txn.fetchall():
                found[room_id, user_id] = membership, sender
        return found
