"""The start: the tables, then the concierge's account and what the last process left behind.

All processes make sure of the tables. The rest is done by the one process that Synapse runs its
background tasks on.
"""

import logging
from collections.abc import Awaitable, Callable

from synapse.module_api import ModuleApi

from synapse_capgroups.codes.doors import Doors
from synapse_capgroups.concierge.account import ConciergeAccount
from synapse_capgroups.concierge.chat_care import ChatCare
from synapse_capgroups.inside.start import stop_the_start
from synapse_capgroups.lifecycle.sweeping import Sweeping
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.schema import DatabaseTooNewError

logger = logging.getLogger(__name__)

_LONGEST_WAIT = 60  # seconds


class Start:
    """Prepares the module, in the background while Synapse starts."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        account: ConciergeAccount,
        chat_care: ChatCare,
        doors: Doors,
    ) -> None:
        self._api = api
        self._database = database
        self._account = account
        self._chat_care = chat_care
        self._doors = doors

    def begin(self, sweeping: Sweeping) -> None:
        """Prepare and sweep; then sweep once a minute.

        The process ends if the tables belong to a newer version of this module.
        """
        self._api.run_as_background_process("capgroups_start", self._prepare, sweeping)
        if self._api.should_run_background_tasks():
            sweeping.repeat()

    async def _prepare(self, sweeping: Sweeping) -> None:
        # Any transaction makes the tables.
        await self._until_done(lambda: self._database.run("start", lambda txn: None))
        await self._until_done(self._chat_care.remember_rooms)
        if self._api.should_run_background_tasks():
            await self._until_done(self._account.prepare)
            await self._until_done(self._chat_care.move_in)
            await self._until_done(self._doors.receive_unnoticed)
            await self._until_done(sweeping.sweep)
            await self._until_done(self._chat_care.mend)

    async def _until_done(self, step: Callable[[], Awaitable[None]]) -> None:
        """Take one step of the start, again and again until it succeeds.

        Until then joins are refused, or the concierge is deaf, or has no account: without another
        attempt, only a restart would help.
        """
        wait = 1
        while True:
            try:
                return await step()
            except DatabaseTooNewError as e:
                stop_the_start(str(e))
            except Exception:
                logger.exception("Could not start synapse-capgroups; trying again in %d s", wait)
            await self._api.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)
