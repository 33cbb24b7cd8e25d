"""The calls about approval and requests, for moderators (rule 13)."""

from typing import Any

from synapse.module_api import JsonDict, ModuleApi
from synapse.module_api.errors import Codes as ErrorCodes
from synapse.module_api.errors import SynapseError

from synapse_capgroups.groups.names import group_name
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.limits.table import VIEWS
from synapse_capgroups.requests.assembly import RequestParts
from synapse_capgroups.rules.approval import REQUEST_LIFETIME_MS
from synapse_capgroups.storage.requests import Request
from synapse_capgroups.web import paging
from synapse_capgroups.web.calls import ROOM, Callers, Route, body

_MOST_EVERYWHERE = 50
"""So many are told of at once of all groups; the next ones once these are answered."""


class RequestCalls:
    """Turns approval on and off, lists requests and answers them."""

    def __init__(
        self, api: ModuleApi, callers: Callers, limits: RateLimits, requests: RequestParts
    ) -> None:
        self._api = api
        self._callers = callers
        self._limits = limits
        self._requests = requests

    def routes(self) -> list[Route]:
        """All calls about requests."""
        return [
            Route.to(self._turn, "PUT", f"{ROOM}/approval"),
            Route.to(self._list, "GET", f"{ROOM}/requests"),
            Route.to(self._answer, "POST", f"{ROOM}/requests/([^/]+)"),
            Route.to(self._everywhere, "GET", "me/requests"),
        ]

    async def _turn(self, request: Any, room_id: str) -> tuple[int, JsonDict]:
        member = await self._callers.member(request, room_id)
        await self._requests.approvals.turn(member, on=_said(request, "on"))
        return 200, {}

    async def _list(self, request: Any, room_id: str) -> tuple[int, JsonDict]:
        member = await self._callers.member(request, room_id)
        limit, after = paging.limit(request), paging.place(request)
        later_than = (after[0], _number(after[1])) if after else (0, 0)
        found = await self._requests.waiting.page(member, limit + 1, later_than)
        answer: JsonDict = {"requests": [_described(waiting) for waiting in found[:limit]]}
        if len(found) > limit:
            last = found[limit - 1]
            answer["next"] = paging.after(last.asked_at, str(last.number))
        return 200, answer

    async def _everywhere(self, request: Any) -> tuple[int, JsonDict]:
        user_id = await self._callers.person(request)
        await self._limits.spend(VIEWS, user_id)  # The name of each group is looked up.
        found = await self._requests.waiting.of_all(user_id, _MOST_EVERYWHERE + 1)
        shown = found[:_MOST_EVERYWHERE]
        names = {
            room_id: await group_name(self._api, room_id)
            for room_id in {waiting.room_id for waiting in shown}
        }
        requests = [
            {**_described(waiting), "room_id": waiting.room_id, "room_name": names[waiting.room_id]}
            for waiting in shown
        ]
        return 200, {"requests": requests, "more": len(found) > _MOST_EVERYWHERE}

    async def _answer(self, request: Any, room_id: str, user_id: str) -> tuple[int, JsonDict]:
        member = await self._callers.member(request, room_id)
        approve = _said(request, "approve")
        await self._requests.answering.answer(member, user_id, approve=approve)
        return 200, {}


def _said(request: Any, key: str) -> bool:
    value = body(request).get(key)
    if not isinstance(value, bool):
        raise SynapseError(400, f"'{key}' must be true or false", ErrorCodes.BAD_JSON)
    return value


def _number(text: str) -> int:
    """The number of a request, as a place in the list names it."""
    if not text.isdecimal() or len(text) > 18:
        raise paging.invalid_place()
    return int(text)


def _described(request: Request) -> JsonDict:
    return {
        "number": request.number,
        "user_id": request.user_id,
        "code_id": request.code_id,
        "asked_at": request.asked_at,
        "expires_at": request.asked_at + REQUEST_LIFETIME_MS,
    }
