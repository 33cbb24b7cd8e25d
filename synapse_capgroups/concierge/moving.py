"""Moves the concierge to another name: what its former accounts have goes, or is made anew.

All doors, chats and spaces are rooms of the account that made them, and of no use to another. So
when `concierge` has changed, codes die, chats end, and spaces are made by the new account.
"""

import contextlib
import logging

from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.codes.closing import Closing
from synapse_capgroups.concierge.chats import ConciergeChats
from synapse_capgroups.inside.registration import deactivate_account
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.rules.verdict import Reason
from synapse_capgroups.series.tending import Tending
from synapse_capgroups.storage.accounts import Accounts
from synapse_capgroups.storage.chats import Chat, Chats
from synapse_capgroups.storage.codes import Codes
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.dead_codes import DeadCodes
from synapse_capgroups.storage.dead_ends import DeadEndRooms
from synapse_capgroups.storage.series import SeriesHelpers
from synapse_capgroups.storage.series_spaces import SeriesSpaces
from synapse_capgroups.storage.visits import Visits

logger = logging.getLogger(__name__)

_LOOK_AGAIN = 2.0  # seconds
_LOOKS = 1800
_ASKED_AGAIN = 10  # looks


class Moving:
    """Clears up after former accounts of the module. Whatever it does can be repeated."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        chats: ConciergeChats,
        closing: Closing,
        tending: Tending,
    ) -> None:
        self._api = api
        self._database = database
        self._chats = chats
        self._closing = closing
        self._tending = tending
        self._concierge = chats.user_id

    async def move_in(self) -> None:
        """At start, on one process: let nothing lead to rooms of former accounts any more."""
        former = await self._database.run("former_accounts", self._former)
        if not former:
            return
        chats, helpers = await self._database.run(
            "move", lambda txn: self._let_go(txn, sorted(former))
        )
        for chat in chats:
            await self._chats.close(chat)
        self._api.run_as_background_process(
            "capgroups_moving", self._finish, sorted(former), helpers
        )

    def _former(self, txn: LoggingTransaction) -> set[str]:
        """Former accounts that are still active."""
        return {
            user_id
            for user_id in Accounts.all(txn).keys() - {self._concierge}
            if Users.is_support(txn, user_id) and not Users.account(txn, user_id).is_gone
        }

    def _let_go(
        self, txn: LoggingTransaction, former: list[str]
    ) -> tuple[list[Chat], dict[str, list[str]]]:
        """Returns the chats to close, and by series the helpers, who are to be asked anew."""
        now = self._api.get_current_time_msec()
        rooms = set(Memberships.rooms_made_by(txn, former))
        for door in Codes.doors(txn) & rooms:
            if (code := Codes.by_door(txn, door)) is not None:
                DeadCodes.kill(txn, code.code_id, Reason.CODE_REVOKED, now)
            Visits.end_all(txn, door)
        for died_of, room_id in DeadEndRooms.all(txn).items():
            if room_id in rooms:
                DeadEndRooms.forget(txn, died_of)
                DeadCodes.address_is_lost(txn, died_of)
        helpers = {}
        for room_id in SeriesSpaces.rooms(txn) & rooms:
            if (series_id := SeriesSpaces.series_of(txn, room_id)) is not None:
                helpers[series_id] = SeriesHelpers.of(txn, series_id)
            SeriesSpaces.remove(txn, room_id)
        chats = [
            Chat(user_id, room_id, True)
            for room_id, user_id in Chats.all_rooms(txn).items()
            if room_id in rooms
        ]
        return chats, helpers

    async def _finish(self, former: list[str], helpers: dict[str, list[str]]) -> None:
        # First the addresses of codes move to dead ends of the new account.
        await self._closing.close_dead()
        for series_id, people in helpers.items():
            await self._make_spaces(series_id, people)
        for look in range(_LOOKS):
            rooms = await self._rooms(former)
            if not rooms:
                break
            if look % _ASKED_AGAIN == 0:  # Synapse gives a deletion up when another is in its way.
                for room_id in rooms:
                    with contextlib.suppress(SynapseError):  # It is being deleted already.
                        await self._api.delete_room(room_id)
            await self._api.sleep(_LOOK_AGAIN)
        for user_id in former:
            await deactivate_account(self._api, user_id)
            logger.info("%s, the concierge's former account, is deactivated", user_id)

    async def _make_spaces(self, series_id: str, helpers: list[str]) -> None:
        try:
            for helper in [None, *helpers]:
                await self._tending.tend(series_id, invited=helper)
        except Exception:
            # The sweep tends all series, one after the other.
            logger.exception("Could not make the spaces of series %s anew", series_id)

    async def _rooms(self, former: list[str]) -> list[str]:
        return await self._database.run(
            "former_rooms", lambda txn: Memberships.rooms_made_by(txn, former)
        )
