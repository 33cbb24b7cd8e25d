"""Who is in a room at this moment, and how many seats a group has taken."""

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.seats import Seats


class Presence:
    """Looks up memberships, each by a single statement."""

    def __init__(self, api: ModuleApi, database: Database) -> None:
        self._api = api
        self._database = database

    async def is_invited(self, room_id: str, user_id: str) -> bool:
        """Whether somebody has an invitation that they have not answered."""

        def look(txn: LoggingTransaction) -> bool:
            return Memberships.membership(txn, room_id, user_id).membership == "invite"

        return await self._database.look_up("invited", look)

    async def is_member(self, room_id: str, user_id: str) -> bool:
        """Whether somebody is a member, of a group or any other room."""

        def look(txn: LoggingTransaction) -> bool:
            return Memberships.is_member(txn, room_id, user_id)

        return await self._database.look_up("member", look)

    async def seats_taken(self, group: Group) -> int:
        """How many members a group has, seats of joins under way included."""
        now = self._api.get_current_time_msec()

        def count(txn: LoggingTransaction) -> int:
            return Seats.taken_by_others(txn, group.room_id, "", now)

        return await self._database.look_up("seats", count)
