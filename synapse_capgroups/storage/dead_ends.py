"""Dead ends: the rooms where the addresses of dead codes lead, one for each cause of death."""

from synapse.module_api import LoggingTransaction

from synapse_capgroups.rules.verdict import Reason
from synapse_capgroups.storage.codes import SECRET_LENGTH
from synapse_capgroups.storage.slices import Slice

_FIRST = "#j-"
_LAST = "#j."
"""Between these are the addresses of all codes."""


class DeadEndRooms:
    """The statements on `capgroups_dead_ends`. It has as many rows as codes have ways to die."""

    @staticmethod
    def of_cause(txn: LoggingTransaction, died_of: Reason) -> str | None:
        txn.execute("SELECT room_id FROM capgroups_dead_ends WHERE died_of = ?", (died_of.value,))
        row = txn.fetchone()
        return row[0] if row else None

    @staticmethod
    def cause(txn: LoggingTransaction, room_id: str) -> Reason | None:
        """What the codes died of whose addresses lead to this room; None if it is no dead end."""
        txn.execute("SELECT died_of FROM capgroups_dead_ends WHERE room_id = ?", (room_id,))
        row = txn.fetchone()
        return Reason(row[0]) if row else None

    @staticmethod
    def keep(txn: LoggingTransaction, died_of: Reason, room_id: str) -> str:
        """Make a room the dead end of a cause, unless there is one; returns the one that is."""
        txn.execute(
            """
            INSERT INTO capgroups_dead_ends (died_of, room_id) VALUES (?, ?)
            ON CONFLICT (died_of) DO NOTHING
            """,
            (died_of.value, room_id),
        )
        return DeadEndRooms.of_cause(txn, died_of) or room_id

    @staticmethod
    def all(txn: LoggingTransaction) -> dict[Reason, str]:
        """All dead ends by their causes."""
        txn.execute("SELECT died_of, room_id FROM capgroups_dead_ends")
        return {Reason(died_of): room_id for died_of, room_id in txn.fetchall()}

    @staticmethod
    def rooms(txn: LoggingTransaction) -> set[str]:
        """All dead ends."""
        txn.execute("SELECT room_id FROM capgroups_dead_ends")
        return {room_id for (room_id,) in txn.fetchall()}

    @staticmethod
    def deleted(txn: LoggingTransaction, concierge: str) -> list[Reason]:
        """The causes whose room an admin has deleted, or the concierge is not in."""
        txn.execute(
            """
            SELECT died_of FROM capgroups_dead_ends AS dead_end
            WHERE NOT EXISTS (
                SELECT 1 FROM current_state_events AS here
                WHERE here.room_id = dead_end.room_id AND here.type = 'm.room.member'
                AND here.state_key = ? AND here.membership = 'join'
            )
            """,
            (concierge,),
        )
        return [Reason(died_of) for (died_of,) in txn.fetchall()]

    @staticmethod
    def forget(txn: LoggingTransaction, died_of: Reason) -> None:
        """Forget the room of this cause."""
        txn.execute("DELETE FROM capgroups_dead_ends WHERE died_of = ?", (died_of.value,))

    @staticmethod
    def abandoned_addresses(txn: LoggingTransaction, after: str, most: int) -> Slice:
        """Addresses that lead to a dead end although their code is forgotten.

        Whatever made the module forget it, its address goes.

        Args:
            after: the address where the last slice of those that look like a code's ended.
        """
        txn.execute(
            """
            SELECT address.room_alias, EXISTS (
                SELECT 1 FROM capgroups_dead_ends AS dead_end
                WHERE dead_end.room_id = address.room_id
            ) AND NOT EXISTS (
                SELECT 1 FROM capgroups_codes AS code
                WHERE code.secret = substr(address.room_alias, ?, ?)
            ) FROM (
                SELECT room_alias, room_id FROM room_aliases
                WHERE room_alias > ? AND room_alias < ? ORDER BY room_alias LIMIT ?
            ) AS address ORDER BY address.room_alias
            """,
            (len(_FIRST) + 1, SECRET_LENGTH, max(after, _FIRST), _LAST, most),
        )
        return Slice.of_rows(txn.fetchall(), most)
