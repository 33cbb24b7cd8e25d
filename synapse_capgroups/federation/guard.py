"""Puts the parts of federation together."""

import attrs
from synapse.module_api import ModuleApi

from synapse_capgroups.admission.contacts import Contacts
from synapse_capgroups.admission.facts import Facts
from synapse_capgroups.admission.holds import Holds
from synapse_capgroups.admission.remote_invitations import HeldInvitations, PendingInvitations
from synapse_capgroups.config import Config
from synapse_capgroups.federation.afar import Afar
from synapse_capgroups.federation.levels import Levels
from synapse_capgroups.federation.removing import Removing
from synapse_capgroups.federation.withdrawing import Withdrawing
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.storage.database import Database


@attrs.frozen
class Guard:
    """What keeps the rules of groups that people of other servers are in.

    Attributes:
        local_only: whether nobody of another server is invited at all.
    """

    invitations: HeldInvitations
    levels: Levels
    withdrawing: Withdrawing
    afar: Afar
    local_only: bool


def assemble_guard(
    api: ModuleApi, database: Database, scope: Scope, holds: Holds, config: Config
) -> Guard | None:
    """Make the parts; None where only what passes through this server is judged."""
    if not config.is_guarded:
        return None
    facts = Facts(api, Contacts(api, database, config.verified_contact), config)
    levels = Levels(api, database, scope)
    removing = Removing(api, levels, config.words)
    pending = PendingInvitations(api, database, facts, config)
    return Guard(
        invitations=HeldInvitations(api, database, holds, facts, config),
        levels=levels,
        withdrawing=Withdrawing(api, database, scope, pending, removing),
        afar=Afar(api, scope, levels, removing),
        local_only=config.federation == "local",
    )
