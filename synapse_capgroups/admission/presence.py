"""Who is in a room at this moment, and how many seats a group has taken."""

from collections.abc import Collection

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.config import Config
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.storage.approval import Approval
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.seats import Seats, seatless_invitees


class Presence:
    """Looks up memberships, each by a single statement."""

    def __init__(self, api: ModuleApi, database: Database, config: Config) -> None:
        self._api = api
        self._database = database
        self._seatless = seatless_invitees(api.server_name, guarded=config.is_guarded)

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

    async def members(self, group: Group) -> int:
        """How many members a group has."""
        return await self._database.look_up(
            "members", lambda txn: Seats.members(txn, group.room_id)
        )

    async def members_and_seats(
        self, groups: Collection[Group]
    ) -> dict[str, tuple[int, int, bool]]:
        """How many members groups have, how many seats are taken, and whether they have approval.

        By room ID, in one transaction.
        """
        now = self._api.get_current_time_msec()

        def count(txn: LoggingTransaction) -> dict[str, tuple[int, int, bool]]:
            found = {}
            for room_id in [group.room_id for group in groups]:
                taken = Seats.taken_by_others(txn, room_id, "", now, self._seatless)
                found[room_id] = (
                    Seats.members(txn, room_id), taken, Approval.is_on(txn, room_id)
                )  # fmt: skip
            return found

        return await self._database.run("members", count)

    async def seats_taken(self, group: Group) -> int:
        """How many seats are taken: by members, joins under way, and invited remote people."""
        now = self._api.get_current_time_msec()

        def count(txn: LoggingTransaction) -> int:
            return Seats.taken_by_others(txn, group.room_id, "", now, self._seatless)

        return await self._database.look_up("seats", count)
