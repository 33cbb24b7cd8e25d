"""Reports for server admins from a running server, in short transactions."""

from typing import Any

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.config import Config
from synapse_capgroups.groups.survey import Finding, Standards, Survey
from synapse_capgroups.inside.registration import has_guests, server_notices_user
from synapse_capgroups.inside.tables.all_rooms import AllRooms
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.limits.table import ADMIN_LOOKS, ADMIN_REPORTS
from synapse_capgroups.report.details import of_group, of_person
from synapse_capgroups.report.gathering import Asked, Gathering
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.server_rooms import ServerRooms
from synapse_capgroups.telemetry import journal

_MOST_ROOMS = 200_000
_MOST_ROWS = 1000
_PAGE = 500


@attrs.frozen
class FoundPage:
    """Groups that break a rule, among so many rooms.

    Attributes:
        next: after which room ID the next page begins; None if this was the last.
    """

    found: list[Finding]
    next: str | None


class Reports:
    """What `capgroups report` and `capgroups check` print, for the server admins of a server."""

    def __init__(
        self, api: ModuleApi, database: Database, limits: RateLimits, config: Config
    ) -> None:
        self._api = api
        self._database = database
        self._limits = limits
        self._config = config
        self._standards = Standards(
            server_name=api.server_name,
            limits=config.limits,
            exempt=config.exempt,
            guests=has_guests(api),
            guarded=config.is_guarded,
            concierge=api.get_qualified_user_id(config.concierge),
            notices=server_notices_user(api),
        )

    async def of_server(self, by: str) -> dict[str, Any]:
        """The report on all groups.

        Raises:
            SynapseError: 429, this admin asks too often.
        """
        await self._limits.spend(ADMIN_REPORTS, by)
        journal.admin("report", by)
        gathering = Gathering(self._asked())
        for step in gathering.steps():
            await self._database.run("report", step)
        return gathering.result()

    async def of_person(self, by: str, user_id: str) -> dict[str, Any]:
        """What is stored of somebody.

        Raises:
            SynapseError: 429, this admin asks too often.
        """
        await self._limits.spend(ADMIN_LOOKS, by)
        journal.admin("report", by, about=user_id)
        asked = self._asked()
        return await self._database.run(
            "report", lambda txn: of_person(txn, user_id, asked, _MOST_ROWS)
        )

    async def of_group(self, by: str, room_id: str) -> dict[str, Any] | None:
        """The facts of one group; None if this server has no such room, or nobody is in it.

        Raises:
            SynapseError: 429, this admin asks too often.
        """
        await self._limits.spend(ADMIN_LOOKS, by)
        journal.admin("report", by, about=room_id)
        asked = self._asked()
        return await self._database.run("report", lambda txn: of_group(txn, room_id, asked))

    async def breaches(self, by: str, after: str) -> FoundPage:
        """The groups that break a rule, among the next rooms.

        Args:
            after: `next` of the page before; empty for the first one.

        Raises:
            SynapseError: 429, this admin asks too often.
        """
        await self._limits.spend(ADMIN_LOOKS, by)
        if not after:
            journal.admin("breaches", by)

        def look(txn: LoggingTransaction) -> FoundPage:
            survey = Survey(self._standards, txn, server_rooms=ServerRooms.all(txn))
            rooms, following = AllRooms.page(txn, self._standards.server_name, after, _PAGE)
            return FoundPage(list(survey.findings(rooms)), following)

        return await self._database.run("breaches", look)

    def _asked(self) -> Asked:
        return Asked(
            standards=self._standards,
            min_age=self._config.friends.min_age,
            is_local=self._config.federation == "local",
            enforce=self._config.enforce,
            now=self._api.get_current_time_msec(),
            most_rooms=_MOST_ROOMS,
        )
