"""What time does to codes: they expire, are found dead, are cleared up after and forgotten."""

from functools import partial

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.code_deaths import sweep_codes
from synapse_capgroups.codes.closing import MAKING_MS, Closing
from synapse_capgroups.codes.life import CodeLife
from synapse_capgroups.codes.one_by_one import each
from synapse_capgroups.codes.visits import DoorVisits
from synapse_capgroups.storage.codes import Code, Codes
from synapse_capgroups.storage.database import Database

_REMEMBER_DEAD_MS = 30 * 24 * 60 * 60 * 1000


class CodeSweep:
    """Finds the codes that died unnoticed, and clears up after the dead."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        life: CodeLife,
        closing: Closing,
        visits: DoorVisits,
    ) -> None:
        self._api = api
        self._database = database
        self._life = life
        self._closing = closing
        self._visits = visits
        self._judged: dict[str, tuple[str | None, ...]] = {}

    async def sweep(self) -> None:
        """Do it once. On one process only."""
        now = self._api.get_current_time_msec()

        def look(txn: LoggingTransaction) -> list[Code]:
            sweep_codes(txn, now, now - _REMEMBER_DEAD_MS)
            return Codes.without_door(txn, now - MAKING_MS)

        await self._life.close_reached()
        for code in await self._database.run("sweep_codes", look):
            await each("abandoned code", partial(self._closing.abandon, code))
        await each("codes", self._judge)
        await self._closing.sweep()
        # First the doors, then the people in them: other servers hear of somebody's leaving only
        # while there is a room.
        await self._visits.sweep()

    async def _judge(self) -> None:
        """Judge each living code on whose sharer or group something has changed."""
        found = await self._database.run("sweep_marks", Codes.living_with_marks)
        # Codes that died meanwhile are no longer among these.
        self._judged = {
            code_id: marks for code_id, marks in found if self._judged.get(code_id) == marks
        }
        for code_id, marks in found:
            if code_id not in self._judged:
                await each("living code", partial(self._judge_one, code_id, marks))

    async def _judge_one(self, code_id: str, marks: tuple[str | None, ...]) -> None:
        code = await self._database.run("code", lambda txn: Codes.by_id(txn, code_id))
        if code is not None:
            await self._life.state(code)
        self._judged[code_id] = marks
