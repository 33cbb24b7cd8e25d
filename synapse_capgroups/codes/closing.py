"""Closes the doors of dead codes, and leads their addresses to the dead ends."""

import contextlib
from functools import partial

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.codes.account_tokens import AccountTokens
from synapse_capgroups.codes.dead_ends import DeadEnds
from synapse_capgroups.codes.links import door_address
from synapse_capgroups.codes.one_by_one import each
from synapse_capgroups.rules.verdict import Reason
from synapse_capgroups.storage.codes import Code, Codes
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.dead_codes import DeadCodes
from synapse_capgroups.storage.visits import Visits

MAKING_MS = 60 * 1000
"""A code that has no door so long after it was made will never get one: its process is dead."""

_AT_ONCE = 500


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
        made_before = self._api.get_current_time_msec() - MAKING_MS

        def look(txn: LoggingTransaction) -> list[Code]:
            return Codes.to_clear_up(txn, made_before, _AT_ONCE)

        for code in await self._database.run("sweep_doors", look):
            await each("dead code", partial(self._close, code))

    async def _close(self, code: Code) -> None:
        """Lead a dead code's address to its dead end, and delete the door's room when it is empty.

        Nobody can come in by the door even if its address should still lead there.
        """
        if code.address_moved_at is None:
            await self._dead_ends.take(code, door_address(self._api, code.secret))
        if code.door is not None:
            door = code.door
            if await self._database.run("visitors", lambda txn: Visits.any_at(txn, door)):
                return
            # Documented as a no-op for a room that is being deleted, but it raises a 400.
            with contextlib.suppress(SynapseError):
                await self._api.delete_room(door)
        now = self._api.get_current_time_msec()
        await self._database.run(
            "door", lambda txn: DeadCodes.door_is_closed(txn, code.code_id, now)
        )
