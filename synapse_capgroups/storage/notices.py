"""Who was told of which requests, and when (rule 13): a moderator is written to now and then."""

from collections.abc import Collection

from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.transactions import batches
from synapse_capgroups.storage.requests import Request, some


class Notices:
    """The statements on `capgroups_notices` and `capgroups_told`, and of requests on `told_at`."""

    @staticmethod
    def claim(txn: LoggingTransaction, user_id: str, now: int, sent_before: int) -> bool:
        """Be the one that writes to somebody now; False if they were written to since a time."""
        txn.execute(
            """
            INSERT INTO capgroups_notices (user_id, sent_at) VALUES (?, ?)
            ON CONFLICT (user_id) DO UPDATE SET sent_at = EXCLUDED.sent_at
            WHERE capgroups_notices.sent_at <= ?
            """,
            (user_id, now, sent_before),
        )
        return bool(txn.rowcount)

    @staticmethod
    def sent_since(txn: LoggingTransaction, user_ids: Collection[str], since: int) -> set[str]:
        """Those of these people who were written to after a time."""
        found: set[str] = set()
        for batch in batches(sorted(user_ids)):
            txn.execute(
                f"""
                SELECT user_id FROM capgroups_notices
                WHERE sent_at > ? AND user_id IN ({", ".join("?" * len(batch))})
                """,
                (since, *batch),
            )
            found.update(user_id for (user_id,) in txn.fetchall())
        return found

    @staticmethod
    def forget(txn: LoggingTransaction, sent_before: int) -> None:
        """Forget who was written to before a time."""
        txn.execute("DELETE FROM capgroups_notices WHERE sent_at <= ?", (sent_before,))

    @staticmethod
    def news(txn: LoggingTransaction, room_id: str, user_id: str, most: int) -> list[Request]:
        """The requests of a group that wait, and that somebody was not told of; oldest first."""
        return some(
            txn,
            """
            room_id = ? AND answered_at IS NULL AND asked_at > ? ORDER BY asked_at, number LIMIT ?
            """,
            room_id,
            Notices.told_until(txn, room_id, user_id),
            most,
        )

    @staticmethod
    def told(txn: LoggingTransaction, room_id: str, user_id: str, told_until: int) -> None:
        """Note that somebody was told of a group's requests up to this `asked_at`."""
        txn.execute(
            """
            INSERT INTO capgroups_told (room_id, user_id, told_until) VALUES (?, ?, ?)
            ON CONFLICT (room_id, user_id) DO UPDATE SET told_until = EXCLUDED.told_until
            WHERE capgroups_told.told_until < EXCLUDED.told_until
            """,
            (room_id, user_id, told_until),
        )

    @staticmethod
    def told_until(txn: LoggingTransaction, room_id: str, user_id: str) -> int:
        """Up to which `asked_at` somebody was told of a group's requests; 0 if of none."""
        txn.execute(
            "SELECT told_until FROM capgroups_told WHERE room_id = ? AND user_id = ?",
            (room_id, user_id),
        )
        row = txn.fetchone()
        return int(row[0]) if row else 0

    @staticmethod
    def forget_if_nobody_waits(txn: LoggingTransaction, room_id: str) -> None:
        """Forget who was told of a group's requests once there are none."""
        txn.execute(
            """
            DELETE FROM capgroups_told WHERE room_id = ? AND NOT EXISTS (
                SELECT 1 FROM capgroups_requests AS request
                WHERE request.room_id = ? AND request.answered_at IS NULL
            )
            """,
            (room_id, room_id),
        )

    @staticmethod
    def groups_with_news(txn: LoggingTransaction, after: str, most: int) -> list[str]:
        """The next groups, by their room IDs, with requests of which not every moderator knows."""
        txn.execute(
            """
            SELECT DISTINCT room_id FROM capgroups_requests
            WHERE told_at IS NULL AND answered_at IS NULL AND room_id > ?
            ORDER BY room_id LIMIT ?
            """,
            (after, most),
        )
        return [room_id for (room_id,) in txn.fetchall()]

    @staticmethod
    def groups_with_news_of(txn: LoggingTransaction, user_id: str) -> list[str]:
        """Those of them that somebody is a member of."""
        txn.execute(
            """
            SELECT own.room_id FROM current_state_events AS own
            WHERE own.type = 'm.room.member' AND own.state_key = ? AND own.membership = 'join'
            AND EXISTS (
                SELECT 1 FROM capgroups_requests AS request
                WHERE request.room_id = own.room_id AND request.told_at IS NULL
                AND request.answered_at IS NULL
            )
            """,
            (user_id,),
        )
        return [room_id for (room_id,) in txn.fetchall()]

    @staticmethod
    def all_told(txn: LoggingTransaction, room_id: str, asked_until: int, now: int) -> None:
        """Note that all moderators of a group know of its requests up to this `asked_at`."""
        txn.execute(
            """
            UPDATE capgroups_requests SET told_at = ?
            WHERE room_id = ? AND told_at IS NULL AND answered_at IS NULL AND asked_at <= ?
            """,
            (now, room_id, asked_until),
        )

    @staticmethod
    def untold_answers(txn: LoggingTransaction, answered_before: int, most: int) -> list[Request]:
        """Refused requests whose people were not told so, from before a time."""
        return some(
            txn,
            "told_at IS NULL AND answered_at < ? AND NOT approved LIMIT ?",
            answered_before,
            most,
        )

    @staticmethod
    def answer_told(txn: LoggingTransaction, number: int, now: int) -> None:
        """Note that somebody was told of their answer."""
        txn.execute("UPDATE capgroups_requests SET told_at = ? WHERE number = ?", (now, number))
