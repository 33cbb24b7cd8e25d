"""Puts the parts of this package together."""

import attrs
from synapse.module_api import ModuleApi

from synapse_capgroups.admission.deciding import Deciding
from synapse_capgroups.config import Config
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.series.filling import Filling
from synapse_capgroups.series.next_group import GroupMaking
from synapse_capgroups.series.organisers import Organisers
from synapse_capgroups.series.place_sweep import PlaceSweep
from synapse_capgroups.series.powers import Powers
from synapse_capgroups.series.spaces import Spaces
from synapse_capgroups.series.tending import Tending
from synapse_capgroups.storage.database import Database


@attrs.frozen
class SeriesParts:
    """What other packages use of this one."""

    organisers: Organisers
    making: GroupMaking
    filling: Filling
    spaces: Spaces
    tending: Tending
    place_sweep: PlaceSweep


def assemble_series(
    api: ModuleApi, database: Database, scope: Scope, deciding: Deciding, config: Config
) -> SeriesParts:
    """Make the parts."""
    spaces = Spaces(api, database, scope.concierge, config.words)
    tending = Tending(api, database, spaces, Powers(api, database), enforce=config.enforce)
    making = GroupMaking(api, database, tending.group_made)
    return SeriesParts(
        organisers=Organisers(database),
        making=making,
        filling=Filling(api, database, scope, deciding, making),
        spaces=spaces,
        tending=tending,
        place_sweep=PlaceSweep(api, database, config),
    )
