"""News: what is to be told to whom, found in the record and among dead codes.

One process finds them and tells them, so no statement guards against another one.
"""

from typing import Any

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.rules.news import DEATHS_TOLD, NewsKind
from synapse_capgroups.storage.admissions import DAY_MS

_HAS_CHAT = "EXISTS (SELECT 1 FROM capgroups_chats AS chat WHERE chat.user_id = {who})"
"""With its table, if the column's name is one of `capgroups_chats`, too."""


@attrs.frozen
class NewsItem:
    """One thing that somebody is to be told.

    Attributes:
        about: the ID of a code or a room; empty if it is about nothing in particular.
        happened_at: of what is gathered, when the first of it happened.
    """

    kind: NewsKind = attrs.field(converter=NewsKind)
    about: str
    happened_at: int


@attrs.frozen
class Filling:
    """A group into which somebody came in a span of time, with the fewest and most members."""

    room_id: str
    fewest: int
    most: int


class News:
    """The statements on `capgroups_news` and `capgroups_nearly_full`."""

    @staticmethod
    def find_dead_codes(txn: LoggingTransaction, since: int, until: int) -> None:
        """Let sharers hear of the codes that died in a span of time, unless they ended them.

        A code without a door was never given to anybody.
        """
        _insert(
            txn,
            f"""
            SELECT sharer, '{NewsKind.CODE_DIED.value}', code_id, died_at, died_at
            FROM capgroups_codes
            WHERE died_of IS NOT NULL AND died_at > ? AND died_at <= ?
            AND died_of IN ({", ".join("?" * len(DEATHS_TOLD))})
            AND NOT ended_by_sharer AND door IS NOT NULL AND {_HAS_CHAT.format(who="sharer")}
            """,
            (since, until, *[reason.value for reason in DEATHS_TOLD]),
        )

    @staticmethod
    def find_arrivals(txn: LoggingTransaction, since: int, until: int) -> None:
        """Let sharers hear of those who came by their codes, a day after the first of these.

        In a group with approval, a moderator has agreed to each and knows.
        """
        _insert(
            txn,
            f"""
            SELECT inviter, '{NewsKind.CAME.value}', '', MIN(admitted_at),
                MIN(admitted_at) + {DAY_MS}
            FROM capgroups_admissions
            WHERE admitted_at > ? AND admitted_at <= ? AND how = 'code'
            AND {_HAS_CHAT.format(who="inviter")}
            GROUP BY inviter
            """,
            (since, until),
        )

    @staticmethod
    def find_newcomers(txn: LoggingTransaction, since: int, until: int) -> None:
        """Let those hear who came by a code that they can have another name."""
        _insert(
            txn,
            f"""
            SELECT user_id, '{NewsKind.NEWCOMER.value}', room_id, MIN(admitted_at),
                MIN(admitted_at)
            FROM capgroups_admissions
            WHERE admitted_at > ? AND admitted_at <= ? AND how IN ('code', 'approved')
            AND {_HAS_CHAT.format(who="capgroups_admissions.user_id")}
            GROUP BY user_id, room_id
            """,
            (since, until),
        )

    @staticmethod
    def fillings(
        txn: LoggingTransaction, since: int, until: int, nearly_full_from: int
    ) -> list[Filling]:
        """The groups that grew in a span of time, of those that are or were nearly full."""
        txn.execute(
            """
            SELECT room_id, MIN(members_after), MAX(members_after) FROM capgroups_admissions
            WHERE admitted_at > ? AND admitted_at <= ? GROUP BY room_id
            HAVING MAX(members_after) >= ? OR EXISTS (
                SELECT 1 FROM capgroups_nearly_full AS told
                WHERE told.room_id = capgroups_admissions.room_id
            )
            """,
            (since, until, nearly_full_from),
        )
        return [Filling(room_id, int(few), int(most)) for room_id, few, most in txn.fetchall()]

    @staticmethod
    def is_nearly_full(txn: LoggingTransaction, room_id: str, kind: NewsKind) -> bool:
        """Note that a group is nearly full; False if that was known."""
        txn.execute(
            """
            INSERT INTO capgroups_nearly_full (room_id, kind) VALUES (?, ?)
            ON CONFLICT (room_id, kind) DO NOTHING
            """,
            (room_id, kind.value),
        )
        return bool(txn.rowcount)

    @staticmethod
    def is_well_below(txn: LoggingTransaction, room_id: str, kind: NewsKind) -> None:
        """Note that a group is far from full."""
        txn.execute(
            "DELETE FROM capgroups_nearly_full WHERE room_id = ? AND kind = ?",
            (room_id, kind.value),
        )

    @staticmethod
    def add(txn: LoggingTransaction, user_id: str, item: NewsItem) -> None:
        """Let somebody hear of one thing."""
        _insert(
            txn,
            "VALUES (?, ?, ?, ?, ?)",
            (user_id, item.kind.value, item.about, item.happened_at, item.happened_at),
        )

    @staticmethod
    def next_reader(txn: LoggingTransaction, now: int) -> str | None:
        """Somebody who is to be told something now; who has waited longest."""
        txn.execute(
            "SELECT user_id FROM capgroups_news WHERE due_at <= ? ORDER BY due_at LIMIT 1", (now,)
        )
        row = txn.fetchone()
        return row[0] if row else None

    @staticmethod
    def put_off(txn: LoggingTransaction, user_id: str, until: int) -> None:
        """Let everything that somebody is to be told earlier wait."""
        txn.execute(
            "UPDATE capgroups_news SET due_at = ? WHERE user_id = ? AND due_at < ?",
            (until, user_id, until),
        )

    @staticmethod
    def take(txn: LoggingTransaction, user_id: str, now: int, most: int) -> list[NewsItem]:
        """What somebody is to be told now. From here on it counts as told."""
        txn.execute(
            """
            SELECT kind, about, happened_at FROM capgroups_news
            WHERE user_id = ? AND due_at <= ? ORDER BY happened_at LIMIT ?
            """,
            (user_id, now, most),
        )
        found = [NewsItem(*row) for row in txn.fetchall()]
        txn.execute("DELETE FROM capgroups_news WHERE user_id = ? AND due_at <= ?", (user_id, now))
        return found


def _insert(txn: LoggingTransaction, rows: str, parameters: tuple[Any, ...]) -> None:
    """Insert rows, but for those that are there: what was not told yet is told once."""
    txn.execute(
        f"""
        INSERT INTO capgroups_news (user_id, kind, about, happened_at, due_at) {rows}
        ON CONFLICT (user_id, kind, about) DO NOTHING
        """,
        parameters,
    )
