"""What time does to codes: they expire, are found dead, are cleared up after and forgotten."""

import hashlib
from functools import partial

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.code_deaths import sweep_codes
from synapse_capgroups.codes.closing import MAKING_MS, Closing
from synapse_capgroups.codes.life import CodeLife
from synapse_capgroups.codes.links import door_address
from synapse_capgroups.codes.one_by_one import each
from synapse_capgroups.codes.visits import DoorVisits
from synapse_capgroups.inside.addresses import delete_address
from synapse_capgroups.storage.codes import Code, Codes
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.dead_codes import DeadCodes
from synapse_capgroups.storage.living_codes import CodeSlice, LivingCodes, MarkedCode
from synapse_capgroups.storage.sweeps import Sweeps

_REMEMBER_DEAD_MS = 30 * 24 * 60 * 60 * 1000
_ABANDONED_AT_ONCE = 100
_FORGOTTEN_AT_ONCE = 1000
_JUDGED_AT_ONCE = 100
"""Judging takes one to three transactions for each code, and 2 to 6 ms of processor time."""


class CodeSweep:
    """Finds the codes that died unnoticed, and clears up after the dead.

    It looks at a slice of the living ones each time. Where it is, and what it has judged, is in the
    database, so that a restart begins nothing anew.
    """

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

    async def sweep(self) -> None:
        """Do it once. On one process only."""
        now = self._api.get_current_time_msec()
        part = await self._database.run(
            "sweep_slice", lambda txn: LivingCodes.slice_after(txn, Sweeps.codes_until(txn))
        )

        def look(txn: LoggingTransaction) -> list[Code]:
            sweep_codes(txn, part, now)
            return Codes.without_door(txn, now - MAKING_MS, _ABANDONED_AT_ONCE)

        await self._life.close_reached(part)
        for code in await self._database.run("sweep_codes", look):
            await each("abandoned code", partial(self._closing.abandon, code))
        await each("codes", partial(self._judge, part))
        await self._closing.sweep()
        # First the doors, then the people in them: other servers hear of somebody's leaving only
        # while there is a room.
        await self._visits.sweep()
        await each("old codes", partial(self._forget, now - _REMEMBER_DEAD_MS))

    async def _judge(self, part: CodeSlice) -> None:
        """Judge the codes on whose sharer or group something has changed; then go on to the next.

        If these are too many for one sweep, the next one goes on after the last that was judged.
        """
        changed = [
            (code.code_id, marks)
            for code in await self._database.run(
                "sweep_marks", lambda txn: LivingCodes.marked(txn, part)
            )
            if code.judged != (marks := self._short(code))
        ]
        now = dict(changed[:_JUDGED_AT_ONCE])
        judged: dict[str, str] = {}
        for code in await self._database.run("codes", lambda txn: Codes.among(txn, list(now))):
            await each("living code", partial(self._judge_one, code, now[code.code_id], judged))
        stopped = len(changed) > _JUDGED_AT_ONCE
        after = changed[_JUDGED_AT_ONCE - 1][0] if stopped else part.next

        def note(txn: LoggingTransaction) -> None:
            LivingCodes.judged(txn, judged)
            Sweeps.look_at_codes_after(txn, after)

        await self._database.run("sweep_judged", note)

    async def _judge_one(self, code: Code, marks: str, judged: dict[str, str]) -> None:
        await self._life.state(code)
        judged[code.code_id] = marks

    async def _forget(self, died_before: int) -> None:
        """Forget the codes that died before a time, and first the addresses that only they know."""
        old = await self._database.run(
            "sweep_old_codes",
            lambda txn: DeadCodes.to_forget(txn, died_before, _FORGOTTEN_AT_ONCE),
        )
        forgotten: list[str] = []
        for code_id, secret in old:
            await each("old code", partial(self._let_go, code_id, secret, forgotten))
        if forgotten:
            await self._database.run("forget_codes", lambda txn: DeadCodes.forget(txn, forgotten))

    async def _let_go(self, code_id: str, secret: str, forgotten: list[str]) -> None:
        await delete_address(self._api, door_address(self._api, secret))
        forgotten.append(code_id)

    def _short(self, code: MarkedCode) -> str:
        return short_form(code.marks, self._life.judged_by)


def short_form(marks: tuple[str | None, ...], judged_by: str) -> str:
    """The marks in 16 characters; others where the configuration judges in another way."""
    text = repr((marks, judged_by)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=8).hexdigest()
