"""Series: their settings, their groups and their helpers (rule 11)."""

from enum import Enum
from typing import Any

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.tables.conditions import IS_DEACTIVATED
from synapse_capgroups.storage.announcements import Announcements
from synapse_capgroups.storage.assignments import Assignments, Targets
from synapse_capgroups.storage.slices import Slice


class SeriesState(Enum):
    """What a series does with people who come by a live code."""

    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"


@attrs.frozen
class Series:
    """A row. Times are milliseconds since 1970.

    Attributes:
        series_id: starts with `SERIES_MARK`, so that no room and no person has it.
        organiser: the Matrix ID of the local person whose groups these are.
        name: the word by which the organiser calls it; theirs alone while the series lives.
        pattern: what its groups are called, with `{n}` for their number.
        fill: how many people come into each group by a live code, its organisers not counted.
        max_groups: how many groups it may have.
        model: the room ID of the group that new ones are like.
    """

    series_id: str
    organiser: str
    name: str
    pattern: str
    fill: int
    max_groups: int
    model: str
    state: SeriesState = attrs.field(converter=SeriesState)
    created_at: int
    ended_at: int | None = None

    @property
    def title(self) -> str:
        """What all its groups are called together: the pattern without the number."""
        return " ".join(self.pattern.replace("{n}", " ").split()) or self.name

    def group_name(self, number: int) -> str:
        """What the group with this number is called."""
        return self.pattern.replace("{n}", str(number))


@attrs.frozen
class SeriesGroup:
    """A row of `capgroups_series_groups`.

    Attributes:
        number: its place in the order in which groups are filled, from 1.
        room_id: None while the room is being made.
        begun_at: when it was begun to be made or taken in, in milliseconds since 1970; `RESERVED`
            while an assignment keeps the number for a group that it may make.
        begun_after: the place in the server's order of events after which that was.
        is_full: whether it had no place when somebody last looked. False tells nothing.
        label: what the people have in common for whom an assignment keeps it, as `rules.assignment`
            writes it. Nobody else comes in by a live code. None: it is for everybody.
    """

    series_id: str
    number: int
    room_id: str | None
    begun_at: int
    begun_after: int
    is_full: bool = attrs.field(converter=bool)
    label: str | None


RESERVED = 0
"""In place of the time at which a group was begun."""

_SERIES = (
    "series_id, organiser, name, pattern, fill, max_groups, model, state, created_at, ended_at"
)
_GROUP = "series_id, number, room_id, begun_at, begun_after, is_full, label"


class SeriesRows:
    """The statements on `capgroups_series`."""

    @staticmethod
    def add(txn: LoggingTransaction, series: Series) -> None:
        row = attrs.asdict(series) | {"state": series.state.value}
        marks = ", ".join("?" * len(row))
        txn.execute(
            f"INSERT INTO capgroups_series ({', '.join(row)}) VALUES ({marks})", tuple(row.values())
        )

    @staticmethod
    def by_id(txn: LoggingTransaction, series_id: str) -> Series | None:
        found = _series(txn, "series_id = ?", series_id)
        return found[0] if found else None

    @staticmethod
    def run_by(txn: LoggingTransaction, series_id: str, user_id: str) -> Series | None:
        """A series if this person is its organiser or a helper."""
        found = _series(
            txn,
            """
            series_id = ? AND (organiser = ? OR EXISTS (
                SELECT 1 FROM capgroups_series_helpers
                WHERE series_id = ? AND user_id = ? AND NOT is_leaving
            ))
            """,
            series_id,
            user_id,
            series_id,
            user_id,
        )
        return found[0] if found else None

    @staticmethod
    def of_organiser(txn: LoggingTransaction, user_id: str) -> list[Series]:
        """The series that somebody started or was handed, ended ones too, the oldest first."""
        return _series(txn, "organiser = ? ORDER BY created_at, series_id", user_id)

    @staticmethod
    def of_helper(txn: LoggingTransaction, user_id: str) -> list[Series]:
        """The series that somebody helps with, ended ones too, the oldest first."""
        return _series(
            txn,
            """
            series_id IN (
                SELECT series_id FROM capgroups_series_helpers WHERE user_id = ? AND NOT is_leaving
            ) ORDER BY created_at, series_id
            """,
            user_id,
        )

    @staticmethod
    def update(txn: LoggingTransaction, series: Series) -> None:
        """Write what may change of a series: all but its ID and its beginning."""
        txn.execute(
            """
            UPDATE capgroups_series SET organiser = ?, name = ?, pattern = ?, fill = ?,
                max_groups = ?, model = ?, state = ?, ended_at = ?
            WHERE series_id = ?
            """,
            (
                series.organiser, series.name, series.pattern, series.fill, series.max_groups,
                series.model, series.state.value, series.ended_at, series.series_id,
            ),
        )  # fmt: skip

    @staticmethod
    def choose_model(txn: LoggingTransaction, old: str) -> None:
        """Let series whose model is gone take their first group as one, if they have any."""
        txn.execute(
            """
            UPDATE capgroups_series SET model = COALESCE((
                SELECT part.room_id FROM capgroups_series_groups AS part
                WHERE part.series_id = capgroups_series.series_id AND part.room_id IS NOT NULL
                ORDER BY part.number LIMIT 1
            ), model) WHERE model = ?
            """,
            (old,),
        )

    @staticmethod
    def forget(txn: LoggingTransaction, series_id: str) -> None:
        """Remove a series with all that belongs to it but the rooms, which stay."""
        Announcements.forget_series(txn, series_id)
        Assignments.forget_series(txn, series_id)
        for table in ("series_groups", "series_helpers", "series_spaces", "series"):
            txn.execute(f"DELETE FROM capgroups_{table} WHERE series_id = ?", (series_id,))

    @staticmethod
    def ended_before(txn: LoggingTransaction, time: int) -> list[str]:
        """The IDs of series that ended before a time."""
        txn.execute(
            """
            SELECT series_id FROM capgroups_series
            WHERE ended_at IS NOT NULL AND ended_at < ? LIMIT 100
            """,
            (time,),
        )
        return [series_id for (series_id,) in txn.fetchall()]

    @staticmethod
    def living_after(txn: LoggingTransaction, series_id: str, most: int) -> list[str]:
        """The next series, by their IDs, of those that have not ended."""
        txn.execute(
            """
            SELECT series_id FROM capgroups_series WHERE series_id > ? AND ended_at IS NULL
            ORDER BY series_id LIMIT ?
            """,
            (series_id, most),
        )
        return [found for (found,) in txn.fetchall()]

    @staticmethod
    def deactivated_organisers(txn: LoggingTransaction, after: str, most: int) -> Slice:
        """Deactivated accounts whose series have not ended."""
        txn.execute(
            f"""
            SELECT person.organiser, {IS_DEACTIVATED.format(row="person", user="organiser")}
            AND EXISTS (
                SELECT 1 FROM capgroups_series AS series
                WHERE series.organiser = person.organiser AND series.ended_at IS NULL
            ) FROM (
                SELECT DISTINCT organiser FROM capgroups_series WHERE organiser > ?
                ORDER BY organiser LIMIT ?
            ) AS person ORDER BY person.organiser
            """,
            (after, most),
        )
        return Slice.of_rows(txn.fetchall(), most)


class SeriesHelpers:
    """The statements on `capgroups_series_helpers`."""

    @staticmethod
    def add(txn: LoggingTransaction, series_id: str, user_id: str) -> bool:
        """Name a helper; returns whether they were none before."""
        txn.execute(
            """
            INSERT INTO capgroups_series_helpers (series_id, user_id, is_leaving)
            VALUES (?, ?, FALSE)
            ON CONFLICT (series_id, user_id) DO UPDATE SET is_leaving = FALSE
            WHERE capgroups_series_helpers.is_leaving
            """,
            (series_id, user_id),
        )
        return txn.rowcount > 0

    @staticmethod
    def remove(txn: LoggingTransaction, series_id: str, user_id: str) -> bool:
        """Take a helper's rights; returns whether they had any. They may still have power."""
        txn.execute(
            """
            UPDATE capgroups_series_helpers SET is_leaving = TRUE
            WHERE series_id = ? AND user_id = ? AND NOT is_leaving
            """,
            (series_id, user_id),
        )
        return txn.rowcount > 0

    @staticmethod
    def leaving(txn: LoggingTransaction, series_id: str) -> list[str]:
        """Who is helper no more, and may still have power in some groups."""
        txn.execute(
            "SELECT user_id FROM capgroups_series_helpers WHERE series_id = ? AND is_leaving",
            (series_id,),
        )
        return [user_id for (user_id,) in txn.fetchall()]

    @staticmethod
    def gone(txn: LoggingTransaction, series_id: str, user_id: str) -> None:
        """Forget somebody who is helper no more."""
        txn.execute(
            """
            DELETE FROM capgroups_series_helpers
            WHERE series_id = ? AND user_id = ? AND is_leaving
            """,
            (series_id, user_id),
        )

    @staticmethod
    def of(txn: LoggingTransaction, series_id: str) -> list[str]:
        txn.execute(
            """
            SELECT user_id FROM capgroups_series_helpers
            WHERE series_id = ? AND NOT is_leaving ORDER BY user_id
            """,
            (series_id,),
        )
        return [user_id for (user_id,) in txn.fetchall()]

    @staticmethod
    def organisers(txn: LoggingTransaction, series: Series) -> list[str]:
        """The organiser, then the helpers: all who have the organiser's rights."""
        helpers = SeriesHelpers.of(txn, series.series_id)
        return [series.organiser, *(helper for helper in helpers if helper != series.organiser)]


class SeriesGroups:
    """The statements on `capgroups_series_groups`."""

    @staticmethod
    def begin(
        txn: LoggingTransaction,
        series_id: str,
        number: int,
        now: int,
        begun_after: int,
        *,
        room_id: str | None = None,
        label: str | None = None,
    ) -> bool:
        """Write down a group that is about to be made, or that is taken in.

        Returns:
            False if the series has that number already, or a series has that room.
        """
        txn.execute(
            """
            INSERT INTO capgroups_series_groups
                (series_id, number, room_id, begun_at, begun_after, is_full, label)
            VALUES (?, ?, ?, ?, ?, FALSE, ?) ON CONFLICT DO NOTHING
            """,
            (series_id, number, room_id, now, begun_after, label),
        )
        return txn.rowcount > 0

    @staticmethod
    def take_over(txn: LoggingTransaction, group: SeriesGroup, now: int) -> None:
        """Begin a group again whose process seems to be dead. The caller holds the series' lock."""
        txn.execute(
            """
            UPDATE capgroups_series_groups SET begun_at = ?
            WHERE series_id = ? AND number = ? AND room_id IS NULL
            """,
            (now, group.series_id, group.number),
        )

    @staticmethod
    def made(txn: LoggingTransaction, group: SeriesGroup, room_id: str) -> bool:
        """Note the room of a group that was begun; returns False if another process took it over.

        Args:
            group: as it was when this process began it.
        """
        txn.execute(
            """
            UPDATE capgroups_series_groups SET room_id = ?
            WHERE series_id = ? AND number = ? AND begun_at = ? AND room_id IS NULL
            """,
            (room_id, group.series_id, group.number, group.begun_at),
        )
        return txn.rowcount > 0

    @staticmethod
    def not_made(txn: LoggingTransaction, series_id: str, number: int, begun_at: int) -> None:
        """Forget a group that was begun, or reserved, and is not made."""
        txn.execute(
            """
            DELETE FROM capgroups_series_groups
            WHERE series_id = ? AND number = ? AND begun_at = ? AND room_id IS NULL
            """,
            (series_id, number, begun_at),
        )

    @staticmethod
    def reserve_again(txn: LoggingTransaction, group: SeriesGroup) -> None:
        """Reserve a group of an assignment that this process began and could not make."""
        txn.execute(
            """
            UPDATE capgroups_series_groups SET begun_at = ?
            WHERE series_id = ? AND number = ? AND begun_at = ? AND room_id IS NULL
            """,
            (RESERVED, group.series_id, group.number, group.begun_at),
        )

    @staticmethod
    def give_label(txn: LoggingTransaction, series_id: str, number: int, label: str) -> None:
        """Keep a group for the people of an assignment from now on."""
        keep = "UPDATE capgroups_series_groups SET label = ? WHERE series_id = ? AND number = ?"
        txn.execute(keep, (label, series_id, number))

    @staticmethod
    def remove(txn: LoggingTransaction, series_id: str, number: int) -> None:
        """Let a group go. Its number is never given again while a later one is there."""
        txn.execute(
            "DELETE FROM capgroups_series_groups WHERE series_id = ? AND number = ?",
            (series_id, number),
        )

    @staticmethod
    def replace_room(txn: LoggingTransaction, old: str, new: str) -> bool:
        """Put an upgraded group's successor in its place; returns whether it was in a series."""
        txn.execute(
            "UPDATE capgroups_series_groups SET room_id = ?, is_full = FALSE WHERE room_id = ?",
            (new, old),
        )
        replaced = txn.rowcount > 0
        if replaced:
            txn.execute("UPDATE capgroups_series SET model = ? WHERE model = ?", (new, old))
            Targets.replace_room(txn, old, new)
        return replaced

    @staticmethod
    def of(
        txn: LoggingTransaction, series_id: str, *, after: int = 0, most: int = 10_000
    ) -> list[SeriesGroup]:
        """A series' groups in the order of their numbers, those that are being made too."""
        return _groups(
            txn, "series_id = ? AND number > ? ORDER BY number LIMIT ?", series_id, after, most
        )

    @staticmethod
    def of_room(txn: LoggingTransaction, room_id: str) -> SeriesGroup | None:
        """The place of a room in its series, None if it is in none."""
        found = _groups(txn, "room_id = ?", room_id)
        return found[0] if found else None

    @staticmethod
    def count_and_last(txn: LoggingTransaction, series_id: str) -> tuple[int, int]:
        """How many groups a series has, and the highest number; those being made included."""
        txn.execute(
            "SELECT COUNT(*), MAX(number) FROM capgroups_series_groups WHERE series_id = ?",
            (series_id,),
        )
        row = txn.fetchone()
        return (int(row[0]), int(row[1] or 0)) if row else (0, 0)

    @staticmethod
    def unmade(txn: LoggingTransaction, series_id: str) -> list[SeriesGroup]:
        """Groups without a room: they are being made now, or their process was killed."""
        return _groups(
            txn,
            "series_id = ? AND room_id IS NULL AND begun_at <> ? ORDER BY number",
            series_id,
            RESERVED,
        )

    @staticmethod
    def maybe_with_place(txn: LoggingTransaction, series_id: str, most: int) -> list[SeriesGroup]:
        """The first of the groups for everybody that are not known to be full."""
        return _groups(
            txn,
            """
            series_id = ? AND NOT is_full AND label IS NULL AND room_id IS NOT NULL
            ORDER BY number LIMIT ?
            """,
            series_id,
            most,
        )

    @staticmethod
    def known_to_be_full(
        txn: LoggingTransaction, after: tuple[str, int], most: int
    ) -> list[tuple[Series, SeriesGroup]]:
        """Groups that are known to be full, each with its series, which may have ended.

        Args:
            after: the series' ID and the number of the last one that was looked at.
        """
        columns = ", ".join(f"own.{column}" for column in _SERIES.split(", "))
        parts = ", ".join(f"part.{column}" for column in _GROUP.split(", "))
        txn.execute(
            f"""
            SELECT {columns}, {parts}
            FROM (
                SELECT {_GROUP} FROM capgroups_series_groups
                WHERE is_full AND series_id >= ? AND (series_id > ? OR number > ?)
                ORDER BY series_id, number LIMIT ?
            ) AS part JOIN capgroups_series AS own ON own.series_id = part.series_id
            ORDER BY part.series_id, part.number
            """,
            (after[0], *after, most),
        )
        width = len(attrs.fields(Series))
        return [(Series(*row[:width]), SeriesGroup(*row[width:])) for row in txn.fetchall()]

    @staticmethod
    def has_no_place(txn: LoggingTransaction, series_id: str, number: int) -> None:
        """Note that a group is full. The caller holds the series' lock."""
        txn.execute(
            "UPDATE capgroups_series_groups SET is_full = TRUE WHERE series_id = ? AND number = ?",
            (series_id, number),
        )

    @staticmethod
    def may_have_place(txn: LoggingTransaction, room_id: str) -> None:
        """Note that a seat has become free in a room; it need not be in a series."""
        txn.execute(
            "UPDATE capgroups_series_groups SET is_full = FALSE WHERE room_id = ? AND is_full",
            (room_id,),
        )

    @staticmethod
    def all_may_have_place(txn: LoggingTransaction, series_id: str) -> None:
        """The same for all groups of a series, whose `fill` has changed."""
        txn.execute(
            "UPDATE capgroups_series_groups SET is_full = FALSE WHERE series_id = ? AND is_full",
            (series_id,),
        )

    @staticmethod
    def standings(
        txn: LoggingTransaction, series_id: str, user_id: str
    ) -> list[tuple[str, int, str, str, int]]:
        """How somebody stands in the groups of a series in which they ever had a membership.

        By the index on the person, since a series may have a thousand groups.

        Returns:
            For each: room ID, number, membership, the event's sender, its place in the order of
            events.
        """
        txn.execute(
            """
            SELECT part.room_id, part.number, own.membership, e.sender, e.stream_ordering
            FROM (
                SELECT DISTINCT room_id FROM room_memberships WHERE user_id = ?
            ) AS known
            JOIN capgroups_series_groups AS part ON part.room_id = known.room_id
            JOIN current_state_events AS own ON own.room_id = known.room_id
                AND own.type = 'm.room.member' AND own.state_key = ?
            JOIN events AS e ON e.event_id = own.event_id
            WHERE part.series_id = ?
            ORDER BY part.number
            """,
            (user_id, user_id, series_id),
        )
        return [
            (room, number, membership, sender, at)
            for room, number, membership, sender, at in txn.fetchall()
        ]

    @staticmethod
    def seats_of(
        txn: LoggingTransaction, series_id: str, user_id: str, now: int
    ) -> list[tuple[str, int]]:
        """Where somebody has a seat reserved for a join that is under way: room ID and number."""
        txn.execute(
            """
            SELECT DISTINCT part.room_id, part.number
            FROM capgroups_seats AS seat
            JOIN capgroups_series_groups AS part ON part.room_id = seat.room_id
            WHERE seat.user_id = ? AND seat.expires_at > ? AND part.series_id = ?
            """,
            (user_id, now, series_id),
        )
        return [(room_id, number) for room_id, number in txn.fetchall()]


def _series(txn: LoggingTransaction, where: str, *parameters: Any) -> list[Series]:
    txn.execute(f"SELECT {_SERIES} FROM capgroups_series WHERE {where}", parameters)
    return [Series(*row) for row in txn.fetchall()]


def _groups(txn: LoggingTransaction, where: str, *parameters: Any) -> list[SeriesGroup]:
    txn.execute(f"SELECT {_GROUP} FROM capgroups_series_groups WHERE {where}", parameters)
    return [SeriesGroup(*row) for row in txn.fetchall()]
