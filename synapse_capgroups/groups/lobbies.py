"""Lobbies: rooms into which a server puts each new account (Synapse's `auto_join_rooms`).

Synapse creates a lobby in the name of the first person who registers, public and with an address,
and only logs a refusal. A lobby is not a group if `exempt.rooms` has its address (rule 0).
"""

import logging

from synapse.module_api import ModuleApi

from synapse_capgroups.config import ExemptConfig
from synapse_capgroups.inside.creations import lobbies

logger = logging.getLogger(__name__)


def warn(api: ModuleApi, exempt: ExemptConfig) -> None:
    """Log at start which lobbies cannot be created, and which exempt addresses are not local."""
    for address in sorted(exempt.addresses):
        if not address.endswith(f":{api.server_name}"):
            logger.warning(
                "synapse-capgroups: `exempt.rooms` has %s, which is no address of this server",
                address,
            )
    for address in lobbies(api):
        if address.endswith(f":{api.server_name}") and address not in exempt.addresses:
            logger.warning(
                "synapse-capgroups: Synapse's `auto_join_rooms` has %s. If there is no such room "
                "yet, it will not be made, since groups have no address. If there is to be one, "
                "put the address into the module's `exempt.rooms`; otherwise take it out of "
                "`auto_join_rooms`.",
                address,
            )
