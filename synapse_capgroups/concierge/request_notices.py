"""Tells moderators who waits, and people that they were refused (rule 13).

The first request is told at once. Then each moderator is written to once in ten minutes at most,
however many people ask in however many groups, and by however many processes: the database says
when it was the last time. The sweep tells what had to wait, and what a killed process has missed.
"""

import logging
from collections.abc import Iterable

from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.admission.moderators import Moderators
from synapse_capgroups.concierge.chats import ConciergeChats
from synapse_capgroups.concierge.newcomers import Newcomers
from synapse_capgroups.storage.approval import Approval
from synapse_capgroups.storage.chats import Chats
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.notices import Notices
from synapse_capgroups.storage.requests import Request
from synapse_capgroups.words.lookup import Words

logger = logging.getLogger(__name__)

GATHERED_MS = 10 * 60 * 1000
_MOST_LINES = 20
_MOST_READERS = 20
"""How many moderators of one group are told: with `share_level: 0`, everybody is one."""
_MOST_GROUPS = 50
_UNDER_WAY_MS = 60 * 1000
"""A refusal of which nobody was told so long after it will not be told by its own process."""
_SLICE = 100
_GROUPS_AT_ONCE = 200


class ModeratorNotices:
    """Tells moderators of the people who wait."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        chats: ConciergeChats,
        newcomers: Newcomers,
        moderators: Moderators,
    ) -> None:
        self._api = api
        self._database = database
        self._chats = chats
        self._newcomers = newcomers
        self._moderators = moderators
        self._telling: set[str] = set()
        self._after = ""

    def tell_soon(self, request: Request) -> None:
        """Tell a group's moderators of a new request, those of them who need not wait for it."""
        if request.room_id not in self._telling:  # Else the sweep does: many may be scanning.
            self._api.run_as_background_process(
                "capgroups_notices", self._tell_group, request.room_id
            )

    async def sweep(self) -> None:
        """Tell what had to wait. On one process only."""
        now = self._api.get_current_time_msec()

        def look(txn: LoggingTransaction) -> list[str]:
            Notices.forget(txn, now - GATHERED_MS)
            return Notices.groups_with_news(txn, self._after, _GROUPS_AT_ONCE)

        found = await self._database.run("sweep_notices", look)
        for room_id in found:
            await self._tell_group(room_id)
        self._after = found[-1] if len(found) == _GROUPS_AT_ONCE else ""

    async def _tell_group(self, room_id: str) -> None:
        self._telling.add(room_id)
        try:
            readers, due = await self._database.run(
                "readers", lambda txn: self._readers(txn, room_id)
            )
            for reader in due:
                await self._tell(reader, room_id)
            if due:
                await self._database.run(
                    "told", lambda txn: self._note_all_told(txn, room_id, readers)
                )
        except Exception:
            logger.exception("Could not tell the moderators of %s who waits", room_id)
        finally:
            self._telling.discard(room_id)

    def _readers(self, txn: LoggingTransaction, room_id: str) -> tuple[list[str], list[str]]:
        """The moderators who are told: who turned approval on, and those who have a chat.

        And those of them to whom nobody has written for a while.
        """
        moderators = [
            user_id
            for user_id in self._moderators.of_group(txn, room_id)
            if self._api.is_mine(user_id)
        ]
        setter = Approval.set_by(txn, room_id)
        chatting = Chats.among(txn, moderators)
        readers = [user for user in moderators if user == setter or user in chatting]
        # Somebody has to hear of it.
        readers = (readers or moderators[:1])[:_MOST_READERS]
        since = self._api.get_current_time_msec() - GATHERED_MS
        recent = Notices.sent_since(txn, readers, since)
        # They may have been told together with another group's.
        self._note_all_told(txn, room_id, readers)
        return readers, [user for user in readers if user not in recent]

    async def _tell(self, reader: str, room_id: str) -> None:
        """Tell one moderator of all people who wait in their groups, unless it is too early."""
        now = self._api.get_current_time_msec()

        def claim(txn: LoggingTransaction) -> list[Request]:
            if not Notices.news(txn, room_id, reader, 1):
                return []
            if not Notices.claim(txn, reader, now, now - GATHERED_MS):
                return []
            return self._news(txn, reader, room_id)

        requests = await self._database.run("notice", claim)
        if not requests:
            return
        if (chat := await self._chats.room_of(reader)) is not None:
            async with self._chats.languages.speaking_to(reader):
                lines = await self._newcomers.lines(reader, requests[:_MOST_LINES])
                if len(requests) > _MOST_LINES:
                    lines.append(self._newcomers.more())
            try:
                await self._chats.say(chat, "\n".join(lines))
            except SynapseError as e:
                logger.info("The concierge cannot write to %s: %s", reader, e)
        # If the process is killed before this, they read it once more and not never.
        until: dict[str, int] = {}
        for request in requests:
            until[request.room_id] = max(until.get(request.room_id, 0), request.asked_at)

        def told(txn: LoggingTransaction) -> None:
            for group, asked_at in until.items():
                Notices.told(txn, group, reader, asked_at)

        await self._database.run("told", told)

    def _news(self, txn: LoggingTransaction, reader: str, group: str) -> list[Request]:
        """What is new for a moderator, in this group and in others."""
        found: list[Request] = []
        others = [room for room in Notices.groups_with_news_of(txn, reader) if room != group]
        for room_id in [group, *others][:_MOST_GROUPS]:
            if self._moderators.has_power(txn, room_id, reader):
                found += Notices.news(txn, room_id, reader, _SLICE)
        return found

    def _note_all_told(self, txn: LoggingTransaction, room_id: str, readers: Iterable[str]) -> None:
        until = [Notices.told_until(txn, room_id, reader) for reader in readers]
        now = self._api.get_current_time_msec()
        # With nobody to tell, all is told.
        Notices.all_told(txn, room_id, min(until, default=now), now)


class RefusalNotices:
    """Tells local people that a moderator has said no; others read it when they scan again."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        chats: ConciergeChats,
        newcomers: Newcomers,
        words: Words,
    ) -> None:
        self._api = api
        self._database = database
        self._chats = chats
        self._newcomers = newcomers
        self._words = words

    def tell_soon(self, request: Request) -> None:
        """Tell somebody that they were refused."""
        self._api.run_as_background_process("capgroups_refusals", self._tell, request)

    async def sweep(self) -> None:
        """Tell those whom a killed process has not told. On one process only."""
        before = self._api.get_current_time_msec() - _UNDER_WAY_MS

        def look(txn: LoggingTransaction) -> list[Request]:
            return Notices.untold_answers(txn, before, _SLICE)

        for request in await self._database.run("sweep_refusals", look):
            await self._tell(request)

    async def _tell(self, request: Request) -> None:
        now = self._api.get_current_time_msec()
        try:
            if self._api.is_mine(request.user_id):
                await self._say(request)
        except SynapseError as e:
            logger.info("The concierge cannot write to %s: %s", request.user_id, e)
        except Exception:
            logger.exception("Could not tell %s of their refusal", request.user_id)
        await self._database.run("told", lambda txn: Notices.answer_told(txn, request.number, now))

    async def _say(self, request: Request) -> None:
        chat = await self._chats.room_of(request.user_id)
        if chat is not None:
            async with self._chats.languages.speaking_to(request.user_id):
                group = await self._newcomers.group(request.room_id)
                await self._chats.say(chat, self._words.say("request_refused", group=group))
