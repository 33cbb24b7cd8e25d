"""Puts the parts of this package together."""

import attrs
from synapse.module_api import ModuleApi

from synapse_capgroups.admission.deciding import Deciding
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.series.filling import Filling
from synapse_capgroups.series.next_group import GroupMaking
from synapse_capgroups.series.organisers import Organisers
from synapse_capgroups.storage.database import Database


@attrs.frozen
class SeriesParts:
    """What other packages use of this one."""

    organisers: Organisers
    making: GroupMaking
    filling: Filling


def assemble_series(
    api: ModuleApi, database: Database, scope: Scope, deciding: Deciding
) -> SeriesParts:
    """Make the parts."""
    making = GroupMaking(api, database)
    return SeriesParts(
        organisers=Organisers(database),
        making=making,
        filling=Filling(api, database, scope, deciding, making),
    )
