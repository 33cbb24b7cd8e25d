"""The calls by which server admins look at everybody's codes and revoke them."""

from typing import Any

from synapse.module_api import JsonDict, ModuleApi
from synapse.module_api.errors import Codes as ErrorCodes
from synapse.module_api.errors import SynapseError

from synapse_capgroups.helpdesk.code_desk import CodeDesk, ListedCode, UnknownToTheDeskError
from synapse_capgroups.rules.assignment.user_ids import matrix_id
from synapse_capgroups.storage.codes import Page
from synapse_capgroups.storage.forgetting import DELETED_ROOM, ERASED
from synapse_capgroups.web import paging
from synapse_capgroups.web.calls import CODE, Callers, Route
from synapse_capgroups.web.errors import not_found

_OF = "admin/codes/of/([^/]+)"
_LONGEST = 255


class CodeDeskCalls:
    """Lists codes and revokes them; their secrets are nowhere in it."""

    def __init__(self, api: ModuleApi, callers: Callers, desk: CodeDesk) -> None:
        self._api = api
        self._callers = callers
        self._desk = desk

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route.to(self._list, "GET", _OF),
            Route.to(self._revoke_all, "POST", f"{_OF}/revoke"),
            Route.to(self._revoke, "DELETE", f"admin/{CODE}"),
        ]

    async def _list(self, request: Any, said: str) -> tuple[int, JsonDict]:
        await self._callers.server_admin(request)
        of = self._owner(said)
        limit = paging.limit(request)
        try:
            found = await self._desk.page(of, Page(limit + 1, paging.place(request)))
        except UnknownToTheDeskError as e:
            raise not_found(f"There is no {of} here") from e
        answer: JsonDict = {"codes": [_described(listed) for listed in found[:limit]]}
        if len(found) > limit:
            last = found[limit - 1].code
            answer["next"] = paging.after(last.created_at, last.code_id)
        return 200, answer

    async def _revoke_all(self, request: Any, said: str) -> tuple[int, JsonDict]:
        by = await self._callers.server_admin(request)
        of = self._owner(said)
        try:
            return 200, {"revoked": await self._desk.revoke_all(by, of)}
        except UnknownToTheDeskError as e:
            raise not_found(f"There is no {of} here") from e

    async def _revoke(self, request: Any, code_id: str) -> tuple[int, JsonDict]:
        by = await self._callers.server_admin(request)
        try:
            await self._desk.revoke(by, code_id)
        except UnknownToTheDeskError as e:
            raise not_found("There is no such code") from e
        return 200, {}

    def _owner(self, said: str) -> str:
        if said.startswith("@"):
            of = matrix_id(said, self._api.server_name)
        else:
            of = said if said.isprintable() and len(said) <= _LONGEST else None
        if of is None:
            text = "Not a Matrix ID, a room ID or the ID of a series"
            raise SynapseError(400, text, ErrorCodes.INVALID_PARAM)
        return of


def _described(listed: ListedCode) -> JsonDict:
    code = listed.code
    is_personal = code.is_personal or code.room_id == ERASED
    return {
        "code_id": code.code_id,
        "kind": "personal" if is_personal else "series" if code.is_live else "group",
        "opens": None if code.room_id in (ERASED, DELETED_ROOM) else code.room_id,
        "sharer": None if code.sharer == ERASED else code.sharer,
        "label": code.label,
        "created_at": code.created_at,
        "expires_at": code.expires_at,
        "uses": code.uses,
        "max_uses": code.max_uses,
        "state": listed.died_of.value if listed.died_of else "alive",
    }
