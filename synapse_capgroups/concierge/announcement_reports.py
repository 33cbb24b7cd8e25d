"""Tells an organiser how it went, in their chat, once all groups were gone to."""

import contextlib

from synapse.module_api.errors import SynapseError

from synapse_capgroups.announcements.changing import Announced, Progress
from synapse_capgroups.announcements.telling import REASONS
from synapse_capgroups.concierge.chats import ConciergeChats
from synapse_capgroups.concierge.voice import shortened
from synapse_capgroups.storage.announcements import OutboxRow
from synapse_capgroups.storage.series import Series
from synapse_capgroups.words.lookup import Words

_MOST_GROUPS = 20


class AnnouncementReports:
    """Says in how many groups an announcement is, and in which not, and why."""

    def __init__(self, announced: Announced, chats: ConciergeChats, words: Words) -> None:
        self._announced = announced
        self._chats = chats
        self._words = words

    async def report(self, announcement_id: str) -> None:
        """Tell who asked for it, if they asked in a chat that is still theirs."""
        found = await self._announced.for_report(announcement_id, _MOST_GROUPS + 1)
        if found is None:
            return
        series, progress = found
        chat = progress.announcement.chat
        reader = await self._chats.known.person_of(chat) if chat is not None else None
        if chat is None or reader is None:
            return
        with contextlib.suppress(SynapseError):  # They have left it.
            async with self._chats.languages.speaking_to(reader):
                await self._chats.say(chat, self._text(series, progress))

    def _text(self, series: Series, progress: Progress) -> str:
        said = progress.announcement
        if said.deleted_by:
            key = "announce_deleted_in"
        elif said.revision > 1:
            key = "announce_edited_in"
        else:
            key = "announce_delivered_to"
        lines = [
            self._words.say(
                key,
                series=shortened(series.name),
                reached=progress.reached,
                total=progress.total,
            )
        ]
        for row in progress.incomplete[:_MOST_GROUPS]:
            lines.extend(self._missing(series, row))
        if len(progress.incomplete) > _MOST_GROUPS:
            lines.append(self._words.say("and_more"))
        if any(row.reason for row in progress.incomplete):
            lines.append(self._words.say("announce_retry_how", series=shortened(series.name)))
        return "\n".join(lines)

    def _missing(self, series: Series, row: OutboxRow) -> list[str]:
        group = shortened(series.group_name(row.number))
        return [
            self._words.say(
                "announce_not_to" if row.reason else "announce_beside",
                group=group,
                why=self._words.say(REASONS[why]),
            )
            for why in ((row.reason,) if row.reason else row.beside)
        ]
