"""What server admins write to the owners of groups: notices, and an outbox for each of them."""

from collections.abc import Collection
from enum import Enum

import attrs
from synapse.module_api import LoggingTransaction


class NoticeState(Enum):
    """What has become of one person's copy."""

    DUE = "due"
    SENT = "sent"
    """Or was about to be: it is written down before, so that nobody gets it twice."""
    FAILED = "failed"
    STOPPED = "stopped"


@attrs.frozen
class OwnerNotice:
    """A notice, and how many people are in which state.

    Attributes:
        written_at: in milliseconds since 1970.
    """

    notice_id: str
    written_at: int
    counts: dict[NoticeState, int]


class OwnerNotices:
    """The statements on `capgroups_owner_notices` and `capgroups_owner_outbox`."""

    @staticmethod
    def write(
        txn: LoggingTransaction, notice_id: str, body: str, now: int, user_ids: Collection[str]
    ) -> None:
        """Write down a notice and whom it is for. Who is there already keeps their row."""
        txn.execute(
            """
            INSERT INTO capgroups_owner_notices (notice_id, body, written_at) VALUES (?, ?, ?)
            ON CONFLICT (notice_id) DO NOTHING
            """,
            (notice_id, body, now),
        )
        txn.execute_batch(
            """
            INSERT INTO capgroups_owner_outbox (notice_id, user_id, state) VALUES (?, ?, 'due')
            ON CONFLICT (notice_id, user_id) DO NOTHING
            """,
            [(notice_id, user_id) for user_id in user_ids],
        )

    @staticmethod
    def known(txn: LoggingTransaction, notice_id: str) -> set[str]:
        """Who has a row of a notice already."""
        txn.execute("SELECT user_id FROM capgroups_owner_outbox WHERE notice_id = ?", (notice_id,))
        return {user_id for (user_id,) in txn.fetchall()}

    @staticmethod
    def by_id(txn: LoggingTransaction, notice_id: str) -> OwnerNotice | None:
        txn.execute(
            "SELECT written_at FROM capgroups_owner_notices WHERE notice_id = ?", (notice_id,)
        )
        row = txn.fetchone()
        if row is None:
            return None
        txn.execute(
            "SELECT state, COUNT(*) FROM capgroups_owner_outbox WHERE notice_id = ? GROUP BY state",
            (notice_id,),
        )
        counts = {NoticeState(state): int(number) for state, number in txn.fetchall()}
        return OwnerNotice(notice_id, int(row[0]), counts)

    @staticmethod
    def claim(txn: LoggingTransaction) -> tuple[str, str, str] | None:
        """Be the one that sends the next copy: the notice's ID, the text, and to whom.

        On one process only. From here on it counts as sent.
        """
        txn.execute(
            """
            SELECT own.notice_id, notice.body, own.user_id FROM capgroups_owner_outbox AS own
            JOIN capgroups_owner_notices AS notice ON notice.notice_id = own.notice_id
            WHERE own.state = 'due' ORDER BY own.notice_id, own.user_id LIMIT 1
            """
        )
        row = txn.fetchone()
        if row is None:
            return None
        notice_id, body, user_id = row
        OwnerNotices.note(txn, notice_id, user_id, NoticeState.SENT)
        return notice_id, body, user_id

    @staticmethod
    def any_due(txn: LoggingTransaction) -> bool:
        txn.execute("SELECT 1 FROM capgroups_owner_outbox WHERE state = 'due' LIMIT 1")
        return txn.fetchone() is not None

    @staticmethod
    def note(txn: LoggingTransaction, notice_id: str, user_id: str, state: NoticeState) -> None:
        """Note what has become of a copy."""
        txn.execute(
            "UPDATE capgroups_owner_outbox SET state = ? WHERE notice_id = ? AND user_id = ?",
            (state.value, notice_id, user_id),
        )

    @staticmethod
    def stop(txn: LoggingTransaction, notice_id: str) -> int:
        """Send no more copies; returns how many were left."""
        txn.execute(
            "UPDATE capgroups_owner_outbox SET state = ? WHERE notice_id = ? AND state = 'due'",
            (NoticeState.STOPPED.value, notice_id),
        )
        return txn.rowcount

    @staticmethod
    def forget(txn: LoggingTransaction, written_before: int) -> None:
        """Forget the notices from before a time."""
        txn.execute(
            """
            DELETE FROM capgroups_owner_outbox WHERE notice_id IN (
                SELECT notice_id FROM capgroups_owner_notices WHERE written_at < ?
            )
            """,
            (written_before,),
        )
        txn.execute("DELETE FROM capgroups_owner_notices WHERE written_at < ?", (written_before,))
