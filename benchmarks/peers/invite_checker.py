"""`synapse-invite-checker` on a Synapse of today, as a module for Synapse.

It cannot be loaded as it is: it registers `on_upgrade_room`, which is a callback of its makers' own
Synapse. And it asks a list that is signed by an authority which servers there may talk. Here it
finds a Synapse that takes that callback and never calls it, and a list with this server on it.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from synapse.module_api import ModuleApi

_MISSING = "on_upgrade_room"


class InviteChecker:
    """The module of that package, with these two things changed."""

    def __init__(self, config: Any, api: ModuleApi) -> None:
        theirs = import_module("synapse_invite_checker.invite_checker").InviteChecker
        types = import_module("synapse_invite_checker.types")
        here = types.FederationDomain(
            domain=api.server_name, telematikID="", timAnbieter="", isInsurance=False
        )
        servers = types.FederationList(domainList=[here])

        async def fetch(_: Any) -> Any:
            return servers

        theirs._fetch_federation_list = fetch
        self._module = theirs(config, _Api(api))

    @staticmethod
    def parse_config(config: dict[str, Any]) -> Any:
        module = import_module("synapse_invite_checker.invite_checker").InviteChecker
        return module.parse_config(config)


class _Api:
    """Synapse's, which also takes a callback that it does not have."""

    def __init__(self, api: ModuleApi) -> None:
        self._real = api

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def register_third_party_rules_callbacks(self, **callbacks: Callable[..., Any]) -> None:
        callbacks.pop(_MISSING, None)
        self._real.register_third_party_rules_callbacks(**callbacks)
