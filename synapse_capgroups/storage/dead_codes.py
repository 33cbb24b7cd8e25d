"""Dead codes: how codes die, and how they are cleared up and forgotten."""

from collections.abc import Collection

from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.tables.conditions import (
    IS_ACTIVE,
    IS_JOINED,
    IS_SUSPENDED,
    JOINED_SINCE,
)
from synapse_capgroups.inside.transactions import batches
from synapse_capgroups.rules.verdict import Reason
from synapse_capgroups.storage.living_codes import CodeSlice
from synapse_capgroups.storage.seats import RESERVATION_MS

_HAS_USE_UNDER_WAY = f"""
    EXISTS (
        SELECT 1 FROM capgroups_code_uses AS used JOIN capgroups_seats AS seat
        ON seat.user_id = used.user_id AND seat.admitted_at = used.used_at
        AND (seat.room_id = capgroups_codes.room_id OR SUBSTR(capgroups_codes.room_id, 1, 1) <> '!')
        WHERE used.code_id = capgroups_codes.code_id AND NOT {JOINED_SINCE.format(seat="seat")}
    )
"""
"""A condition on a code: a person who has used it holds a seat for a join that has not ended."""


_WAS_USED_SINCE = """
    EXISTS (
        SELECT 1 FROM capgroups_code_uses AS used
        WHERE used.code_id = capgroups_codes.code_id AND used.used_at > ?
    )
"""


class DeadCodes:
    """The statements on `capgroups_codes` that write the end of a code's life."""

    @staticmethod
    def kill(txn: LoggingTransaction, code_id: str, reason: Reason, now: int) -> None:
        """Note that a code is dead. What it died of first stays the cause."""
        _kill(txn, "code_id = ?", (code_id,), reason, now)

    @staticmethod
    def is_ended_by_sharer(txn: LoggingTransaction, code_id: str) -> None:
        """Note that a code's sharer knows that it is dead."""
        txn.execute(
            "UPDATE capgroups_codes SET ended_by_sharer = ? WHERE code_id = ?", (True, code_id)
        )

    @staticmethod
    def kill_of_sharer(
        txn: LoggingTransaction, room_id: str, sharer: str, reason: Reason, now: int
    ) -> int:
        """Kill all living codes of one person in one group; returns how many."""
        return _kill(txn, "room_id = ? AND sharer = ?", (room_id, sharer), reason, now)

    @staticmethod
    def departure_matters(txn: LoggingTransaction, room_id: str, leaver: str) -> bool:
        """Whether a departure ends anything: a code, or that a group of a series is full."""
        txn.execute(
            """
            SELECT 1 WHERE EXISTS (
                SELECT 1 FROM capgroups_codes
                WHERE room_id = ? AND sharer = ? AND died_of IS NULL
            ) OR EXISTS (
                SELECT 1 FROM capgroups_series_groups WHERE room_id = ? AND is_full
            )
            """,
            (room_id, leaver, room_id),
        )
        return txn.fetchone() is not None

    @staticmethod
    def kill_of_account(txn: LoggingTransaction, sharer: str, reason: Reason, now: int) -> int:
        """Kill all living codes of one person, personal ones too; returns how many."""
        return _kill(txn, "sharer = ?", (sharer,), reason, now)

    @staticmethod
    def kill_of_group(txn: LoggingTransaction, room_id: str, reason: Reason, now: int) -> int:
        """Kill all living codes of a group; returns how many."""
        return _kill(txn, "room_id = ?", (room_id,), reason, now)

    @staticmethod
    def kill_if_used_up(txn: LoggingTransaction, code_id: str, now: int) -> int:
        """Kill a living code that was used as often as it may be; returns how many: 1 or 0."""
        condition = "code_id = ? AND uses >= max_uses"
        return _kill(txn, condition, (code_id,), Reason.CODE_USED_UP, now)

    @staticmethod
    def count_living(txn: LoggingTransaction) -> int:
        """How many codes live, as far as anybody noticed."""
        txn.execute("SELECT COUNT(*) FROM capgroups_codes WHERE died_of IS NULL")
        row = txn.fetchone()
        return int(row[0]) if row else 0

    @staticmethod
    def note_expired(txn: LoggingTransaction, now: int, most: int) -> None:
        """Note which codes have expired, those first that did so longest ago."""
        txn.execute(
            """
            UPDATE capgroups_codes SET died_of = ?, died_at = ?
            WHERE died_of IS NULL AND code_id IN (
                SELECT code_id FROM capgroups_codes WHERE died_of IS NULL AND expires_at <= ?
                ORDER BY expires_at LIMIT ?
            )
            """,
            (Reason.CODE_EXPIRED.value, now, now, most),
        )

    @staticmethod
    def note_deaths(txn: LoggingTransaction, part: CodeSlice, now: int) -> None:
        """Note which codes of a slice died by themselves."""
        suspended = IS_SUSPENDED.format(row="capgroups_codes", user="sharer")
        active = IS_ACTIVE.format(row="capgroups_codes", user="sharer")
        joined = IS_JOINED.format(row="capgroups_codes", user="sharer")
        # A use counts when it is decided, and is taken back if its join fails. As long as that can
        # happen the code is not dead: the process that waits for the join kills it. What a personal
        # code opens has no seat, but it takes no minute.
        used_up = f"""
            uses >= max_uses AND NOT {_HAS_USE_UNDER_WAY}
            AND NOT (room_id = sharer AND {_WAS_USED_SINCE})
        """
        for reason, condition, values in (
            (Reason.CODE_REVOKED, f"SUBSTR(room_id, 1, 1) = '!' AND NOT {joined}", ()),
            (Reason.SUSPENDED, suspended, ()),
            (Reason.CODE_REVOKED, f"NOT {active}", ()),
            (Reason.CODE_USED_UP, used_up, (now - RESERVATION_MS,)),
        ):
            txn.execute(
                f"""
                UPDATE capgroups_codes SET died_of = ?, died_at = ?
                WHERE died_of IS NULL AND code_id > ? AND code_id <= ? AND {condition}
                """,
                (reason.value, now, part.after, part.until, *values),
            )

    @staticmethod
    def address_is_moved(txn: LoggingTransaction, code_id: str, now: int) -> None:
        """Note that a dead code's address leads to a dead end."""
        txn.execute(
            "UPDATE capgroups_codes SET address_moved_at = ? WHERE code_id = ?", (now, code_id)
        )

    @staticmethod
    def address_is_lost(txn: LoggingTransaction, died_of: Reason) -> None:
        """The dead end of this cause is gone, and with it the addresses that led there."""
        txn.execute(
            """
            UPDATE capgroups_codes SET address_moved_at = NULL
            WHERE died_of IS NOT NULL AND died_at > 0 AND died_of = ?
            """,
            (died_of.value,),
        )

    @staticmethod
    def door_is_closed(
        txn: LoggingTransaction, code_id: str, now: int, look_at: int | None
    ) -> None:
        """Note that the door's room is gone or is being deleted.

        Args:
            look_at: when it is to be seen whether it is gone; None if it need not be.
        """
        txn.execute(
            """
            UPDATE capgroups_codes
            SET door_closed_at = COALESCE(door_closed_at, ?), look_at_door_at = ?
            WHERE code_id = ?
            """,
            (now, look_at, code_id),
        )

    @staticmethod
    def close_again(txn: LoggingTransaction, door: str) -> None:
        """Let the next sweep delete a door's room, whether or not it is being deleted already."""
        txn.execute(
            """
            UPDATE capgroups_codes SET door_closed_at = NULL, look_at_door_at = NULL
            WHERE door = ? AND door_closed_at IS NOT NULL
            """,
            (door,),
        )

    @staticmethod
    def to_forget(txn: LoggingTransaction, died_before: int, most: int) -> list[tuple[str, str]]:
        """The codes that died before a time and of which nothing is left but the address.

        Returns:
            The ID and the secret of each, of those first that died longest ago.
        """
        txn.execute(
            """
            SELECT code_id, secret FROM capgroups_codes
            WHERE died_of IS NOT NULL AND died_at < ? AND door_closed_at IS NOT NULL
            AND registration_token IS NULL
            ORDER BY died_at LIMIT ?
            """,
            (died_before, most),
        )
        return [(code_id, secret) for code_id, secret in txn.fetchall()]

    @staticmethod
    def forget(txn: LoggingTransaction, code_ids: Collection[str]) -> None:
        """Forget codes, and who came in or was invited by them."""
        for table in ("code_uses", "code_invitations", "codes"):
            for batch in batches(sorted(code_ids)):
                marks = ", ".join("?" * len(batch))
                txn.execute(f"DELETE FROM capgroups_{table} WHERE code_id IN ({marks})", batch)


def _kill(
    txn: LoggingTransaction, condition: str, values: tuple[str, ...], reason: Reason, now: int
) -> int:
    """Kill the living codes that meet a condition; returns how many."""
    txn.execute(
        f"""
        UPDATE capgroups_codes SET died_of = ?, died_at = ?
        WHERE {condition} AND died_of IS NULL
        """,
        (reason.value, now, *values),
    )
    return txn.rowcount
