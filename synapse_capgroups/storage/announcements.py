"""Announcements, and the outbox with a row for each group that one goes to (rule 12)."""

import json
from collections.abc import Collection, Mapping
from enum import Enum
from typing import Any

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.rules.announcements import Beside, Undelivered


class AnnouncementState(Enum):
    """Where an announcement is on its way.

    `SENDING`: some group may have something to get. `DONE`: all was done, and its author knows.
    """

    DRAFT = "draft"
    SENDING = "sending"
    DONE = "done"


class CopyState(Enum):
    """Where the copy for one group is on its way.

    `DUE`: there is something to send. `SENDING`: a process has begun to. `SENT`: the group has
    what the announcement says now. `DELETED`: the group has it no more, or never had it.
    """

    DUE = "due"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    DELETED = "deleted"


def _content(stored: Any) -> Any:
    return json.loads(stored) if isinstance(stored, str) else stored


def _beside(stored: Any) -> tuple[Beside, ...]:
    return tuple(Beside(word) for word in (stored or "").split())


@attrs.frozen
class Announcement:
    """A row of `capgroups_announcements`. Times are milliseconds since 1970.

    Attributes:
        content: of the message; None while a draft waits for it, and once it is deleted.
        revision: 1, and one more with each edit.
        chat: the concierge's room in which the author is told how it went; None if nowhere.
        deleted_by: who took it out of the groups again.
    """

    announcement_id: str
    series_id: str
    author: str
    content: Mapping[str, Any] | None = attrs.field(converter=_content)
    mention_room: bool = attrs.field(converter=bool)
    pin: bool = attrs.field(converter=bool)
    state: AnnouncementState = attrs.field(converter=AnnouncementState)
    revision: int
    chat: str | None
    created_at: int
    confirmed_at: int | None = None
    deleted_by: str | None = None


@attrs.frozen
class OutboxRow:
    """A row of `capgroups_outbox`: the copy for one group.

    Attributes:
        number: the group's in its series, when the announcement was confirmed.
        marker: what is in the events' content, so that they are found again.
        revision: which one the group has; 0 is none.
        tried: which one was last begun to be sent.
        tries: how often something was begun without being known to have ended.
        begun_at: when that was, in milliseconds since 1970.
        sent_after: the place in the order of events after which that was.
        event_id: of the first event, the one that edits replace.
    """

    announcement_id: str
    room_id: str
    number: int
    marker: str
    state: CopyState = attrs.field(converter=CopyState)
    revision: int
    tried: int
    tries: int
    begun_at: int | None
    sent_after: int | None
    event_id: str | None
    reason: Undelivered | None = attrs.field(converter=attrs.converters.optional(Undelivered))
    beside: tuple[Beside, ...] = attrs.field(converter=_beside)


@attrs.frozen
class Reach:
    """Whom an announcement would reach.

    Attributes:
        groups: how many groups the series has.
        people: how many people are in them, its author not counted.
        encrypted: how many of the groups are encrypted.
        without_author: in how many the author is not a member.
    """

    groups: int
    people: int
    encrypted: int
    without_author: int


_ANNOUNCEMENT = ", ".join(field.name for field in attrs.fields(Announcement))
_ROW = ", ".join(field.name for field in attrs.fields(OutboxRow))


class Announcements:
    """The statements on `capgroups_announcements`."""

    @staticmethod
    def draft(txn: LoggingTransaction, draft: Announcement) -> None:
        """Write a draft in place of the one that its author had in this series."""
        txn.execute(
            """
            DELETE FROM capgroups_announcements
            WHERE author = ? AND state = 'draft' AND series_id = ?
            """,
            (draft.author, draft.series_id),
        )
        row = attrs.asdict(draft) | {
            "state": draft.state.value,
            "content": None if draft.content is None else json.dumps(draft.content),
        }
        txn.execute(
            f"INSERT INTO capgroups_announcements ({_ANNOUNCEMENT}) "
            f"VALUES ({', '.join('?' * len(row))})",
            tuple(row.values()),
        )

    @staticmethod
    def by_id(txn: LoggingTransaction, announcement_id: str) -> Announcement | None:
        return _one(txn, "announcement_id = ?", announcement_id)

    @staticmethod
    def drafted_in(txn: LoggingTransaction, author: str, chat: str) -> Announcement | None:
        """The latest draft that somebody made in their chat with the concierge."""
        return _one(
            txn,
            "author = ? AND state = 'draft' AND chat = ? ORDER BY created_at DESC LIMIT 1",
            author,
            chat,
        )

    @staticmethod
    def latest(txn: LoggingTransaction, series_id: str, author: str) -> Announcement | None:
        """The latest announcement of somebody in a series that they have confirmed."""
        return _one(
            txn,
            """
            series_id = ? AND author = ? AND confirmed_at IS NOT NULL
            ORDER BY confirmed_at DESC, announcement_id DESC LIMIT 1
            """,
            series_id,
            author,
        )

    @staticmethod
    def page(
        txn: LoggingTransaction, series_id: str, most: int, before: tuple[int, str] | None = None
    ) -> list[Announcement]:
        """What was announced in a series, the latest first.

        Args:
            before: the time and the ID of the last one of the page before.
        """
        time, last = before or (2**62, "")
        return _announcements(
            txn,
            """
            series_id = ? AND (confirmed_at < ? OR (confirmed_at = ? AND announcement_id < ?))
            ORDER BY confirmed_at DESC, announcement_id DESC LIMIT ?
            """,
            series_id, time, time, last, most,
        )  # fmt: skip

    @staticmethod
    def count_since(txn: LoggingTransaction, series_id: str, time: int) -> int:
        """How many announcements of a series were confirmed since a time."""
        txn.execute(
            """
            SELECT COUNT(*) FROM capgroups_announcements
            WHERE series_id = ? AND confirmed_at > ?
            """,
            (series_id, time),
        )
        row = txn.fetchone()
        return int(row[0]) if row else 0

    @staticmethod
    def confirm(txn: LoggingTransaction, announcement_id: str, now: int) -> bool:
        """Let a draft be sent; False if it is no draft any more."""
        txn.execute(
            """
            UPDATE capgroups_announcements SET state = 'sending', confirmed_at = ?
            WHERE announcement_id = ? AND state = 'draft'
            """,
            (now, announcement_id),
        )
        return txn.rowcount > 0

    @staticmethod
    def edit(txn: LoggingTransaction, announcement: Announcement) -> None:
        """Give an announcement another content, to be sent to its groups."""
        txn.execute(
            """
            UPDATE capgroups_announcements
            SET content = ?, revision = revision + 1, state = 'sending', chat = ?
            WHERE announcement_id = ?
            """,
            (json.dumps(announcement.content), announcement.chat, announcement.announcement_id),
        )

    @staticmethod
    def delete(txn: LoggingTransaction, announcement: Announcement) -> None:
        """Take an announcement's content away, and have its events redacted."""
        txn.execute(
            """
            UPDATE capgroups_announcements
            SET content = NULL, deleted_by = ?, state = 'sending', chat = ?
            WHERE announcement_id = ?
            """,
            (announcement.deleted_by, announcement.chat, announcement.announcement_id),
        )

    @staticmethod
    def go_on(txn: LoggingTransaction, announcement: Announcement) -> None:
        """Have what is due sent."""
        txn.execute(
            "UPDATE capgroups_announcements SET state = 'sending', chat = ? "
            "WHERE announcement_id = ?",
            (announcement.chat, announcement.announcement_id),
        )

    @staticmethod
    def done(txn: LoggingTransaction, announcement_id: str) -> bool:
        """Note that all was done; False if there is something to do again."""
        txn.execute(
            """
            UPDATE capgroups_announcements SET state = 'done'
            WHERE announcement_id = ? AND state = 'sending' AND NOT EXISTS (
                SELECT 1 FROM capgroups_outbox AS row
                WHERE row.announcement_id = ? AND row.state IN ('due', 'sending')
            )
            """,
            (announcement_id, announcement_id),
        )
        return txn.rowcount > 0

    @staticmethod
    def unfinished(txn: LoggingTransaction, most: int) -> list[str]:
        """The IDs of announcements that are under way, the oldest first."""
        txn.execute(
            """
            SELECT announcement_id FROM capgroups_announcements WHERE state = 'sending'
            ORDER BY confirmed_at LIMIT ?
            """,
            (most,),
        )
        return [announcement_id for (announcement_id,) in txn.fetchall()]

    @staticmethod
    def outdated(txn: LoggingTransaction, *, drafted: int, confirmed: int) -> list[str]:
        """Drafts from before one time, and announcements from before another."""
        found: list[str] = []
        for where, time in (
            ("state = 'draft' AND created_at < ?", drafted),
            ("confirmed_at < ?", confirmed),
        ):
            txn.execute(
                f"SELECT announcement_id FROM capgroups_announcements WHERE {where} LIMIT 100",
                (time,),
            )
            found.extend(announcement_id for (announcement_id,) in txn.fetchall())
        return found

    @staticmethod
    def forget(txn: LoggingTransaction, announcement_ids: Collection[str]) -> None:
        """Remove announcements with their rows in the outbox. What was sent stays."""
        for announcement_id in announcement_ids:
            _forget(txn, "announcement_id", announcement_id)

    @staticmethod
    def forget_author(txn: LoggingTransaction, user_id: str) -> None:
        """Remove what somebody announced, whose account is gone."""
        _forget(txn, "author", user_id)

    @staticmethod
    def forget_series(txn: LoggingTransaction, series_id: str) -> None:
        """Remove what was announced in a series that is forgotten."""
        _forget(txn, "series_id", series_id)


class Outbox:
    """The statements on `capgroups_outbox`."""

    @staticmethod
    def write(txn: LoggingTransaction, rows: Collection[tuple[str, str, int, str]]) -> None:
        """Write down which groups get an announcement.

        Args:
            rows: for each group the announcement's ID, the room's, the number and the marker.
        """
        txn.execute_batch(
            """
            INSERT INTO capgroups_outbox
                (announcement_id, room_id, number, marker, state, revision, tried, tries)
            VALUES (?, ?, ?, ?, 'due', 0, 0, 0)
            """,
            rows,
        )

    @staticmethod
    def of(txn: LoggingTransaction, announcement_id: str, room_id: str) -> OutboxRow | None:
        found = _rows(txn, "announcement_id = ? AND room_id = ?", announcement_id, room_id)
        return found[0] if found else None

    @staticmethod
    def unfinished(txn: LoggingTransaction, announcement_id: str, after: int) -> list[OutboxRow]:
        """The next copies that are to be sent or were begun."""
        return _rows(
            txn,
            """
            announcement_id = ? AND number > ? AND state IN ('due', 'sending')
            ORDER BY number LIMIT 20
            """,
            announcement_id,
            after,
        )

    @staticmethod
    def begin(
        txn: LoggingTransaction, row: OutboxRow, revision: int, *, now: int, place: int
    ) -> bool:
        """Note that a copy is about to be sent; False if another process was first."""
        txn.execute(
            """
            UPDATE capgroups_outbox
            SET state = 'sending', tried = ?, tries = tries + 1, begun_at = ?, sent_after = ?,
                reason = NULL, beside = NULL
            WHERE announcement_id = ? AND room_id = ? AND state = 'due'
            """,
            (revision, now, place, row.announcement_id, row.room_id),
        )
        return txn.rowcount > 0

    @staticmethod
    def arrived(txn: LoggingTransaction, row: OutboxRow, event_id: str) -> None:
        """Note that what was begun is in the group."""
        txn.execute(
            """
            UPDATE capgroups_outbox SET revision = tried, event_id = COALESCE(event_id, ?)
            WHERE announcement_id = ? AND room_id = ?
            """,
            (event_id, row.announcement_id, row.room_id),
        )

    @staticmethod
    def finish(txn: LoggingTransaction, row: OutboxRow, beside: Collection[Beside] = ()) -> None:
        """Note that no process works on a copy: the group has it, or has to get it still."""
        txn.execute(
            """
            UPDATE capgroups_outbox SET beside = ?,
                tries = CASE WHEN revision = tried THEN 0 ELSE tries END,
                state = CASE WHEN EXISTS (
                    SELECT 1 FROM capgroups_announcements AS said
                    WHERE said.announcement_id = capgroups_outbox.announcement_id
                    AND said.revision = capgroups_outbox.revision AND said.deleted_by IS NULL
                ) THEN 'sent' ELSE 'due' END
            WHERE announcement_id = ? AND room_id = ? AND state = 'sending'
            """,
            (
                " ".join(word.value for word in beside) or None,
                row.announcement_id,
                row.room_id,
            ),
        )

    @staticmethod
    def fail(txn: LoggingTransaction, row: OutboxRow, reason: Undelivered) -> None:
        """Note why a copy cannot be sent."""
        txn.execute(
            """
            UPDATE capgroups_outbox SET state = 'failed', reason = ?, tries = 0
            WHERE announcement_id = ? AND room_id = ?
            """,
            (reason.value, row.announcement_id, row.room_id),
        )

    @staticmethod
    def deleted(txn: LoggingTransaction, row: OutboxRow) -> None:
        """Note that a group does not have it any more."""
        txn.execute(
            """
            UPDATE capgroups_outbox SET state = 'deleted', reason = NULL, beside = NULL
            WHERE announcement_id = ? AND room_id = ?
            """,
            (row.announcement_id, row.room_id),
        )

    @staticmethod
    def all_due(txn: LoggingTransaction, announcement_id: str) -> None:
        """Have an edit or a deletion sent to all groups that have something."""
        txn.execute(
            """
            UPDATE capgroups_outbox SET state = 'due', tries = 0
            WHERE announcement_id = ? AND (state = 'sent' OR (state = 'failed' AND event_id <> ''))
            """,
            (announcement_id,),
        )

    @staticmethod
    def drop_unsent(txn: LoggingTransaction, announcement_id: str) -> None:
        """Give up what no group has, and what may be in one without having been found."""
        txn.execute(
            """
            UPDATE capgroups_outbox SET state = 'deleted'
            WHERE announcement_id = ? AND state IN ('due', 'failed') AND event_id IS NULL
            AND COALESCE(reason, '') <> ?
            """,
            (announcement_id, Undelivered.UNKNOWN.value),
        )

    @staticmethod
    def retry(txn: LoggingTransaction, announcement_id: str) -> int:
        """Have what failed sent again, but for what may be there; returns how many that are."""
        txn.execute(
            """
            UPDATE capgroups_outbox SET state = 'due', tries = 0
            WHERE announcement_id = ? AND state = 'failed' AND reason <> ?
            """,
            (announcement_id, Undelivered.UNKNOWN.value),
        )
        return int(txn.rowcount)

    @staticmethod
    def counts(txn: LoggingTransaction, announcement_id: str) -> dict[CopyState, int]:
        """How many copies are in which state."""
        txn.execute(
            "SELECT state, COUNT(*) FROM capgroups_outbox WHERE announcement_id = ? GROUP BY state",
            (announcement_id,),
        )
        return {CopyState(state): int(count) for state, count in txn.fetchall()}

    @staticmethod
    def incomplete(
        txn: LoggingTransaction, announcement_id: str, *, after: int, most: int
    ) -> list[OutboxRow]:
        """Copies that are not where they belong, or not wholly, in the order of the numbers."""
        return _rows(
            txn,
            """
            announcement_id = ? AND number > ?
            AND (state IN ('due', 'sending', 'failed') OR beside <> '') ORDER BY number LIMIT ?
            """,
            announcement_id,
            after,
            most,
        )

    @staticmethod
    def reach(txn: LoggingTransaction, series_id: str, author: str) -> Reach:
        """Whom an announcement to a series would reach now."""
        counted = []
        for what, condition, parameters in (
            ("COUNT(*)", "TRUE", ()),
            ("COUNT(DISTINCT here.state_key)", _PEOPLE, (author,)),
            ("COUNT(*)", _ENCRYPTED, ()),
            ("COUNT(*)", _AUTHOR, (author,)),
        ):
            joined = "" if condition == "TRUE" else _HERE
            txn.execute(
                f"""
                SELECT {what} FROM capgroups_series_groups AS part {joined}
                WHERE part.series_id = ? AND part.room_id IS NOT NULL AND {condition}
                """,
                (series_id, *parameters),
            )
            row = txn.fetchone()
            counted.append(int(row[0]) if row else 0)
        groups, people, encrypted, with_author = counted
        return Reach(groups, people, encrypted, groups - with_author)


_HERE = "JOIN current_state_events AS here ON here.room_id = part.room_id"
_MEMBER = "here.type = 'm.room.member' AND here.membership = 'join'"
_PEOPLE = f"{_MEMBER} AND here.state_key <> ?"
_AUTHOR = f"{_MEMBER} AND here.state_key = ?"
_ENCRYPTED = "here.type = 'm.room.encryption' AND here.state_key = ''"


def _one(txn: LoggingTransaction, where: str, *parameters: Any) -> Announcement | None:
    found = _announcements(txn, where, *parameters)
    return found[0] if found else None


def _announcements(txn: LoggingTransaction, where: str, *parameters: Any) -> list[Announcement]:
    txn.execute(f"SELECT {_ANNOUNCEMENT} FROM capgroups_announcements WHERE {where}", parameters)
    return [Announcement(*row) for row in txn.fetchall()]


def _rows(txn: LoggingTransaction, where: str, *parameters: Any) -> list[OutboxRow]:
    txn.execute(f"SELECT {_ROW} FROM capgroups_outbox WHERE {where}", parameters)
    return [OutboxRow(*row) for row in txn.fetchall()]


def _forget(txn: LoggingTransaction, column: str, value: str) -> None:
    txn.execute(
        f"""
        DELETE FROM capgroups_outbox WHERE announcement_id IN (
            SELECT announcement_id FROM capgroups_announcements WHERE {column} = ?
        )
        """,
        (value,),
    )
    txn.execute(f"DELETE FROM capgroups_announcements WHERE {column} = ?", (value,))
