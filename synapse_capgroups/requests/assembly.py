"""Puts the parts of this package together."""

import attrs
from synapse.module_api import ModuleApi

from synapse_capgroups.admission.assembly import AdmissionParts
from synapse_capgroups.admission.moderators import Moderators
from synapse_capgroups.codes.assembly import CodeParts
from synapse_capgroups.config import Config
from synapse_capgroups.groups.members import Members
from synapse_capgroups.requests.answering import Answering, LettingIn, Waiting
from synapse_capgroups.requests.approvals import Approvals
from synapse_capgroups.requests.ending import Ending
from synapse_capgroups.series.next_group import GroupMaking
from synapse_capgroups.storage.database import Database


@attrs.frozen
class RequestParts:
    """What other packages use of this one."""

    approvals: Approvals
    answering: Answering
    waiting: Waiting
    ending: Ending


def assemble_requests(
    api: ModuleApi,
    database: Database,
    admission: AdmissionParts,
    members: Members,
    codes: CodeParts,
    making: GroupMaking,
    config: Config,
) -> RequestParts:
    """Make the parts."""
    moderators = Moderators(config)
    approving = admission.approving
    letting_in = LettingIn(api, approving, codes.bringing_in, codes.outcomes, making)
    return RequestParts(
        approvals=Approvals(api, database, moderators),
        answering=Answering(database, members, approving, letting_in, admission.bell),
        waiting=Waiting(database, members, moderators),
        ending=Ending(api, database),
    )
