"""The life of a code (rule 5): what it is dead of, and that whatever kills it does so at once.

Dead is dead. Whoever finds a code dead writes it down, so that neither a sharer who returns nor a
group that shrinks wakes it. And what can be undone is not waited for: the module hears of a
sharer's leaving, of a change of the power levels and of a group's upgrade as they happen. What
happened while it did not listen, the sweep and each entry read from the history.
"""

import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial

import attrs
from synapse.module_api import EventBase, LoggingTransaction, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.admission.code_states import CodeStates
from synapse_capgroups.codes.dead_ends import DeadEnds
from synapse_capgroups.codes.door_rooms import DoorRooms
from synapse_capgroups.codes.personal import PersonalCodes
from synapse_capgroups.config import CodesConfig
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.inside.creations import has_creators_of_all_power
from synapse_capgroups.inside.tables.state_history import StateHistory
from synapse_capgroups.rules.codes import may_share
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.rules.verdict import Reason
from synapse_capgroups.storage.codes import Code, Codes, Page, Visits
from synapse_capgroups.storage.database import Database

logger = logging.getLogger(__name__)

POWER_LEVELS = "m.room.power_levels"
TOMBSTONE = "m.room.tombstone"

_MAKING_MS = 60 * 1000
_REMEMBER_DEAD_MS = 30 * 24 * 60 * 60 * 1000
_AT_ONCE = 500


@attrs.frozen
class CodeState:
    """A code, and what it is dead of; None if it lives."""

    code: Code
    died_of: Reason | None


class CodeLife:
    """Knows whether codes live, and buries the dead."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        scope: Scope,
        states: CodeStates,
        rooms: DoorRooms,
        personal: PersonalCodes,
        dead_ends: DeadEnds,
        config: CodesConfig,
    ) -> None:
        self._api = api
        self._database = database
        self._scope = scope
        self._states = states
        self._rooms = rooms
        self._personal = personal
        self._dead_ends = dead_ends
        self._config = config
        self._judged: dict[str, tuple[str | None, ...]] = {}
        self.changes = 0
        """Grows whenever this process may have changed what a code is worth."""

    async def may_share(self, group: Group, user_id: str) -> bool:
        """Whether this person has the power to make codes for this group, if they are a member."""
        return (await self._power(group))(user_id)

    async def _power(self, group: Group) -> Callable[[str], bool]:
        """Who has the power to make codes: nobody in a group that was replaced by a new one."""
        state = await self._api.get_room_state(
            group.room_id, [("m.room.create", ""), (POWER_LEVELS, ""), (TOMBSTONE, "")]
        )
        tombstone = state.get((TOMBSTONE, ""))
        if tombstone is not None and tombstone.content:
            return lambda user_id: False
        levels = state.get((POWER_LEVELS, ""))
        return self._power_by(state.get(("m.room.create", "")), levels.content if levels else None)

    def _power_by(self, created: EventBase | None, levels: object) -> Callable[[str], bool]:
        creators: frozenset[str] = frozenset()
        if created and (levels is None or has_creators_of_all_power(created)):
            more = created.content.get("additional_creators", ())
            creators = frozenset((created.sender, *more))
        share_level = self._config.share_level
        return lambda user_id: may_share(user_id, share_level, levels, creators)

    async def is_replaced(self, group: Group) -> bool:
        """Whether the group was upgraded: its people are in another room, or will be."""
        state = await self._api.get_room_state(group.room_id, [(TOMBSTONE, "")])
        return any(event.content for event in state.values())

    async def state(self, code: Code) -> tuple[Reason | None, int]:
        """What a code is dead of, None if it lives; and how many members its group has.

        A personal code has no group, and 0 members.
        """
        members = 0
        if code.is_personal:
            died_of = await self._personal.state(code)
        else:
            group = await self._scope.group(code.room_id)
            entitled = group is not None and await self.may_share(group, code.sharer)
            died_of, members = await self._states.code_state(code, sharer_may_share=entitled)
        if died_of is not None and code.died_of is None:
            self.clear_up_soon()
        return died_of, members

    async def page(self, group: Group, page: Page) -> list[CodeState]:
        """A group's codes, the living and the recently dead, the newest first."""
        power = await self._power(group)
        found = await self._states.code_states(group.room_id, page, power)
        if any(died_of is not None and code.died_of is None for code, died_of in found):
            self.clear_up_soon()
        return [CodeState(code, died_of) for code, died_of in found]

    async def revoke(self, code: Code) -> None:
        """Kill a code. Its address leads nowhere from now on but to the sentence that says so."""
        now = self._api.get_current_time_msec()

        def kill(txn: LoggingTransaction) -> Code | None:
            Codes.kill(txn, code.code_id, Reason.CODE_REVOKED, now)
            return Codes.by_id(txn, code.code_id)

        dead = await self._database.run("revoke", kill)
        self.changes += 1
        if dead is not None:
            door = dead.door or code.door
            await self.each("dead code", partial(self._close, attrs.evolve(dead, door=door)))

    # What happens to sharers and groups.

    def left_soon(self, room_id: str, user_id: str) -> None:
        """Somebody has left a room, or was removed from it: their codes for it are dead."""
        self._api.run_as_background_process("capgroups_left", self._left, room_id, user_id)

    async def _left(self, room_id: str, user_id: str) -> None:
        if await self._scope.group(room_id) is not None:
            await self._kill(
                lambda txn, now: Codes.kill_of_sharer(
                    txn, room_id, user_id, Reason.CODE_REVOKED, now
                )
            )

    async def sanctioned(self, user_id: str, suspended: bool) -> None:
        """An account was suspended, locked or shadow-banned: its codes stay dead after that."""
        reason = Reason.SUSPENDED if suspended else Reason.CODE_REVOKED
        await self._kill(lambda txn, now: Codes.kill_of_account(txn, user_id, reason, now))

    async def replaced(self, room_id: str) -> None:
        """A room was upgraded: its codes would lead into the room that people have left."""
        await self._kill(
            lambda txn, now: Codes.kill_of_group(txn, room_id, Reason.CODE_REVOKED, now)
        )

    async def _kill(self, killed: Callable[[LoggingTransaction, int], int]) -> None:
        now = self._api.get_current_time_msec()
        if await self._database.run("kill", lambda txn: killed(txn, now)):
            self.clear_up_soon()

    def watch_soon(self, event: EventBase) -> None:
        """An event that may end codes, once it is the room's state; so far it may be refused."""
        self._api.run_as_background_process("capgroups_watch", self._watch, event)

    async def _watch(self, event: EventBase) -> None:
        group = await self._scope.group(event.room_id)
        if group is None:
            return
        room_id = group.room_id
        sharers = await self._database.run(
            "sharers", lambda txn: Codes.living_sharers(txn, room_id)
        )
        if not sharers or not await self._became_state(event.event_id):
            return
        if event.type == TOMBSTONE:
            if event.content:
                await self.replaced(room_id)
        elif event.type == POWER_LEVELS:
            # By this event and not by the state, which may have changed back already.
            key = ("m.room.create", "")
            created = (await self._api.get_room_state(room_id, [key])).get(key)
            may = self._power_by(created, event.content)
            for sharer in sharers:
                if not may(sharer):
                    await self._left(room_id, sharer)
        else:
            await self._left(room_id, event.state_key)

    async def _became_state(self, event_id: str) -> bool:
        for _ in range(50):
            if await self._database.look_up(
                "watch", lambda txn: StateHistory.became_state(txn, event_id)
            ):
                return True
            await self._api.sleep(0.1)
        return False

    # What time does.

    async def sweep(self) -> None:
        """Find the codes that died unnoticed, and clear up after the dead. On one process only."""
        now = self._api.get_current_time_msec()

        def mind(txn: LoggingTransaction) -> list[Code]:
            Codes.sweep(txn, now, now - _REMEMBER_DEAD_MS)
            return Codes.without_door(txn, now - _MAKING_MS)

        await self._states.close_codes()
        for code in await self._database.run("sweep_codes", mind):
            await self.each("abandoned code", partial(self._abandon, code))
        await self.each("codes", self._judge)
        await self.each("dead ends", self._dead_ends.sweep)
        await self.close_dead()

    async def _judge(self) -> None:
        """Look at each living code on whose sharer or group something has changed."""
        found = await self._database.run("sweep_marks", Codes.living_with_marks)
        # Of the codes that died meanwhile, nothing is remembered.
        self._judged = {
            code_id: marks for code_id, marks in found if self._judged.get(code_id) == marks
        }
        for code_id, marks in found:
            if code_id not in self._judged:
                await self.each("living code", partial(self._judge_one, code_id))
                self._judged[code_id] = marks

    async def _judge_one(self, code_id: str) -> None:
        code = await self._database.run("code", lambda txn: Codes.by_id(txn, code_id))
        if code is not None:
            await self.state(code)

    def clear_up_soon(self) -> None:
        """Close the doors of dead codes, after the answer that is being given."""
        self.changes += 1
        self._api.run_as_background_process("capgroups_doors", self.close_dead)

    async def close_dead(self) -> None:
        made_before = self._api.get_current_time_msec() - _MAKING_MS

        def look(txn: LoggingTransaction) -> list[Code]:
            return Codes.to_clear_up(txn, made_before, _AT_ONCE)

        for code in await self._database.run("sweep_doors", look):
            await self.each("dead code", partial(self._close, code))

    async def _close(self, code: Code) -> None:
        """Lead a dead code's address to its dead end, and let the door's room go when it is empty.

        Nobody can come in by the door even if its address should still lead there.
        """
        if code.address_moved_at is None:
            await self._dead_ends.take(code, self._rooms.address(code.secret))
        if code.door is not None:
            door = code.door
            if await self._database.run("visitors", lambda txn: Visits.any_at(txn, door)):
                return
            # It is told that this does nothing for a room that is being deleted; it is a 400.
            with contextlib.suppress(SynapseError):
                await self._api.delete_room(door)
        now = self._api.get_current_time_msec()
        await self._database.run("door", lambda txn: Codes.door_is_closed(txn, code.code_id, now))

    async def _abandon(self, code: Code) -> None:
        """Clear up after a process that was killed while it made a door."""
        try:
            door, _ = await self._api.lookup_room_alias(self._rooms.address(code.secret))
        except Exception:
            door = None
        await self.revoke(attrs.evolve(code, door=door))

    @staticmethod
    async def each(what: str, work: Callable[[], Awaitable[None]]) -> None:
        """One that fails is tried again by the next sweep, and keeps none of the others waiting."""
        try:
            await work()
        except Exception:
            logger.exception("Could not clear up: %s", what)
