"""The HTTP API below /_synapse/client/capgroups/v1; described in docs/openapi.yaml.

It only routes. The handlers parse and call the deeds of `groups`, `codes` and `requests`.
"""

from typing import Any, Protocol
from urllib.parse import unquote

from synapse.module_api import DirectServeJsonResource, JsonDict
from synapse.module_api.errors import Codes as ErrorCodes
from synapse.module_api.errors import SynapseError

from synapse_capgroups.web.calls import PREFIX, Route
from synapse_capgroups.web.errors import DEED_ERRORS, translated
from synapse_capgroups.words.lookup import Words


class Calls(Protocol):
    """The calls about one noun."""

    def routes(self) -> list[Route]:
        """All of them."""


class Api(DirectServeJsonResource):
    """Routes the calls by hand: their paths have a room ID in the middle."""

    isLeaf = True

    def __init__(self, words: Words, *calls: Calls) -> None:
        super().__init__()
        self._words = words
        self._routes = [route for some in calls for route in some.routes()]

    async def _async_render_GET(self, request: Any) -> tuple[int, JsonDict] | None:
        return await self._route(request)

    async def _async_render_POST(self, request: Any) -> tuple[int, JsonDict] | None:
        return await self._route(request)

    async def _async_render_PUT(self, request: Any) -> tuple[int, JsonDict] | None:
        return await self._route(request)

    async def _async_render_PATCH(self, request: Any) -> tuple[int, JsonDict] | None:
        return await self._route(request)

    async def _async_render_DELETE(self, request: Any) -> tuple[int, JsonDict] | None:
        return await self._route(request)

    async def _route(self, request: Any) -> tuple[int, JsonDict] | None:
        request.setHeader(b"Cache-Control", b"no-store")
        path = request.path.decode("ascii", "replace").removeprefix(f"{PREFIX}/")
        method = request.method.decode("ascii").replace("HEAD", "GET")
        known = False
        for route in self._routes:
            if match := route.path.fullmatch(path):
                known = True
                if route.method == method:
                    try:
                        return await route.handler(request, *map(unquote, match.groups()))
                    except DEED_ERRORS as e:
                        raise translated(e, self._words) from e
        if known:
            raise SynapseError(405, "This cannot be done here.", ErrorCodes.UNRECOGNIZED)
        raise SynapseError(404, "There is nothing here.", ErrorCodes.UNRECOGNIZED)
