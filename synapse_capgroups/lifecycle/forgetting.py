"""Forgets what nobody needs (rule 15): with an account, with a room, and with time."""

import logging
from collections.abc import Awaitable, Callable
from functools import partial

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.direct_record import is_listed
from synapse_capgroups.helpdesk.account_forgetting import AccountForgetting
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.report.trial_counts import day_of
from synapse_capgroups.storage.admissions import DAY_MS
from synapse_capgroups.storage.console_sessions import ConsoleSessions
from synapse_capgroups.storage.database import Database, lock_room
from synapse_capgroups.storage.forgetting import ROOM_TABLES, Forgetting
from synapse_capgroups.storage.living_codes import LivingCodes
from synapse_capgroups.storage.slices import Slice
from synapse_capgroups.storage.sweeps import Sweeps
from synapse_capgroups.storage.would_be import TRIAL_DAYS, WouldBeRows
from synapse_capgroups.telemetry import journal, metrics

logger = logging.getLogger(__name__)

_SLICE = 500
_SMALL_SLICE = 200
"""Smaller, for groups that may be direct chats: each of them takes several statements."""
_OLD_ADMISSIONS = 1000

_Look = Callable[[LoggingTransaction, str, int], Slice]


class Forgetter:
    """Forgets in slices, one with each sweep.

    The cost of a slice does not depend on the size of the tables. The place where each slice ended
    is kept in memory: after a restart, the slices begin at the start again.
    """

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        accounts: AccountForgetting,
        keep: int,
    ) -> None:
        """
        Args:
            keep: how long admissions are kept, in milliseconds.
        """
        self._api = api
        self._database = database
        self._accounts = accounts
        self._keep = keep
        self._ends: dict[str, str] = {}

    async def sweep(self) -> None:
        """Forget what the next slice of each table has to forget. On one process only."""
        for what, work in (
            ("erased accounts", self._sweep_accounts),
            ("deleted rooms", self._sweep_rooms),
            ("direct chats", self._sweep_direct_chats),
            ("old admissions", self._sweep_admissions),
            ("old days of a trial", self._sweep_trial),
            ("sessions that are over", self._sweep_consoles),
        ):
            await self._each(what, work)

    async def _sweep_accounts(self) -> None:
        gone = {
            *await self._next("erased", Forgetting.erased_accounts, _SLICE),
            *await self._next("chats", Forgetting.chats_of_deactivated, _SLICE),
            *await self._database.run("deactivated", self._deactivated_sharers),
            *await self._next("requests", Forgetting.deactivated_requesters, _SLICE),
        }
        for user_id in sorted(gone):
            await self._each("account", partial(self._accounts.deactivated, user_id))

    @staticmethod
    def _deactivated_sharers(txn: LoggingTransaction) -> list[str]:
        """Of the codes that this sweep looks at: later, these are found dead."""
        part = LivingCodes.slice_after(txn, Sweeps.codes_until(txn))
        return LivingCodes.deactivated_sharers(txn, part)

    async def _sweep_rooms(self) -> None:
        now = self._api.get_current_time_msec()
        for table in ROOM_TABLES:
            for room_id in await self._next(table, partial(self._deleted, table=table), _SLICE):
                await self._database.run(
                    "delete_room", partial(Forgetting.delete_room, room_id=room_id, now=now)
                )
                _tell("rooms", 1)

    @staticmethod
    def _deleted(txn: LoggingTransaction, after: str, most: int, *, table: str) -> Slice:
        return Forgetting.deleted_rooms(txn, table, after, most)

    async def _sweep_direct_chats(self) -> None:
        """Remove direct chats from the record.

        Earlier versions recorded them, and some rooms become direct chats only later.
        """
        for room_id in await self._next("groups", Forgetting.small_groups, _SMALL_SLICE):
            if await self._database.run(
                "direct_chat", partial(self._strike_if_direct, room_id=room_id)
            ):
                _tell("direct_chats", 1)

    def _strike_if_direct(self, txn: LoggingTransaction, room_id: str) -> bool:
        lock_room(txn, room_id)  # A third person may be joining just now.
        there = {user for user, _ in Memberships.present(txn, room_id, most=3)}
        pair = sorted(there | Forgetting.people_on_record(txn, room_id))
        if len(pair) != 2 or not is_listed(txn, self._api.is_mine, room_id, pair[0], pair[1]):
            return False
        Forgetting.strike_group(txn, room_id)
        return True

    async def _sweep_admissions(self) -> None:
        before = self._api.get_current_time_msec() - self._keep
        forgotten = await self._database.run(
            "old_admissions",
            lambda txn: Forgetting.old_admissions(txn, before, _OLD_ADMISSIONS),
        )
        if forgotten:
            _tell("admissions", forgotten)

    async def _sweep_trial(self) -> None:
        before = day_of(self._api.get_current_time_msec() - TRIAL_DAYS * DAY_MS)
        await self._database.run("would_be", lambda txn: WouldBeRows.forget(txn, before))

    async def _sweep_consoles(self) -> None:
        now = self._api.get_current_time_msec()
        await self._database.run("consoles", lambda txn: ConsoleSessions.forget(txn, now))

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


def _tell(what: str, number: int) -> None:
    journal.forgot(what, number)
    metrics.FORGOTTEN.labels(what).inc(number)
