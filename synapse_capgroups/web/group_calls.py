"""The calls about groups, for their members."""

from typing import Any

from synapse.module_api import JsonDict
from synapse.module_api.errors import Codes as ErrorCodes
from synapse.module_api.errors import SynapseError

from synapse_capgroups.groups.members import Members
from synapse_capgroups.rules.text import is_text
from synapse_capgroups.web.calls import ROOM, Callers, Route, body
from synapse_capgroups.web.view_calls import described_group


class GroupCalls:
    """Describes groups and sets names in them."""

    def __init__(self, callers: Callers, members: Members) -> None:
        self._callers = callers
        self._members = members

    def routes(self) -> list[Route]:
        """All calls about groups."""
        return [
            Route.to(self._describe, "GET", ROOM),
            Route.to(self._rename, "PUT", f"{ROOM}/name"),
        ]

    async def _describe(self, request: Any, room_id: str) -> tuple[int, JsonDict]:
        member = await self._callers.member(request, room_id)
        return 200, described_group(await self._members.describe(member))

    async def _rename(self, request: Any, room_id: str) -> tuple[int, JsonDict]:
        member = await self._callers.member(request, room_id)
        name = body(request).get("displayname")
        if not isinstance(name, str) or not is_text(name):
            raise SynapseError(400, "'displayname' must be a string of text", ErrorCodes.BAD_JSON)
        await self._members.rename(member, name)
        return 200, {}
