"""What the handlers of all calls need: who asks, what the body says, how a picture is sent."""

import re
from collections.abc import Awaitable, Callable
from os import SEEK_END
from typing import Any

import attrs
from synapse.module_api import JsonDict, ModuleApi, parse_json_object_from_request
from synapse.module_api.errors import Codes as ErrorCodes
from synapse.module_api.errors import SynapseError

from synapse_capgroups.groups.members import Member, Members
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.limits.table import CALLS

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

    def __init__(self, api: ModuleApi, limits: RateLimits, members: Members) -> None:
        self._api = api
        self._limits = limits
        self._members = members

    async def person(self, request: Any) -> str:
        """The caller's Matrix ID.

        Raises:
            SynapseError: they have no login here, or call too often.
        """
        requester = await self._api.get_user_by_req(request)
        user_id = requester.user.to_string()
        await self._limits.spend(CALLS, user_id)
        return user_id

    async def server_admin(self, request: Any) -> str:
        """The caller's Matrix ID, if they are a server admin.

        Raises:
            SynapseError: 403, they are none; or they have no login here, or call too often.
        """
        user_id = await self.person(request)
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
