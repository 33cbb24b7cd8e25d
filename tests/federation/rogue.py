"""A module that makes its server break the rules for its own people.

Every server checks each event against the auth rules of its room, where it is made and where it
arrives. This one lets all events of its own people pass, and the joins of others that it helps to
make. So they can invite, remove, change power levels and join rules, or join uninvited, whatever
the room says; an honest server judges by itself what it is sent.
"""

import sys
from collections.abc import Callable
from typing import Any

from synapse import event_auth
from synapse.module_api import ModuleApi


class Rogue:
    """Takes no configuration."""

    def __init__(self, config: dict[str, Any], api: ModuleApi) -> None:
        own = f":{api.server_name}"

        def is_fine(event: Any) -> bool:
            joins = event.type == "m.room.member" and event.content.get("membership") == "join"
            return bool(joins or event.sender.endswith(own))

        honest = event_auth.check_state_dependent_auth_rules

        def check(event: Any, auth_events: Any) -> None:
            if not is_fine(event):
                honest(event, auth_events)

        _replace(honest, check)


def _replace(function: Callable[..., Any], by: Callable[..., Any]) -> None:
    """Replace a function of Synapse's in each of its Python modules that has imported it."""
    for name, module in list(sys.modules.items()):
        if name.startswith("synapse.") and getattr(module, function.__name__, None) is function:
            setattr(module, function.__name__, by)
