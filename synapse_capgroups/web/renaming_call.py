"""The call by which a server admin asks what it means to move the concierge to another name."""

from typing import Any

from synapse.module_api import JsonDict
from synapse.module_api.errors import Codes as ErrorCodes
from synapse.module_api.errors import SynapseError

from synapse_capgroups.config import LOCALPART
from synapse_capgroups.helpdesk.renaming import Renaming
from synapse_capgroups.web.calls import Callers, Route

_LONGEST = 200


class RenamingCall:
    """Looks, and changes nothing: the name is in homeserver.yaml."""

    def __init__(self, callers: Callers, renaming: Renaming) -> None:
        self._callers = callers
        self._renaming = renaming

    def routes(self) -> list[Route]:
        """The only one."""
        return [Route.to(self._look, "GET", "admin/concierge/([^/]+)")]

    async def _look(self, request: Any, localpart: str) -> tuple[int, JsonDict]:
        await self._callers.server_admin(request)
        if not LOCALPART.fullmatch(localpart) or len(localpart) > _LONGEST:
            text = "The name must be the localpart of a Matrix ID: a-z, 0-9 and . _ = / + -"
            raise SynapseError(400, text, ErrorCodes.INVALID_PARAM)
        outlook = await self._renaming.outlook(localpart)
        return 200, {
            "now": outlook.now,
            "then": outlook.then,
            "is_free": outlook.is_free,
            "codes": outlook.codes,
            "chats": outlook.chats,
            "spaces": outlook.spaces,
        }
