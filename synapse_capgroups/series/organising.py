"""Puts together what organisers do with series."""

from collections.abc import Callable

import attrs
from synapse.module_api import ModuleApi

from synapse_capgroups.admission.places import Places
from synapse_capgroups.config import Config
from synapse_capgroups.groups.rights import SharingRights
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.series.assembly import SeriesParts
from synapse_capgroups.series.beginning import Entitlement, SeriesBounds, Starting
from synapse_capgroups.series.changes import Changing
from synapse_capgroups.series.groups import GroupsOfSeries
from synapse_capgroups.series.helpers import Helpers
from synapse_capgroups.series.organisers import Organisers
from synapse_capgroups.series.report import Reports
from synapse_capgroups.series.succession import Succession
from synapse_capgroups.series.tending import Tending
from synapse_capgroups.storage.database import Database


@attrs.frozen
class Organising:
    """The deeds of organisers, and what follows from them."""

    organisers: Organisers
    starting: Starting
    changing: Changing
    groups: GroupsOfSeries
    helpers: Helpers
    reports: Reports
    tending: Tending
    succession: Succession


def assemble_organising(
    api: ModuleApi,
    database: Database,
    series: SeriesParts,
    limits: RateLimits,
    codes_died: Callable[[], None],
    config: Config,
) -> Organising:
    """Make the parts.

    Args:
        codes_died: has the doors of dead codes closed.
    """
    bounds = SeriesBounds.of(config)
    tending = series.tending
    rights = SharingRights(api, database, config.codes.share_level)
    entitlement = Entitlement(rights, limits)
    places = Places(api.server_name, config)
    return Organising(
        organisers=series.organisers,
        starting=Starting(api, database, entitlement, tending, bounds),
        changing=Changing(api, database, tending, codes_died, bounds),
        groups=GroupsOfSeries(api, database, entitlement, tending, places),
        helpers=Helpers(api, database, limits, tending, codes_died),
        reports=Reports(api, database, limits, config),
        tending=tending,
        succession=Succession(api, database, series.spaces, tending, codes_died),
    )
