"""Tells people what they have not asked for: one message for all of it, and seldom."""

import logging

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.concierge.chats import ConciergeChats
from synapse_capgroups.concierge.news_finding import NewsFinding
from synapse_capgroups.concierge.news_writing import NewsWriting
from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.storage.admissions import DAY_MS
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.news import News, NewsItem
from synapse_capgroups.storage.readers import Readers
from synapse_capgroups.storage.sweeps import Sweeps

logger = logging.getLogger(__name__)

GATHERED_MS = 60 * 60 * 1000
"""Somebody gets one message in so long at most."""
_MOST_ITEMS = 200
_PAUSE = 0.5  # seconds


@attrs.frozen
class _Due:
    """What one person is to be told now; nothing if they want to hear nothing.

    Attributes:
        until: what happened later is told another time.
    """

    user_id: str
    items: list[NewsItem]
    until: int


class NewsTelling:
    """Works off the news, on the one process that runs background tasks."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        chats: ConciergeChats,
        finding: NewsFinding,
        writing: NewsWriting,
    ) -> None:
        self._api = api
        self._database = database
        self._chats = chats
        self._finding = finding
        self._writing = writing
        self._is_at_work = False

    async def sweep(self) -> None:
        """Find news, and begin to tell them. On one process only."""
        # Two sweeps may overlap at the start; and who came by a code is told up to the last look.
        if self._is_at_work:
            return
        self._is_at_work = True
        found = False
        try:
            before = self._api.get_current_time_msec() - DAY_MS
            await self._database.run("readers", lambda txn: Readers.forget(txn, before))
            found = await self._finding.look()
        finally:
            self._is_at_work = found
        if found:
            self._api.run_as_background_process("capgroups_news", self._work_off)

    async def _work_off(self) -> None:
        try:
            while (due := await self._database.run("news", self._take)) is not None:
                if due.items and await self._tell(due):
                    await self._api.sleep(_PAUSE)
        except Exception:
            logger.exception("Could not work off the news")  # The sweep goes on.
        finally:
            self._is_at_work = False

    def _take(self, txn: LoggingTransaction) -> _Due | None:
        """The next person's news. If the process is killed after this, they are not told."""
        now = self._api.get_current_time_msec()
        user_id = News.next_reader(txn, now)
        if user_id is None:
            return None
        last = Readers.told_at(txn, user_id)
        if last > now - GATHERED_MS:
            News.put_off(txn, user_id, last + GATHERED_MS)
            return _Due(user_id, [], now)
        items = News.take(txn, user_id, now, _MOST_ITEMS)
        if Readers.quiet_among(txn, [user_id]) or not Users.account(txn, user_id).is_active:
            return _Due(user_id, [], now)
        Readers.told(txn, user_id, now)
        return _Due(user_id, items, Sweeps.looked_until(txn) or now)

    async def _tell(self, due: _Due) -> bool:
        """Write to somebody who has a chat; returns whether there was anything to write."""
        try:
            chat = await self._chats.chat_with(due.user_id)
            async with self._chats.languages.speaking_to(due.user_id):
                text = await self._writing.text(due.user_id, due.items, due.until)
            if chat is None or not text:
                return False
            await self._chats.say(chat, text)
        except SynapseError as e:
            logger.info("The concierge cannot write to %s: %s", due.user_id, e)
        except Exception:
            logger.exception("Could not tell %s the news", due.user_id)
        return True
