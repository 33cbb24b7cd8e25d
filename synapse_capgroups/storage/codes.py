"""Join codes: one row for each."""

from typing import Any

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.tables.conditions import SHARER_COLUMNS
from synapse_capgroups.inside.tables.state_history import StateHistory
from synapse_capgroups.inside.tables.users import Account
from synapse_capgroups.inside.transactions import batches
from synapse_capgroups.rules.verdict import Reason

_COLUMNS = (
    "code_id, secret, room_id, sharer, created_at, expires_at, max_uses, uses, door, died_of, "
    "died_at, after_stream_ordering, address_moved_at, label, look_at_door_at"
)

SERIES_MARK = "s-"
"""What the ID of a series starts with. Room IDs start with `!`, and Matrix IDs with `@`."""

SECRET_LENGTH = 28
"""How many characters a secret has: 136 bits in letters and digits."""


@attrs.frozen
class Code:
    """A row. Times are milliseconds since 1970.

    Attributes:
        code_id: its public name, in paths and logs.
        secret: what the QR picture holds. Never in a path, a log line or an exception.
        room_id: the group that it opens. Of a personal code, the Matrix ID of the person with whom
            it opens a direct chat, who is the sharer too. Of a live code, the ID of its series.
        door: the room ID of its door; None until the door is made. Kept after the door is closed,
            because somebody may be joining it at that moment.
        died_of: why it is dead, as far as anybody noticed.
        after_stream_ordering: the place in the server's order of events after which it was made;
            None where an older version made it.
        address_moved_at: when the dead code's address was led to a dead end, None if it is not.
        label: what its sharer wrote on it, such as the place of a poster; None if nothing.
        look_at_door_at: when it is to be seen whether its closed door's room is gone; None if not.
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
    label: str | None = None
    look_at_door_at: int | None = None

    @property
    def is_personal(self) -> bool:
        return self.room_id == self.sharer

    @property
    def is_live(self) -> bool:
        """Whether it opens a series."""
        return self.room_id.startswith(SERIES_MARK)


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
    """The statements on `capgroups_codes`; `DeadCodes` has those by which codes die."""

    @staticmethod
    def add(txn: LoggingTransaction, code: Code) -> None:
        txn.execute(
            """
            INSERT INTO capgroups_codes
                (code_id, secret, room_id, sharer, created_at, expires_at, max_uses, uses, died_of,
                 died_at, after_stream_ordering, label)
            VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?)
            """,
            (
                code.code_id, code.secret, code.room_id, code.sharer, code.created_at,
                code.expires_at, code.max_uses, code.died_of and code.died_of.value, code.died_at,
                StateHistory.latest_stream_ordering(txn), code.label,
            ),
        )  # fmt: skip

    @staticmethod
    def pass_on(txn: LoggingTransaction, series_id: str, sharer: str, other: str) -> None:
        """Let another organiser of a series share the living codes of one."""
        txn.execute(
            """
            UPDATE capgroups_codes SET sharer = ?
            WHERE room_id = ? AND sharer = ? AND died_of IS NULL
            """,
            (other, series_id, sharer),
        )

    @staticmethod
    def by_id(txn: LoggingTransaction, code_id: str) -> Code | None:
        return _one(txn, "code_id = ?", code_id)

    @staticmethod
    def among(txn: LoggingTransaction, code_ids: list[str]) -> list[Code]:
        """Those of these codes that are not forgotten."""
        found: list[Code] = []
        for batch in batches(code_ids):
            found += _some(txn, f"code_id IN ({', '.join('?' * len(batch))})", *batch)
        return found

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
    def page_of(
        txn: LoggingTransaction,
        page: Page,
        *,
        room_id: str | None = None,
        sharer: str | None = None,
    ) -> list[Code]:
        """The codes that open something, or those of one person, the newest first."""
        made_at, code_id = page.before or (2**62, "")
        return _some(
            txn,
            f"""
            {"sharer" if room_id is None else "room_id"} = ? AND created_at <= ?
            AND (created_at < ? OR code_id < ?)
            ORDER BY created_at DESC, code_id DESC LIMIT ?
            """,
            sharer if room_id is None else room_id,
            made_at,
            made_at,
            code_id,
            page.limit,
        )

    @staticmethod
    def doors(txn: LoggingTransaction) -> set[str]:
        """Every door, those of dead codes too."""
        txn.execute("SELECT door FROM capgroups_codes WHERE door IS NOT NULL")
        return {door for (door,) in txn.fetchall()}

    @staticmethod
    def any_door_made_by(txn: LoggingTransaction, user_id: str) -> bool:
        """Whether one of the doors was made by this account."""
        txn.execute(
            """
            SELECT 1 FROM capgroups_codes AS own JOIN rooms ON rooms.room_id = own.door
            WHERE rooms.creator = ? LIMIT 1
            """,
            (user_id,),
        )
        return txn.fetchone() is not None

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
            UPDATE capgroups_codes
            SET door = ?, door_closed_at = NULL, look_at_door_at = NULL, address_moved_at = NULL
            WHERE code_id = ?
            """,
            (door, code_id),
        )
        code = Codes.by_id(txn, code_id)
        return code is None or code.died_of is not None

    @staticmethod
    def change_uses(txn: LoggingTransaction, code_id: str, by: int) -> None:
        """Count a use more or less."""
        txn.execute("UPDATE capgroups_codes SET uses = uses + ? WHERE code_id = ?", (by, code_id))

    @staticmethod
    def uses(txn: LoggingTransaction, code_id: str) -> int:
        """How many people came in by a code; 0 if it is forgotten."""
        txn.execute("SELECT uses FROM capgroups_codes WHERE code_id = ?", (code_id,))
        row = txn.fetchone()
        return int(row[0]) if row else 0

    @staticmethod
    def living_sharers(txn: LoggingTransaction, room_id: str) -> list[str]:
        """Whose codes open this group."""
        txn.execute(
            "SELECT DISTINCT sharer FROM capgroups_codes WHERE room_id = ? AND died_of IS NULL",
            (room_id,),
        )
        return [sharer for (sharer,) in txn.fetchall()]

    @staticmethod
    def to_clear_up(txn: LoggingTransaction, made_before: int, now: int, most: int) -> list[Code]:
        """Dead codes whose address or door is not closed, or whose room may not be gone yet.

        Args:
            made_before: a younger one without a door may be having its door made just now.
        """
        young = "(door IS NOT NULL OR created_at < ?)"
        moving = f"died_of IS NOT NULL AND address_moved_at IS NULL AND {young} LIMIT ?"
        # Living codes have open doors, and PostgreSQL takes as many for those of dead ones. Without
        # the order it reads all dead codes in search of the first.
        closing = f"""
            died_of IS NOT NULL AND door_closed_at IS NULL AND {young} ORDER BY door LIMIT ?
        """
        # Three statements: for one with OR, SQLite reads all dead codes.
        found = _some(txn, moving, made_before, most)
        found += _some(txn, closing, made_before, most)
        found += _some(txn, "look_at_door_at <= ? ORDER BY look_at_door_at LIMIT ?", now, most)
        return list({code.code_id: code for code in found}.values())

    @staticmethod
    def without_door(txn: LoggingTransaction, made_before: int, most: int) -> list[Code]:
        """Living codes whose door was never made: the process was killed in between."""
        return _some(
            txn, "door IS NULL AND died_of IS NULL AND created_at < ? LIMIT ?", made_before, most
        )


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
