"""Who may make codes for a group, by its power levels."""

from collections.abc import Callable

from synapse.module_api import EventBase, ModuleApi, StateMap

from synapse_capgroups.inside.creations import has_creators_of_all_power
from synapse_capgroups.inside.tables.state_history import StateHistory
from synapse_capgroups.rules.codes import may_share
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.storage.codes import Code
from synapse_capgroups.storage.database import Database

POWER_LEVELS = "m.room.power_levels"
TOMBSTONE = "m.room.tombstone"
_CREATE = ("m.room.create", "")


class SharingRights:
    """Reads from a group's state who has the power to make codes."""

    def __init__(self, api: ModuleApi, database: Database, share_level: int) -> None:
        """
        Args:
            share_level: the power level that the server's admin asks for.
        """
        self._api = api
        self._database = database
        self._share_level = share_level

    async def may_share(self, group: Group, user_id: str) -> bool:
        """Whether this person has the power to make codes for this group, if they are a member."""
        return (await self.power(group))(user_id)

    async def is_kept(self, group: Group, code: Code) -> bool:
        """Whether a code's sharer has the power, and has had it ever since the code was made.

        It may be lost and given back before anything here hears of it: on another worker, or while
        the module was switched off.
        """
        state = await self._state(group)
        if not self._power_in(state)(code.sharer):
            return False
        since = code.after_stream_ordering
        changeable = (state.get((POWER_LEVELS, "")), state.get((TOMBSTONE, "")))
        if since is None or all(
            (event.internal_metadata.stream_ordering or 0) <= since for event in changeable if event
        ):
            return True
        place = since
        changes = await self._database.look_up(
            "rights", lambda txn: StateHistory.rights_since(txn, group.room_id, place)
        )
        if changes is None:
            return False
        return all(
            not content
            if kind == TOMBSTONE
            else self._power_by(state.get(_CREATE), content)(code.sharer)
            for kind, content in changes
        )

    async def power(self, group: Group) -> Callable[[str], bool]:
        """Who has the power to make codes: nobody in a group that was replaced by a new one."""
        return self._power_in(await self._state(group))

    async def _state(self, group: Group) -> StateMap[EventBase]:
        return await self._api.get_room_state(
            group.room_id, [_CREATE, (POWER_LEVELS, ""), (TOMBSTONE, "")]
        )

    def _power_in(self, state: StateMap[EventBase]) -> Callable[[str], bool]:
        tombstone = state.get((TOMBSTONE, ""))
        if tombstone is not None and tombstone.content:
            return lambda user_id: False
        levels = state.get((POWER_LEVELS, ""))
        return self._power_by(state.get(_CREATE), levels.content if levels else None)

    async def power_by(self, group: Group, levels: object) -> Callable[[str], bool]:
        """Who would have the power by the content of one event, whatever the state is now."""
        created = (await self._api.get_room_state(group.room_id, [_CREATE])).get(_CREATE)
        return self._power_by(created, levels)

    def _power_by(self, created: EventBase | None, levels: object) -> Callable[[str], bool]:
        creators: frozenset[str] = frozenset()
        if created and (levels is None or has_creators_of_all_power(created)):
            more = created.content.get("additional_creators", ())
            creators = frozenset((created.sender, *more))
        return lambda user_id: may_share(user_id, self._share_level, levels, creators)

    async def is_replaced(self, group: Group) -> bool:
        """Whether the group was upgraded: its people are in another room, or will be."""
        state = await self._api.get_room_state(group.room_id, [(TOMBSTONE, "")])
        return any(event.content for event in state.values())
