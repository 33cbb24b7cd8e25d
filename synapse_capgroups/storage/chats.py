"""The rooms in which the concierge talks to people: one for each person."""

from collections.abc import Collection

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.transactions import batches


@attrs.frozen
class Chat:
    """A row.

    Attributes:
        holds_two: whether nobody but the concierge can invite anybody there. False for rooms that
            earlier versions made, until they are mended.
    """

    user_id: str
    room_id: str
    holds_two: bool = attrs.field(converter=bool)


class Chats:
    """The statements on `capgroups_chats`."""

    @staticmethod
    def with_person(txn: LoggingTransaction, user_id: str) -> str | None:
        """The room in which the concierge talks to this person."""
        txn.execute("SELECT room_id FROM capgroups_chats WHERE user_id = ?", (user_id,))
        row = txn.fetchone()
        return row[0] if row else None

    @staticmethod
    def person_of(txn: LoggingTransaction, room_id: str) -> str | None:
        """Whose chat a room is; None if it is none."""
        txn.execute("SELECT user_id FROM capgroups_chats WHERE room_id = ?", (room_id,))
        row = txn.fetchone()
        return row[0] if row else None

    @staticmethod
    def room_ids(txn: LoggingTransaction, after: str, most: int) -> list[str]:
        """The next rooms by their IDs. By the index on them, without a look at the rows."""
        txn.execute(
            "SELECT room_id FROM capgroups_chats WHERE room_id > ? ORDER BY room_id LIMIT ?",
            (after, most),
        )
        return [room_id for (room_id,) in txn.fetchall()]

    @staticmethod
    def among(txn: LoggingTransaction, user_ids: Collection[str]) -> set[str]:
        """Those of these people who have a chat."""
        found: set[str] = set()
        for batch in batches(sorted(user_ids)):
            txn.execute(
                f"""
                SELECT user_id FROM capgroups_chats
                WHERE user_id IN ({", ".join("?" * len(batch))})
                """,
                batch,
            )
            found.update(user_id for (user_id,) in txn.fetchall())
        return found

    @staticmethod
    def add(txn: LoggingTransaction, user_id: str, room_id: str) -> bool:
        """Note a room that holds two; False if this person has one by now."""
        txn.execute(
            """
            INSERT INTO capgroups_chats (user_id, room_id, holds_two) VALUES (?, ?, ?)
            ON CONFLICT (user_id) DO NOTHING
            """,
            (user_id, room_id, True),
        )
        return bool(txn.rowcount)

    @staticmethod
    def shut(txn: LoggingTransaction, user_id: str, room_id: str) -> None:
        """Note that a room of an earlier version holds two from now on."""
        txn.execute(
            "UPDATE capgroups_chats SET holds_two = ? WHERE user_id = ? AND room_id = ?",
            (True, user_id, room_id),
        )

    @staticmethod
    def remove(txn: LoggingTransaction, user_id: str, room_id: str) -> bool:
        """Forget a room; False if that has been done."""
        txn.execute(
            "DELETE FROM capgroups_chats WHERE user_id = ? AND room_id = ?", (user_id, room_id)
        )
        return bool(txn.rowcount)

    @staticmethod
    def all_rooms(txn: LoggingTransaction) -> dict[str, str]:
        """Every room, with its person."""
        txn.execute("SELECT room_id, user_id FROM capgroups_chats")
        return dict(txn.fetchall())

    @staticmethod
    def any_made_by(txn: LoggingTransaction, user_id: str) -> bool:
        """Whether one of the rooms was made by this account."""
        txn.execute(
            """
            SELECT 1 FROM capgroups_chats AS own JOIN rooms ON rooms.room_id = own.room_id
            WHERE rooms.creator = ? LIMIT 1
            """,
            (user_id,),
        )
        return txn.fetchone() is not None

    @staticmethod
    def rooms_without_a_row(txn: LoggingTransaction, concierge: str, most: int) -> list[str]:
        """Rooms that the concierge is in, and that are no chat, door or organisers' space.

        Looks at each of its rooms, by the indexes of those tables.
        """
        txn.execute(
            """
            SELECT own.room_id FROM current_state_events AS own
            WHERE own.type = 'm.room.member' AND own.state_key = ? AND own.membership = 'join'
            AND NOT EXISTS (SELECT 1 FROM capgroups_chats WHERE room_id = own.room_id)
            AND NOT EXISTS (SELECT 1 FROM capgroups_codes WHERE door = own.room_id)
            AND NOT EXISTS (SELECT 1 FROM capgroups_series_spaces WHERE room_id = own.room_id)
            LIMIT ?
            """,
            (concierge, most),
        )
        return [room_id for (room_id,) in txn.fetchall()]

    @staticmethod
    def page(txn: LoggingTransaction, after: str, most: int) -> list[Chat]:
        """The next chats by their people's Matrix IDs. By the primary key."""
        txn.execute(
            """
            SELECT user_id, room_id, holds_two FROM capgroups_chats
            WHERE user_id > ? ORDER BY user_id LIMIT ?
            """,
            (after, most),
        )
        return [Chat(*row) for row in txn.fetchall()]
