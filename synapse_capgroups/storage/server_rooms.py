"""Rooms that the server made on an admin's behalf, which are no groups (rule 0)."""

from synapse.module_api import LoggingTransaction


class ServerRooms:
    """The statements on `capgroups_server_rooms`."""

    @staticmethod
    def add(txn: LoggingTransaction, room_id: str) -> None:
        txn.execute(
            """
            INSERT INTO capgroups_server_rooms (room_id) VALUES (?)
            ON CONFLICT (room_id) DO NOTHING
            """,
            (room_id,),
        )

    @staticmethod
    def has(txn: LoggingTransaction, room_id: str) -> bool:
        txn.execute("SELECT 1 FROM capgroups_server_rooms WHERE room_id = ?", (room_id,))
        return txn.fetchone() is not None

    @staticmethod
    def all(txn: LoggingTransaction) -> set[str]:
        """Each of them: one for each room that an admin has ever deleted with a notice."""
        txn.execute("SELECT room_id FROM capgroups_server_rooms")
        return {room_id for (room_id,) in txn}
