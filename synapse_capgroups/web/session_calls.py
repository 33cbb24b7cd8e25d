"""The calls about sessions of the console."""

from typing import Any

from synapse.module_api import JsonDict, ModuleApi
from synapse.module_api.errors import Codes as ErrorCodes
from synapse.module_api.errors import SynapseError

from synapse_capgroups.console.sessions import (
    Consoles,
    NoSuchLinkError,
    NoSuchSessionError,
    NoSuchWidgetError,
)
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.limits.table import CONSOLE_SESSIONS
from synapse_capgroups.limits.visitors import visitor
from synapse_capgroups.storage.console_sessions import ConsoleSession
from synapse_capgroups.web.calls import Callers, Route, body
from synapse_capgroups.web.errors import not_found
from synapse_capgroups.words.lookup import Words


class SessionCalls:
    """Opens a session by a link, lists and ends them."""

    def __init__(
        self,
        api: ModuleApi,
        callers: Callers,
        limits: RateLimits,
        consoles: Consoles,
        words: Words,
    ) -> None:
        self._api = api
        self._callers = callers
        self._limits = limits
        self._consoles = consoles
        self._words = words

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route.to(self._open, "POST", "session"),
            Route.to(self._list, "GET", "me/sessions"),
            Route.to(self._end, "DELETE", "me/sessions/([^/]+)"),
        ]

    async def _open(self, request: Any) -> tuple[int, JsonDict]:
        if not self._limits.allows(CONSOLE_SESSIONS, visitor(request)):
            raise self._limits.too_many(CONSOLE_SESSIONS)
        asked = body(request)
        link, key, open_id_token = map(asked.get, ("link", "widget", "openid_token"))
        try:
            if isinstance(link, str):
                token, session = await self._consoles.open(link)
            elif isinstance(key, str) and isinstance(open_id_token, str):
                token, session = await self._consoles.open_in_widget(key, open_id_token)
            else:
                raise SynapseError(
                    400, "'link', or 'widget' and 'openid_token', must be strings",
                    ErrorCodes.BAD_JSON,
                )  # fmt: skip
        except NoSuchLinkError as e:
            raise self._forbidden("console_link_used") from e
        except NoSuchWidgetError as e:
            raise self._forbidden("console_widget_unknown") from e
        return 200, {
            "token": token,
            "user_id": session.user_id,
            "session_id": session.session_id,
            "expires_at": session.expires_at,
            "server_admin": await self._api.is_user_admin(session.user_id),
        }

    def _forbidden(self, key: str) -> SynapseError:
        return SynapseError(403, self._words.say(key), ErrorCodes.FORBIDDEN)

    async def _list(self, request: Any) -> tuple[int, JsonDict]:
        user_id = await self._callers.person(request)
        own = await self._callers.session(request)
        sessions = await self._consoles.of_person(user_id)
        return 200, {"sessions": [_described(each, own) for each in sessions]}

    async def _end(self, request: Any, session_id: str) -> tuple[int, JsonDict]:
        user_id = await self._callers.person(request)
        try:
            await self._consoles.end(user_id, session_id)
        except NoSuchSessionError as e:
            raise not_found(self._words.say("session_unknown")) from e
        return 200, {}


def _described(session: ConsoleSession, own: ConsoleSession | None) -> JsonDict:
    return {
        "session_id": session.session_id,
        "opened_at": session.opened_at,
        "expires_at": session.expires_at,
        "this": own is not None and own.session_id == session.session_id,
    }
