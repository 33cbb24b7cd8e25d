"""A Synapse module that only has an empty `check_event_allowed`: what other modules cost."""

from typing import Any

from synapse.module_api import ModuleApi


class Module:
    """Registers the callback and lets everything pass."""

    def __init__(self, config: dict[str, Any], api: ModuleApi) -> None:
        api.register_third_party_rules_callbacks(check_event_allowed=self.check_event_allowed)

    async def check_event_allowed(self, event: Any, state: Any) -> tuple[bool, None]:
        return True, None
