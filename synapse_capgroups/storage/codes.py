"""Join codes: one row for each, and one for each person who came in by it."""

from typing import Any

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.tables.conditions import (
    IS_ACTIVE,
    IS_JOINED,
    IS_OUT,
    IS_SUSPENDED,
    SHARER_COLUMNS,
    SHARER_MARKS,
)
from synapse_capgroups.inside.tables.memberships import Membership
from synapse_capgroups.inside.tables.state_history import StateHistory
from synapse_capgroups.inside.tables.users import Account
from synapse_capgroups.rules.verdict import Reason

_COLUMNS = (
    "code_id, secret, room_id, sharer, created_at, expires_at, max_uses, uses, door, died_of, "
    "died_at, after_stream_ordering, address_moved_at"
)

SECRET_LENGTH = 28
"""How many characters a secret has: 136 bits in letters and digits."""


@attrs.frozen
class Code:
    """A row. Times are milliseconds since 1970.

    Attributes:
        code_id: its public name, in paths and logs.
        secret: what the QR picture holds. Never in a path, a log line or an exception.
        room_id: the group that it opens. Of a personal code, the Matrix ID of the person with whom
            it opens a direct chat, who is the sharer too.
        door: the room ID of its door; None until the door is made. Kept after the door is closed,
            because somebody may be joining it at that moment.
        died_of: why it is dead, as far as anybody noticed.
        after_stream_ordering: the place in the server's order of events after which it was made;
            None where an older version made it.
        address_moved_at: when the dead code's address was led to a dead end, None if it is not.
    """

    code_id: str
    secret: str = attrs.field(repr=False)
    room_id: str
    sharer: str
    created_at: int
    expires_at: int
    max_uses: int | None
    uses: int = 0
    door: str | None = None
    died_of: Reason | None = attrs.field(default=None, converter=attrs.converters.optional(Reason))
    died_at: int | None = None
    after_stream_ordering: int | None = None
    address_moved_at: int | None = None

    @property
    def is_personal(self) -> bool:
        return self.room_id == self.sharer


@attrs.frozen
class Sharer:
    """How the sharer of a group's code stands at some moment.

    Attributes:
        is_member: of the group that the code opens.
        changed_at: the place of their membership there in the order of events.
    """

    account: Account
    is_member: bool
    changed_at: int

    @classmethod
    def of_row(cls, *columns: Any) -> "Sharer":
        """From `inside.tables.conditions.SHARER_COLUMNS`."""
        *account, membership, changed_at = columns
        return cls(Account.of_row(*account), membership == "join", changed_at or 0)


@attrs.frozen
class Page:
    """Which part of a list is wanted.

    Attributes:
        before: when the last entry of the page before was made, and its ID.
        skip: how many entries to leave out.
    """

    limit: int
    before: tuple[int, str] | None = None
    skip: int = 0


class Codes:
    """The statements on `capgroups_codes` and `capgroups_code_uses`."""

    @staticmethod
    def add(txn: LoggingTransaction, code: Code) -> None:
        txn.execute(
            """
            INSERT INTO capgroups_codes
                (code_id, secret, room_id, sharer, created_at, expires_at, max_uses, uses, died_of,
                 died_at, after_stream_ordering)
            VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?)
            """,
            (
                code.code_id, code.secret, code.room_id, code.sharer, code.created_at,
                code.expires_at, code.max_uses, code.died_of and code.died_of.value, code.died_at,
                StateHistory.latest_stream_ordering(txn),
            ),
        )  # fmt: skip

    @staticmethod
    def by_id(txn: LoggingTransaction, code_id: str) -> Code | None:
        return _one(txn, "code_id = ?", code_id)

    @staticmethod
    def by_secret(txn: LoggingTransaction, secret: str) -> Code | None:
        return _one(txn, "secret = ?", secret)

    @staticmethod
    def by_door(txn: LoggingTransaction, door: str) -> Code | None:
        return _one(txn, "door = ?", door)

    @staticmethod
    def with_sharer(txn: LoggingTransaction, code_id: str) -> tuple[Code, Sharer] | None:
        found = _with_sharers(txn, "code.code_id = ?", code_id)
        return found[0] if found else None

    @staticmethod
    def page(txn: LoggingTransaction, room_id: str, page: Page) -> list[tuple[Code, Sharer]]:
        """Codes of a group that are not forgotten, the newest first."""
        made_at, code_id = page.before or (2**62, "")
        return _with_sharers(
            txn,
            """
            code.room_id = ? AND code.created_at <= ?
            AND (code.created_at < ? OR code.code_id < ?)
            ORDER BY code.created_at DESC, code.code_id DESC LIMIT ? OFFSET ?
            """,
            room_id,
            made_at,
            made_at,
            code_id,
            page.limit,
            page.skip,
        )

    @staticmethod
    def was_broken(txn: LoggingTransaction, code: Code, sharer: Sharer) -> bool:
        """Whether the sharer was out of the group since they made the code, and is in it again.

        Of one whose history is too long to be read, it is known from their leaving itself.
        """
        if sharer.changed_at <= (code.after_stream_ordering or 0):
            return False
        return bool(
            StateHistory.was_out_since(
                txn,
                code.room_id,
                code.sharer,
                place=code.after_stream_ordering,
                time=code.created_at,
                by_others=False,
            )
        )

    @staticmethod
    def has_removed(
        txn: LoggingTransaction, code: Code, user_id: str, standing: Membership
    ) -> bool:
        """Whether somebody was removed from the group since the code was made.

        Args:
            standing: their membership now. One whose history is too long to be read counts as
                removed: an invitation brings them in.
        """
        if standing.stream_ordering <= (code.after_stream_ordering or 0):
            return False
        removed = StateHistory.was_out_since(
            txn,
            code.room_id,
            user_id,
            place=code.after_stream_ordering,
            time=code.created_at,
            by_others=True,
        )
        return removed is not False

    @staticmethod
    def all_rooms(txn: LoggingTransaction) -> set[str]:
        """Every door, those of dead codes too, and the rooms to which dead codes lead."""
        txn.execute("SELECT door FROM capgroups_codes WHERE door IS NOT NULL")
        doors = {door for (door,) in txn.fetchall()}
        txn.execute("SELECT room_id FROM capgroups_dead_ends")
        return doors | {room_id for (room_id,) in txn.fetchall()}

    @staticmethod
    def count_living(txn: LoggingTransaction, room_id: str, sharer: str) -> int:
        txn.execute(
            """
            SELECT COUNT(*) FROM capgroups_codes
            WHERE room_id = ? AND sharer = ? AND died_of IS NULL
            """,
            (room_id, sharer),
        )
        row = txn.fetchone()
        return int(row[0]) if row else 0

    @staticmethod
    def set_door(txn: LoggingTransaction, code_id: str, door: str) -> bool:
        """Note a code's door; returns whether it is to be closed, as the code died meanwhile."""
        txn.execute(
            """
            UPDATE capgroups_codes SET door = ?, door_closed_at = NULL, address_moved_at = NULL
            WHERE code_id = ?
            """,
            (door, code_id),
        )
        code = Codes.by_id(txn, code_id)
        return code is None or code.died_of is not None

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
    def door_is_closed(txn: LoggingTransaction, code_id: str, now: int) -> None:
        """Note that the door's room is being deleted."""
        txn.execute(
            "UPDATE capgroups_codes SET door_closed_at = ? WHERE code_id = ?", (now, code_id)
        )

    @staticmethod
    def kill(txn: LoggingTransaction, code_id: str, reason: Reason, now: int) -> None:
        """Note that a code is dead. What it died of first stays the cause."""
        txn.execute(
            """
            UPDATE capgroups_codes SET died_of = ?, died_at = ?
            WHERE code_id = ? AND died_of IS NULL
            """,
            (reason.value, now, code_id),
        )

    @staticmethod
    def kill_of_sharer(
        txn: LoggingTransaction, room_id: str, sharer: str, reason: Reason, now: int
    ) -> int:
        """Kill all living codes of one person in one group; returns how many."""
        txn.execute(
            """
            UPDATE capgroups_codes SET died_of = ?, died_at = ?
            WHERE room_id = ? AND sharer = ? AND died_of IS NULL
            """,
            (reason.value, now, room_id, sharer),
        )
        return txn.rowcount

    @staticmethod
    def kill_of_account(txn: LoggingTransaction, sharer: str, reason: Reason, now: int) -> int:
        """Kill all living codes of one person, personal ones too; returns how many."""
        txn.execute(
            """
            UPDATE capgroups_codes SET died_of = ?, died_at = ?
            WHERE sharer = ? AND died_of IS NULL
            """,
            (reason.value, now, sharer),
        )
        return txn.rowcount

    @staticmethod
    def kill_of_group(txn: LoggingTransaction, room_id: str, reason: Reason, now: int) -> int:
        """Kill all living codes of a group; returns how many."""
        txn.execute(
            """
            UPDATE capgroups_codes SET died_of = ?, died_at = ?
            WHERE room_id = ? AND died_of IS NULL
            """,
            (reason.value, now, room_id),
        )
        return txn.rowcount

    @staticmethod
    def living_sharers(txn: LoggingTransaction, room_id: str) -> list[str]:
        """Whose codes open this group."""
        txn.execute(
            "SELECT DISTINCT sharer FROM capgroups_codes WHERE room_id = ? AND died_of IS NULL",
            (room_id,),
        )
        return [sharer for (sharer,) in txn.fetchall()]

    @staticmethod
    def living_with_marks(txn: LoggingTransaction) -> list[tuple[str, tuple[str | None, ...]]]:
        """The ID of each living code of a group, with `inside.tables.conditions.SHARER_MARKS`."""
        txn.execute(
            f"""
            SELECT code.code_id, {SHARER_MARKS.format(row="code")}
            FROM capgroups_codes AS code
            WHERE code.died_of IS NULL AND code.room_id <> code.sharer
            """
        )
        return [(code_id, tuple(marks)) for code_id, *marks in txn.fetchall()]

    @staticmethod
    def kill_if_used_up(txn: LoggingTransaction, code_id: str, now: int) -> int:
        txn.execute(
            """
            UPDATE capgroups_codes SET died_of = ?, died_at = ?
            WHERE code_id = ? AND died_of IS NULL AND uses >= max_uses
            """,
            (Reason.CODE_USED_UP.value, now, code_id),
        )
        return txn.rowcount

    @staticmethod
    def any_living(txn: LoggingTransaction, room_id: str) -> bool:
        txn.execute(
            "SELECT 1 FROM capgroups_codes WHERE room_id = ? AND died_of IS NULL LIMIT 1",
            (room_id,),
        )
        return txn.fetchone() is not None

    @staticmethod
    def groups_to_close(txn: LoggingTransaction) -> list[str]:
        """Groups with living codes that may have reached the code limit: one is to look."""
        txn.execute(
            """
            SELECT DISTINCT code.room_id
            FROM capgroups_codes AS code JOIN capgroups_groups AS met ON met.room_id = code.room_id
            WHERE code.died_of IS NULL AND met.mode IN ('friends', 'full')
            """
        )
        return [room_id for (room_id,) in txn.fetchall()]

    @staticmethod
    def use(txn: LoggingTransaction, code_id: str, user_id: str, now: int) -> int:
        """Count a person's entry, once however often they enter; returns the uses after it."""
        txn.execute(
            """
            INSERT INTO capgroups_code_uses (code_id, user_id, used_at) VALUES (?, ?, ?)
            ON CONFLICT (code_id, user_id) DO NOTHING
            """,
            (code_id, user_id, now),
        )
        if txn.rowcount:
            txn.execute("UPDATE capgroups_codes SET uses = uses + 1 WHERE code_id = ?", (code_id,))
        txn.execute("SELECT uses FROM capgroups_codes WHERE code_id = ?", (code_id,))
        row = txn.fetchone()
        return int(row[0]) if row else 0

    @staticmethod
    def is_used_by(txn: LoggingTransaction, code_id: str, user_id: str) -> bool:
        """Whether a person's entry by a code is counted."""
        txn.execute(
            "SELECT 1 FROM capgroups_code_uses WHERE code_id = ? AND user_id = ?",
            (code_id, user_id),
        )
        return txn.fetchone() is not None

    @staticmethod
    def unuse(txn: LoggingTransaction, code_id: str, user_id: str) -> None:
        """Count a person's entry no more: what it was for has failed."""
        txn.execute(
            "DELETE FROM capgroups_code_uses WHERE code_id = ? AND user_id = ?", (code_id, user_id)
        )
        if txn.rowcount:
            txn.execute("UPDATE capgroups_codes SET uses = uses - 1 WHERE code_id = ?", (code_id,))

    @staticmethod
    def invite(txn: LoggingTransaction, code: Code, user_id: str) -> None:
        """Note that a person of another server is invited by a code, until they join."""
        txn.execute(
            """
            INSERT INTO capgroups_code_invitations (room_id, user_id, code_id) VALUES (?, ?, ?)
            ON CONFLICT (room_id, user_id) DO UPDATE SET code_id = EXCLUDED.code_id
            """,
            (code.room_id, user_id, code.code_id),
        )

    @staticmethod
    def invited_by(txn: LoggingTransaction, room_id: str, user_id: str) -> str | None:
        """The ID of the code by which a person of another server is invited."""
        txn.execute(
            "SELECT code_id FROM capgroups_code_invitations WHERE room_id = ? AND user_id = ?",
            (room_id, user_id),
        )
        row = txn.fetchone()
        return row[0] if row else None

    @staticmethod
    def others_invited(txn: LoggingTransaction, code_id: str, user_id: str) -> int:
        """How many others a code has invited who may still join."""
        declined = IS_OUT.format(row="invited", user="user_id")
        txn.execute(
            f"""
            SELECT COUNT(*) FROM capgroups_code_invitations AS invited
            WHERE code_id = ? AND user_id <> ? AND NOT {declined}
            """,
            (code_id, user_id),
        )
        row = txn.fetchone()
        return int(row[0]) if row else 0

    @staticmethod
    def forget_invitation(txn: LoggingTransaction, room_id: str, user_id: str) -> None:
        txn.execute(
            "DELETE FROM capgroups_code_invitations WHERE room_id = ? AND user_id = ?",
            (room_id, user_id),
        )

    @staticmethod
    def sweep(txn: LoggingTransaction, now: int, forget_before: int) -> None:
        """Note which codes died by themselves, and forget those that died long ago."""
        txn.execute(
            """
            UPDATE capgroups_codes SET died_of = ?, died_at = ?
            WHERE died_of IS NULL AND expires_at <= ?
            """,
            (Reason.CODE_EXPIRED.value, now, now),
        )
        txn.execute(
            f"""
            UPDATE capgroups_codes SET died_of = ?, died_at = ?
            WHERE died_of IS NULL AND expires_at > ? AND room_id <> sharer
            AND NOT {IS_JOINED.format(row="capgroups_codes", user="sharer")}
            """,
            (Reason.CODE_REVOKED.value, now, now),
        )
        suspended = IS_SUSPENDED.format(row="capgroups_codes", user="sharer")
        active = IS_ACTIVE.format(row="capgroups_codes", user="sharer")
        for reason, condition in (
            (Reason.SUSPENDED, suspended), (Reason.CODE_REVOKED, f"NOT {active}"),
        ):  # fmt: skip
            txn.execute(
                f"""
                UPDATE capgroups_codes SET died_of = ?, died_at = ?
                WHERE died_of IS NULL AND expires_at > ? AND {condition}
                """,
                (reason.value, now, now),
            )
        txn.execute(
            """
            UPDATE capgroups_codes SET died_of = ?, died_at = ?
            WHERE died_of IS NULL AND expires_at > ? AND uses >= max_uses
            """,
            (Reason.CODE_USED_UP.value, now, now),
        )
        for table in ("capgroups_code_uses", "capgroups_code_invitations"):
            txn.execute(
                f"""
                DELETE FROM {table} WHERE code_id IN (
                    SELECT code_id FROM capgroups_codes
                    WHERE died_of IS NOT NULL AND died_at < ? AND door_closed_at IS NOT NULL
                )
                """,
                (forget_before,),
            )
        txn.execute(
            """
            DELETE FROM capgroups_codes
            WHERE died_of IS NOT NULL AND died_at < ? AND door_closed_at IS NOT NULL
            """,
            (forget_before,),
        )

    @staticmethod
    def to_clear_up(txn: LoggingTransaction, made_before: int, most: int) -> list[Code]:
        """Dead codes whose address still leads to their door, or whose door still is there.

        Args:
            made_before: a younger one without a door may be having its door made just now.
        """
        young = "(door IS NOT NULL OR created_at < ?)"
        moving = f"died_of IS NOT NULL AND address_moved_at IS NULL AND {young} LIMIT ?"
        closing = "died_of IS NOT NULL AND door_closed_at IS NULL"
        found = _some(txn, moving, made_before, most)
        found += _some(txn, f"{closing} AND {young} LIMIT ?", made_before, most)
        return list({code.code_id: code for code in found}.values())

    @staticmethod
    def without_door(txn: LoggingTransaction, made_before: int) -> list[Code]:
        """Living codes whose door was never made: the process was killed in between."""
        return _some(txn, "door IS NULL AND died_of IS NULL AND created_at < ?", made_before)


class Visits:
    """The statements on `capgroups_visits`: who is at which door, and until when."""

    @staticmethod
    def note(txn: LoggingTransaction, door: str, user_id: str, leave_at: int) -> None:
        txn.execute(
            """
            INSERT INTO capgroups_visits (door, user_id, leave_at) VALUES (?, ?, ?)
            ON CONFLICT (door, user_id) DO UPDATE SET leave_at = EXCLUDED.leave_at
            """,
            (door, user_id, leave_at),
        )

    @staticmethod
    def due(txn: LoggingTransaction, now: int) -> list[tuple[str, str]]:
        txn.execute("SELECT door, user_id FROM capgroups_visits WHERE leave_at <= ?", (now,))
        return [(door, user_id) for door, user_id in txn]

    @staticmethod
    def unnoticed(txn: LoggingTransaction, concierge: str) -> list[tuple[str, str]]:
        """Who is at a door without a visit on record, by the door.

        Before the first sweep: codes that expired since the last one are among the living.
        """
        txn.execute(
            """
            SELECT code.door, there.state_key
            FROM capgroups_codes AS code JOIN current_state_events AS there
            ON there.room_id = code.door AND there.type = 'm.room.member'
            WHERE code.died_of IS NULL
            AND there.membership = 'join' AND there.state_key <> ?
            AND NOT EXISTS (
                SELECT 1 FROM capgroups_visits AS visit
                WHERE visit.door = code.door AND visit.user_id = there.state_key
            )
            AND NOT EXISTS (
                SELECT 1 FROM users WHERE name = there.state_key AND deactivated = 1
            )
            """,
            (concierge,),
        )
        return [(door, user_id) for door, user_id in txn.fetchall()]

    @staticmethod
    def any_at(txn: LoggingTransaction, door: str) -> bool:
        """Whether somebody is at a door."""
        txn.execute("SELECT 1 FROM capgroups_visits WHERE door = ? LIMIT 1", (door,))
        return txn.fetchone() is not None

    @staticmethod
    def end(txn: LoggingTransaction, door: str, user_id: str) -> None:
        txn.execute("DELETE FROM capgroups_visits WHERE door = ? AND user_id = ?", (door, user_id))


def _some(txn: LoggingTransaction, where: str, *parameters: object) -> list[Code]:
    txn.execute(f"SELECT {_COLUMNS} FROM capgroups_codes WHERE {where}", parameters)
    return [Code(*row) for row in txn.fetchall()]


def _with_sharers(
    txn: LoggingTransaction, where: str, *parameters: object
) -> list[tuple[Code, Sharer]]:
    """Codes of groups, each with how its sharer stands."""
    txn.execute(
        f"""
        SELECT {_COLUMNS}, {SHARER_COLUMNS.format(row="code")}
        FROM capgroups_codes AS code LEFT JOIN users AS account ON account.name = code.sharer
        WHERE {where}
        """,
        parameters,
    )
    width = len(attrs.fields(Code))
    return [(Code(*row[:width]), Sharer.of_row(*row[width:])) for row in txn.fetchall()]


def _one(txn: LoggingTransaction, where: str, *parameters: object) -> Code | None:
    found = _some(txn, where, *parameters)
    return found[0] if found else None
