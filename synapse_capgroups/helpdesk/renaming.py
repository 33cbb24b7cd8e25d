"""What it means to move the concierge to another name; the move itself is made at a start."""

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.inside.registration import check_not_reserved
from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.storage.accounts import Accounts
from synapse_capgroups.storage.chats import Chats
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.dead_codes import DeadCodes
from synapse_capgroups.storage.series_spaces import SeriesSpaces


@attrs.frozen
class Outlook:
    """What would happen.

    Attributes:
        now, then: the concierge's Matrix IDs.
        is_free: whether the module can have that account.
        codes: living codes, which would die.
        chats, spaces: rooms that would be deleted.
    """

    now: str
    then: str
    is_free: bool
    codes: int
    chats: int
    spaces: int


class Renaming:
    """Looks whether the concierge can be moved to a name."""

    def __init__(self, api: ModuleApi, database: Database, concierge: str) -> None:
        self._api = api
        self._database = database
        self._concierge = concierge

    async def outlook(self, localpart: str) -> Outlook:
        """What would happen if `concierge` had this name at the next start.

        Args:
            localpart: one that the configuration accepts.
        """
        then = self._api.get_qualified_user_id(localpart)
        is_free = then != self._concierge and await self._database.run(
            "account", lambda txn: self._is_free(txn, then)
        )
        if is_free:
            try:
                check_not_reserved(self._api, then)
            except SynapseError:
                is_free = False

        def count(txn: LoggingTransaction) -> tuple[int, int, int]:
            return (
                DeadCodes.count_living(txn),
                len(Chats.all_rooms(txn)),
                len(SeriesSpaces.rooms(txn)),
            )

        return Outlook(self._concierge, then, is_free, *await self._database.run("outlook", count))

    @staticmethod
    def _is_free(txn: LoggingTransaction, user_id: str) -> bool:
        is_ours = bool(Accounts.made_at(txn, user_id)) and bool(Users.is_support(txn, user_id))
        there = Users.account(txn, user_id).is_there
        return is_ours or not there or Users.is_left_behind(txn, user_id)
