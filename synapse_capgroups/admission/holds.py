"""The seats that this process holds for joins under way, renewed for as long as those take."""

import logging

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.seats import RESERVATION_MS, Hold, Seats

logger = logging.getLogger(__name__)

RENEW_MS = RESERVATION_MS // 4
"""Two renewals may fail, and a third come late, before a seat is lost."""


class Holds:
    """Renews holds until it is told that their joins have ended.

    A join can take longer than any fixed time: another module's callback, a slow resolution of
    state. Most end before the first renewal, and then nothing is written.
    """

    def __init__(self, api: ModuleApi, database: Database) -> None:
        self._api = api
        self._database = database
        self._held: set[Hold] = set()
        api.looping_background_call(
            self._renew, RENEW_MS, desc="capgroups_holds", run_on_all_instances=True
        )

    def add(self, hold: Hold) -> None:
        """Keep a hold, which was just made, alive."""
        self._held.add(hold)

    def discard(self, hold: Hold) -> None:
        """Stop: the join has ended."""
        self._held.discard(hold)

    async def _renew(self) -> None:
        held = tuple(self._held)
        if not held:
            return

        def renew(txn: LoggingTransaction) -> None:
            Seats.renew(txn, held, self._api.get_current_time_msec())

        try:
            await self._database.run("renew", renew)
        except Exception:
            logger.exception("Could not renew the seats of %d joins under way", len(held))
