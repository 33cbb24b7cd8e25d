"""What the handlers of all calls need: who asks, what the body says, how a picture is sent."""

import re
from collections.abc import Awaitable, Callable
from os import SEEK_END
from typing import Any

import attrs
from synapse.module_api import JsonDict, ModuleApi, parse_json_object_from_request
from synapse.module_api.errors import Codes as ErrorCodes
from synapse.module_api.errors import SynapseError

from synapse_capgroups.console.sessions import TOKEN_PREFIX, Consoles, NoSuchSessionError
from synapse_capgroups.groups.members import Member, Members
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.limits.table import CALLS
from synapse_capgroups.storage.console_sessions import ConsoleSession

PREFIX = "/_synapse/client/capgroups/v1"
ROOM, CODE, SERIES = "groups/([^/]+)", "codes/([^/]+)", "series/([^/]+)"

_LONGEST_BODY = 64 * 1024  # bytes

Handler = Callable[..., Awaitable[tuple[int, JsonDict] | None]]
"""Is given the request and the parts of the path that are in brackets."""


@attrs.frozen
class Route:
    """One call. `path` is what follows `PREFIX`."""

    method: str
    path: re.Pattern[str]
    handler: Handler

    @classmethod
    def to(cls, handler: Handler, method: str, path: str) -> "Route":
        """The route by which a handler is reached."""
        return cls(method, re.compile(path), handler)


class Callers:
    """Finds out who calls, and counts their calls."""

    def __init__(
        self, api: ModuleApi, limits: RateLimits, members: Members, consoles: Consoles
    ) -> None:
        self._api = api
        self._limits = limits
        self._members = members
        self._consoles = consoles

    async def person(self, request: Any) -> str:
        """The caller's Matrix ID.

        Raises:
            SynapseError: they have neither a login here nor a session of the console, or call too
                often.
        """
        token = _console_token(request)
        if token is None:
            requester = await self._api.get_user_by_req(request)
            user_id = requester.user.to_string()
        else:
            user_id = (await self._session(token)).user_id
        await self._limits.spend(CALLS, user_id)
        return user_id

    async def session(self, request: Any) -> ConsoleSession | None:
        """The session of the console by which somebody calls; None for any other login."""
        token = _console_token(request)
        return None if token is None else await self._session(token)

    async def _session(self, token: str) -> ConsoleSession:
        try:
            return await self._consoles.by_token(token)
        except NoSuchSessionError as e:
            raise SynapseError(
                401, "This session has ended. Open the console again.", ErrorCodes.UNKNOWN_TOKEN
            ) from e

    async def server_admin(self, request: Any) -> str:
        """The caller's Matrix ID, if they are a server admin.

        Raises:
            SynapseError: 403, they are none, or would change something from the console; or they
                have no login here, or call too often.
        """
        user_id = await self.person(request)
        is_console = _console_token(request) is not None
        if is_console and request.method not in (b"GET", b"HEAD"):
            # Who has found a browser open must not have the whole server.
            raise SynapseError(
                403, "The console only shows this. Use an access token.", ErrorCodes.FORBIDDEN
            )
        if not await self._api.is_user_admin(user_id):
            # As Synapse's Admin API says it.
            raise SynapseError(403, "You are not a server admin", ErrorCodes.FORBIDDEN)
        return user_id

    async def member(self, request: Any, room_id: str) -> Member:
        """The caller as a member of a group.

        Raises:
            SynapseError: they have no login here, or call too often.
            NoSuchGroupError: there is no such group, or they are not in it.
        """
        return await self._members.member(await self.person(request), room_id)


def _console_token(request: Any) -> str | None:
    """What stands in the header if it is a token of the console's."""
    for header in request.requestHeaders.getRawHeaders(b"Authorization") or ():
        word, _, token = header.decode("ascii", "replace").partition(" ")
        if word == "Bearer" and token.startswith(TOKEN_PREFIX):
            return str(token)
    return None


def body(request: Any, *, allow_empty: bool = False, longest: int = _LONGEST_BODY) -> JsonDict:
    """The JSON object in a request's body. It is small, because parsing takes far more memory.

    Args:
        longest: the most bytes that it may have.

    Raises:
        SynapseError: it is no object, or too large.
    """
    size = request.content.seek(0, SEEK_END)
    request.content.seek(0)
    if size > longest:
        text = f"The body must not be larger than {longest} bytes."
        raise SynapseError(413, text, ErrorCodes.TOO_LARGE)
    return parse_json_object_from_request(request, allow_empty_body=allow_empty)


def send(request: Any, content_type: bytes, content: bytes) -> None:
    """Answer with something other than JSON."""
    request.setResponseCode(200)
    request.setHeader(b"Content-Type", content_type)
    request.setHeader(b"Content-Length", str(len(content)).encode())
    request.setHeader(b"X-Content-Type-Options", b"nosniff")
    # Synapse sends it with its answers in JSON too: web clients have another origin.
    request.setHeader(b"Access-Control-Allow-Origin", b"*")
    request.write(content)
    request.finish()
