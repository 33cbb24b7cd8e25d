"""The call about a join code for anybody who holds it, with or without a login."""

from typing import Any

from synapse.module_api import JsonDict, ModuleApi
from synapse.module_api.errors import Codes as ErrorCodes
from synapse.module_api.errors import SynapseError

from synapse_capgroups.codes.previews import Preview, Previews
from synapse_capgroups.codes.sharing import NoSuchCodeError
from synapse_capgroups.config import Config
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.limits.table import PREVIEWS
from synapse_capgroups.limits.visitors import visitor
from synapse_capgroups.rules.verdict import Refusal
from synapse_capgroups.web.avatars import Avatars
from synapse_capgroups.web.calls import Route, body
from synapse_capgroups.web.errors import not_found
from synapse_capgroups.web.glance import Glances
from synapse_capgroups.words.lookup import Audience


class PreviewCall:
    """Says what a code opens. About an unknown one it says nothing but that."""

    def __init__(
        self, api: ModuleApi, limits: RateLimits, previews: Previews, config: Config
    ) -> None:
        self._api = api
        self._limits = limits
        self._previews = previews
        self._config = config
        self._avatars = Avatars(api)
        self._glances = Glances()

    def routes(self) -> list[Route]:
        """The one call."""
        return [Route.to(self._preview, "POST", "codes/preview")]

    async def _preview(self, request: Any) -> tuple[int, JsonDict]:
        now = self._api.get_current_time_msec()
        if not self._limits.allows(PREVIEWS, visitor(request)):
            raise self._limits.too_many(PREVIEWS)
        secret = body(request).get("secret")
        if not isinstance(secret, str) or not secret.isprintable():
            raise SynapseError(400, "'secret' must be a string", ErrorCodes.BAD_JSON)
        changes = self._previews.changes
        answer = self._glances.last(secret, now, changes)
        if answer is None:
            try:
                answer = await self._answer(await self._previews.preview(secret))
            except NoSuchCodeError as e:
                raise not_found(self._config.words.say("code_unknown")) from e
            self._glances.remember(secret, now, changes, answer)
        return 200, answer

    async def _answer(self, preview: Preview) -> JsonDict:
        answer: JsonDict = {
            "state": preview.died_of.value if preview.died_of else "alive",
            "group": None,
            "sharer": preview.sharer,
            "expires_at": preview.expires_at,
        }
        if preview.room_id is not None:
            avatar = await self._avatars.of_group(preview.room_id)
            answer["group"] = {"name": preview.group, "topic": preview.topic, "avatar": avatar}
            answer |= {"code_limit": self._config.code_limit, "cap": self._config.cap}
        if (filled := preview.series) is not None:
            avatar = await self._avatars.of_group(filled.model)
            name = filled.name or filled.title
            answer["group"] = {"name": name, "topic": preview.topic, "avatar": avatar}
        if preview.died_of is not None:
            sentence = self._config.words.refusal(Refusal(preview.died_of), Audience.JOINING)
            return answer | {"error": sentence}
        if preview.room_id is not None:
            answer |= {"members": preview.members}
        if answer["group"] is not None:
            answer |= {"approval": preview.approval}
        if filled is not None:
            answer["series"] = {
                "title": filled.title,
                "number": filled.number,
                "groups": filled.groups,
                "people": filled.people,
                "places": filled.places,
            }
        if preview.token is not None:
            answer["registration_token"] = preview.token
        return answer | {"door": preview.door}
