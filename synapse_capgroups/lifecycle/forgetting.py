"""Forgets what nobody needs (rule 15): with an account, with a room, and with time."""

import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.admission.direct_record import is_listed
from synapse_capgroups.codes.closing import Closing
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.report.trial_counts import day_of
from synapse_capgroups.storage.admissions import DAY_MS
from synapse_capgroups.storage.chats import Chats
from synapse_capgroups.storage.database import Database, lock_room
from synapse_capgroups.storage.forgetting import ROOM_TABLES, Forgetting, Slice
from synapse_capgroups.storage.would_be import TRIAL_DAYS, WouldBeRows

logger = logging.getLogger(__name__)

_SLICE = 500
_SMALL_SLICE = 200
"""Smaller, for groups that may be direct chats: each of them takes several statements."""
_OLD_ADMISSIONS = 1000

_Look = Callable[[LoggingTransaction, str, int], Slice]


class Forgetter:
    """Forgets a deactivated account at once, and everything else in slices, one with each sweep.

    The cost of a slice does not depend on the size of the tables. The place where each slice ended
    is kept in memory: after a restart, the slices begin at the start again.
    """

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        closing: Closing,
        keep: int,
        concierge: str,
    ) -> None:
        """
        Args:
            keep: how long admissions are kept, in milliseconds.
            concierge: its Matrix ID.
        """
        self._api = api
        self._database = database
        self._closing = closing
        self._keep = keep
        self._concierge = concierge
        self._ends: dict[str, str] = {}

    async def deactivated(self, user_id: str) -> None:
        """Forget a deactivated account; Synapse has stored by now whether it is to be erased.

        This can be repeated: if the process is killed meanwhile, a sweep does it again.
        """
        if user_id == self._concierge:
            return
        now = self._api.get_current_time_msec()
        await self._database.run(
            "deactivated", lambda txn: Forgetting.deactivate(txn, user_id, now)
        )
        self._closing.clear_up_soon()
        await self._end_chat(user_id)
        await self._database.run("erase", partial(self._erase, user_id=user_id))

    @staticmethod
    def _erase(txn: LoggingTransaction, user_id: str) -> None:
        if Forgetting.is_erased(txn, user_id):
            Forgetting.erase(txn, user_id)

    async def _end_chat(self, user_id: str) -> None:
        """Delete the room in which the concierge talked to somebody."""
        room_id = await self._database.run("chat", lambda txn: Chats.with_person(txn, user_id))
        if room_id is None:
            return
        with contextlib.suppress(SynapseError):  # It is being deleted already.
            await self._api.delete_room(room_id)
        await self._database.run("chat", lambda txn: Chats.remove(txn, user_id, room_id))

    async def sweep(self) -> None:
        """Forget what the next slice of each table has to forget. On one process only."""
        for what, work in (
            ("erased accounts", self._sweep_accounts),
            ("deleted rooms", self._sweep_rooms),
            ("direct chats", self._sweep_direct_chats),
            ("old admissions", self._sweep_admissions),
            ("old days of a trial", self._sweep_trial),
        ):
            await self._each(what, work)

    async def _sweep_accounts(self) -> None:
        now = self._api.get_current_time_msec()
        gone = {
            *await self._next("erased", Forgetting.erased_accounts, _SLICE),
            *await self._next("chats", Forgetting.chats_of_deactivated, _SLICE),
            *await self._database.run(
                "deactivated", lambda txn: Forgetting.deactivated_sharers(txn, now)
            ),
            *await self._database.run("deactivated", Forgetting.deactivated_requesters),
        }
        for user_id in sorted(gone):
            await self._each("account", partial(self.deactivated, user_id))

    async def _sweep_rooms(self) -> None:
        now = self._api.get_current_time_msec()
        for table in ROOM_TABLES:
            for room_id in await self._next(table, partial(self._deleted, table=table), _SLICE):
                await self._database.run(
                    "delete_room", partial(Forgetting.delete_room, room_id=room_id, now=now)
                )

    @staticmethod
    def _deleted(txn: LoggingTransaction, after: str, most: int, *, table: str) -> Slice:
        return Forgetting.deleted_rooms(txn, table, after, most)

    async def _sweep_direct_chats(self) -> None:
        """Remove direct chats from the record.

        Earlier versions recorded them, and some rooms become direct chats only later.
        """
        for room_id in await self._next("groups", Forgetting.small_groups, _SMALL_SLICE):
            await self._database.run(
                "direct_chat", partial(self._strike_if_direct, room_id=room_id)
            )

    def _strike_if_direct(self, txn: LoggingTransaction, room_id: str) -> None:
        lock_room(txn, room_id)  # A third person may be joining just now.
        there = {user for user, _ in Memberships.present(txn, room_id, most=3)}
        pair = sorted(there | Forgetting.people_on_record(txn, room_id))
        if len(pair) == 2 and is_listed(txn, self._api.is_mine, room_id, pair[0], pair[1]):
            Forgetting.strike_group(txn, room_id)

    async def _sweep_admissions(self) -> None:
        before = self._api.get_current_time_msec() - self._keep
        await self._database.run(
            "old_admissions",
            lambda txn: Forgetting.old_admissions(txn, before, _OLD_ADMISSIONS),
        )

    async def _sweep_trial(self) -> None:
        before = day_of(self._api.get_current_time_msec() - TRIAL_DAYS * DAY_MS)
        await self._database.run("would_be", lambda txn: WouldBeRows.forget(txn, before))

    async def _next(self, table: str, look: _Look, most: int) -> tuple[str, ...]:
        """Look for something in a table's next slice."""
        after = self._ends.get(table, "")
        found = await self._database.run("forget", lambda txn: look(txn, after, most))
        self._ends[table] = found.end
        return found.found

    @staticmethod
    async def _each(what: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do one piece of work. If it fails, a later sweep finds it again; the others go on."""
        try:
            await work()
        except Exception:
            logger.exception("Could not forget: %s", what)
