"""Puts the parts of this package together."""

import attrs
from synapse.module_api import ModuleApi

from synapse_capgroups.admission.places import Places
from synapse_capgroups.assignments.applying import Applying
from synapse_capgroups.assignments.facts_of_series import FactsOfSeries
from synapse_capgroups.assignments.placing import GroupsReady, Placing
from synapse_capgroups.assignments.plan_making import PlanMaking
from synapse_capgroups.assignments.ushers import Ushers
from synapse_capgroups.config import Config
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.series.assembly import SeriesParts
from synapse_capgroups.storage.database import Database


@attrs.frozen
class Assigning:
    """What other packages use of this one."""

    plans: PlanMaking
    applying: Applying
    ushers: Ushers


def assemble_assigning(
    api: ModuleApi,
    database: Database,
    limits: RateLimits,
    series: SeriesParts,
    config: Config,
) -> Assigning:
    """Make the parts."""
    concierge = api.get_qualified_user_id(config.concierge)
    ready = GroupsReady(database, series.making, series.tending)
    ushers = Ushers(api, database, Placing(api, database, ready, config))
    return Assigning(
        PlanMaking(api, database, limits, FactsOfSeries(api, concierge, config)),
        Applying(api, database, ushers, Places(api.server_name, config)),
        ushers,
    )
