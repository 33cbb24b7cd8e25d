"""Statements on a room's power levels, and on whom they concern."""

import json
from collections.abc import Mapping
from typing import Any

import attrs
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.module_api import LoggingTransaction


@attrs.frozen
class RoomPower:
    """What a room's state says of power at this moment.

    Attributes:
        content: of `m.room.power_levels`; None if the room has none.
        creators: who stands above the levels: in version 12 of rooms and later, its creators.
        present: the people who are joined or invited, by Matrix ID, each with that word.
        federates: whether people of other servers can be in it at all.
    """

    content: Mapping[str, Any] | None
    creators: frozenset[str]
    present: Mapping[str, str]
    federates: bool


@attrs.frozen
class Levels:
    """What a room's state says of one person's power, whether they are in it or not.

    Attributes:
        content: of `m.room.power_levels`; None if the room has none.
        creators: who stands above the levels, or has all power where there are none.
        is_replaced: whether the room was upgraded.
    """

    content: Mapping[str, Any] | None
    creators: frozenset[str]
    is_replaced: bool


class PowerTables:
    """Statements on `current_state_events`, `event_json` and `rooms`.

    From the tables, since a worker's caches of a room's state can be behind: what is read here is
    written anew with one entry more, and another process's entry must not be lost by that.
    """

    @staticmethod
    def levels(txn: LoggingTransaction, room_id: str) -> Levels:
        """The levels alone, without the members."""
        txn.execute(
            """
            SELECT state.type, event.json, rooms.room_version
            FROM current_state_events AS state
            JOIN event_json AS event ON event.event_id = state.event_id
            LEFT JOIN rooms ON rooms.room_id = state.room_id
            WHERE state.room_id = ? AND state.state_key = ''
            AND state.type IN ('m.room.create', 'm.room.power_levels', 'm.room.tombstone')
            """,
            (room_id,),
        )
        rows = txn.fetchall()
        found = {kind: json.loads(text) for kind, text, _ in rows}
        levels = found.get("m.room.power_levels")
        above = levels is None or any(_has_creators_of_all_power(row[2]) for row in rows)
        tombstone = found.get("m.room.tombstone")
        return Levels(
            levels["content"] if levels else None,
            _creators(found.get("m.room.create")) if above else frozenset(),
            tombstone is not None and bool(tombstone["content"]),
        )

    @staticmethod
    def of(txn: LoggingTransaction, room_id: str) -> RoomPower:
        txn.execute(
            """
            SELECT state.type, event.json FROM current_state_events AS state
            JOIN event_json AS event ON event.event_id = state.event_id
            WHERE state.room_id = ? AND state.state_key = ''
            AND state.type IN ('m.room.create', 'm.room.power_levels')
            """,
            (room_id,),
        )
        found = {kind: json.loads(text) for kind, text in txn.fetchall()}
        txn.execute(
            """
            SELECT state_key, membership FROM current_state_events
            WHERE room_id = ? AND type = 'm.room.member'
            AND membership IN ('join', 'invite')
            """,
            (room_id,),
        )
        present = dict(txn.fetchall())
        txn.execute("SELECT room_version FROM rooms WHERE room_id = ?", (room_id,))
        row = txn.fetchone()
        creators = creators_above(found.get("m.room.create"), row[0]) if row else frozenset()
        levels = found.get("m.room.power_levels")
        created = found.get("m.room.create", {"content": {}})
        federates = created["content"].get("m.federate", True) is not False
        return RoomPower(levels["content"] if levels else None, creators, present, federates)


def creators_above(created: Any, room_version: str | None) -> frozenset[str]:
    """Who stands above the levels: in version 12 of rooms and later, its creators.

    Args:
        created: the `m.room.create` event; None if there is none.
    """
    return _creators(created) if _has_creators_of_all_power(room_version) else frozenset()


def _has_creators_of_all_power(room_version: str | None) -> bool:
    version = KNOWN_ROOM_VERSIONS.get(room_version or "1")
    return version is not None and version.msc4289_creator_power_enabled


def _creators(created: Any) -> frozenset[str]:
    if created is None:
        return frozenset()
    more = created["content"].get("additional_creators", ())
    return frozenset((created["sender"], *more))
