"""Statements on how rooms are open: their listing, addresses and state, and who is in them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.tables.all_rooms import parsed_event
from synapse_capgroups.inside.tables.power import creators_above
from synapse_capgroups.inside.transactions import batches


@attrs.frozen
class Opening:
    """How a room is open.

    Attributes:
        addresses: in the directory, each with `creator` and `servers`.
        state: the contents of those state events that were asked for, by type.
        creators: who stands above the power levels.
    """

    listed: bool
    addresses: Mapping[str, Mapping[str, Any]]
    state: Mapping[str, Any]
    creators: frozenset[str]


class Openings:
    """Statements on `rooms`, `room_aliases`, `current_state_events` and `event_json`."""

    @staticmethod
    def of(
        txn: LoggingTransaction, room_ids: Collection[str], types: Collection[str]
    ) -> dict[str, Opening]:
        """How these rooms are open; without those that this server does not know.

        Args:
            types: of state events with an empty state key.
        """
        found: dict[str, Opening] = {}
        for batch in batches(sorted(room_ids)):
            addresses = _addresses(txn, batch)
            events = _events(txn, batch, [*types, "m.room.create"])
            txn.execute(
                "SELECT room_id, is_public, room_version FROM rooms "
                f"WHERE room_id IN ({_marks(batch)})",
                batch,
            )
            for room_id, listed, version in txn.fetchall():
                own = events.get(room_id, {})
                found[room_id] = Opening(
                    bool(listed),
                    addresses.get(room_id, {}),
                    {kind: own[kind].get("content") for kind in types if kind in own},
                    creators_above(own.get("m.room.create"), version),
                )
        return found

    @staticmethod
    def with_guests(txn: LoggingTransaction, room_ids: Collection[str]) -> set[str]:
        """Those of these rooms that guests of this server are in, or invited to.

        Synapse makes them leave as soon as the room is closed to guests (`kick_guest_users`).
        """
        found: set[str] = set()
        for batch in batches(sorted(room_ids)):
            txn.execute(
                f"""
                SELECT DISTINCT s.room_id FROM current_state_events AS s
                JOIN users AS u ON u.name = s.state_key
                WHERE s.room_id IN ({_marks(batch)}) AND s.type = 'm.room.member'
                AND s.membership IN ('join', 'invite') AND u.is_guest = 1
                """,
                tuple(batch),
            )
            found.update(room_id for (room_id,) in txn.fetchall())
        return found

    @staticmethod
    def present(
        txn: LoggingTransaction, room_ids: Collection[str], server_name: str
    ) -> tuple[dict[str, set[str]], dict[str, str]]:
        """The people of other servers who are joined, invited or knocking, by room; and one member
        from here of each room, if there is any.
        """
        remote: dict[str, set[str]] = {}
        somebody: dict[str, str] = {}
        for batch in batches(sorted(room_ids)):
            txn.execute(
                f"""
                SELECT room_id, state_key FROM current_state_events
                WHERE room_id IN ({_marks(batch)}) AND type = 'm.room.member'
                AND membership IN ('join', 'invite', 'knock') AND state_key NOT LIKE ?
                """,
                (*batch, f"%:{server_name}"),
            )
            for room_id, user_id in txn.fetchall():
                remote.setdefault(room_id, set()).add(user_id)
            txn.execute(
                f"""
                SELECT room_id, MIN(state_key) FROM current_state_events
                WHERE room_id IN ({_marks(batch)}) AND type = 'm.room.member'
                AND membership = 'join' AND state_key LIKE ? GROUP BY room_id
                """,
                (*batch, f"%:{server_name}"),
            )
            somebody.update((room_id, user_id) for room_id, user_id in txn.fetchall())
        return remote, somebody


def _addresses(
    txn: LoggingTransaction, batch: Sequence[str]
) -> dict[str, dict[str, dict[str, Any]]]:
    txn.execute(
        f"""
        SELECT a.room_id, a.room_alias, a.creator, s.server FROM room_aliases AS a
        LEFT JOIN room_alias_servers AS s ON s.room_alias = a.room_alias
        WHERE a.room_id IN ({_marks(batch)}) ORDER BY a.room_alias, s.server
        """,
        tuple(batch),
    )
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for room_id, address, creator, server in txn.fetchall():
        entry = {"creator": creator, "servers": []}
        entry = found.setdefault(room_id, {}).setdefault(address, entry)
        if server is not None:
            entry["servers"].append(server)
    return found


def _events(
    txn: LoggingTransaction, batch: Sequence[str], types: Sequence[str]
) -> dict[str, dict[str, dict[str, Any]]]:
    txn.execute(
        f"""
        SELECT state.room_id, state.type, event.json FROM current_state_events AS state
        JOIN event_json AS event ON event.event_id = state.event_id
        WHERE state.room_id IN ({_marks(batch)})
        AND state.type IN ({_marks(types)}) AND state.state_key = ''
        """,
        (*batch, *types),
    )
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for room_id, kind, text in txn.fetchall():
        found.setdefault(room_id, {})[kind] = parsed_event(text)
    return found


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
