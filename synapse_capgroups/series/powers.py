"""The power of helpers in a group, given and taken in the organisers' names."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from synapse.module_api import ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.inside.locks import one_process_at_a_time
from synapse_capgroups.inside.power_levels import send_state
from synapse_capgroups.inside.tables.power import PowerTables, RoomPower
from synapse_capgroups.rules.level_changes import may_replace
from synapse_capgroups.rules.power_levels import (
    POWER_LEVELS,
    LevelFacts,
    as_integers,
    fits,
    level_of,
)
from synapse_capgroups.rules.series import HELPERS_LEVEL
from synapse_capgroups.storage.database import Database


class Powers:
    """Changes what helpers may do in one group. What the organisers may not, is not done."""

    def __init__(self, api: ModuleApi, database: Database) -> None:
        self._api = api
        self._database = database

    async def give(self, room_id: str, helpers: Collection[str], by: Sequence[str]) -> set[str]:
        """Let helpers have power 50 in a group, or what they have if that is more.

        Args:
            by: in whose name it may be done, the first one who can.

        Returns:
            Those who have less, since nobody could give it.
        """

        def lacking(content: Mapping[str, Any], facts: LevelFacts) -> set[str]:
            return {who for who in helpers if level_of(who, content, facts) < HELPERS_LEVEL}

        # Without the lock first: mostly nothing is to be done.
        power = await self._power(room_id)
        if not lacking(power.content or {}, self._facts(power)):
            return set()
        async with one_process_at_a_time(self._api, "power_levels", room_id):
            power = await self._power(room_id)
            content, facts = as_integers(power.content or {}), self._facts(power)
            without = lacking(content, facts)
            users = dict(_users(content)) | dict.fromkeys(without, HELPERS_LEVEL)
            if without and await self._send(room_id, power, {**content, "users": users}, by):
                return set()
            return without

    async def take(self, room_id: str, helper: str, by: Sequence[str]) -> bool:
        """Take a helper's power 50 back. What somebody else gave them beyond it, stays.

        Returns:
            False if nobody could take it.
        """
        async with one_process_at_a_time(self._api, "power_levels", room_id):
            power = await self._power(room_id)
            content = as_integers(power.content or {})
            users = dict(_users(content))
            if users.pop(helper, None) != HELPERS_LEVEL:
                return True
            return await self._send(room_id, power, {**content, "users": users}, by)

    async def _power(self, room_id: str) -> RoomPower:
        return await self._database.run("power", lambda txn: PowerTables.of(txn, room_id))

    def _facts(self, power: RoomPower) -> LevelFacts:
        remote = (user for user in power.present if not self._api.is_mine(user))
        return LevelFacts(self._api.server_name, frozenset(remote), power.creators)

    async def _send(
        self, room_id: str, power: RoomPower, new: Mapping[str, Any], by: Sequence[str]
    ) -> bool:
        """Send power levels. The entry of one local person changes nothing of their form."""
        old, facts = power.content or {}, self._facts(power)
        for sender in by:
            if (
                power.present.get(sender) == "join"
                and fits(new)
                and may_replace(old, new, sender, facts)
            ):
                try:
                    await send_state(self._api, sender, room_id, POWER_LEVELS, new)
                except SynapseError:  # The account is gone, or another module is against it.
                    continue
                return True
        return False


def _users(content: Mapping[str, object]) -> Mapping[str, Any]:
    users = content.get("users")
    return users if isinstance(users, Mapping) else {}
