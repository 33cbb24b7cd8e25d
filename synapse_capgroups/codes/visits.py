"""Visits: who is at which door, and until when."""

from functools import partial

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.presence import Presence
from synapse_capgroups.codes.door_rooms import DoorRooms
from synapse_capgroups.codes.one_by_one import each
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.dead_codes import DeadCodes
from synapse_capgroups.storage.visits import Visits


class DoorVisits:
    """Notes who is at a door, and takes them out after a while."""

    def __init__(
        self, api: ModuleApi, database: Database, presence: Presence, rooms: DoorRooms, stay: int
    ) -> None:
        """
        Args:
            stay: milliseconds.
        """
        self._api = api
        self._database = database
        self._presence = presence
        self._rooms = rooms
        self._stay = stay

    async def note(self, door: str, user_id: str) -> None:
        """Note that somebody is at a door from now on."""
        leave_at = self._api.get_current_time_msec() + self._stay
        await self._database.run("visit", lambda txn: Visits.note(txn, door, user_id, leave_at))

    async def sweep(self) -> None:
        """Take out everybody whose time is over. On one process only."""
        now = self._api.get_current_time_msec()
        due = await self._database.run("sweep_visits", lambda txn: Visits.due(txn, now))
        for door, user_id in due:
            await each("visit", partial(self._take_out, door, user_id))

    async def _take_out(self, door: str, user_id: str) -> None:
        if await self._presence.is_member(door, user_id):
            await self._rooms.see_off(door, user_id)

        def end(txn: LoggingTransaction) -> None:
            Visits.end(txn, door, user_id)
            # Synapse deletes no room in which somebody is. If their join was written while it
            # deleted this one, its task has failed, and nobody says so.
            DeadCodes.close_again(txn, door)

        await self._database.run("visit", end)
