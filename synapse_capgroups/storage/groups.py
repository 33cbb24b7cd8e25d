"""The groups that the module has met, each with the mode of its last decision."""

from synapse.module_api import LoggingTransaction

from synapse_capgroups.rules.joining import Mode
from synapse_capgroups.storage.admissions import Admission, Admissions, How


class Groups:
    """The statements on `capgroups_groups`."""

    @staticmethod
    def meet(
        txn: LoggingTransaction, room_id: str, creator: str, created_at: int, mode: Mode
    ) -> None:
        """Note a group's mode; if the group is new here, its creator's admission too."""
        txn.execute(
            """
            INSERT INTO capgroups_groups (room_id, mode) VALUES (?, ?)
            ON CONFLICT (room_id) DO NOTHING
            """,
            (room_id, mode.value),
        )
        if txn.rowcount:
            Admissions.record(
                txn,
                Admission(
                    room_id,
                    creator,
                    How.CREATOR,
                    inviter=None,
                    inviter_was_friend=False,
                    mode=Mode.OPEN,
                    members_after=1,
                    admitted_at=created_at,
                ),
            )
        else:
            txn.execute(
                "UPDATE capgroups_groups SET mode = ? WHERE room_id = ? AND mode <> ?",
                (mode.value, room_id, mode.value),
            )

    @staticmethod
    def count_by_mode(txn: LoggingTransaction) -> dict[Mode, int]:
        txn.execute("SELECT mode, COUNT(*) FROM capgroups_groups GROUP BY mode")
        counts = {Mode(mode): int(count) for mode, count in txn}
        return {mode: counts.get(mode, 0) for mode in Mode}
