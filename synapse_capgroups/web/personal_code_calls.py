"""The calls about people's own codes, which open a chat with them."""

from typing import Any

from synapse.module_api import JsonDict

from synapse_capgroups.codes.problems import CodeRequestError
from synapse_capgroups.codes.sharing import CodePictures, Sharing
from synapse_capgroups.config import Config
from synapse_capgroups.storage.codes import Page
from synapse_capgroups.web import paging
from synapse_capgroups.web.calls import CODE, Callers, Route, body, send
from synapse_capgroups.web.code_calls import code_list, described_new, terms
from synapse_capgroups.web.errors import not_made


class PersonalCodeCalls:
    """Makes, lists, draws and revokes personal codes."""

    def __init__(
        self, callers: Callers, sharing: Sharing, pictures: CodePictures, config: Config
    ) -> None:
        self._callers = callers
        self._sharing = sharing
        self._pictures = pictures
        self._config = config

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route.to(self._make, "POST", "me/codes"),
            Route.to(self._list, "GET", "me/codes"),
            Route.to(self._revoke, "DELETE", f"me/{CODE}"),
            Route.to(self._svg, "GET", rf"me/{CODE}/qr\.svg"),
        ]

    async def _make(self, request: Any) -> tuple[int, JsonDict]:
        user_id = await self._callers.person(request)
        try:
            wish = terms(body(request, allow_empty=True))
            code = await self._sharing.make_personal(user_id, wish)
        except CodeRequestError as e:
            raise not_made(e, self._config) from e
        return 200, described_new(code, self._sharing.url(code))

    async def _list(self, request: Any) -> tuple[int, JsonDict]:
        user_id = await self._callers.person(request)
        limit, before = paging.limit(request), paging.place(request)
        found = await self._sharing.page_of_person(user_id, Page(limit + 1, before))
        return 200, code_list(found, limit)

    async def _revoke(self, request: Any, code_id: str) -> tuple[int, JsonDict]:
        user_id = await self._callers.person(request)
        await self._sharing.revoke_personal(user_id, code_id)
        return 200, {}

    async def _svg(self, request: Any, code_id: str) -> None:
        user_id = await self._callers.person(request)
        send(request, b"image/svg+xml", await self._pictures.personal_svg(user_id, code_id))
