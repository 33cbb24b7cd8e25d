"""Sends what server admins write to the owners of groups: one copy after the other, with pauses."""

import logging

from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.concierge.chats import ConciergeChats
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.owner_notices import NoticeState, OwnerNotices

logger = logging.getLogger(__name__)

_PAUSE = 0.5  # seconds
_KEPT_MS = 30 * 24 * 60 * 60 * 1000


class OwnerPostman:
    """Works off the outbox, on the one process that runs background tasks."""

    def __init__(self, api: ModuleApi, database: Database, chats: ConciergeChats) -> None:
        self._api = api
        self._database = database
        self._chats = chats
        self._is_at_work = False

    def begin(self) -> None:
        """There may be something to send."""
        if self._api.should_run_background_tasks() and not self._is_at_work:
            self._is_at_work = True
            self._api.run_as_background_process("capgroups_owner_notices", self._work_off)

    async def sweep(self) -> None:
        """Forget old notices, and go on with what a killed process has left."""
        before = self._api.get_current_time_msec() - _KEPT_MS

        def look(txn: LoggingTransaction) -> bool:
            OwnerNotices.forget(txn, before)
            return OwnerNotices.any_due(txn)

        if await self._database.run("sweep_owner_notices", look):
            self.begin()

    async def _work_off(self) -> None:
        try:
            while claimed := await self._database.run("owner_notice", OwnerNotices.claim):
                await self._send(*claimed)
                await self._api.sleep(_PAUSE)
        except Exception:
            logger.exception("Could not work off the notices to owners")  # The sweep goes on.
        finally:
            self._is_at_work = False

    async def _send(self, notice_id: str, body: str, user_id: str) -> None:
        try:
            chat = await self._chats.room_of(user_id)
            if chat is not None:
                await self._chats.say(chat, body)
                return
        except SynapseError as e:
            logger.info("The concierge cannot write to %s: %s", user_id, e)
        except Exception:
            logger.exception("Could not write to %s", user_id)
        await self._database.run(
            "owner_notice",
            lambda txn: OwnerNotices.note(txn, notice_id, user_id, NoticeState.FAILED),
        )
