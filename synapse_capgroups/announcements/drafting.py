"""Drafts of announcements, and their confirmation."""

import secrets
from collections.abc import Mapping
from typing import Any

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.announcements.postman import DRAFT_MS, Postman
from synapse_capgroups.config import Config
from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.limits.table import ANNOUNCEMENTS
from synapse_capgroups.rules.announcements import (
    AnnouncementError,
    AnnouncementProblem,
    message,
)
from synapse_capgroups.series.organisers import Organiser, SeriesEndedError, still_runs
from synapse_capgroups.storage.announcements import (
    Announcement,
    Announcements,
    AnnouncementState,
    Outbox,
    Reach,
)
from synapse_capgroups.storage.database import Database, lock_series
from synapse_capgroups.storage.series import SeriesGroups
from synapse_capgroups.telemetry import journal

DAY_MS = 24 * 60 * 60 * 1000


class NoSuchAnnouncementError(Exception):
    """There is no such announcement in this series, or it is somebody else's draft."""


@attrs.frozen
class Wish:
    """What somebody wants to announce, and how.

    Attributes:
        content: of the message, as a client sent it; None if it follows.
        mention_room: whether everybody in each group is notified.
        pin: whether it is pinned in each group.
        chat: the concierge's room in which it was asked for; None elsewhere.
    """

    content: object
    mention_room: bool = False
    pin: bool = False
    chat: str | None = None


@attrs.frozen
class Preview:
    """What somebody sees before they confirm.

    Attributes:
        left_today: how many announcements can be confirmed in this series now.
    """

    draft: Announcement
    reach: Reach
    left_today: int


class Drafting:
    """What organisers do before anything is sent."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        limits: RateLimits,
        postman: Postman,
        config: Config,
    ) -> None:
        self._api = api
        self._database = database
        self._limits = limits
        self._postman = postman
        self._a_day = config.series.announcements_per_day

    async def draft(self, organiser: Organiser, wish: Wish) -> Preview:
        """Write a draft, in place of the last one of this person in this series.

        Raises:
            AnnouncementError: this cannot be announced.
            NoSuchSeriesError: they no longer run the series.
            SynapseError: 429, they ask too often.
        """
        await self._limits.spend(ANNOUNCEMENTS, organiser.user_id)
        content = None if wish.content is None else message(wish.content)
        return await self._database.run(
            "draft", lambda txn: self._draft(txn, organiser, wish, content)
        )

    def _draft(
        self,
        txn: LoggingTransaction,
        organiser: Organiser,
        wish: Wish,
        content: Mapping[str, Any] | None,
    ) -> Preview:
        now = self._api.get_current_time_msec()
        series_id = organiser.series.series_id
        may_announce(txn, organiser)
        left = self._left(txn, series_id, now)
        if left <= 0:
            raise AnnouncementError(AnnouncementProblem.TOO_MANY)
        reach = Outbox.reach(txn, series_id, organiser.user_id)
        if not reach.groups:
            raise AnnouncementError(AnnouncementProblem.NO_GROUPS)
        draft = Announcement(
            announcement_id=secrets.token_hex(8),
            series_id=series_id,
            author=organiser.user_id,
            content=content,
            mention_room=wish.mention_room,
            pin=wish.pin,
            state=AnnouncementState.DRAFT,
            revision=1,
            chat=wish.chat,
            created_at=now,
        )
        Announcements.draft(txn, draft)
        return Preview(draft, reach, left)

    def _left(self, txn: LoggingTransaction, series_id: str, now: int) -> int:
        return self._a_day - Announcements.count_since(txn, series_id, now - DAY_MS)

    async def drafted_in(self, user_id: str, chat: str) -> Announcement | None:
        """The draft that somebody may confirm in their chat with the concierge."""
        found = await self._database.look_up(
            "draft", lambda txn: Announcements.drafted_in(txn, user_id, chat)
        )
        return found if found and self._is_fresh(found) else None

    def _is_fresh(self, draft: Announcement) -> bool:
        return draft.created_at > self._api.get_current_time_msec() - DRAFT_MS

    async def confirm(self, organiser: Organiser, announcement_id: str) -> Announcement:
        """Have a draft sent. What was confirmed already is not sent twice.

        Raises:
            NoSuchAnnouncementError: it is not theirs, or an hour old.
            AnnouncementError: it cannot be sent.
            NoSuchSeriesError: they no longer run the series.
        """
        rows, announcement = await self._database.run(
            "confirm", lambda txn: self._confirm(txn, organiser, announcement_id)
        )
        if rows:
            journal.announced(announcement, organiser.user_id, "confirmed")
            await self._postman.call(announcement_id)
        return announcement

    def _confirm(
        self, txn: LoggingTransaction, organiser: Organiser, announcement_id: str
    ) -> tuple[int, Announcement]:
        """In one transaction, so that of two at once one is the second, or the fifth of a day."""
        now, series_id = self._api.get_current_time_msec(), organiser.series.series_id
        lock_series(txn, series_id)
        may_announce(txn, organiser)
        found = Announcements.by_id(txn, announcement_id)
        if found is None or found.series_id != series_id or found.author != organiser.user_id:
            raise NoSuchAnnouncementError
        if found.state is not AnnouncementState.DRAFT:
            return 0, found
        if not self._is_fresh(found):
            raise NoSuchAnnouncementError
        if found.content is None:
            raise AnnouncementError(AnnouncementProblem.EMPTY)
        if self._left(txn, series_id, now) <= 0:
            raise AnnouncementError(AnnouncementProblem.TOO_MANY)
        rows = [
            (announcement_id, group.room_id, group.number, secrets.token_urlsafe(12))
            for group in SeriesGroups.of(txn, series_id)
            if group.room_id is not None
        ]
        if not rows:
            raise AnnouncementError(AnnouncementProblem.NO_GROUPS)
        Announcements.confirm(txn, announcement_id, now)
        Outbox.write(txn, rows)
        return len(rows), attrs.evolve(found, state=AnnouncementState.SENDING, confirmed_at=now)

    async def drop(self, organiser: Organiser, announcement_id: str) -> None:
        """Remove a draft.

        Raises:
            NoSuchAnnouncementError: it is no draft of theirs.
        """

        def remove(txn: LoggingTransaction) -> None:
            found = Announcements.by_id(txn, announcement_id)
            if (
                found is None
                or found.series_id != organiser.series.series_id
                or found.author != organiser.user_id
                or found.state is not AnnouncementState.DRAFT
            ):
                raise NoSuchAnnouncementError
            Announcements.forget(txn, [announcement_id])

        await self._database.run("drop", remove)


def may_announce(txn: LoggingTransaction, organiser: Organiser) -> None:
    """Check that somebody still runs a series that lives, and may write anything.

    Raises:
        AnnouncementError: the series has ended, or their account is suspended.
        NoSuchSeriesError: they no longer run it.
    """
    try:
        still_runs(txn, organiser)
    except SeriesEndedError as e:
        raise AnnouncementError(AnnouncementProblem.SERIES_ENDED) from e
    if Users.account(txn, organiser.user_id).is_suspended:
        raise AnnouncementError(AnnouncementProblem.SUSPENDED)
