"""Writes to the owners of all groups, each at most once, by the concierge (`concierge/`)."""

import hashlib
from collections.abc import Callable

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.groups.owners import owners
from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.groups import Groups
from synapse_capgroups.storage.owner_notices import OwnerNotice, OwnerNotices
from synapse_capgroups.telemetry import journal

LONGEST = 4000
"""Characters of a notice."""

_SLICE = 50


class NoSuchNoticeError(Exception):
    """There is no such notice, or it is forgotten."""


@attrs.frozen
class Addressed:
    """Whom a notice reaches.

    Attributes:
        recipients: how many people would get it, or get it.
        before: how many have it already.
    """

    notice_id: str
    recipients: int
    before: int


class OwnerMail:
    """What server admins do with notices."""

    def __init__(self, api: ModuleApi, database: Database) -> None:
        self._api = api
        self._database = database
        self.written: Callable[[], None] = lambda: None
        """Called when there is something to send; the sweep finds it as well."""

    async def write(self, by: str, text: str, *, apply: bool) -> Addressed:
        """Write to all owners who have not got this text yet.

        The same text is the same notice, so it can be asked for again after whatever went wrong.

        Args:
            by: the server admin.
            apply: whether to send it; otherwise it is only said how many would get it.
        """
        notice_id = hashlib.sha256(text.encode()).hexdigest()[:16]
        recipients = await self._recipients()

        def write(txn: LoggingTransaction) -> set[str]:
            known = OwnerNotices.known(txn, notice_id)
            if apply:
                now = self._api.get_current_time_msec()
                OwnerNotices.write(txn, notice_id, text, now, sorted(recipients - known))
            return known

        known = await self._database.run("owner_notice", write)
        if apply:
            journal.admin("notice", by, notice=notice_id, recipients=len(recipients - known))
            self.written()
        return Addressed(notice_id, len(recipients - known), len(known))

    async def progress(self, notice_id: str) -> OwnerNotice:
        """How far a notice is.

        Raises:
            NoSuchNoticeError: there is none.
        """
        found = None
        if notice_id.isalnum():  # PostgreSQL cannot even look for some characters.
            found = await self._database.run(
                "owner_notice", lambda txn: OwnerNotices.by_id(txn, notice_id)
            )
        if found is None:
            raise NoSuchNoticeError
        return found

    async def stop(self, by: str, notice_id: str) -> int:
        """Send a notice to nobody more; returns how many do not get it.

        Raises:
            NoSuchNoticeError: there is none.
        """
        await self.progress(notice_id)
        stopped = await self._database.run(
            "owner_notice", lambda txn: OwnerNotices.stop(txn, notice_id)
        )
        journal.admin("stop_notice", by, notice=notice_id, stopped=stopped)
        return stopped

    async def _recipients(self) -> set[str]:
        """The local members with the most power in each group, in slices."""
        found_all: set[str] = set()
        after = ""
        while True:

            def look(txn: LoggingTransaction, after: str = after) -> tuple[list[str], set[str]]:
                rooms = Groups.after(txn, after, _SLICE)
                theirs = (owners(txn, self._api, room_id) for room_id in rooms)
                return rooms, {user_id for found in theirs for user_id in found}

            rooms, found = await self._database.run("owners", look)
            found_all |= found
            if len(rooms) < _SLICE:
                break
            after = rooms[-1]
        people = sorted(found_all)
        known = await self._database.run("owners", lambda txn: Users.kinds(txn, people))
        return {user_id for user_id, is_guest in known.items() if not is_guest}
