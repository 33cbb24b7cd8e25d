"""Doors: who joins the room of one."""

import contextlib
from collections.abc import Mapping
from contextvars import ContextVar
from functools import partial

from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.codes.entry import Entry
from synapse_capgroups.codes.judging import LEADS_NOWHERE
from synapse_capgroups.codes.one_by_one import each
from synapse_capgroups.inside.membership_changes import (
    MembershipChange,
    is_asked_of_nobody,
    membership_change,
)
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.limits.table import SCANS
from synapse_capgroups.rules.verdict import Verdict
from synapse_capgroups.storage.codes import Code, Codes
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.living_codes import CodeSlice, LivingCodes
from synapse_capgroups.storage.visits import Visits

_seen: ContextVar[tuple[MembershipChange, Code | None, bool] | None] = ContextVar(
    "capgroups_seen_at_door", default=None
)
"""What was found at the door of the change that is being made: it is asked about twice."""


class Doors:
    """Hears of joins of the concierge's rooms, and lets people in where the room is a door."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        limits: RateLimits,
        entry: Entry,
        concierge: str,
    ) -> None:
        """
        Args:
            concierge: its Matrix ID. All doors are its rooms.
        """
        self._api = api
        self._database = database
        self._limits = limits
        self._entry = entry
        self._concierge = concierge

    async def enter(self, door: str, user_id: str, *, is_invited: bool) -> Verdict | None:
        """Somebody joins a room of the concierge's: let them into the group if it is a door.

        Returns:
            The verdict on the join of the door; None if it is no door.
        """
        seen, change = _seen.get(), membership_change.get()
        if seen is not None and change is not None and seen[0] is change:
            _, code, is_here = seen
        else:
            code, is_here = await self._at(door, user_id)
        if is_here or user_id == self._concierge:
            return None  # `enter_unasked` has decided, or it is a change of name.
        if code is None:
            # The concierge invites people into its chats. Its public rooms are doors and dead ends:
            # one that is not known any more opens nothing.
            return None if is_invited else LEADS_NOWHERE
        return await self._entry.let_in(code, user_id)

    async def enter_unasked(self, change: MembershipChange) -> Verdict | None:
        """The same for the joins of a door that Synapse asks no callback about.

        These are a server admin's joins, and repeated ones: somebody who is still at the door scans
        again. A change of name or avatar is a join, too, but brings nobody back who has left the
        group meanwhile.
        """
        code, is_here = await self._at(change.room_id, change.target)
        _seen.set((change, code, is_here))
        if code is None:
            return None
        if is_here:
            if _is_change_of_profile(change):
                return None
            await self._limits.spend(SCANS, change.target)
        elif not await is_asked_of_nobody(self._api, change):
            return None
        if change.target == self._concierge:
            return None
        return await self._entry.let_in(code, change.target)

    async def _at(self, door: str, user_id: str) -> tuple[Code | None, bool]:
        """The code of a door, None if it is none, and whether somebody is at it already."""

        def look(txn: LoggingTransaction) -> tuple[Code | None, bool]:
            return Codes.by_door(txn, door), Memberships.is_member(txn, door, user_id)

        return await self._database.run("door", look)

    async def receive_unnoticed(self) -> None:
        """Let in the people who joined a door while the module was off and are still there.

        To be called once, at start. To scan again would do nothing for them.
        """

        part: CodeSlice | None = None
        while part is None or not part.is_last:
            after = part.until if part else ""
            part, found = await self._database.run("unnoticed", partial(self._unnoticed, after))
            for door, user_id in found:
                await each("visitor", partial(self._receive, door, user_id))

    def _unnoticed(
        self, after: str, txn: LoggingTransaction
    ) -> tuple[CodeSlice, list[tuple[str, str]]]:
        part = LivingCodes.slice_after(txn, after)
        return part, Visits.unnoticed(txn, self._concierge, part)

    async def _receive(self, door: str, user_id: str) -> None:
        now = self._api.get_current_time_msec()

        def look(txn: LoggingTransaction) -> Code | None:
            # Due at once, until they are in: if they are refused or it fails, the next sweep takes
            # them out, and if they scan again, they are told why.
            Visits.note(txn, door, user_id, now)
            return Codes.by_door(txn, door)

        if (code := await self._database.run("door", look)) is not None:
            with contextlib.suppress(SynapseError):  # Refused by Synapse: they are taken out.
                await self._entry.let_in(code, user_id)


def _is_change_of_profile(change: MembershipChange) -> bool:
    """Whether a join of somebody who is in the room already is a change of name or avatar.

    Either a state event, which says its membership, or Synapse's task that brings a changed
    profile into all rooms, which no rate limit holds up.
    """
    content = change.content
    return not change.limited or (isinstance(content, Mapping) and "membership" in content)
