"""The life of a code (rule 5): what it is dead of, and how it dies as something happens to it.

Dead is dead. Whatever finds a code dead writes it down, so that neither a sharer who returns nor a
group that shrinks wakes it. What can be undone is not waited for: the module hears of a sharer's
leaving, of a change of the power levels and of a group's upgrade as they happen (`Deaths`). What
happened while it did not listen is read from the history, by the sweep and by each entry.
"""

from collections.abc import Callable

import attrs
from synapse.module_api import EventBase, LoggingTransaction, ModuleApi

from synapse_capgroups.admission.code_states import CodeStates
from synapse_capgroups.codes.closing import Closing
from synapse_capgroups.codes.personal import PersonalCodes
from synapse_capgroups.groups.rights import POWER_LEVELS, TOMBSTONE, SharingRights
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.inside.tables.state_history import StateHistory
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.rules.verdict import Reason
from synapse_capgroups.storage.codes import Code, Codes, Page
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.dead_codes import DeadCodes
from synapse_capgroups.storage.living_codes import CodeSlice
from synapse_capgroups.storage.series import SeriesGroups


@attrs.frozen
class CodeState:
    """A code, and what it is dead of; None if it lives."""

    code: Code
    died_of: Reason | None


class CodeLife:
    """Knows whether codes live."""

    def __init__(
        self,
        scope: Scope,
        states: CodeStates,
        rights: SharingRights,
        personal: PersonalCodes,
        closing: Closing,
    ) -> None:
        self._scope = scope
        self._states = states
        self._rights = rights
        self._personal = personal
        self._closing = closing

    async def state(self, code: Code) -> tuple[Reason | None, int]:
        """What a code is dead of, None if it lives; and how many members its group has.

        A personal code and a live one have no group, and 0 members.
        """
        members = 0
        if code.is_personal:
            died_of = await self._personal.state(code)
        else:
            # The right to a live code is looked up where its state is.
            entitled = code.is_live
            if not code.is_live and (group := await self._scope.group(code.room_id)) is not None:
                entitled = await self._rights.is_kept(group, code)
            died_of, members = await self._states.code_state(code, sharer_may_share=entitled)
        if died_of is not None and code.died_of is None:
            self._closing.clear_up_soon()
        return died_of, members

    async def page(self, group: Group, page: Page) -> list[CodeState]:
        """A group's codes, the living and the recently dead, the newest first."""
        power = await self._rights.power(group)
        found = await self._states.code_states(group.room_id, page, power)
        if any(died_of is not None and code.died_of is None for code, died_of in found):
            self._closing.clear_up_soon()
        return [CodeState(code, died_of) for code, died_of in found]

    async def page_of_series(self, series_id: str, page: Page) -> list[CodeState]:
        """The live codes of a series, the living and the recently dead, the newest first."""
        found = await self._states.code_states(series_id, page, lambda user_id: True)
        return [CodeState(code, died_of) for code, died_of in found]

    async def page_of_person(self, user_id: str, page: Page) -> list[CodeState]:
        """Somebody's personal codes, the living and the recently dead, the newest first."""
        found = await self._personal.page(user_id, page)
        return [CodeState(code, died_of) for code, died_of in found]

    @property
    def judged_by(self) -> str:
        """The part of the configuration that decides whether codes live."""
        return self._states.judged_by

    async def close_reached(self, part: CodeSlice) -> None:
        """Kill the codes of groups at the code limit, where a killed process has missed it."""
        await self._states.close_codes(part)


class Deaths:
    """Kills codes as what ends them happens to their sharers and groups."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        scope: Scope,
        rights: SharingRights,
        closing: Closing,
    ) -> None:
        self._api = api
        self._database = database
        self._scope = scope
        self._rights = rights
        self._closing = closing

    def left_soon(self, room_id: str, user_id: str) -> None:
        """Kill somebody's codes for a room: they have left it, or were removed."""
        self._api.run_as_background_process("capgroups_left", self._left, room_id, user_id)

    async def _left(self, room_id: str, user_id: str) -> None:
        if await self._scope.group(room_id) is None:
            return
        # Nearly nobody who leaves has a code. One look costs a quarter of a transaction.
        if await self._database.look_up(
            "left", lambda txn: DeadCodes.departure_matters(txn, room_id, user_id)
        ):
            await self._kill(lambda txn, now: _kill_of_leaver(txn, room_id, user_id, now))

    async def sanctioned(self, user_id: str, suspended: bool) -> None:
        """Kill the codes of an account that was suspended, locked or shadow-banned."""
        reason = Reason.SUSPENDED if suspended else Reason.CODE_REVOKED
        await self._kill(lambda txn, now: DeadCodes.kill_of_account(txn, user_id, reason, now))

    async def replaced(self, room_id: str) -> None:
        """Kill the codes of a room that was upgraded: they would lead to where nobody is left."""
        await self._kill(
            lambda txn, now: DeadCodes.kill_of_group(txn, room_id, Reason.CODE_REVOKED, now)
        )

    async def _kill(self, killed: Callable[[LoggingTransaction, int], int]) -> None:
        now = self._api.get_current_time_msec()
        if await self._database.run("kill", lambda txn: killed(txn, now)):
            self._closing.clear_up_soon()

    def watch_soon(self, event: EventBase) -> None:
        """Kill the codes that an event ends, once it is the room's state; it may be refused yet."""
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
            may = await self._rights.power_by(group, event.content)
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


def _kill_of_leaver(txn: LoggingTransaction, room_id: str, user_id: str, now: int) -> int:
    SeriesGroups.may_have_place(txn, room_id)
    return DeadCodes.kill_of_sharer(txn, room_id, user_id, Reason.CODE_REVOKED, now)
