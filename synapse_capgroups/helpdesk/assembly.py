"""Puts the parts of this package together."""

import attrs
from synapse.module_api import ModuleApi

from synapse_capgroups.codes.assembly import CodeParts
from synapse_capgroups.helpdesk.account_forgetting import AccountForgetting
from synapse_capgroups.helpdesk.code_desk import CodeDesk
from synapse_capgroups.helpdesk.owner_mail import OwnerMail
from synapse_capgroups.helpdesk.renaming import Renaming
from synapse_capgroups.series.succession import Succession
from synapse_capgroups.storage.database import Database


@attrs.frozen
class Helpdesk:
    """What other packages use of this one."""

    forgetting: AccountForgetting
    codes: CodeDesk
    mail: OwnerMail
    renaming: Renaming


def assemble_helpdesk(
    api: ModuleApi, database: Database, codes: CodeParts, succession: Succession, concierge: str
) -> Helpdesk:
    """Make the parts.

    Args:
        concierge: its Matrix ID.
    """
    return Helpdesk(
        forgetting=AccountForgetting(api, database, codes.closing, succession, concierge),
        codes=CodeDesk(api, database, codes.closing),
        mail=OwnerMail(api, database),
        renaming=Renaming(api, database, concierge),
    )
