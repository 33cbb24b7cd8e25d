"""What people can do here: the deeds of all nouns, for the HTTP API and the concierge alike."""

import attrs
from synapse.module_api import ModuleApi

from synapse_capgroups.admission.assembly import AdmissionParts
from synapse_capgroups.adoption.adopting import Adopting
from synapse_capgroups.announcements.assembly import Announcing, assemble_announcing
from synapse_capgroups.assignments.assembly import Assigning, assemble_assigning
from synapse_capgroups.codes.assembly import CodeParts
from synapse_capgroups.config import Config
from synapse_capgroups.console.sessions import Consoles
from synapse_capgroups.groups.members import Members
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.groups.views import Views
from synapse_capgroups.helpdesk.assembly import Helpdesk, assemble_helpdesk
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.report.reports import Reports
from synapse_capgroups.requests.assembly import RequestParts, assemble_requests
from synapse_capgroups.series.assembly import SeriesParts
from synapse_capgroups.series.organising import Organising, assemble_organising
from synapse_capgroups.storage.database import Database


@attrs.frozen
class Deeds:
    """The deeds by their nouns. Each has its right, its limit and its lock inside."""

    members: Members
    views: Views
    codes: CodeParts
    requests: RequestParts
    series: Organising
    announcing: Announcing
    assigning: Assigning
    helpdesk: Helpdesk
    adopting: Adopting
    reports: Reports
    consoles: Consoles


def assemble_deeds(
    api: ModuleApi,
    database: Database,
    scope: Scope,
    limits: RateLimits,
    admission: AdmissionParts,
    members: Members,
    codes: CodeParts,
    series: SeriesParts,
    config: Config,
) -> Deeds:
    """Make the parts that nothing else needs."""
    codes_died = codes.closing.clear_up_soon
    organising = assemble_organising(api, database, series, limits, codes_died, config)
    concierge = api.get_qualified_user_id(config.concierge)
    return Deeds(
        members=members,
        views=Views(api, database, limits, members, min_age=config.friends.min_age),
        codes=codes,
        requests=assemble_requests(api, database, admission, members, codes, series.making, config),
        series=organising,
        announcing=assemble_announcing(api, database, limits, series.organisers, config),
        assigning=assemble_assigning(api, database, limits, series, config),
        helpdesk=assemble_helpdesk(api, database, codes, organising.succession, concierge),
        adopting=Adopting(api, database, scope),
        reports=Reports(api, database, limits, config),
        consoles=Consoles(api, database, limits),
    )
