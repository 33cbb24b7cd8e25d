"""Statements on memberships and their history."""

from collections.abc import Collection

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.transactions import batches

MEMBERSHIP = """
    SELECT own.membership, e.sender, e.stream_ordering, COALESCE(e.received_ts, 0) AS received_ts
    FROM (
        SELECT membership, event_id FROM current_state_events
        WHERE room_id = ? AND type = 'm.room.member' AND state_key = ? LIMIT 1
    ) AS own JOIN events AS e ON e.event_id = own.event_id
"""
"""The columns of `Membership`. The parameters are the room ID and the user ID.

`events.stream_ordering` and not `current_state_events.event_stream_ordering`: the latter is NULL in
rows that are older than Synapse 1.80. LIMIT tells PostgreSQL what the unique index does not: in a
large group it expects many rows, and reads all events for them.
"""


@attrs.frozen
class Membership:
    """One person's standing in one room.

    Attributes:
        membership: as in `m.room.member`, None if they never had one there.
        sender: who sent that event.
        stream_ordering: its place in this server's order of events, 0 if there is none.
        since: when this server received it, in milliseconds since 1970.
    """

    membership: str | None = None
    sender: str | None = None
    stream_ordering: int = 0
    since: int = 0


class Memberships:
    """Statements on `current_state_events`, `room_memberships` and `events`."""

    @staticmethod
    def membership(txn: LoggingTransaction, room_id: str, user_id: str) -> Membership:
        txn.execute(MEMBERSHIP, (room_id, user_id))
        row = txn.fetchone()
        return Membership(*row) if row else Membership()

    @staticmethod
    def is_member(txn: LoggingTransaction, room_id: str, user_id: str) -> bool:
        txn.execute(
            """
            SELECT membership FROM current_state_events
            WHERE room_id = ? AND type = 'm.room.member' AND state_key = ?
            """,
            (room_id, user_id),
        )
        row = txn.fetchone()
        return row is not None and row[0] == "join"

    @staticmethod
    def any_remote(txn: LoggingTransaction, room_id: str, server_name: str) -> bool:
        """Whether a member has an account on another server than this one."""
        txn.execute(
            """
            SELECT 1 FROM current_state_events
            WHERE room_id = ? AND type = 'm.room.member' AND membership = 'join'
            AND state_key NOT LIKE ? LIMIT 1
            """,
            (room_id, f"%:{server_name}"),
        )
        return txn.fetchone() is not None

    @staticmethod
    def members_among(
        txn: LoggingTransaction, room_id: str, people: Collection[str]
    ) -> frozenset[str]:
        """Those of a few people who are members."""
        if not people:
            return frozenset()
        txn.execute(
            f"""
            SELECT state_key FROM current_state_events
            WHERE room_id = ? AND type = 'm.room.member' AND membership = 'join'
            AND state_key IN ({", ".join("?" * len(people))})
            """,
            (room_id, *people),
        )
        return frozenset(user_id for (user_id,) in txn)

    @staticmethod
    def joined_after(txn: LoggingTransaction, user_id: str, place: int) -> list[str]:
        """The rooms in which somebody is a member by an event after this place in the order."""
        txn.execute(
            """
            SELECT room_id FROM current_state_events
            WHERE type = 'm.room.member' AND state_key = ? AND membership = 'join'
            AND event_stream_ordering > ?
            """,
            (user_id, place),
        )
        return [room_id for (room_id,) in txn]

    @staticmethod
    def joined_rooms(txn: LoggingTransaction, user_id: str) -> list[str]:
        txn.execute(
            """
            SELECT room_id FROM current_state_events
            WHERE type = 'm.room.member' AND state_key = ? AND membership = 'join'
            """,
            (user_id,),
        )
        return [room_id for (room_id,) in txn]

    @staticmethod
    def joined_by(txn: LoggingTransaction, room_ids: Collection[str], user_id: str) -> list[str]:
        """Those of the rooms in which somebody is a member. One look-up per room."""
        found: list[str] = []
        for batch in batches(sorted(room_ids)):
            txn.execute(
                f"""
                SELECT room_id FROM current_state_events
                WHERE type = 'm.room.member' AND state_key = ? AND membership = 'join'
                AND room_id IN ({", ".join("?" * len(batch))})
                """,
                (user_id, *batch),
            )
            found.extend(room_id for (room_id,) in txn)
        return found

    @staticmethod
    def present_in(
        txn: LoggingTransaction, room_ids: Collection[str]
    ) -> dict[str, list[tuple[str, str]]]:
        """Who is joined or invited in each of the rooms, with the membership."""
        found: dict[str, list[tuple[str, str]]] = {}
        for batch in batches(sorted(room_ids)):
            txn.execute(
                f"""
                SELECT room_id, state_key, membership FROM current_state_events
                WHERE type = 'm.room.member' AND membership IN ('join', 'invite')
                AND room_id IN ({", ".join("?" * len(batch))})
                """,
                batch,
            )
            for room_id, user_id, membership in txn:
                found.setdefault(room_id, []).append((user_id, membership))
        return found

    @staticmethod
    def rooms_made_by(txn: LoggingTransaction, user_ids: Collection[str]) -> list[str]:
        """The rooms that these people created and that this server has. Reads all rooms."""
        found: list[str] = []
        for batch in batches(sorted(user_ids)):
            txn.execute(
                f"SELECT room_id FROM rooms WHERE creator IN ({', '.join('?' * len(batch))})", batch
            )
            found += [room_id for (room_id,) in txn.fetchall()]
        return found

    @staticmethod
    def known_rooms(txn: LoggingTransaction, room_ids: Collection[str]) -> set[str]:
        """Those of the rooms that this server has; a deleted one is gone from here first."""
        found: set[str] = set()
        for batch in batches(sorted(room_ids)):
            txn.execute(
                f"SELECT room_id FROM rooms WHERE room_id IN ({', '.join('?' * len(batch))})", batch
            )
            found.update(room_id for (room_id,) in txn)
        return found

    @staticmethod
    def present(txn: LoggingTransaction, room_id: str, most: int) -> list[tuple[str, str]]:
        """Who is joined or invited, with the membership; `most` of them at most."""
        txn.execute(
            """
            SELECT state_key, membership FROM current_state_events
            WHERE room_id = ? AND type = 'm.room.member' AND membership IN ('join', 'invite')
            LIMIT ?
            """,
            (room_id, most),
        )
        return [(user, membership) for user, membership in txn]

    @staticmethod
    def ever_present(txn: LoggingTransaction, room_id: str, most: int) -> list[str]:
        """Who has ever had a membership; `most` of them at most.

        It is still there when the last local member has left, and the room's state is not.
        """
        txn.execute(
            "SELECT DISTINCT user_id FROM room_memberships WHERE room_id = ? LIMIT ?",
            (room_id, most),
        )
        return [user for (user,) in txn]
