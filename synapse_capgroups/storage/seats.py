"""Seats: how many are taken in a group, and those reserved for joins under way (rule 4).

A join is decided before Synapse persists it. In between, a row here holds the seat. The row stops
counting when the join is persisted, since the person is then a member or has been one. A join that
fails takes its row with it; what a killed process leaves behind expires 60 seconds after the
decision.
"""

from synapse.module_api import LoggingTransaction

from synapse_capgroups import inside
from synapse_capgroups.storage.admissions import Admissions

RESERVATION_MS = 60 * 1000


class Seats:
    """The statements on `capgroups_seats`."""

    @staticmethod
    def taken_by_others(txn: LoggingTransaction, room_id: str, user_id: str, now: int) -> int:
        """How many seats everybody but this person holds, as a member or by a reservation.

        One statement on purpose. With two, a join that is persisted between them would be counted
        by neither.
        """
        still_open = inside.JOINED_SINCE.format(seat="seat")
        txn.execute(
            f"""
            SELECT COUNT(*) FROM (
                {inside.JOINED_USERS}
                UNION
                SELECT seat.user_id FROM capgroups_seats AS seat
                WHERE seat.room_id = ? AND seat.expires_at > ? AND NOT {still_open}
            ) AS taken WHERE user_id <> ?
            """,
            (room_id, room_id, now, user_id),
        )
        row = txn.fetchone()
        return int(row[0]) if row else 0

    @staticmethod
    def members(txn: LoggingTransaction, room_id: str) -> int:
        """How many members there are, joins under way not included."""
        txn.execute(f"SELECT COUNT(*) FROM ({inside.JOINED_USERS}) AS members", (room_id,))
        row = txn.fetchone()
        return int(row[0]) if row else 0

    @staticmethod
    def reserve(
        txn: LoggingTransaction, room_id: str, user_id: str, after_stream_ordering: int, now: int
    ) -> None:
        """Hold a seat until the join that was just allowed is persisted.

        Args:
            after_stream_ordering: the place of the person's membership event as it is now.
        """
        txn.execute(
            """
            INSERT INTO capgroups_seats
                (room_id, user_id, after_stream_ordering, reserved_at, expires_at)
            VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (room_id, user_id) DO UPDATE SET
                after_stream_ordering = EXCLUDED.after_stream_ordering,
                reserved_at = EXCLUDED.reserved_at,
                expires_at = EXCLUDED.expires_at
            """,
            (room_id, user_id, after_stream_ordering, now, now + RESERVATION_MS),
        )

    @staticmethod
    def take_back(
        txn: LoggingTransaction, room_id: str, user_id: str, reserved_at: int | None = None
    ) -> bool:
        """Forget an attempt of this person that came to nothing, its admission too.

        Args:
            reserved_at: which one; None is any, as a killed process may have left one behind.

        Returns:
            Whether there was one.
        """
        joined = inside.JOINED_SINCE.format(seat="seat")
        txn.execute(
            f"""
            SELECT reserved_at FROM capgroups_seats AS seat
            WHERE room_id = ? AND user_id = ? AND NOT {joined}
            """,
            (room_id, user_id),
        )
        row = txn.fetchone()
        if row is None or (reserved_at is not None and row[0] != reserved_at):
            return False
        Admissions.strike(txn, room_id, user_id, row[0])
        txn.execute(
            "DELETE FROM capgroups_seats WHERE room_id = ? AND user_id = ?", (room_id, user_id)
        )
        return True

    @staticmethod
    def sweep(txn: LoggingTransaction, now: int) -> int:
        """Forget the reservations that expired, and the admissions that came to nothing.

        Returns:
            How many admissions were struck from the record: the join was allowed and then failed
            for another reason.
        """
        joined = inside.JOINED_SINCE.format(seat="seat")
        txn.execute(
            f"""
            SELECT room_id, user_id, reserved_at FROM capgroups_seats AS seat
            WHERE expires_at <= ? AND NOT {joined}
            """,
            (now,),
        )
        failed = txn.fetchall()
        for room_id, user_id, reserved_at in failed:
            Admissions.strike(txn, room_id, user_id, reserved_at)
        txn.execute("DELETE FROM capgroups_seats WHERE expires_at <= ?", (now,))
        return len(failed)
