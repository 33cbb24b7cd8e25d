"""What organisers do with announcements that were sent: look, edit, delete, try again."""

from collections.abc import Callable

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.announcements.drafting import NoSuchAnnouncementError, may_announce
from synapse_capgroups.announcements.postman import Postman
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.limits.table import ANNOUNCEMENTS
from synapse_capgroups.rules.announcements import (
    MOST_REVISIONS,
    AnnouncementError,
    AnnouncementProblem,
    message,
)
from synapse_capgroups.series.organisers import NoSuchSeriesError, Organiser
from synapse_capgroups.storage.announcements import (
    Announcement,
    Announcements,
    AnnouncementState,
    CopyState,
    Outbox,
    OutboxRow,
)
from synapse_capgroups.storage.database import Database, lock_series
from synapse_capgroups.storage.series import Series, SeriesRows
from synapse_capgroups.telemetry import journal


@attrs.frozen
class Progress:
    """How far an announcement, its last edit or its deletion has come.

    Attributes:
        counts: how many of its copies are in which state.
        incomplete: the first of those that are not where they belong, or not wholly.
    """

    announcement: Announcement
    counts: dict[CopyState, int]
    incomplete: list[OutboxRow]

    @property
    def total(self) -> int:
        """How many groups it goes to."""
        return sum(self.counts.values())

    @property
    def reached(self) -> int:
        """In how many groups everything is as it should be."""
        wanted = CopyState.DELETED if self.announcement.deleted_by else CopyState.SENT
        return self.counts.get(wanted, 0)

    @property
    def waiting(self) -> int:
        """In how many groups something is still to be done."""
        return self.counts.get(CopyState.DUE, 0) + self.counts.get(CopyState.SENDING, 0)


def progress(
    txn: LoggingTransaction, announcement: Announcement, *, after: int, most: int
) -> Progress:
    """How far an announcement has come, with a page of what is incomplete."""
    key = announcement.announcement_id
    return Progress(
        announcement,
        Outbox.counts(txn, key),
        Outbox.incomplete(txn, key, after=after, most=most) if most else [],
    )


class Announced:
    """Announcements that were confirmed."""

    def __init__(self, database: Database, limits: RateLimits, postman: Postman) -> None:
        self._database = database
        self._limits = limits
        self._postman = postman

    async def page(
        self, organiser: Organiser, most: int, before: tuple[int, str] | None = None
    ) -> list[Progress]:
        """A page of a series' announcements, the latest first."""

        def look(txn: LoggingTransaction) -> list[Progress]:
            found = Announcements.page(txn, organiser.series.series_id, most, before)
            return [progress(txn, announcement, after=0, most=0) for announcement in found]

        return await self._database.run("announcements", look)

    async def one(
        self, organiser: Organiser, announcement_id: str, *, after: int = 0, most: int = 20
    ) -> Progress:
        """One announcement, with a page of the groups in which something is missing.

        Raises:
            NoSuchAnnouncementError: there is none.
        """

        def look(txn: LoggingTransaction) -> Progress:
            found = _confirmed(txn, organiser, announcement_id)
            return progress(txn, found, after=after, most=most)

        return await self._database.run("announcement", look)

    async def latest(self, organiser: Organiser) -> Announcement:
        """The latest announcement of this person in the series.

        Raises:
            NoSuchAnnouncementError: there is none.
        """
        found = await self._database.look_up(
            "announcement",
            lambda txn: Announcements.latest(txn, organiser.series.series_id, organiser.user_id),
        )
        if found is None:
            raise NoSuchAnnouncementError
        return found

    async def for_report(self, announcement_id: str, most: int) -> tuple[Series, Progress] | None:
        """An announcement and its series, for who was told to wait; None if it is forgotten."""

        def look(txn: LoggingTransaction) -> tuple[Series, Progress] | None:
            found = Announcements.by_id(txn, announcement_id)
            series = SeriesRows.by_id(txn, found.series_id) if found else None
            if found is None or series is None:
                return None
            return series, progress(txn, found, after=0, most=most)

        return await self._database.run("announcement", look)

    async def edit(
        self, organiser: Organiser, announcement_id: str, content: object, chat: str | None = None
    ) -> Announcement:
        """Replace what was announced, in all groups that have it or are to get it.

        Raises:
            NoSuchAnnouncementError: there is none.
            AnnouncementError: it cannot be edited, or not by them, or not into this.
            SynapseError: 429, they ask too often.
        """
        checked = message(content)

        def write(txn: LoggingTransaction, found: Announcement) -> Announcement:
            may_announce(txn, organiser)
            if found.author != organiser.user_id:
                raise AnnouncementError(AnnouncementProblem.NOT_AUTHOR)
            if found.deleted_by:
                raise AnnouncementError(AnnouncementProblem.DELETED)
            if found.revision >= MOST_REVISIONS:
                raise AnnouncementError(AnnouncementProblem.TOO_MANY_EDITS)
            edited = attrs.evolve(found, content=checked, chat=chat, revision=found.revision + 1)
            Announcements.edit(txn, edited)
            Outbox.all_due(txn, announcement_id)
            return edited

        return await self._change(organiser, announcement_id, write, "edited")

    async def delete(
        self, organiser: Organiser, announcement_id: str, chat: str | None = None
    ) -> Announcement:
        """Redact what was announced in all groups, in the name of the person who asks for it.

        Raises:
            NoSuchAnnouncementError: there is none.
            SynapseError: 429, they ask too often.
        """

        def write(txn: LoggingTransaction, found: Announcement) -> Announcement:
            # Again where it failed before; the first who asked for it does it.
            deleted = attrs.evolve(
                found, content=None, chat=chat, deleted_by=found.deleted_by or organiser.user_id
            )
            Announcements.delete(txn, deleted)
            Outbox.all_due(txn, announcement_id)
            Outbox.drop_unsent(txn, announcement_id)
            return deleted

        return await self._change(organiser, announcement_id, write, "deleted")

    async def retry(
        self, organiser: Organiser, announcement_id: str, chat: str | None = None
    ) -> Announcement:
        """Send again what could not be sent, or edited, or deleted.

        What may be in a group without having been found there is not sent again.

        Raises:
            NoSuchAnnouncementError: there is none.
            AnnouncementError: nothing can be sent.
            SynapseError: 429, they ask too often.
        """

        def write(txn: LoggingTransaction, found: Announcement) -> Announcement:
            if not found.deleted_by:
                may_announce(txn, organiser)
            Outbox.retry(txn, announcement_id)
            again = attrs.evolve(found, chat=chat)
            Announcements.go_on(txn, again)
            return again

        return await self._change(organiser, announcement_id, write, "retried")

    async def _change(
        self,
        organiser: Organiser,
        announcement_id: str,
        write: Callable[[LoggingTransaction, Announcement], Announcement],
        what: str,
    ) -> Announcement:
        await self._limits.spend(ANNOUNCEMENTS, organiser.user_id)

        def change(txn: LoggingTransaction) -> Announcement:
            lock_series(txn, organiser.series.series_id)
            if not SeriesRows.run_by(txn, organiser.series.series_id, organiser.user_id):
                raise NoSuchSeriesError
            written = write(txn, _confirmed(txn, organiser, announcement_id))
            return attrs.evolve(written, state=AnnouncementState.SENDING)

        changed = await self._database.run("announcement", change)
        journal.announced(changed, organiser.user_id, what)
        await self._postman.call(announcement_id)
        return changed


def _confirmed(txn: LoggingTransaction, organiser: Organiser, announcement_id: str) -> Announcement:
    found = Announcements.by_id(txn, announcement_id)
    if (
        found is None
        or found.series_id != organiser.series.series_id
        or found.state is AnnouncementState.DRAFT
    ):
        raise NoSuchAnnouncementError
    return found
