"""Forgets an account (rule 15): when it is deactivated, and when a server admin asks for it."""

import contextlib
from collections.abc import Mapping

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.codes.closing import Closing
from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.series.succession import Succession
from synapse_capgroups.storage.chats import Chats
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.forgetting import Forgetting
from synapse_capgroups.storage.personal_rows import PersonalRows
from synapse_capgroups.telemetry import journal, metrics

_RECENT_MS = 24 * 60 * 60 * 1000
"""What is younger stays for an account that goes on: limits are judged by the last day."""


class NoSuchAccountError(Exception):
    """This server has no such account, and no table names it."""


class ConciergesAccountError(Exception):
    """The account is the module's own."""


@attrs.frozen
class Forgotten:
    """What was forgotten of an account, or would be.

    Attributes:
        is_gone: whether the account is deactivated, or not there any more.
        removed: by table, the rows that do not name it any more.
        kept: by table, the rows that go on naming it, because its owner is still here.
    """

    is_gone: bool
    removed: Mapping[str, int]
    kept: Mapping[str, int]


class _TakenBack(Exception):
    """Ends a transaction that was only to say what it would do."""

    def __init__(self, kept: Mapping[str, int]) -> None:
        super().__init__()
        self.kept = kept


class AccountForgetting:
    """Forgets accounts. Whatever it does can be repeated."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        closing: Closing,
        succession: Succession,
        concierge: str,
    ) -> None:
        """
        Args:
            concierge: its Matrix ID.
        """
        self._api = api
        self._database = database
        self._closing = closing
        self._succession = succession
        self._concierge = concierge

    async def deactivated(self, user_id: str) -> None:
        """Forget a deactivated account; Synapse has stored by now whether it is to be erased.

        If the process is killed meanwhile, a sweep does it again.
        """
        if user_id == self._concierge:
            return
        await self._succession.account_gone(user_id)
        await self._end(user_id)

        def erase(txn: LoggingTransaction) -> bool:
            if erased := Forgetting.is_erased(txn, user_id):
                Forgetting.erase(txn, user_id)
            return erased

        if await self._database.run("erase", erase):
            journal.forgot("accounts", 1)
            metrics.FORGOTTEN.labels("accounts").inc()

    async def forget(self, by: str, user_id: str, *, apply: bool) -> Forgotten:
        """Forget an account as a server admin asks for it.

        One that is deactivated disappears from every table, as if it had been erased. One that
        lives, here or on another server, loses its past and keeps what it goes on with.

        Args:
            by: the server admin.
            apply: whether to do it; otherwise it is only said what would be removed.

        Raises:
            NoSuchAccountError: there is no such account.
            ConciergesAccountError: it is the module's own.
        """
        if user_id == self._concierge:
            raise ConciergesAccountError

        def look(txn: LoggingTransaction) -> tuple[bool, bool, dict[str, int]]:
            account = Users.account(txn, user_id)
            return account.is_gone, account.is_there, PersonalRows.count(txn, user_id)

        is_gone, is_there, before = await self._database.run("personal_rows", look)
        is_local = self._api.is_mine(user_id)
        if not before and not (is_local and is_there):
            raise NoSuchAccountError
        is_gone = is_gone and is_local
        if not is_gone:
            kept = await self._forget_past(user_id, apply=apply)
        else:
            kept = await self._forget_all(user_id) if apply else {}
        removed = {
            table: rows - kept.get(table, 0)
            for table, rows in before.items()
            if rows > kept.get(table, 0)
        }
        if apply:
            # Nobody is named there: it would be the last place that knows them.
            journal.admin("forget", by, deactivated=is_gone, removed=removed, kept=kept)
            metrics.FORGOTTEN.labels("accounts").inc()
        return Forgotten(is_gone, removed, kept)

    async def _forget_all(self, user_id: str) -> Mapping[str, int]:
        await self._succession.account_gone(user_id)
        await self._end(user_id)

        def erase(txn: LoggingTransaction) -> dict[str, int]:
            Forgetting.erase(txn, user_id)
            return PersonalRows.count(txn, user_id)

        return await self._database.run("erase", erase)

    async def _forget_past(self, user_id: str, *, apply: bool) -> Mapping[str, int]:
        before = self._api.get_current_time_msec() - _RECENT_MS

        def forget(txn: LoggingTransaction) -> Mapping[str, int]:
            PersonalRows.forget_past(txn, user_id, before)
            kept = PersonalRows.count(txn, user_id)
            if not apply:
                raise _TakenBack(kept)
            return kept

        try:
            return await self._database.run("forget_past", forget)
        except _TakenBack as e:
            return e.kept

    async def _end(self, user_id: str) -> None:
        """Let codes, visits, requests and the chat with the concierge end."""
        now = self._api.get_current_time_msec()
        await self._database.run(
            "deactivated", lambda txn: Forgetting.deactivate(txn, user_id, now)
        )
        self._closing.clear_up_soon()
        room_id = await self._database.run("chat", lambda txn: Chats.with_person(txn, user_id))
        if room_id is None:
            return
        with contextlib.suppress(SynapseError):  # It is being deleted already.
            await self._api.delete_room(room_id)
        await self._database.run("chat", lambda txn: Chats.remove(txn, user_id, room_id))
