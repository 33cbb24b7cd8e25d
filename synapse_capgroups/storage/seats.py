"""Seats: how many are taken in a group, and those reserved for joins under way (rule 4).

A join is decided before Synapse persists it. In between, a row here holds the seat. The row stops
counting when the join is persisted, since the person is then a member or has been one. A join that
fails takes its row with it; what a killed process leaves behind expires 60 seconds after the
decision.

With several processes, one person can have several attempts under way at once, of which one may
fail while another succeeds. They share a row, and the admission that the first of them wrote. The
expiry, later with each attempt, tells who was the last to hold the seat.
"""

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups import inside
from synapse_capgroups.storage.admissions import Admissions

RESERVATION_MS = 60 * 1000


@attrs.frozen
class Hold:
    """A seat that is held for one attempt.

    Attributes:
        expires_at: which attempt it is; no two of a person's have the same.
        beside: when the earlier attempt expires that may be under way too; None if there is none.
    """

    expires_at: int
    beside: int | None = None


@attrs.frozen
class Attempt:
    """A person's join that was allowed before and may still be under way.

    Attributes:
        reserved_at: when the first of what may be several was decided.
        code_id: the join code that it is by, if any.
    """

    reserved_at: int
    expires_at: int
    code_id: str | None


class Seats:
    """The statements on `capgroups_seats`."""

    @staticmethod
    def taken_by_others(txn: LoggingTransaction, room_id: str, user_id: str, now: int) -> int:
        """How many seats everybody but this person holds, as a member or by a reservation.

        One statement on purpose. With two, a join that is persisted between them would be counted
        by neither.
        """
        spent = inside.JOINED_SINCE.format(seat="seat")
        is_member = inside.IS_JOINED.format(row="seat", user="user_id")
        txn.execute(
            f"""
            SELECT COUNT(*) FROM (
                {inside.JOINED_USERS}
                UNION ALL
                SELECT seat.user_id FROM capgroups_seats AS seat
                WHERE seat.room_id = ? AND seat.expires_at > ? AND NOT {is_member} AND NOT {spent}
            ) AS taken WHERE user_id <> ?
            """,
            (room_id, room_id, now, user_id),
        )
        row = txn.fetchone()
        return int(row[0]) if row else 0

    @staticmethod
    def members(txn: LoggingTransaction, room_id: str, but: str = "") -> int:
        """How many members there are, joins under way not included.

        Args:
            but: a Matrix ID that does not count.
        """
        txn.execute(
            f"SELECT COUNT(*) FROM ({inside.JOINED_USERS}) AS members WHERE user_id <> ?",
            (room_id, but),
        )
        row = txn.fetchone()
        return int(row[0]) if row else 0

    @staticmethod
    def reserved(txn: LoggingTransaction, room_id: str) -> dict[str, int]:
        """When each reservation expires that is not swept yet, by the person.

        Many of them may have joined since.
        """
        txn.execute("SELECT user_id, expires_at FROM capgroups_seats WHERE room_id = ?", (room_id,))
        return dict(txn.fetchall())

    @staticmethod
    def attempt(txn: LoggingTransaction, room_id: str, user_id: str) -> Attempt | None:
        """An attempt of this person that has not led to a join so far. It may have expired."""
        joined = inside.JOINED_SINCE.format(seat="seat")
        txn.execute(
            f"""
            SELECT seat.reserved_at, seat.expires_at, admission.code_id
            FROM capgroups_seats AS seat LEFT JOIN capgroups_admissions AS admission
            ON admission.room_id = seat.room_id AND admission.user_id = seat.user_id
            AND admission.admitted_at = seat.reserved_at
            WHERE seat.room_id = ? AND seat.user_id = ? AND NOT {joined}
            """,
            (room_id, user_id),
        )
        row = txn.fetchone()
        return Attempt(*row) if row else None

    @staticmethod
    def reserve(
        txn: LoggingTransaction,
        room_id: str,
        user_id: str,
        after_stream_ordering: int,
        now: int,
        earlier: Attempt | None = None,
    ) -> Hold:
        """Hold a seat until the join that was just allowed is persisted.

        Args:
            after_stream_ordering: the place of the person's membership event as it is now.
            earlier: an attempt of theirs that has not expired.
        """
        if earlier is not None:
            # Another process's clock may be ahead.
            expires_at = max(now + RESERVATION_MS, earlier.expires_at + 1)
            txn.execute(
                "UPDATE capgroups_seats SET expires_at = ? WHERE room_id = ? AND user_id = ?",
                (expires_at, room_id, user_id),
            )
            return Hold(expires_at, beside=earlier.expires_at)
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
        return Hold(now + RESERVATION_MS)

    @staticmethod
    def release(txn: LoggingTransaction, room_id: str, user_id: str, hold: Hold) -> bool:
        """An attempt has failed: free its seat, unless another attempt may still need it.

        Returns:
            False if the person has joined all the same.
        """
        joined = inside.JOINED_SINCE.format(seat="seat")
        txn.execute(
            f"""
            SELECT reserved_at, expires_at, {joined} FROM capgroups_seats AS seat
            WHERE room_id = ? AND user_id = ?
            """,
            (room_id, user_id),
        )
        row = txn.fetchone()
        if row is None:
            return True  # Swept.
        reserved_at, expires_at, has_joined = row
        if has_joined:
            return False
        if expires_at != hold.expires_at:
            return True  # A later attempt holds it now.
        if hold.beside is not None:
            txn.execute(
                "UPDATE capgroups_seats SET expires_at = ? WHERE room_id = ? AND user_id = ?",
                (hold.beside, room_id, user_id),
            )
        else:
            Seats.forget(txn, room_id, user_id, reserved_at)
        return True

    @staticmethod
    def forget(txn: LoggingTransaction, room_id: str, user_id: str, reserved_at: int) -> None:
        """An attempt has come to nothing: its seat is free, its admission off the record."""
        Admissions.strike(txn, room_id, user_id, reserved_at)
        txn.execute(
            "DELETE FROM capgroups_seats WHERE room_id = ? AND user_id = ?", (room_id, user_id)
        )

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
