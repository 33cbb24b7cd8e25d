"""The states of a group's codes: whether they live, and what the dead are dead of (rule 5)."""

from collections.abc import Callable

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.code_deaths import CodeDeaths
from synapse_capgroups.config import Config
from synapse_capgroups.rules.verdict import Reason
from synapse_capgroups.storage.codes import Code, Codes, Page
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.living_codes import CodeSlice, LivingCodes
from synapse_capgroups.storage.seats import Seats


def judged_by(config: Config) -> str:
    """The part of a configuration that decides whether codes live."""
    return repr((config.enforce, config.limits, config.codes.share_level, config.exempt))


class CodeStates:
    """Judges codes of groups. A code that is found dead is dead from then on."""

    def __init__(self, api: ModuleApi, database: Database, config: Config) -> None:
        self._api = api
        self._database = database
        self._deaths = CodeDeaths(config)
        self.judged_by = judged_by(config)
        """The part of the configuration that decides whether codes live."""

    async def code_state(self, code: Code, *, sharer_may_share: bool) -> tuple[Reason | None, int]:
        """What a code is dead of, None if it lives; and how many members its group has.

        Args:
            sharer_may_share: whether the sharer has the power to make codes, if a member.
        """

        def look(txn: LoggingTransaction) -> tuple[Reason | None, int]:
            now = self._api.get_current_time_msec()
            members = 0 if code.is_live else Seats.members(txn, code.room_id)
            found = Codes.with_sharer(txn, code.code_id)
            if found is None:
                return code.died_of or Reason.CODE_REVOKED, members
            died_of = self._deaths.find(
                txn, *found, now, members, sharer_may_share=sharer_may_share
            )
            return died_of, members

        return await self._database.run("code_state", look)

    async def code_states(
        self, room_id: str, page: Page, may_share: Callable[[str], bool]
    ) -> list[tuple[Code, Reason | None]]:
        """A page of a group's codes, the newest first, each with what it is dead of.

        Args:
            may_share: whether somebody has the power to make codes.
        """

        def look(txn: LoggingTransaction) -> list[tuple[Code, Reason | None]]:
            now = self._api.get_current_time_msec()
            members = Seats.members(txn, room_id)
            return [
                (
                    code,
                    self._deaths.find_on_page(
                        txn, code, sharer, now, members, sharer_may_share=may_share(code.sharer)
                    ),
                )
                for code, sharer in Codes.page(txn, room_id, page)
            ]

        return await self._database.run("codes", look)

    async def close_codes(self, part: CodeSlice) -> None:
        """Kill the codes of groups that have reached the code limit, where a process was killed
        before it did.

        Args:
            part: which codes are looked at.
        """

        def close(txn: LoggingTransaction) -> None:
            now = self._api.get_current_time_msec()
            for room_id in LivingCodes.groups_to_close(txn, part):
                self._deaths.close_if_reached(txn, room_id, now)

        await self._database.run("sweep_closed", close)
