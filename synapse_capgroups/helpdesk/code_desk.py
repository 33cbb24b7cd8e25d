"""Join codes of a person, a group or a series, for server admins: looking and revoking.

Secrets stay where they are: a server admin sees and names codes by their IDs.
"""

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.codes.closing import Closing
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.rules.verdict import Reason
from synapse_capgroups.storage.codes import Code, Codes, Page
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.dead_codes import DeadCodes
from synapse_capgroups.storage.series import SeriesRows
from synapse_capgroups.telemetry import journal


class UnknownToTheDeskError(Exception):
    """There is no such code, person, room or series."""


@attrs.frozen
class ListedCode:
    """A code, and what it is dead of as far as the tables say; None if it lives."""

    code: Code
    died_of: Reason | None


class CodeDesk:
    """Lists and revokes codes."""

    def __init__(self, api: ModuleApi, database: Database, closing: Closing) -> None:
        self._api = api
        self._database = database
        self._closing = closing

    async def page(self, of: str, page: Page) -> list[ListedCode]:
        """The living and the recently dead codes, the newest first.

        What kills a code unnoticed, such as a sharer who left while the module was off, is found by
        the sweep within a minute.

        Args:
            of: a Matrix ID, a room ID or the ID of a series.

        Raises:
            UnknownToTheDeskError: there is none of that ID.
        """
        if of.startswith("@"):
            found = await self._database.run(
                "codes", lambda txn: Codes.page_of(txn, page, sharer=of)
            )
        else:
            found = await self._database.run(
                "codes", lambda txn: Codes.page_of(txn, page, room_id=of)
            )
        if not found:
            await self._require(of)
        now = self._api.get_current_time_msec()
        return [ListedCode(code, _died_of(code, now)) for code in found]

    async def revoke(self, by: str, code_id: str) -> None:
        """Revoke a code of anybody. A dead code stays dead of its own cause.

        Raises:
            UnknownToTheDeskError: there is no such code.
        """
        code = None
        if code_id.isalnum():  # PostgreSQL cannot even look for some characters.
            code = await self._database.run("code", lambda txn: Codes.by_id(txn, code_id))
        if code is None:
            raise UnknownToTheDeskError
        await self._closing.revoke(code)
        journal.admin("revoke", by, code=code_id)

    async def revoke_all(self, by: str, of: str) -> int:
        """Revoke all living codes of a person, a group or a series.

        Args:
            of: as of `page`.

        Returns:
            How many it were.

        Raises:
            UnknownToTheDeskError: there is none of that ID.
        """
        now = self._api.get_current_time_msec()
        kill = DeadCodes.kill_of_account if of.startswith("@") else DeadCodes.kill_of_group
        number = await self._database.run(
            "revoke", lambda txn: kill(txn, of, Reason.CODE_REVOKED, now)
        )
        if number:
            self._closing.clear_up_soon()
        else:
            await self._require(of)
        journal.admin("revoke", by, of=of, codes=number)
        return number

    async def _require(self, of: str) -> None:
        def is_known(txn: LoggingTransaction) -> bool:
            if of.startswith("@"):
                return Users.account(txn, of).is_there
            if of.startswith("!"):
                return bool(Memberships.known_rooms(txn, {of}))
            return SeriesRows.by_id(txn, of) is not None

        if not await self._database.run("known", is_known):
            raise UnknownToTheDeskError


def _died_of(code: Code, now: int) -> Reason | None:
    if code.died_of is not None:
        return code.died_of
    if code.expires_at <= now:
        return Reason.CODE_EXPIRED
    if code.max_uses is not None and code.uses >= code.max_uses:
        return Reason.CODE_USED_UP
    return None
