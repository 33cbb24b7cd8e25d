"""The calls about join codes, for the people who share them."""

from typing import Any

from synapse.module_api import JsonDict

from synapse_capgroups.codes.life import CodeState
from synapse_capgroups.codes.making import Terms
from synapse_capgroups.codes.problems import CodeRequestError
from synapse_capgroups.codes.sharing import CodePictures, NoSuchCodeError, Sharing
from synapse_capgroups.config import Config
from synapse_capgroups.groups.members import Sharer
from synapse_capgroups.storage.codes import Code, Page
from synapse_capgroups.storage.forgetting import ERASED
from synapse_capgroups.web import paging
from synapse_capgroups.web.calls import CODE, ROOM, Callers, Route, body, send
from synapse_capgroups.web.errors import not_found, not_made


class CodeCalls:
    """Makes, lists, draws and revokes codes."""

    def __init__(
        self, callers: Callers, sharing: Sharing, pictures: CodePictures, config: Config
    ) -> None:
        self._callers = callers
        self._sharing = sharing
        self._pictures = pictures
        self._config = config

    def routes(self) -> list[Route]:
        """All calls about codes but the preview."""
        return [
            Route.to(self._make, "POST", f"{ROOM}/codes"),
            Route.to(self._list, "GET", f"{ROOM}/codes"),
            Route.to(self._revoke, "DELETE", CODE),
            Route.to(self._revoke_of_group, "DELETE", f"{ROOM}/{CODE}"),
            Route.to(self._png, "GET", rf"{ROOM}/{CODE}/qr\.png"),
            Route.to(self._svg, "GET", rf"{ROOM}/{CODE}/qr\.svg"),
        ]

    async def _make(self, request: Any, room_id: str) -> tuple[int, JsonDict]:
        member = await self._callers.member(request, room_id)
        try:
            code = await self._sharing.make(member, terms(body(request, allow_empty=True)))
        except CodeRequestError as e:
            raise not_made(e, self._config) from e
        return 200, described_new(code, self._sharing.url(code))

    async def _list(self, request: Any, room_id: str) -> tuple[int, JsonDict]:
        sharer = await self._sharer(request, room_id)
        limit, before = paging.limit(request), paging.place(request)
        found = await self._sharing.page(sharer, Page(limit + 1, before))
        return 200, code_list(found, limit)

    async def _revoke(self, request: Any, code_id: str) -> tuple[int, JsonDict]:
        user_id = await self._callers.person(request)
        try:
            await self._sharing.revoke(user_id, code_id)
        except NoSuchCodeError as e:
            raise not_found(self._config.words.say("code_not_yours")) from e
        return 200, {}

    async def _revoke_of_group(
        self, request: Any, room_id: str, code_id: str
    ) -> tuple[int, JsonDict]:
        member = await self._callers.member(request, room_id)
        await self._sharing.revoke_of_group(member, code_id)
        return 200, {}

    async def _png(self, request: Any, room_id: str, code_id: str) -> None:
        sharer = await self._sharer(request, room_id)
        send(request, b"image/png", await self._pictures.png(sharer, code_id))

    async def _svg(self, request: Any, room_id: str, code_id: str) -> None:
        sharer = await self._sharer(request, room_id)
        send(request, b"image/svg+xml", await self._pictures.svg(sharer, code_id))

    async def _sharer(self, request: Any, room_id: str) -> Sharer:
        return await self._sharing.sharer(await self._callers.member(request, room_id))


def terms(wish: JsonDict) -> Terms:
    """What the body of a call asks of a new code."""
    return Terms(wish.get("lifetime_ms"), wish.get("max_uses"), wish.get("label"))


def described_new(code: Code, url: str) -> JsonDict:
    """A code as the one who has just made it sees it."""
    return {
        "code_id": code.code_id,
        "url": url,
        "secret": code.secret,
        "expires_at": code.expires_at,
    }


def code_list(found: list[CodeState], limit: int) -> JsonDict:
    """A page of codes.

    Args:
        found: one more than the page has, if there are more.
    """
    answer: JsonDict = {"codes": [described(state) for state in found[:limit]]}
    if len(found) > limit:
        last = found[limit - 1].code
        answer["next"] = paging.after(last.created_at, last.code_id)
    return answer


def described(state: CodeState) -> JsonDict:
    """A code as those see it who may share it."""
    code = state.code
    return {
        "code_id": code.code_id,
        "sharer": None if code.sharer == ERASED else code.sharer,
        "state": state.died_of.value if state.died_of else "alive",
        "created_at": code.created_at,
        "expires_at": code.expires_at,
        "uses": code.uses,
        "max_uses": code.max_uses,
        "label": code.label,
    }
