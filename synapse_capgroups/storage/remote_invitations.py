"""Invitations from here to people of other servers, until they have answered (rule 10).

Only for finding those that are to be judged again: seats are counted by the room's state.
"""

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.tables.conditions import IS_INVITED


@attrs.frozen
class RemoteInvitation:
    """An invitation that has not been answered as far as is known.

    Attributes:
        invited_at: milliseconds since 1970.
    """

    room_id: str
    user_id: str
    invited_at: int


_COLUMNS = "room_id, user_id, invited_at"


class RemoteInvitations:
    """The statements on `capgroups_remote_invitations`."""

    @staticmethod
    def add(txn: LoggingTransaction, room_id: str, user_id: str, now: int) -> None:
        """Note an invitation; who is invited once more has the time of the latest one."""
        txn.execute(
            """
            INSERT INTO capgroups_remote_invitations (room_id, user_id, invited_at, judged_at)
            VALUES (?, ?, ?, ?)
            ON CONFLICT (room_id, user_id) DO UPDATE
            SET invited_at = EXCLUDED.invited_at, judged_at = EXCLUDED.judged_at
            """,
            (room_id, user_id, now, now),
        )

    @staticmethod
    def any(txn: LoggingTransaction) -> bool:
        """Whether any invitation is unanswered."""
        txn.execute("SELECT 1 FROM capgroups_remote_invitations LIMIT 1")
        return txn.fetchone() is not None

    @staticmethod
    def of_group(txn: LoggingTransaction, room_id: str) -> list[RemoteInvitation]:
        txn.execute(
            f"SELECT {_COLUMNS} FROM capgroups_remote_invitations WHERE room_id = ?", (room_id,)
        )
        return [RemoteInvitation(*row) for row in txn.fetchall()]

    @staticmethod
    def of_person(txn: LoggingTransaction, user_id: str) -> list[RemoteInvitation]:
        txn.execute(
            f"SELECT {_COLUMNS} FROM capgroups_remote_invitations WHERE user_id = ?", (user_id,)
        )
        return [RemoteInvitation(*row) for row in txn.fetchall()]

    @staticmethod
    def longest_unjudged(
        txn: LoggingTransaction, judged_before: int, most: int
    ) -> list[RemoteInvitation]:
        """Those that were not looked at since a time, in milliseconds since 1970."""
        txn.execute(
            f"""
            SELECT {_COLUMNS} FROM capgroups_remote_invitations WHERE judged_at < ?
            ORDER BY judged_at LIMIT ?
            """,
            (judged_before, most),
        )
        return [RemoteInvitation(*row) for row in txn.fetchall()]

    @staticmethod
    def judged(txn: LoggingTransaction, room_id: str, user_id: str, now: int) -> None:
        """Note that an invitation was looked at."""
        txn.execute(
            """
            UPDATE capgroups_remote_invitations SET judged_at = ?
            WHERE room_id = ? AND user_id = ?
            """,
            (now, room_id, user_id),
        )

    @staticmethod
    def remove(txn: LoggingTransaction, room_id: str, user_id: str) -> None:
        """Forget an invitation: it was answered or withdrawn, or could not be sent."""
        txn.execute(
            "DELETE FROM capgroups_remote_invitations WHERE room_id = ? AND user_id = ?",
            (room_id, user_id),
        )

    @staticmethod
    def is_open(txn: LoggingTransaction, room_id: str, user_id: str) -> bool:
        """Whether the invitation is noted here and still stands in the room's state."""
        invited = IS_INVITED.format(row="noted", user="user_id")
        txn.execute(
            f"""
            SELECT 1 FROM capgroups_remote_invitations AS noted
            WHERE noted.room_id = ? AND noted.user_id = ? AND {invited}
            """,
            (room_id, user_id),
        )
        return txn.fetchone() is not None
