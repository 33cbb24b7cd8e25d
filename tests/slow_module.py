"""A module beside ours, as another admin may have one: its answer about some joins takes long."""

from typing import Any, Literal

from synapse.module_api import NOT_SPAM, ModuleApi


class SlowJoins:
    """Lets everybody join, those whose name begins with `slow` after so many `seconds`."""

    def __init__(self, config: dict[str, Any], api: ModuleApi) -> None:
        self._api = api
        self._seconds = float(config["seconds"])
        api.register_spam_checker_callbacks(user_may_join_room=self.user_may_join_room)

    async def user_may_join_room(
        self, user_id: str, room_id: str, is_invited: bool
    ) -> Literal["NOT_SPAM"]:
        if user_id.startswith("@slow"):
            await self._api.sleep(self._seconds)
        return NOT_SPAM


def beside(module: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The `modules` of homeserver.yaml: ours, and this one after it."""
    return {
        "modules": [
            {"module": "synapse_capgroups.CapGroups", "config": module},
            {"module": "tests.slow_module.SlowJoins", "config": {"seconds": seconds}},
        ]
    }
