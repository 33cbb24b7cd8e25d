"""The groups that the module has met, each with the mode of its last decision."""

from synapse.module_api import LoggingTransaction

from synapse_capgroups.rules.joining import Mode


class Groups:
    """The statements on `capgroups_groups`."""

    @staticmethod
    def meet(txn: LoggingTransaction, room_id: str, mode: Mode) -> bool:
        """Note a group's mode; returns whether the group is new here."""
        txn.execute(
            """
            INSERT INTO capgroups_groups (room_id, mode) VALUES (?, ?)
            ON CONFLICT (room_id) DO NOTHING
            """,
            (room_id, mode.value),
        )
        if txn.rowcount:
            return True
        txn.execute(
            "UPDATE capgroups_groups SET mode = ? WHERE room_id = ? AND mode <> ?",
            (mode.value, room_id, mode.value),
        )
        return False

    @staticmethod
    def count_by_mode(txn: LoggingTransaction) -> dict[Mode, int]:
        txn.execute("SELECT mode, COUNT(*) FROM capgroups_groups GROUP BY mode")
        counts = {Mode(mode): int(count) for mode, count in txn}
        return {mode: counts.get(mode, 0) for mode in Mode}

    @staticmethod
    def after(txn: LoggingTransaction, room_id: str, most: int) -> list[str]:
        """The next groups by their room IDs. By the primary key."""
        txn.execute(
            "SELECT room_id FROM capgroups_groups WHERE room_id > ? ORDER BY room_id LIMIT ?",
            (room_id, most),
        )
        return [found for (found,) in txn.fetchall()]
