"""Dead ends: where the address of a dead code leads, so that whoever opens it reads why it is dead.

Clients show the raw answer where an address is unknown. So for 30 days the address leads to a room
of the concierge's, one for each cause of death, whose name and topic say what became of the code
and what to do. Nobody ever comes in: whoever joins is refused, with the same sentence.

Its history is not `world_readable`: Synapse lists a room's addresses to whoever can read the room,
and these are the secrets of all dead codes.
"""

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.inside.addresses import delete_address, lead_address
from synapse_capgroups.inside.creations import create_plain_room
from synapse_capgroups.inside.locks import one_process_at_a_time
from synapse_capgroups.rules.verdict import Reason, Refusal
from synapse_capgroups.storage.codes import Code
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.dead_codes import DeadCodes
from synapse_capgroups.storage.dead_ends import DeadEndRooms
from synapse_capgroups.storage.slices import Slice
from synapse_capgroups.telemetry import journal
from synapse_capgroups.words.lookup import Audience, Words

_AT_ONCE = 2000


class DeadEnds:
    """Makes dead ends, leads addresses to them and keeps everybody out."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        scope: Scope,
        concierge: str,
        words: Words,
    ) -> None:
        self._api = api
        self._database = database
        self._scope = scope
        self._concierge = concierge
        self._words = words
        self._after = ""

    async def refusal(self, room_id: str, user_id: str) -> Refusal | None:
        """Why somebody cannot join a room; None if it is no dead end."""
        if user_id == self._concierge or not await self._scope.is_concierges(room_id):
            return None

        def look(txn: LoggingTransaction) -> Reason | None:
            return DeadEndRooms.cause(txn, room_id)

        died_of = await self._database.look_up("dead_end", look)
        if died_of is None:
            return None
        refusal = Refusal(died_of)
        journal.refused(refusal, enforced=True, decision="join", group=room_id, user=user_id)
        return refusal

    async def take(self, code: Code, address: str) -> None:
        """Let a dead code's address lead to the dead end of its cause.

        Args:
            code: `died_of` is set.
        """
        assert code.died_of is not None
        await lead_address(
            self._api, address, await self._room(code.died_of), self._concierge, code.door
        )
        now = self._api.get_current_time_msec()
        await self._database.run(
            "dead_end", lambda txn: DeadCodes.address_is_moved(txn, code.code_id, now)
        )

    async def sweep(self) -> None:
        """Find the rooms that an admin has deleted, and the addresses that a code has left behind.

        Of the addresses, a slice.
        """

        def look(txn: LoggingTransaction) -> Slice:
            for died_of in DeadEndRooms.deleted(txn, self._concierge):
                DeadEndRooms.forget(txn, died_of)
                DeadCodes.address_is_lost(txn, died_of)
            return DeadEndRooms.abandoned_addresses(txn, self._after, _AT_ONCE)

        looked_at = await self._database.run("sweep_dead_ends", look)
        for address in looked_at.found:
            await delete_address(self._api, address)
        self._after = looked_at.end

    async def _room(self, died_of: Reason) -> str:
        def look(txn: LoggingTransaction) -> str | None:
            return DeadEndRooms.of_cause(txn, died_of)

        if (known := await self._database.look_up("dead_end", look)) is not None:
            return known
        async with one_process_at_a_time(self._api, "dead_end", died_of.value):
            if (known := await self._database.look_up("dead_end", look)) is not None:
                return known
            made = await self._make(self._words.refusal(Refusal(died_of), Audience.JOINING))
            return await self._database.run(
                "dead_end", lambda txn: DeadEndRooms.keep(txn, died_of, made)
            )

    async def _make(self, sentence: str) -> str:
        # Public, or a client would offer no join, and the person would never read the refusal.
        return await create_plain_room(
            self._api,
            self._concierge,
            {
                "preset": "public_chat",
                "visibility": "private",
                "name": sentence,
                "topic": sentence,
                "initial_state": [
                    {"type": "m.room.guest_access", "content": {"guest_access": "forbidden"}},
                    {
                        "type": "m.room.history_visibility",
                        "content": {"history_visibility": "joined"},
                    },
                ],
                "power_level_content_override": {
                    "events_default": 100, "state_default": 100, "invite": 100, "kick": 100,
                    "ban": 100, "redact": 100,
                },
            },
        )  # fmt: skip
