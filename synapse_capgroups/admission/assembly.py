"""Puts the parts of this package together."""

import attrs
from synapse.module_api import ModuleApi

from synapse_capgroups.admission.approving import Approving
from synapse_capgroups.admission.deciding import Deciding
from synapse_capgroups.admission.holds import Holds
from synapse_capgroups.admission.invitations import Invitations
from synapse_capgroups.admission.presence import Presence
from synapse_capgroups.admission.record import Record
from synapse_capgroups.admission.requesting import Bell
from synapse_capgroups.admission.settling import Settling
from synapse_capgroups.config import Config
from synapse_capgroups.storage.database import Database


@attrs.frozen
class AdmissionParts:
    """What other packages use of this one."""

    deciding: Deciding
    settling: Settling
    invitations: Invitations
    record: Record
    presence: Presence
    approving: Approving
    bell: Bell


def assemble_admission(
    api: ModuleApi, database: Database, holds: Holds, config: Config
) -> AdmissionParts:
    """Make the parts."""
    bell = Bell()
    return AdmissionParts(
        Deciding(api, database, holds, bell, config),
        Settling(api, database, holds, config),
        Invitations(api, database, config),
        Record(api, database, config),
        Presence(api, database, config),
        Approving(api, database, holds, config),
        bell,
    )
