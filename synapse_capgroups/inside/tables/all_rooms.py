"""Statements that read every room of a server at once, however many there are.

What Synapse keeps of each room's state for statistics (`room_stats_state`) is read for all of them:
the state itself is spread over the whole of `event_json`. Synapse brings it up to date a moment
after each change, so the caller reads the true state of the rooms in `changed_since_statistics`,
and of each room in which anything was found.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Protocol

import attrs

from synapse_capgroups.inside.tables.power import creators_above
from synapse_capgroups.inside.transactions import batches

STATE = (
    "m.room.create",
    "m.room.name",
    "m.room.power_levels",
    "m.room.join_rules",
    "m.room.history_visibility",
    "m.room.guest_access",
    "m.room.canonical_alias",
)
_PAIRS = 400
_MOST_CHANGED = 200_000
"""So many changes that Synapse's statistics are behind are looked through, in 50 MB at most."""


class Reading(Protocol):
    """A transaction of Synapse's, or what else runs statements with `?` for parameters."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> None: ...

    def fetchone(self) -> tuple[Any, ...] | None: ...

    def fetchall(self) -> list[tuple[Any, ...]]: ...

    def __iter__(self) -> Iterator[tuple[Any, ...]]: ...


@attrs.frozen(slots=True)
class Room:
    """One room as the tables have it at a glance.

    Attributes:
        creator: empty where Synapse does not know.
        join_rule, history_visibility, guest_access, room_type: as in Synapse's statistics; None if
            there is no such event, or none that makes sense.
        has_alias_event: whether there is an `m.room.canonical_alias`, maybe an empty one.
        members: people who have joined, `local` of them on this server.
        remote: people of other servers who are joined, invited or knocking.
    """

    room_id: str
    version: str
    creator: str
    of_application_service: bool
    listed: bool
    has_address: bool
    join_rule: str | None
    history_visibility: str | None
    guest_access: str | None
    room_type: str | None
    has_alias_event: bool
    members: int
    local: int
    remote: int


@attrs.frozen(slots=True)
class RoomState:
    """What the state events of a room say.

    Attributes:
        contents: by type, of the types in `STATE`.
        creators: who stands above the power levels.
    """

    contents: dict[str, Any]
    creator: str | None
    creators: frozenset[str]


_ROOMS = """
    SELECT r.room_id, COALESCE(r.room_version, '1'), COALESCE(r.creator, ''),
        u.appservice_id IS NOT NULL, COALESCE(r.is_public, FALSE), a.room_id IS NOT NULL,
        s.join_rules, s.history_visibility, s.guest_access, s.room_type,
        m.aliases > 0, m.members, m.here, m.remote
    FROM (
        SELECT room_id,
            SUM(CASE WHEN type = 'm.room.member' THEN 0 ELSE 1 END) AS aliases,
            SUM(CASE WHEN membership = 'join' THEN 1 ELSE 0 END) AS members,
            SUM(CASE WHEN membership = 'join' AND state_key LIKE ? THEN 1 ELSE 0 END) AS here,
            SUM(CASE WHEN membership IN ('join', 'invite', 'knock') AND state_key NOT LIKE ?
                THEN 1 ELSE 0 END) AS remote
        FROM current_state_events
        WHERE type IN ('m.room.member', 'm.room.canonical_alias') {within}
        GROUP BY room_id
    ) AS m JOIN rooms AS r ON r.room_id = m.room_id
    LEFT JOIN (
        SELECT DISTINCT room_id FROM room_aliases WHERE TRUE {within}
    ) AS a ON a.room_id = m.room_id
    LEFT JOIN room_stats_state AS s ON s.room_id = m.room_id
    LEFT JOIN users AS u ON u.name = r.creator
"""
_WITHIN = "AND room_id > ? AND room_id <= ?"


class AllRooms:
    """Statements on `rooms`, `current_state_events` and what belongs to them."""

    @staticmethod
    def at_once(txn: Reading, server_name: str) -> Iterator[Room]:
        """All rooms in which anybody is, in no order: by one statement that reads each table once.

        For PostgreSQL, with a cursor that keeps the rows on its side.
        """
        own = _users_of(server_name)
        txn.execute(_ROOMS.format(within=""), (own, own))
        return (Room(*row) for row in txn)

    @staticmethod
    def in_pages(txn: Reading, server_name: str, size: int = 2000) -> Iterator[Room]:
        """The same in pages, by indexes: for SQLite, which would sort all of them on disk.

        Other statements may run in the same transaction between two rooms.
        """
        after: str | None = ""
        while after is not None:
            rooms, after = AllRooms.page(txn, server_name, after, size)
            yield from rooms

    @staticmethod
    def page(
        txn: Reading, server_name: str, after: str, size: int
    ) -> tuple[list[Room], str | None]:
        """The rooms in which anybody is, of the next so many; in no order.

        Returns:
            The rooms, and after which ID the next page begins; None if this was the last.
        """
        own = _users_of(server_name)
        end = "SELECT room_id FROM rooms WHERE room_id > ? ORDER BY room_id LIMIT 1"
        txn.execute(f"{end} OFFSET ?", (after, size - 1))
        row = txn.fetchone()
        last = row[0] if row else "\U0010ffff"
        within = (after, last)
        txn.execute(_ROOMS.format(within=_WITHIN), (own, own, *within, *within))
        return [Room(*found) for found in txn.fetchall()], last if row else None

    @staticmethod
    def one(txn: Reading, server_name: str, room_id: str) -> Room | None:
        """One room; None if there is no such room, or nobody is in it."""
        own = _users_of(server_name)
        txn.execute(_ROOMS.format(within="AND room_id = ?"), (own, own, room_id, room_id))
        row = txn.fetchone()
        return Room(*row) if row else None

    @staticmethod
    def federating(txn: Reading, room_ids: Collection[str]) -> set[str]:
        """Those of these rooms that people of other servers can be in."""
        found: set[str] = set()
        for batch in batches(sorted(room_ids)):
            txn.execute(
                "SELECT room_id FROM room_stats_state "
                f"WHERE room_id IN ({_marks(batch)}) AND is_federatable",
                batch,
            )
            found.update(room_id for (room_id,) in txn)
        return found

    @staticmethod
    def names(txn: Reading, room_ids: Collection[str]) -> dict[str, str]:
        """What these rooms are called, by Synapse's statistics."""
        found: dict[str, str] = {}
        for batch in batches(sorted(room_ids)):
            txn.execute(
                "SELECT room_id, name FROM room_stats_state "
                f"WHERE room_id IN ({_marks(batch)}) AND name IS NOT NULL",
                batch,
            )
            found.update(txn.fetchall())
        return found

    @staticmethod
    def changed_since_statistics(txn: Reading) -> set[str] | None:
        """Rooms whose state Synapse's statistics may not have yet; None if there are too many.

        Usually the last second's. All since then, if an admin has turned statistics off.
        """
        txn.execute("SELECT MIN(stream_id) FROM stats_incremental_position")
        row = txn.fetchone()
        txn.execute(
            "SELECT room_id FROM current_state_delta_stream WHERE stream_id > ? LIMIT ?",
            ((row and row[0]) or 0, _MOST_CHANGED),
        )
        changes = 0
        rooms = set()
        for changes, (room_id,) in enumerate(txn, 1):  # noqa: B007
            rooms.add(room_id)
        return None if changes == _MOST_CHANGED else rooms

    @staticmethod
    def without_statistics(txn: Reading) -> bool:
        """Whether Synapse is still filling its statistics for the first time, or anew."""
        txn.execute(
            "SELECT 1 FROM background_updates WHERE update_name LIKE ? LIMIT 1",
            ("populate_stats%",),  # In the text of a statement, psycopg2 takes it for a parameter.
        )
        return txn.fetchone() is not None

    @staticmethod
    def pending_updates(txn: Reading) -> int:
        """How many background updates Synapse has still to finish."""
        txn.execute("SELECT COUNT(*) FROM background_updates")
        row = txn.fetchone()
        return int(row[0]) if row else 0

    @staticmethod
    def states(txn: Reading, rooms: Collection[Room]) -> dict[str, RoomState]:
        """What the state events of these rooms say."""
        contents: dict[str, dict[str, Any]] = {room.room_id: {} for room in rooms}
        created: dict[str, Any] = {}
        for batch in batches(sorted(contents)):
            txn.execute(
                f"""
                SELECT state.room_id, state.type, event.json
                FROM current_state_events AS state
                JOIN event_json AS event ON event.event_id = state.event_id
                WHERE state.room_id IN ({_marks(batch)})
                AND state.type IN ({_marks(STATE)}) AND state.state_key = ''
                """,
                (*batch, *STATE),
            )
            for room_id, kind, text in txn:
                event = parsed_event(text)
                contents[room_id][kind] = event.get("content")
                if kind == "m.room.create" and event:
                    created[room_id] = event
        found = {}
        for room in rooms:
            create = created.get(room.room_id)
            found[room.room_id] = RoomState(
                contents[room.room_id],
                create.get("sender") if create else None,
                creators_above(create, room.version),
            )
        return found

    @staticmethod
    def remote_people(
        txn: Reading, room_ids: Collection[str], server_name: str
    ) -> dict[str, set[str]]:
        """People of other servers who are joined, invited or knocking, by room."""
        found: dict[str, set[str]] = {}
        for batch in batches(sorted(room_ids)):
            txn.execute(
                f"""
                SELECT room_id, state_key FROM current_state_events
                WHERE room_id IN ({_marks(batch)}) AND type = 'm.room.member'
                AND membership IN ('join', 'invite', 'knock') AND state_key NOT LIKE ?
                """,
                (*batch, _users_of(server_name)),
            )
            for room_id, user_id in txn:
                found.setdefault(room_id, set()).add(user_id)
        return found

    @staticmethod
    def joined(txn: Reading, asked: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of these pairs of room and person in which the person is a member."""
        found: set[tuple[str, str]] = set()
        for start in range(0, len(asked), _PAIRS):
            pairs = asked[start : start + _PAIRS]
            # Two lists would be asked about in each combination. SQLite reads a CROSS JOIN in
            # its order.
            txn.execute(
                f"""
                WITH asked (room_id, user_id) AS (VALUES {", ".join(["(?, ?)"] * len(pairs))})
                SELECT asked.room_id, asked.user_id
                FROM asked CROSS JOIN current_state_events AS own
                WHERE own.room_id = asked.room_id AND own.type = 'm.room.member'
                AND own.state_key = asked.user_id AND own.membership = 'join'
                """,
                tuple(value for pair in pairs for value in pair),
            )
            found.update((room_id, user_id) for room_id, user_id in txn)
        return found

    @staticmethod
    def last_activity(txn: Reading, room_ids: Collection[str]) -> dict[str, int]:
        """When this server received the latest event of each room, in milliseconds since 1970."""
        found: dict[str, int] = {}
        for batch in batches(sorted(room_ids)):
            txn.execute(
                f"""
                SELECT r.room_id, (
                    SELECT e.received_ts FROM events AS e WHERE e.room_id = r.room_id
                    ORDER BY e.stream_ordering DESC LIMIT 1
                ) FROM rooms AS r WHERE r.room_id IN ({_marks(batch)})
                """,
                batch,
            )
            found.update((room_id, int(time)) for room_id, time in txn if time is not None)
        return found

    @staticmethod
    def addresses(txn: Reading, room_ids: Collection[str]) -> dict[str, list[str]]:
        """The addresses of these rooms."""
        found: dict[str, list[str]] = {}
        for batch in batches(sorted(room_ids)):
            txn.execute(
                "SELECT room_id, room_alias FROM room_aliases "
                f"WHERE room_id IN ({_marks(batch)}) ORDER BY room_alias",
                batch,
            )
            for room_id, address in txn:
                found.setdefault(room_id, []).append(address)
        return found

    @staticmethod
    def with_addresses(txn: Reading, addresses: Collection[str]) -> set[str]:
        """The rooms that have one of these addresses."""
        found: set[str] = set()
        for batch in batches(sorted(addresses)):
            txn.execute(
                f"SELECT room_id FROM room_aliases WHERE room_alias IN ({_marks(batch)})", batch
            )
            found.update(room_id for (room_id,) in txn)
        return found

    @staticmethod
    def of_application_services(txn: Reading, user_ids: Collection[str]) -> set[str]:
        """Those of these accounts that belong to an application service."""
        found: set[str] = set()
        for batch in batches(sorted(user_ids)):
            txn.execute(
                f"SELECT name FROM users WHERE name IN ({_marks(batch)}) "
                "AND appservice_id IS NOT NULL",
                batch,
            )
            found.update(name for (name,) in txn)
        return found


def parsed_event(text: str) -> dict[str, Any]:
    """An event from its JSON; empty if it is none."""
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):  # Other servers make events, too.
        return {}
    return event if isinstance(event, dict) else {}


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _users_of(server_name: str) -> str:
    """A pattern of the Matrix IDs of a server. `_` and `%` stand in no server's name."""
    return f"%:{server_name}"
