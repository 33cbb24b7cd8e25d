"""The calls about groups, for their members."""

from typing import Any

from synapse.module_api import JsonDict
from synapse.module_api.errors import Codes as ErrorCodes
from synapse.module_api.errors import SynapseError

from synapse_capgroups.groups.members import Members
from synapse_capgroups.rules.text import is_text
from synapse_capgroups.web.avatars import Avatars
from synapse_capgroups.web.calls import ROOM, Callers, Route, body, send
from synapse_capgroups.web.errors import not_found
from synapse_capgroups.web.view_calls import described_group


class GroupCalls:
    """Describes groups and sets names in them."""

    def __init__(self, callers: Callers, members: Members, avatars: Avatars) -> None:
        self._callers = callers
        self._members = members
        self._avatars = avatars

    def routes(self) -> list[Route]:
        """All calls about groups."""
        return [
            Route.to(self._describe, "GET", ROOM),
            Route.to(self._rename, "PUT", f"{ROOM}/name"),
            Route.to(self._avatar, "GET", f"{ROOM}/avatar"),
        ]

    async def _describe(self, request: Any, room_id: str) -> tuple[int, JsonDict]:
        member = await self._callers.member(request, room_id)
        name = await self._members.room_name(member)
        return 200, {"room_name": name, **described_group(await self._members.describe(member))}

    async def _avatar(self, request: Any, room_id: str) -> None:
        member = await self._callers.member(request, room_id)
        found = await self._avatars.picture(member.group.room_id)
        if found is None:
            raise not_found("This group has no picture.")
        send(request, found[0].encode(), found[1])

    async def _rename(self, request: Any, room_id: str) -> tuple[int, JsonDict]:
        member = await self._callers.member(request, room_id)
        name = body(request).get("displayname")
        if not isinstance(name, str) or not is_text(name):
            raise SynapseError(400, "'displayname' must be a string of text", ErrorCodes.BAD_JSON)
        await self._members.rename(member, name)
        return 200, {}
