"""Finds what people are to be told unasked: in the record, and among dead codes.

Nothing is written down where it happens. Each look covers the span of time since the last one, by
the indexes that the record and dead codes have anyway.
"""

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.moderators import Moderators
from synapse_capgroups.config import Config
from synapse_capgroups.groups.owners import owners
from synapse_capgroups.rules.news import NewsKind, nearly_full_from, well_below
from synapse_capgroups.storage.admissions import DAY_MS
from synapse_capgroups.storage.chats import Chats
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.news import Filling, News, NewsItem
from synapse_capgroups.storage.series import SeriesGroups
from synapse_capgroups.storage.sweeps import Sweeps

SETTLED_MS = 30 * 60 * 1000
"""How long ago something happened before it is news. A join that fails is off the record by then,
and what happens in a rush is told together."""

_MOST_MS = DAY_MS
"""What is older is no news: after a trial, or a server that was off for weeks."""


class NewsFinding:
    """Looks for news, once a minute."""

    def __init__(self, api: ModuleApi, database: Database, config: Config) -> None:
        self._api = api
        self._database = database
        self._moderators = Moderators(config)
        self._limits = {
            NewsKind.NEAR_CODE_LIMIT: config.code_limit,
            NewsKind.NEAR_CAP: config.cap,
        }

    async def look(self) -> bool:
        """Look for news since the last look. On one process only.

        Returns:
            Whether somebody is to be told something now.
        """
        return await self._database.run("find_news", self._look)

    def _look(self, txn: LoggingTransaction) -> bool:
        now = self._api.get_current_time_msec()
        until = now - SETTLED_MS
        since = Sweeps.looked_until(txn)
        if since is None or since > now:  # The module has just come here, or the clock was wrong.
            since = now
            Sweeps.look_until(txn, since)
        if since < until:
            since = max(since, until - _MOST_MS)
            News.find_dead_codes(txn, since, until)
            News.find_arrivals(txn, since, until)
            News.find_newcomers(txn, since, until)
            fewest = min(nearly_full_from(limit) for limit in self._limits.values())
            for filling in News.fillings(txn, since, until, fewest):
                self._note_filling(txn, filling, until)
            Sweeps.look_until(txn, until)
        return News.next_reader(txn, now) is not None

    def _note_filling(self, txn: LoggingTransaction, filling: Filling, now: int) -> None:
        for kind, limit in self._limits.items():
            if filling.fewest < well_below(limit):
                News.is_well_below(txn, filling.room_id, kind)
            if filling.most >= nearly_full_from(limit) and News.is_nearly_full(
                txn, filling.room_id, kind
            ):
                for user_id in self._readers(txn, filling.room_id):
                    News.add(txn, user_id, NewsItem(kind, filling.room_id, now))

    def _readers(self, txn: LoggingTransaction, room_id: str) -> set[str]:
        """Its owners who may share it and have a chat. Groups of a series are meant to fill."""
        if SeriesGroups.of_room(txn, room_id) is not None:
            return set()
        found = owners(txn, self._api, room_id)
        return {
            user_id
            for user_id in Chats.among(txn, found)
            if self._moderators.has_power(txn, room_id, user_id)
        }
