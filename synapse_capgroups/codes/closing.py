"""Closes the doors of dead codes, and leads their addresses to the dead ends."""

import contextlib
import logging
from functools import partial

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.codes.account_tokens import AccountTokens
from synapse_capgroups.codes.dead_ends import DeadEnds
from synapse_capgroups.codes.links import door_address
from synapse_capgroups.codes.one_by_one import each
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.rules.verdict import Reason
from synapse_capgroups.storage.codes import Code, Codes
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.dead_codes import DeadCodes
from synapse_capgroups.storage.visits import Visits

MAKING_MS = 60 * 1000
"""A code that has no door so long after it was made will never get one: its process is dead."""

LOOK_AGAIN_MS = 30 * 1000
"""So long after Synapse was asked to delete a door's room, it is seen whether that is gone."""

GIVE_UP_MS = 24 * 60 * 60 * 1000
"""So long after a code's death, a room that Synapse cannot delete is left as it is."""

_AT_ONCE = 500
_logger = logging.getLogger(__name__)


class Closing:
    """Revokes codes, and clears up after dead ones."""

    def __init__(
        self, api: ModuleApi, database: Database, dead_ends: DeadEnds, tokens: AccountTokens
    ) -> None:
        self._api = api
        self._database = database
        self._dead_ends = dead_ends
        self._tokens = tokens
        self.changes = 0
        """Grows whenever this process may have changed the state of a code."""

    async def revoke(self, code: Code, by: str | None = None) -> None:
        """Kill a code. From now on its address leads to the sentence that says so.

        Args:
            by: the Matrix ID of the person who asks for it.
        """
        now = self._api.get_current_time_msec()

        def kill(txn: LoggingTransaction) -> Code | None:
            DeadCodes.kill(txn, code.code_id, Reason.CODE_REVOKED, now)
            if by == code.sharer:
                DeadCodes.is_ended_by_sharer(txn, code.code_id)
            return Codes.by_id(txn, code.code_id)

        dead = await self._database.run("revoke", kill)
        self.changes += 1
        await self._end_tokens()
        if dead is not None:
            door = dead.door or code.door
            await each("dead code", partial(self._close, attrs.evolve(dead, door=door)))

    async def abandon(self, code: Code) -> None:
        """Clear up after a process that was killed while it made a door."""
        try:
            door, _ = await self._api.lookup_room_alias(door_address(self._api, code.secret))
        except SynapseError:  # There is no such address: it was killed before it made the room.
            door = None
        await self.revoke(attrs.evolve(code, door=door))

    def clear_up_soon(self) -> None:
        """Close the doors of dead codes, after the answer that is being given."""
        self.changes += 1
        self._api.run_as_background_process("capgroups_doors", self._close_soon)

    async def sweep(self) -> None:
        """Clear up the dead ends, and close the doors of dead codes. On one process only."""
        await each("registration tokens", self._tokens.sweep)
        await each("dead ends", self._dead_ends.sweep)
        await self.close_dead()

    async def _close_soon(self) -> None:
        await self._end_tokens()
        await self.close_dead()

    async def _end_tokens(self) -> None:
        if self._tokens.is_on:
            await each("registration tokens", self._tokens.end_dead)

    async def close_dead(self) -> None:
        """Close the doors of dead codes."""
        now = self._api.get_current_time_msec()

        def look(txn: LoggingTransaction) -> list[Code]:
            return Codes.to_clear_up(txn, now - MAKING_MS, now, _AT_ONCE)

        for code in await self._database.run("sweep_doors", look):
            await each("dead code", partial(self._close, code))

    async def _close(self, code: Code) -> None:
        """Lead a dead code's address to its dead end, and delete the door's room when it is empty.

        Nobody can come in by the door even if its address should still lead there. Synapse deletes
        rooms later and says nothing if it fails, so the room is looked for again.
        """
        if code.address_moved_at is None:
            await self._dead_ends.take(code, door_address(self._api, code.secret))
        now = self._api.get_current_time_msec()
        look_at = None
        if (door := code.door) is not None:

            def look(txn: LoggingTransaction) -> tuple[bool, bool]:
                return Visits.any_at(txn, door), door in Memberships.known_rooms(txn, [door])

            has_visitors, is_room = await self._database.run("visitors", look)
            if has_visitors:
                return
            if is_room:
                look_at = await self._delete(door, code, now)
        await self._database.run(
            "door", lambda txn: DeadCodes.door_is_closed(txn, code.code_id, now, look_at)
        )

    async def _delete(self, door: str, code: Code, now: int) -> int | None:
        """Have a dead code's door deleted.

        Returns:
            When to see whether it is gone: soon, and later ever more seldom; None at last.
        """
        dead_for = now - (code.died_at or now)
        if code.look_at_door_at is not None and dead_for > GIVE_UP_MS:
            _logger.warning(
                "Synapse could not delete %s, the empty door of a dead code. Why is in its log, in "
                "errors of synapse.util.task_scheduler; an admin can delete it by the admin API.",
                door,
            )
            return None
        # Documented as a no-op for a room that is being deleted, but it raises a 400.
        with contextlib.suppress(SynapseError):
            await self._api.delete_room(door)
        return now + max(LOOK_AGAIN_MS, dead_for)
