"""Takes the steps of a plan in one room, in either direction, for a server admin.

What is there must be what the plan saw. The lock is that of a group's power levels, which all
processes respect: nobody writes these meanwhile.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.groups.members import NoSuchGroupError
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.inside.addresses import delete_address, give_address
from synapse_capgroups.inside.locks import one_process_at_a_time
from synapse_capgroups.inside.power_levels import send_state
from synapse_capgroups.inside.tables.openings import Openings
from synapse_capgroups.inside.tables.power import PowerTables
from synapse_capgroups.rules import level_changes
from synapse_capgroups.rules.adoption import (
    STATE_TYPES,
    ChangedError,
    Standing,
    Step,
    What,
    closes,
    remaining,
)
from synapse_capgroups.rules.power_levels import POWER_LEVELS, LevelFacts
from synapse_capgroups.rules.seclusion import GUEST_ACCESS
from synapse_capgroups.storage.database import Database
from synapse_capgroups.telemetry import journal

logger = logging.getLogger(__name__)

Tell = Callable[[str, str], Awaitable[bool]]
"""Writes a text to a person; False if they cannot be written to."""


class StepRefusedError(Exception):
    """A room does not let anybody here take a step.

    Attributes:
        why: Synapse's sentence; None if nobody here has the power.
        done: how many steps were taken before.
    """

    def __init__(self, step: Step, why: str | None, done: int) -> None:
        super().__init__(why)
        self.step = step
        self.why = why
        self.done = done


@attrs.frozen
class Wish:
    """What is to be done with a room.

    Attributes:
        steps: from what the plan saw to a group that keeps the rules.
        undo: whether to take them back.
        people: who is written to, if anything is done.
        text: what they read.
    """

    steps: Sequence[Step]
    undo: bool
    people: Sequence[str]
    text: str

    @property
    def way(self) -> Sequence[Step]:
        """The steps in the order and the direction in which they are taken."""
        return [step.back() for step in reversed(self.steps)] if self.undo else self.steps


@attrs.frozen
class Done:
    """What was done: how many steps were still to be taken, and who was written to."""

    changed: int
    told: list[str]


async def _nobody_speaks(_: str, __: str) -> bool:
    return False


class Adopting:
    """Takes steps and takes them back."""

    def __init__(self, api: ModuleApi, database: Database, scope: Scope) -> None:
        self._api = api
        self._database = database
        self._scope = scope
        self._tell: Tell = _nobody_speaks

    def tell_by(self, tell: Tell) -> None:
        """Set how people are written to."""
        self._tell = tell

    async def change(self, room_id: str, wish: Wish, by: str) -> Done:
        """Do what is still to be done in a room. Repeated, it does nothing.

        Args:
            by: the server admin.

        Raises:
            NoSuchGroupError: there is no such room, or none that may be adopted.
            ChangedError: it is not as the plan saw it.
            StepRefusedError: the room does not allow a step.
        """
        # What is exempt by now goes back to what it was nevertheless.
        if not wish.undo and await self._scope.group(room_id) is None:
            raise NoSuchGroupError
        if await self._scope.is_concierges(room_id):
            raise NoSuchGroupError
        async with one_process_at_a_time(self._api, "power_levels", room_id):
            todo = remaining(await self._standing(room_id), wish.way)
            told: list[str] = []
            taken: list[str] = []
            try:
                for step in todo:
                    if step is todo[-1]:
                        # Before it: a process that is killed here tells twice, and not never.
                        told = [user for user in wish.people if await self._told(user, wish.text)]
                    await self._take(room_id, step, len(taken))
                    taken.append(step.name or step.what.value)
            except ChangedError as e:
                e.done = len(taken)
                raise
            finally:
                if taken:
                    deed = "taken_back" if wish.undo else "adopted"
                    journal.admin(deed, by, group=room_id, steps=taken)
        return Done(len(todo), told)

    async def _told(self, user_id: str, text: str) -> bool:
        if not self._api.is_mine(user_id) or user_id == self._scope.concierge:
            return False
        try:
            return await self._tell(user_id, text)
        except SynapseError as e:
            logger.info("The concierge cannot write to %s: %s", user_id, e)
        except Exception:
            logger.exception("Could not write to %s", user_id)
        return False

    async def _standing(self, room_id: str) -> Standing:
        def look(txn: LoggingTransaction) -> Standing | None:
            opening = Openings.of(txn, [room_id], sorted(STATE_TYPES)).get(room_id)
            if opening is None:
                return None
            return Standing(opening.listed, opening.addresses, opening.state)

        found = await self._database.run("adoption", look)
        if found is None:
            raise NoSuchGroupError
        return found

    async def _has_guests(self, room_id: str) -> bool:
        def look(txn: LoggingTransaction) -> bool:
            return bool(Openings.with_guests(txn, [room_id]))

        return await self._database.run("adoption", look)

    async def _take(self, room_id: str, step: Step, done: int) -> None:
        try:
            match step.what:
                case What.LISTING if step.after:
                    await self._api.public_room_list_manager.add_room_to_public_room_list(room_id)
                case What.LISTING:
                    manager = self._api.public_room_list_manager
                    await manager.remove_room_from_public_room_list(room_id)
                case What.ADDRESS if step.after is None:
                    await delete_address(self._api, step.name)
                case What.ADDRESS:
                    entry = step.after
                    await give_address(
                        self._api, step.name, room_id, entry["creator"], entry["servers"]
                    )
                case What.STATE:
                    await self._send(room_id, step, done)
        except SynapseError as e:
            raise StepRefusedError(step, e.msg, done) from e

    async def _send(self, room_id: str, step: Step, done: int) -> None:
        def look(txn: LoggingTransaction) -> tuple[str | None, Any]:
            room = PowerTables.of(txn, room_id)
            now = Openings.of(txn, [room_id], [step.name])[room_id].state.get(step.name)
            local = [
                user
                for user, membership in room.present.items()
                if membership == "join" and self._api.is_mine(user)
            ]
            facts = LevelFacts(self._api.server_name, creators=room.creators)
            levels: Mapping[str, Any] = room.content or {}
            if step.name == POWER_LEVELS:
                return level_changes.writer(levels, step.after, local, facts), now
            return level_changes.strongest_sender(step.name, levels, local, facts), now

        sender, now = await self._database.run("adoption", look)
        if step.name == GUEST_ACCESS and closes(step) and await self._has_guests(room_id):
            raise StepRefusedError(step, "Guests are in it, whom Synapse would remove.", done)
        # A member can have changed it since the first look.
        if not remaining(Standing(state={step.name: now}), [step]):
            return
        if sender is None:
            raise StepRefusedError(step, None, done)
        await send_state(self._api, sender, room_id, step.name, step.after)
