"""The groups that the module has met, each with the mode of its last decision."""

from collections import Counter

from synapse.module_api import LoggingTransaction

from synapse_capgroups.rules.joining import Mode


class Groups:
    """The statements on `capgroups_groups`, and on the counts of its rows by mode.

    Whatever changes a row notes that in the same transaction, and the sweep adds it to the counts:
    counting the rows would take longer with each group.
    """

    @staticmethod
    def meet(txn: LoggingTransaction, room_id: str, mode: Mode) -> bool:
        """Note a group's mode; returns whether the group is new here.

        The caller holds the room's lock, or has just created the room.
        """
        txn.execute(
            """
            INSERT INTO capgroups_groups (room_id, mode) VALUES (?, ?)
            ON CONFLICT (room_id) DO NOTHING
            """,
            (room_id, mode.value),
        )
        if txn.rowcount:
            _note(txn, mode.value, 1)
            return True
        txn.execute("SELECT mode FROM capgroups_groups WHERE room_id = ?", (room_id,))
        row = txn.fetchone()
        if row is not None and row[0] != mode.value:
            txn.execute(
                "UPDATE capgroups_groups SET mode = ? WHERE room_id = ? AND mode = ?",
                (mode.value, room_id, row[0]),
            )
            if txn.rowcount:
                _note(txn, row[0], -1)
                _note(txn, mode.value, 1)
        return False

    @staticmethod
    def forget(txn: LoggingTransaction, room_id: str) -> None:
        """Forget a group."""
        txn.execute("DELETE FROM capgroups_groups WHERE room_id = ? RETURNING mode", (room_id,))
        for (mode,) in txn.fetchall():
            _note(txn, mode, -1)

    @staticmethod
    def count_by_mode(txn: LoggingTransaction) -> dict[Mode, int]:
        """Add what has changed since the last time to the counts, and return them.

        What another process has not committed yet is not seen here, so it is counted next time.
        """
        txn.execute("DELETE FROM capgroups_group_changes RETURNING mode, change")
        changes: Counter[str] = Counter()
        for mode, change in txn.fetchall():
            changes[mode] += change
        for mode, change in sorted(changes.items()):
            txn.execute(
                """
                INSERT INTO capgroups_group_counts (mode, number) VALUES (?, ?)
                ON CONFLICT (mode) DO UPDATE
                SET number = capgroups_group_counts.number + EXCLUDED.number
                """,
                (mode, change),
            )
        txn.execute("SELECT mode, number FROM capgroups_group_counts")
        counts = {Mode(mode): int(number) for mode, number in txn.fetchall()}
        return {mode: counts.get(mode, 0) for mode in Mode}

    @staticmethod
    def count(txn: LoggingTransaction) -> int:
        """How many there are. Reads an index from end to end."""
        txn.execute("SELECT COUNT(*) FROM capgroups_groups")
        ((number,),) = txn.fetchall()
        return int(number)

    @staticmethod
    def after(txn: LoggingTransaction, room_id: str, most: int) -> list[str]:
        """The next groups by their room IDs. By the primary key."""
        txn.execute(
            "SELECT room_id FROM capgroups_groups WHERE room_id > ? ORDER BY room_id LIMIT ?",
            (room_id, most),
        )
        return [found for (found,) in txn.fetchall()]


def _note(txn: LoggingTransaction, mode: str, change: int) -> None:
    txn.execute("INSERT INTO capgroups_group_changes (mode, change) VALUES (?, ?)", (mode, change))
