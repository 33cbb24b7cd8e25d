"""Seats: how many are taken in a group, and those reserved for joins under way (rule 4).

A join is decided before Synapse persists it. In between, a row here holds the seat. The row stops
counting when the join is persisted, since the person is then a member or has been one. The row of a
join that fails is removed. However long a join takes, the process that waits for it renews its row
(`admission.holds`); what a killed process leaves behind expires 60 seconds after the last renewal.

With several processes, one person can have several attempts under way at once, of which one may
fail while another succeeds. Each has a row of its own; they share one seat, and the admission that
the first of them wrote, which all of them name by its time.
"""

import secrets
from collections.abc import Collection

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.tables.conditions import (
    IS_INVITED,
    IS_JOINED,
    JOINED_SINCE,
    JOINED_USERS,
    SEATED_USERS,
)

RESERVATION_MS = 60 * 1000

_SPENT = JOINED_SINCE.format(seat="seat")
_IS_MEMBER = IS_JOINED.format(row="seat", user="user_id")
_IS_INVITED = IS_INVITED.format(row="seat", user="user_id")


_TAKEN_BY_OTHERS = f"""
    SELECT COUNT(*) FROM (
        {SEATED_USERS}
        UNION ALL
        SELECT DISTINCT seat.user_id FROM capgroups_seats AS seat
        WHERE seat.room_id = ? AND seat.expires_at > ? AND NOT {_IS_MEMBER} AND NOT {_SPENT}
        AND (seat.user_id LIKE ? OR NOT {_IS_INVITED})
    ) AS taken WHERE user_id <> ?
"""


def seatless_invitees(server_name: str, *, guarded: bool) -> str:
    """A pattern, for LIKE, of those whose invitations take no seat.

    An invited person of another server holds a seat from the invitation on if groups keep their
    rules across servers: their own server may join them without asking here (rule 10).
    """
    return f"%:{server_name}" if guarded else "%"


@attrs.frozen
class Hold:
    """A seat that is held for one attempt to join.

    Attributes:
        attempt: which attempt it is; no two have the same.
    """

    attempt: str


@attrs.frozen
class Attempt:
    """A person's join that was allowed before and may still be under way.

    Attributes:
        admitted_at: when the admission was decided that it stands for, in milliseconds since 1970.
        expires_at: when its process must be dead; the latest, if there are several.
        code_id: the join code that it is by, if any.
    """

    admitted_at: int
    expires_at: int
    code_id: str | None


class Seats:
    """The statements on `capgroups_seats`."""

    @staticmethod
    def taken_by_others(
        txn: LoggingTransaction, room_id: str, user_id: str, now: int, seatless: str
    ) -> int:
        """How many seats everybody but this person holds, as a member or by a reservation.

        One statement on purpose. With two, a join that is persisted between them would be counted
        by neither.

        Args:
            seatless: a pattern of those whose invitations take no seat; see `seatless_invitees`.
        """
        txn.execute(_TAKEN_BY_OTHERS, (room_id, seatless, room_id, now, seatless, user_id))
        row = txn.fetchone()
        return int(row[0]) if row else 0

    @staticmethod
    def members(txn: LoggingTransaction, room_id: str) -> int:
        """How many members there are, joins under way not included."""
        txn.execute(f"SELECT COUNT(*) FROM ({JOINED_USERS}) AS members", (room_id,))
        row = txn.fetchone()
        return int(row[0]) if row else 0

    @staticmethod
    def attempt(txn: LoggingTransaction, room_id: str, user_id: str, place: int) -> Attempt | None:
        """An attempt of this person that had not led to a join. It may have expired.

        Args:
            place: of the person's membership event, as it was read before. What was persisted since
                then does not count: a join that is seen neither there nor here would be put on
                record a second time.
        """
        txn.execute(
            """
            SELECT seat.admitted_at, seat.expires_at, admission.code_id
            FROM capgroups_seats AS seat LEFT JOIN capgroups_admissions AS admission
            ON admission.room_id = seat.room_id AND admission.user_id = seat.user_id
            AND admission.admitted_at = seat.admitted_at
            WHERE seat.room_id = ? AND seat.user_id = ? AND NOT seat.for_invitation
            AND NOT (seat.after_stream_ordering < ? AND EXISTS (
                SELECT 1 FROM room_memberships AS later
                WHERE later.room_id = seat.room_id AND later.user_id = seat.user_id
                AND later.membership = 'join'
                AND later.event_stream_ordering > seat.after_stream_ordering
                AND later.event_stream_ordering <= ?
            ))
            ORDER BY seat.expires_at DESC LIMIT 1
            """,
            (room_id, user_id, place, place),
        )
        row = txn.fetchone()
        return Attempt(*row) if row else None

    @staticmethod
    def any_for_invitation(txn: LoggingTransaction, room_id: str, user_id: str, now: int) -> bool:
        """Whether an invitation of this person is being sent at this moment."""
        txn.execute(
            """
            SELECT 1 FROM capgroups_seats
            WHERE room_id = ? AND user_id = ? AND for_invitation AND expires_at > ? LIMIT 1
            """,
            (room_id, user_id, now),
        )
        return txn.fetchone() is not None

    @staticmethod
    def being_invited(txn: LoggingTransaction, room_id: str, now: int) -> list[str]:
        """Whose invitations are being sent at this moment."""
        txn.execute(
            """
            SELECT user_id FROM capgroups_seats
            WHERE room_id = ? AND for_invitation AND expires_at > ?
            """,
            (room_id, now),
        )
        return [user_id for (user_id,) in txn]

    @staticmethod
    def reserve(
        txn: LoggingTransaction,
        room_id: str,
        user_id: str,
        after_stream_ordering: int,
        admitted_at: int,
        now: int,
        *,
        for_invitation: bool = False,
    ) -> Hold:
        """Hold a seat until the join that was just allowed is persisted.

        Args:
            after_stream_ordering: the place of the person's membership event as it is now.
            admitted_at: the time of the admission on record that this attempt stands for.
            for_invitation: whether an invitation is persisted and no join, which then holds the
                seat itself.
        """
        hold = Hold(secrets.token_hex(8))
        txn.execute(
            """
            INSERT INTO capgroups_seats
                (room_id, user_id, attempt, after_stream_ordering, admitted_at, expires_at,
                for_invitation)
            VALUES (?, ?, ?, ?, ?, ?, ?)
            """,
            (
                room_id, user_id, hold.attempt, after_stream_ordering, admitted_at,
                now + RESERVATION_MS, for_invitation,
            ),
        )  # fmt: skip
        return hold

    @staticmethod
    def renew(txn: LoggingTransaction, holds: Collection[Hold], now: int) -> None:
        """Hold seats for longer, because the joins that need them have not ended."""
        for hold in holds:
            txn.execute(
                "UPDATE capgroups_seats SET expires_at = ? WHERE attempt = ?",
                (now + RESERVATION_MS, hold.attempt),
            )

    @staticmethod
    def of_hold(
        txn: LoggingTransaction, room_id: str, user_id: str, hold: Hold
    ) -> tuple[int, bool] | None:
        """What an attempt's admission is named by, `admitted_at`, and whether its join came.

        None if the row is swept.
        """
        txn.execute(
            f"""
            SELECT admitted_at, {_SPENT} FROM capgroups_seats AS seat
            WHERE room_id = ? AND user_id = ? AND attempt = ?
            """,
            (room_id, user_id, hold.attempt),
        )
        row = txn.fetchone()
        return (int(row[0]), bool(row[1])) if row else None

    @staticmethod
    def release(txn: LoggingTransaction, hold: Hold) -> None:
        """Stop holding a seat for an attempt."""
        txn.execute("DELETE FROM capgroups_seats WHERE attempt = ?", (hold.attempt,))

    @staticmethod
    def any_attempt_of(
        txn: LoggingTransaction, room_id: str, user_id: str, admitted_at: int
    ) -> bool:
        """Whether an attempt stands for this admission."""
        txn.execute(
            """
            SELECT 1 FROM capgroups_seats
            WHERE room_id = ? AND user_id = ? AND admitted_at = ? LIMIT 1
            """,
            (room_id, user_id, admitted_at),
        )
        return txn.fetchone() is not None

    @staticmethod
    def remove_expired_of(
        txn: LoggingTransaction, room_id: str, user_id: str, now: int
    ) -> list[int]:
        """Remove the expired reservations of one person; returns `admitted_at` of those whose join
        never came.
        """
        txn.execute(
            f"""
            SELECT DISTINCT admitted_at FROM capgroups_seats AS seat
            WHERE room_id = ? AND user_id = ? AND expires_at <= ? AND NOT {_SPENT}
            """,
            (room_id, user_id, now),
        )
        failed = [int(admitted_at) for (admitted_at,) in txn.fetchall()]
        txn.execute(
            "DELETE FROM capgroups_seats WHERE room_id = ? AND user_id = ? AND expires_at <= ?",
            (room_id, user_id, now),
        )
        return failed

    @staticmethod
    def remove_spent(txn: LoggingTransaction, now: int) -> None:
        """Remove the expired reservations whose joins came."""
        txn.execute(
            f"DELETE FROM capgroups_seats AS seat WHERE expires_at <= ? AND {_SPENT}", (now,)
        )

    @staticmethod
    def rooms_of_expired(txn: LoggingTransaction, now: int) -> list[str]:
        """The rooms in which a reservation has expired."""
        txn.execute("SELECT DISTINCT room_id FROM capgroups_seats WHERE expires_at <= ?", (now,))
        return [room_id for (room_id,) in txn]

    @staticmethod
    def with_expired(txn: LoggingTransaction, room_id: str, now: int) -> list[str]:
        """Who has an expired reservation in a room."""
        txn.execute(
            "SELECT DISTINCT user_id FROM capgroups_seats WHERE room_id = ? AND expires_at <= ?",
            (room_id, now),
        )
        return [user_id for (user_id,) in txn]
