"""Brings one announcement into one group, at most once whatever crashes.

A row is marked before its event is sent, with the present place in the order of events. If the
process ends before it notes what became of it, the event is looked for after that place, by a
marker in its content, before it is sent again.
"""

import contextlib
import logging

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.inside.creations import has_creators_of_all_power
from synapse_capgroups.inside.speaking import (
    needs_more_power,
    redact_as,
    send_as,
    writes_events_alone,
)
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.inside.tables.messages import Messages
from synapse_capgroups.inside.tables.state_history import StateHistory
from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.rules.announcements import (
    MARKER,
    Beside,
    Copy,
    Undelivered,
    may_notify,
)
from synapse_capgroups.storage.announcements import (
    Announcement,
    Announcements,
    CopyState,
    Outbox,
    OutboxRow,
)
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.series import SeriesGroups, SeriesRows
from synapse_capgroups.telemetry import metrics
from synapse_capgroups.words.lookup import Words

logger = logging.getLogger(__name__)

_MOST_TRIES = 5
_GRACE_MS = 5 * 1000
_GRACE_OF_WRITERS_MS = 60 * 1000
"""How long after a crash an event may still be on its way, where other processes write events."""

_PINNED = "m.room.pinned_events"
_LEVELS, _CREATE = ("m.room.power_levels", ""), ("m.room.create", "")


@attrs.frozen
class _Task:
    """What is to be done in one group.

    Attributes:
        row: as it is after the beginning.
        is_encrypted: whether the group's clients encrypt what they send.
    """

    announcement: Announcement
    row: OutboxRow
    is_encrypted: bool = False


class Delivery:
    """Sends, edits and redacts copies, and looks for those that a crash left without a trace."""

    def __init__(self, api: ModuleApi, database: Database, words: Words) -> None:
        self._api = api
        self._database = database
        self._words = words
        self._grace = _GRACE_MS if writes_events_alone(api) else _GRACE_OF_WRITERS_MS

    async def deliver(self, row: OutboxRow) -> bool:
        """Do what is due in one group; False if it is too early to know what a crash left."""
        try:
            if row.state is CopyState.SENDING:
                return await self._settle(row)
            task = await self._database.run("outbox_begin", lambda txn: self._begin(txn, row))
            if task is None:
                return True
            if task.announcement.deleted_by:
                return await self._redact(task)
            return await self._send(task)
        except Exception:
            # The row stays as it is, so the next look finds out what became of it.
            logger.exception("Could not send an announcement to %s", row.room_id)
            return False

    def _begin(self, txn: LoggingTransaction, row: OutboxRow) -> _Task | None:
        """Mark a row as being sent. None if there is nothing to send, or it may not be sent."""
        announcement = Announcements.by_id(txn, row.announcement_id)
        found = Outbox.of(txn, row.announcement_id, row.room_id)
        if announcement is None or found is None or found.state is not CopyState.DUE:
            return None
        if announcement.deleted_by and found.event_id is None:
            Outbox.deleted(txn, found)
            return None
        if (why := self._why_not(txn, announcement, found)) is not None:
            self._fail(txn, found, why)
            return None
        if announcement.deleted_by:
            return _Task(announcement, found)
        if found.tries >= _MOST_TRIES:
            self._fail(txn, found, Undelivered.BROKEN)
            return None
        Outbox.begin(
            txn,
            found,
            announcement.revision,
            now=self._api.get_current_time_msec(),
            place=StateHistory.latest_stream_ordering(txn),
        )
        begun = Outbox.of(txn, row.announcement_id, row.room_id)
        assert begun is not None
        return _Task(announcement, begun, Messages.is_encrypted(txn, row.room_id))

    @staticmethod
    def _why_not(
        txn: LoggingTransaction, announcement: Announcement, row: OutboxRow
    ) -> Undelivered | None:
        """What stands against it at this moment, but for the power that Synapse asks about."""
        sender = announcement.deleted_by or announcement.author
        account = Users.account(txn, sender)
        if account.is_shadow_banned:
            return Undelivered.REFUSED  # They are not to learn why.
        if not account.is_active:
            return Undelivered.DEACTIVATED
        if not announcement.deleted_by:
            if account.is_suspended:
                return Undelivered.SUSPENDED
            if SeriesRows.run_by(txn, announcement.series_id, sender) is None:
                return Undelivered.NOT_ORGANISER
            group = SeriesGroups.of_room(txn, row.room_id)
            if group is None or group.series_id != announcement.series_id:
                return Undelivered.NOT_IN_SERIES
        if not Memberships.is_member(txn, row.room_id, sender):
            return Undelivered.NOT_MEMBER
        return None

    async def _send(self, task: _Task) -> bool:
        row, announcement = task.row, task.announcement
        assert announcement.content is not None
        copy = Copy(
            announcement.content,
            _marker(row),
            announcement.mention_room and await self._may_notify(task),
            self._words.say("announcement_unencrypted") if task.is_encrypted else "",
        )
        content = copy.event() if row.event_id is None else copy.edit_of(row.event_id)
        try:
            event_id = await send_as(
                self._api, announcement.author, row.room_id, "m.room.message", content
            )
        except SynapseError as e:
            if e.code >= 500:
                raise
            await self._failed(row, _reason(e))
            return True
        await self._arrived(task, event_id)
        return True

    async def _settle(self, row: OutboxRow) -> bool:
        """Find out what became of a copy whose process ended while it was sent."""
        if self._api.get_current_time_msec() - (row.begun_at or 0) < self._grace:
            return False

        def look(txn: LoggingTransaction) -> tuple[Announcement | None, str | bool]:
            announcement = Announcements.by_id(txn, row.announcement_id)
            if announcement is None:
                return None, False
            if row.revision == row.tried and row.event_id is not None:
                return announcement, row.event_id  # It was noted; what follows was not done.
            return announcement, Messages.marked(
                txn, row.room_id, announcement.author, row.sent_after or 0, MARKER, _marker(row)
            )

        announcement, found = await self._database.run("outbox_look", look)
        if announcement is None:
            return True
        if found is True:
            await self._failed(row, Undelivered.UNKNOWN)
        elif found is False:
            await self._database.run("outbox", lambda txn: Outbox.finish(txn, row))
        else:
            await self._arrived(_Task(announcement, row), str(found))
        return True

    async def _arrived(self, task: _Task, event_id: str) -> None:
        """Note that a copy is in its group, and do what goes with it."""
        row = attrs.evolve(task.row, event_id=task.row.event_id or event_id)
        await self._database.run("outbox", lambda txn: Outbox.arrived(txn, row, event_id))
        beside = []
        announcement = task.announcement
        if announcement.mention_room and not await self._may_notify(task):
            beside.append(Beside.NOT_NOTIFIED)
        if announcement.pin and not announcement.deleted_by and not await self._pin(task, row):
            beside.append(Beside.NOT_PINNED)
        metrics.ANNOUNCED.labels("delivered").inc()
        await self._database.run("outbox", lambda txn: Outbox.finish(txn, row, beside))

    async def _may_notify(self, task: _Task) -> bool:
        state = await self._api.get_room_state(task.row.room_id, [_LEVELS, _CREATE])
        levels, created = state.get(_LEVELS), state.get(_CREATE)
        creators: frozenset[str] = frozenset()
        if created is not None and has_creators_of_all_power(created):
            creators = frozenset((created.sender, *created.content.get("additional_creators", ())))
        return may_notify(task.announcement.author, levels and levels.content, creators)

    async def _pin(self, task: _Task, row: OutboxRow) -> bool:
        """Add the first copy to what is pinned; False if the author may not."""
        content = await self._database.look_up(
            "pinned", lambda txn: Messages.pinned(txn, row.room_id)
        )
        pinned = content.get("pinned")
        pinned = pinned if isinstance(pinned, list) else []
        if row.event_id in pinned:
            return True
        content["pinned"] = [*pinned, row.event_id]
        try:
            await send_as(
                self._api, task.announcement.author, row.room_id, _PINNED, content, state_key=""
            )
        except SynapseError:
            return False
        return True

    async def _redact(self, task: _Task) -> bool:
        """Redact a copy and its edits. What is redacted already is not redacted again."""
        row, announcement = task.row, task.announcement
        deleter, first = announcement.deleted_by, row.event_id
        assert deleter is not None
        assert first is not None
        events = await self._database.look_up(
            "outbox_edits", lambda txn: Messages.with_edits(txn, first, announcement.author)
        )
        try:
            for event_id in events:
                await redact_as(self._api, deleter, row.room_id, event_id)
        except SynapseError as e:
            if e.code >= 500:
                raise
            await self._failed(row, _reason(e))
            return True
        if announcement.pin:
            await self._unpin(deleter, row)
        metrics.ANNOUNCED.labels("deleted").inc()
        await self._database.run("outbox", lambda txn: Outbox.deleted(txn, row))
        return True

    async def _unpin(self, deleter: str, row: OutboxRow) -> None:
        content = await self._database.look_up(
            "pinned", lambda txn: Messages.pinned(txn, row.room_id)
        )
        pinned = content.get("pinned")
        if isinstance(pinned, list) and row.event_id in pinned:
            content["pinned"] = [event_id for event_id in pinned if event_id != row.event_id]
            with contextlib.suppress(SynapseError):
                await send_as(self._api, deleter, row.room_id, _PINNED, content, state_key="")

    async def _failed(self, row: OutboxRow, reason: Undelivered) -> None:
        await self._database.run("outbox", lambda txn: self._fail(txn, row, reason))

    @staticmethod
    def _fail(txn: LoggingTransaction, row: OutboxRow, reason: Undelivered) -> None:
        Outbox.fail(txn, row, reason)
        txn.call_after(metrics.ANNOUNCED.labels(reason.value).inc)


def _marker(row: OutboxRow) -> str:
    """What is in the content of the event that was last begun."""
    return f"{row.marker}.{row.tried}"


def _reason(error: SynapseError) -> Undelivered:
    return Undelivered.NO_POWER if needs_more_power(error) else Undelivered.REFUSED
