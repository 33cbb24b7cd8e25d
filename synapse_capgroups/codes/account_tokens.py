"""Codes by which people who have no account get one: each carries a registration token.

The token is of Synapse's own making, good for as many accounts as the code may bring people, and
ends with the code. It is ended where all dead codes are cleared up, and its row is deleted
some days later: Synapse cannot finish a registration whose token is not there.
"""

import logging
from functools import partial

from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import ConfigError

from synapse_capgroups.codes.links import new_secret
from synapse_capgroups.codes.one_by_one import each
from synapse_capgroups.config import Config
from synapse_capgroups.inside.registration import (
    asks_for_token,
    create_token,
    delegates_authentication,
    delete_token,
    expire_token,
    takes_registrations,
)
from synapse_capgroups.limits.table import ACCOUNTS_BY_CODES_A_DAY, DAY
from synapse_capgroups.storage.codes import Code
from synapse_capgroups.storage.database import Database, lock_person
from synapse_capgroups.storage.registration_tokens import CarriedToken, RegistrationTokens

logger = logging.getLogger(__name__)

_AT_ONCE = 500
_MAKING_MS = 60 * 1000
"""A token that Synapse does not have so long after its code was made will never be there."""
_OPEN_SESSION_MS = 3 * 24 * 60 * 60 * 1000
"""Longer than Synapse keeps a registration that somebody has begun (`SESSION_EXPIRE_MS`)."""


class AccountTokens:
    """Makes and ends the tokens (`codes.registration`)."""

    def __init__(self, api: ModuleApi, database: Database, config: Config) -> None:
        """
        Raises:
            ConfigError: this server's accounts are made by another service.
        """
        self._api = api
        self._database = database
        self.is_on = config.codes.registration and _is_possible(api) and config.enforce
        """Whether new codes of groups carry a token. In a trial none does."""

    async def give(self, code: Code, places: int) -> None:
        """Let people who hold a new code make accounts by it.

        There is none for a code that is dead already, nor beyond what its sharer's codes may allow
        in a day.

        Args:
            places: how many people can come into its group by codes yet.
        """
        if not self.is_on or code.died_of is not None:
            return
        token = new_secret()  # What has this form is in no log.
        wanted = min(places, code.max_uses or places)
        now = self._api.get_current_time_msec()

        def note(txn: LoggingTransaction) -> int:
            lock_person(txn, code.sharer)
            given = RegistrationTokens.given_since(txn, code.sharer, now - DAY * 1000)
            registrations = min(wanted, ACCOUNTS_BY_CODES_A_DAY - given)
            # To Synapse, 0 is without a limit.
            if registrations < 1 or not RegistrationTokens.give(
                txn, code.code_id, token, registrations
            ):
                return 0
            return registrations

        # Noted first: if the process is killed now, the sweep knows of it.
        if registrations := await self._database.run("give_token", note):
            await create_token(self._api, token, registrations, code.expires_at)
            if not await self._database.look_up(
                "token", lambda txn: RegistrationTokens.is_carried(txn, code.code_id)
            ):
                await self._expire(token)  # The code died meanwhile.

    async def end_dead(self) -> None:
        """End the tokens of dead codes; all of them if codes carry none any more."""
        find = RegistrationTokens.of_dead if self.is_on else RegistrationTokens.of_all
        for carried in await self._database.look_up("tokens", lambda txn: find(txn, _AT_ONCE)):
            await each("registration token", partial(self._end, carried))

    async def sweep(self) -> None:
        """The same, and delete the tokens that were ended long ago. On one process only."""
        await self.end_dead()
        before = self._api.get_current_time_msec() - _OPEN_SESSION_MS
        for carried in await self._database.look_up(
            "tokens", lambda txn: RegistrationTokens.ended_before(txn, before, _AT_ONCE)
        ):
            await each("registration token", partial(self._delete, carried))

    async def _end(self, carried: CarriedToken) -> None:
        now = self._api.get_current_time_msec()
        # One that is not there may be made just now.
        if await self._expire(carried.token) or carried.made_at < now - _MAKING_MS:
            await self._database.run(
                "end_token", lambda txn: RegistrationTokens.end(txn, carried.code_id, now)
            )

    async def _expire(self, token: str) -> bool:
        return await expire_token(self._api, token, self._api.get_current_time_msec() - 1)

    async def _delete(self, carried: CarriedToken) -> None:
        await delete_token(self._api, carried.token)
        await self._database.run(
            "forget_token", lambda txn: RegistrationTokens.forget(txn, carried.code_id)
        )


def _is_possible(api: ModuleApi) -> bool:
    """Whether people make accounts here with a registration token.

    Raises:
        ConfigError: they make them elsewhere.
    """
    if delegates_authentication(api):
        raise ConfigError(
            "synapse-capgroups: codes.registration is true, but the accounts of this server are "
            "made by the Matrix Authentication Service, which has registration tokens of its own. "
            "Set codes.registration to false."
        )
    if takes_registrations(api) and asks_for_token(api):
        return True
    logger.warning(
        "synapse-capgroups: codes.registration has no effect, because people need no registration "
        "token to make an account here (enable_registration and registration_requires_token)"
    )
    return False
