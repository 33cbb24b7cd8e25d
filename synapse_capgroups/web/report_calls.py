"""The calls by which server admins read how the groups are doing."""

from typing import Any

from synapse.module_api import JsonDict, ModuleApi
from synapse.module_api.errors import Codes as ErrorCodes
from synapse.module_api.errors import SynapseError

from synapse_capgroups.report.found_rooms import record
from synapse_capgroups.report.reports import Reports
from synapse_capgroups.rules.assignment.user_ids import matrix_id
from synapse_capgroups.web import paging
from synapse_capgroups.web.calls import Callers, Route
from synapse_capgroups.web.errors import not_found


class ReportCalls:
    """Reports on the server, a person or a group, and the groups that break a rule."""

    def __init__(self, api: ModuleApi, callers: Callers, reports: Reports) -> None:
        self._api = api
        self._callers = callers
        self._reports = reports

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route.to(self._report, "GET", "admin/report"),
            Route.to(self._person, "GET", "admin/people/([^/]+)/report"),
            Route.to(self._group, "GET", "admin/groups/([^/]+)/report"),
            Route.to(self._breaches, "GET", "admin/breaches"),
        ]

    async def _report(self, request: Any) -> tuple[int, JsonDict]:
        return 200, await self._reports.of_server(await self._callers.server_admin(request))

    async def _person(self, request: Any, said: str) -> tuple[int, JsonDict]:
        by = await self._callers.server_admin(request)
        user_id = matrix_id(said, self._api.server_name)
        if user_id is None:
            raise SynapseError(400, f"{said[:100]} is no Matrix ID", ErrorCodes.INVALID_PARAM)
        return 200, await self._reports.of_person(by, user_id)

    async def _group(self, request: Any, room_id: str) -> tuple[int, JsonDict]:
        by = await self._callers.server_admin(request)
        # Unprintable text is no room ID and breaks databases.
        found = await self._reports.of_group(by, room_id) if room_id.isprintable() else None
        if found is None:
            raise not_found("This server has no such room with anybody in it")
        return 200, found

    async def _breaches(self, request: Any) -> tuple[int, JsonDict]:
        by = await self._callers.server_admin(request)
        page = await self._reports.breaches(by, paging.text(request))
        rooms = [record(found) for found in page.found]
        return 200, {"rooms": rooms, **({"next": page.next} if page.next is not None else {})}
