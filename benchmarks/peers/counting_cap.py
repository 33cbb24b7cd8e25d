"""A cap as others write it: count the members when somebody joins. A module for Synapse."""

from typing import Any, Literal

from synapse.module_api import NOT_SPAM, ModuleApi
from synapse.module_api.errors import Codes


class CountingCap:
    """Refuses a join if the room has `cap` members. It is here to be compared, not to be used."""

    def __init__(self, config: dict[str, Any], api: ModuleApi) -> None:
        self._cap = int(config["cap"])
        self._api = api
        api.register_spam_checker_callbacks(user_may_join_room=self.user_may_join_room)

    @staticmethod
    def parse_config(config: dict[str, Any]) -> dict[str, Any]:
        return config

    async def user_may_join_room(
        self, user_id: str, room_id: str, is_invited: bool
    ) -> Literal["NOT_SPAM"] | Codes:
        state = await self._api.get_room_state(room_id, [("m.room.member", None)])
        members = {
            who for (_, who), event in state.items() if event.content.get("membership") == "join"
        }
        if user_id in members or len(members) < self._cap:
            return NOT_SPAM
        return Codes.FORBIDDEN
