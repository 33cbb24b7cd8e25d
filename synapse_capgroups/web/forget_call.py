"""The call by which a server admin has an account forgotten."""

from typing import Any

from synapse.module_api import JsonDict, ModuleApi
from synapse.module_api.errors import Codes as ErrorCodes
from synapse.module_api.errors import SynapseError

from synapse_capgroups.helpdesk.account_forgetting import (
    AccountForgetting,
    ConciergesAccountError,
    NoSuchAccountError,
)
from synapse_capgroups.rules.assignment.user_ids import matrix_id
from synapse_capgroups.web.calls import Callers, Route, body
from synapse_capgroups.web.errors import not_found


class ForgetCall:
    """Forgets an account, or says what that would remove."""

    def __init__(self, api: ModuleApi, callers: Callers, forgetting: AccountForgetting) -> None:
        self._api = api
        self._callers = callers
        self._forgetting = forgetting

    def routes(self) -> list[Route]:
        """The only one."""
        return [Route.to(self._forget, "POST", "admin/people/([^/]+)/forget")]

    async def _forget(self, request: Any, said: str) -> tuple[int, JsonDict]:
        by = await self._callers.server_admin(request)
        apply = body(request, allow_empty=True).get("apply", False)
        if not isinstance(apply, bool):
            raise SynapseError(400, "'apply' must be true or false", ErrorCodes.BAD_JSON)
        user_id = matrix_id(said, self._api.server_name)
        if user_id is None:
            raise SynapseError(400, f"{said[:100]} is no Matrix ID", ErrorCodes.INVALID_PARAM)
        try:
            forgotten = await self._forgetting.forget(by, user_id, apply=apply)
        except NoSuchAccountError as e:
            raise not_found(f"There is no account {user_id}, and nothing names it") from e
        except ConciergesAccountError as e:
            text = f"{user_id} is the module's own account"
            raise SynapseError(400, text, ErrorCodes.INVALID_PARAM) from e
        return 200, {
            "user_id": user_id,
            "deactivated": forgotten.is_gone,
            "applied": apply,
            "removed": dict(forgotten.removed),
            "kept": dict(forgotten.kept),
        }
