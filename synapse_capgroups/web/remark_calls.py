"""The calls about remarks: what somebody calls others, for their own eyes only."""

from typing import Any

from synapse.module_api import JsonDict
from synapse.module_api.errors import Codes as ErrorCodes
from synapse.module_api.errors import SynapseError

from synapse_capgroups.people.remarks import (
    NoSuchPersonError,
    NotAPersonError,
    RemarkError,
    Remarks,
)
from synapse_capgroups.web import paging
from synapse_capgroups.web.calls import Callers, Route, body
from synapse_capgroups.web.errors import not_found
from synapse_capgroups.words.lookup import Words


class RemarkCalls:
    """Lists and changes the caller's remarks."""

    def __init__(self, callers: Callers, remarks: Remarks, words: Words) -> None:
        self._callers = callers
        self._remarks = remarks
        self._words = words

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route.to(self._list, "GET", "me/remarks"),
            Route.to(self._set, "PUT", "me/remarks/([^/]+)"),
        ]

    async def _list(self, request: Any) -> tuple[int, JsonDict]:
        user_id = await self._callers.person(request)
        limit, after = paging.limit(request), paging.text(request)
        remarks = await self._remarks.of(user_id)
        others = sorted(other for other in remarks if other > after)
        page: JsonDict = {
            "remarks": [{"user_id": other, "name": remarks[other]} for other in others[:limit]]
        }
        if len(others) > limit:
            page["next"] = others[limit - 1]
        return 200, page

    async def _set(self, request: Any, other: str) -> tuple[int, JsonDict]:
        user_id = await self._callers.person(request)
        name = body(request).get("name")
        if not isinstance(name, str):
            raise SynapseError(400, "'name' must be a string", ErrorCodes.BAD_JSON)
        try:
            await self._remarks.set(user_id, other, name.strip())
        except NotAPersonError as e:
            raise self._invalid("which_person") from e
        except NoSuchPersonError as e:
            raise not_found(self._words.say("no_such_person", user=other)) from e
        except RemarkError as e:
            raise self._invalid("name_too_long") from e
        return 200, {}

    def _invalid(self, key: str) -> SynapseError:
        return SynapseError(400, self._words.say(key), ErrorCodes.INVALID_PARAM)
