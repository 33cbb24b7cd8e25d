"""The call by which `capgroups adopt` changes one room, for server admins."""

from typing import Any

from synapse.module_api import JsonDict, ModuleApi
from synapse.module_api.errors import Codes as ErrorCodes
from synapse.module_api.errors import SynapseError

from synapse_capgroups.adoption.adopting import Adopting, StepRefusedError, Wish
from synapse_capgroups.codes.links import is_like_a_code
from synapse_capgroups.rules.adoption import ChangedError, step_from_json
from synapse_capgroups.rules.text import MalformedRequest
from synapse_capgroups.web.calls import ROOM, Callers, Route, body

_LONGEST_BODY = 8 * 1024 * 1024
"""Bytes. A member can give a room thousands of addresses, so that nobody takes them away."""
_MOST_PEOPLE, _LONGEST_TEXT = 20, 8000


class AdoptionCalls:
    """Brings a room to the rules, and back."""

    def __init__(self, api: ModuleApi, callers: Callers, adopting: Adopting) -> None:
        self._api = api
        self._callers = callers
        self._adopting = adopting

    def routes(self) -> list[Route]:
        """The one call."""
        return [Route.to(self._adopt, "POST", f"admin/{ROOM}/adopt")]

    async def _adopt(self, request: Any, room_id: str) -> tuple[int, JsonDict]:
        admin = await self._callers.server_admin(request)
        try:
            wish = self._wish(body(request, longest=_LONGEST_BODY))
        except MalformedRequest as e:
            raise SynapseError(400, str(e), ErrorCodes.BAD_JSON) from e
        try:
            done = await self._adopting.change(room_id, wish, admin)
        except ChangedError as e:
            text = f"It has changed: {e} is not as it was."
            raise _stopped("changed", text, str(e), e.done) from e
        except StepRefusedError as e:
            name = e.step.name or e.step.what.value
            why = e.why or "Nobody on this server has the power for it."
            raise _stopped("refused", f"{name}: {why}", name, e.done) from e
        return 200, {"changed": done.changed, "told": done.told}

    def _wish(self, wish: JsonDict) -> Wish:
        server = self._api.server_name
        if wish.get("server") != server:
            text = f"This is of another server. This one is {server}."
            fields = {"org.capgroups.reason": "other_server"}
            raise SynapseError(400, text, ErrorCodes.INVALID_PARAM, fields)
        undo, steps = wish.get("undo", False), wish.get("steps")
        if not isinstance(undo, bool):
            raise MalformedRequest("'undo' must be true or false")
        if not isinstance(steps, list):
            raise MalformedRequest("'steps' must be a list")
        read = [step_from_json(step, server) for step in steps]
        if any(is_like_a_code(step.name) for step in read):
            raise MalformedRequest("An address like that of a code is given to no room")
        people, text = self._notice(wish.get("notice"))
        return Wish(read, undo, people, text)

    @staticmethod
    def _notice(notice: object) -> tuple[list[str], str]:
        if notice is None:
            return [], ""
        fields = notice if isinstance(notice, dict) else {}
        people, text = fields.get("people"), fields.get("text")
        if (
            not isinstance(people, list)
            or len(people) > _MOST_PEOPLE
            or not all(isinstance(user, str) for user in people)
        ):
            raise MalformedRequest(f"'people' must be a list of at most {_MOST_PEOPLE} Matrix IDs")
        if not isinstance(text, str) or not text or len(text) > _LONGEST_TEXT:
            raise MalformedRequest(f"'text' must have 1 to {_LONGEST_TEXT} characters")
        return people, text


def _stopped(reason: str, text: str, what: str, done: int) -> SynapseError:
    fields = {
        "org.capgroups.reason": reason,
        "org.capgroups.what": what,
        "org.capgroups.done": done,
    }
    return SynapseError(409, text, ErrorCodes.UNKNOWN, fields)
