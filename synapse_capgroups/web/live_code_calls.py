"""The calls about live codes, for those who run a series."""

from typing import Any

from synapse.module_api import JsonDict

from synapse_capgroups.codes.live import LiveCodePictures, LiveCodes
from synapse_capgroups.codes.problems import CodeRequestError
from synapse_capgroups.config import Config
from synapse_capgroups.series.organisers import Organiser, Organisers
from synapse_capgroups.storage.codes import Page
from synapse_capgroups.web import paging
from synapse_capgroups.web.calls import CODE, SERIES, Callers, Route, body, send
from synapse_capgroups.web.code_calls import code_list, described_new, terms
from synapse_capgroups.web.errors import not_made


class LiveCodeCalls:
    """Makes, lists, draws and revokes live codes."""

    def __init__(
        self,
        callers: Callers,
        organisers: Organisers,
        live: LiveCodes,
        pictures: LiveCodePictures,
        config: Config,
    ) -> None:
        self._callers = callers
        self._organisers = organisers
        self._live = live
        self._pictures = pictures
        self._config = config

    def routes(self) -> list[Route]:
        """All calls about the codes of series."""
        return [
            Route.to(self._make, "POST", f"{SERIES}/codes"),
            Route.to(self._list, "GET", f"{SERIES}/codes"),
            Route.to(self._revoke, "DELETE", f"{SERIES}/{CODE}"),
            Route.to(self._png, "GET", rf"{SERIES}/{CODE}/qr\.png"),
            Route.to(self._svg, "GET", rf"{SERIES}/{CODE}/qr\.svg"),
        ]

    async def _organiser(self, request: Any, series_id: str) -> Organiser:
        return await self._organisers.organiser(await self._callers.person(request), series_id)

    async def _make(self, request: Any, series_id: str) -> tuple[int, JsonDict]:
        organiser = await self._organiser(request, series_id)
        try:
            code = await self._live.make(organiser, terms(body(request, allow_empty=True)))
        except CodeRequestError as e:
            raise not_made(e, self._config) from e
        return 200, described_new(code, self._live.url(code))

    async def _list(self, request: Any, series_id: str) -> tuple[int, JsonDict]:
        organiser = await self._organiser(request, series_id)
        limit, before = paging.limit(request), paging.place(request)
        found = await self._live.page(organiser, Page(limit + 1, before))
        return 200, code_list(found, limit)

    async def _revoke(self, request: Any, series_id: str, code_id: str) -> tuple[int, JsonDict]:
        await self._live.revoke(await self._organiser(request, series_id), code_id)
        return 200, {}

    async def _png(self, request: Any, series_id: str, code_id: str) -> None:
        organiser = await self._organiser(request, series_id)
        send(request, b"image/png", await self._pictures.png(organiser, code_id))

    async def _svg(self, request: Any, series_id: str, code_id: str) -> None:
        organiser = await self._organiser(request, series_id)
        send(request, b"image/svg+xml", await self._pictures.svg(organiser, code_id))
