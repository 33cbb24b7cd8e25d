"""Puts the parts of this package together."""

import attrs
from synapse.module_api import ModuleApi

from synapse_capgroups.announcements.changing import Announced
from synapse_capgroups.announcements.delivery import Delivery
from synapse_capgroups.announcements.drafting import Drafting
from synapse_capgroups.announcements.postman import Postman
from synapse_capgroups.config import Config
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.series.organisers import Organisers
from synapse_capgroups.storage.database import Database


@attrs.frozen
class Announcing:
    """What other packages use of this one."""

    organisers: Organisers
    drafting: Drafting
    announced: Announced
    postman: Postman


def assemble_announcing(
    api: ModuleApi,
    database: Database,
    limits: RateLimits,
    organisers: Organisers,
    config: Config,
) -> Announcing:
    """Make the parts."""
    postman = Postman(api, database, Delivery(api, database, config.words))
    return Announcing(
        organisers,
        Drafting(api, database, limits, postman, config),
        Announced(database, limits, postman),
        postman,
    )
