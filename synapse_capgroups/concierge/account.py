"""The concierge's account: made once, of a type that Synapse does not count as a person.

The concierge speaks for the server and its rooms are no groups, so the account must belong to
nobody. Synapse's tables do not say whether somebody can log in to it where another service (MAS,
LDAP, JWT) does that, so the module keeps a row about the account that it made.
"""

import logging

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.inside.registration import (
    check_not_reserved,
    make_account,
    make_support,
    revive_account,
)
from synapse_capgroups.inside.start import stop_the_start
from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.storage.accounts import Accounts
from synapse_capgroups.storage.chats import Chats
from synapse_capgroups.storage.codes import Codes
from synapse_capgroups.storage.database import Database

logger = logging.getLogger(__name__)

_NAME = "Groups"


@attrs.frozen
class _Found:
    """The account under the concierge's name at a start."""

    exists: bool
    ours: bool
    is_support: bool = False
    can_log_in: bool = False
    is_deactivated: bool = False


class ConciergeAccount:
    """Makes the account, or ends the process if it belongs to somebody."""

    def __init__(self, api: ModuleApi, database: Database, user_id: str, *, enforce: bool) -> None:
        self._api = api
        self._database = database
        self._user_id = user_id
        self._enforce = enforce

    async def prepare(self) -> None:
        """Make the account if it does not exist. At start, on one process, again if it fails.

        A trial makes no account and changes none.
        """
        found = await self._database.run("account", self._look)
        if found.exists and not found.ours:
            mistake = (
                f"synapse-capgroups: the account {self._user_id} belongs to somebody. Choose "
                "another name for `concierge` in the module's configuration."
            )
            if self._enforce:
                stop_the_start(mistake)
            logger.warning("%s With `enforce: true` Synapse does not start.", mistake)
            return
        if found.can_log_in:
            logger.warning(
                "synapse-capgroups: somebody can log in as %s, and then read every join code that "
                "it makes. Take that account's password and devices away.",
                self._user_id,
            )
        if found.exists and not found.is_support:
            await make_support(self._api, self._user_id)
        if self._enforce and found.is_deactivated:
            await revive_account(self._api, self._user_id, _NAME)
        if not found.exists and self._enforce:
            await self._make()

    def _look(self, txn: LoggingTransaction) -> _Found:
        is_support = Users.is_support(txn, self._user_id)
        if is_support is None:
            Accounts.all_claimed(txn)
            return _Found(exists=False, ours=True)
        made_at = Accounts.made_at(txn, self._user_id)
        can_log_in = Users.somebody_can_log_in(txn, self._user_id)
        if made_at:
            ours = True
        elif can_log_in:
            ours = False
        elif made_at == 0:
            # A process was killed while it made the account. A registered account has no type.
            ours = is_support
        else:
            ours = (
                Chats.any_made_by(txn, self._user_id)
                or Codes.any_door_made_by(txn, self._user_id)
                or Accounts.may_be_unclaimed(txn)
                or Users.is_left_behind(txn, self._user_id)
            )
        if ours:
            Accounts.all_claimed(txn)
            if not made_at:
                Accounts.has_made(txn, self._user_id, self._api.get_current_time_msec())
        is_deactivated = Users.account(txn, self._user_id).is_gone
        return _Found(True, ours, is_support, can_log_in, is_deactivated)

    async def _make(self) -> None:
        user_id, now = self._user_id, self._api.get_current_time_msec()
        try:
            check_not_reserved(self._api, user_id)
        except SynapseError as e:
            stop_the_start(
                f"synapse-capgroups: the account {user_id} cannot be made ({e.msg}) Choose another "
                "name for `concierge` in the module's configuration."
            )
        # The row comes first: if the process is killed in between, the account is still ours.
        await self._database.run("account", lambda txn: Accounts.is_about_to_make(txn, user_id))
        await make_account(self._api, user_id, _NAME)
        await self._database.run("account", lambda txn: Accounts.has_made(txn, user_id, now))
