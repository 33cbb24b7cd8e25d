"""What a trial would have refused: by day, reason, decision and room; nobody is named."""

from collections.abc import Mapping

import attrs
from synapse.module_api import LoggingTransaction

NO_ROOM = ""
"""In place of a room ID: what was decided was about a room that was not made yet."""
OTHER_ROOMS = "other rooms"
"""The same for all rooms of a day beyond the first `MOST_ROOMS`."""
MOST_ROOMS = 1000
TRIAL_DAYS = 90
"""So many days are kept."""


@attrs.frozen
class WouldBe:
    """What is counted together.

    Attributes:
        day: as 2026-11-29, in UTC.
        reason, decision: as in the metric `capgroups_decisions`.
    """

    day: str
    reason: str
    decision: str
    room_id: str


class WouldBeRows:
    """The statements on `capgroups_would_be`."""

    @staticmethod
    def add(txn: LoggingTransaction, counts: Mapping[WouldBe, int]) -> None:
        """Add to what is counted. The transaction holds the lock on the trial."""
        for day in sorted({counted.day for counted in counts}):
            rooms = WouldBeRows._rooms_of(txn, day)
            for counted, times in counts.items():
                if counted.day != day:
                    continue
                room_id = counted.room_id
                if room_id not in rooms and room_id != NO_ROOM:
                    if len(rooms) < MOST_ROOMS:
                        rooms.add(room_id)
                    else:
                        room_id = OTHER_ROOMS
                txn.execute(
                    """
                    INSERT INTO capgroups_would_be (day, reason, decision, room_id, times)
                    VALUES (?, ?, ?, ?, ?)
                    ON CONFLICT (day, reason, decision, room_id)
                    DO UPDATE SET times = capgroups_would_be.times + EXCLUDED.times
                    """,
                    (day, counted.reason, counted.decision, room_id, times),
                )

    @staticmethod
    def _rooms_of(txn: LoggingTransaction, day: str) -> set[str]:
        txn.execute(
            """
            SELECT DISTINCT room_id FROM capgroups_would_be
            WHERE day = ? AND room_id NOT IN (?, ?)
            """,
            (day, NO_ROOM, OTHER_ROOMS),
        )
        return {room_id for (room_id,) in txn}

    @staticmethod
    def forget(txn: LoggingTransaction, before: str) -> None:
        """Forget the days before this one."""
        txn.execute("DELETE FROM capgroups_would_be WHERE day < ?", (before,))
