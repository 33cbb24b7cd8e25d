"""Puts the parts of this package together."""

import attrs
from synapse.module_api import ModuleApi

from synapse_capgroups.codes.assembly import CodeParts
from synapse_capgroups.concierge.account import ConciergeAccount
from synapse_capgroups.concierge.chat_care import ChatCare
from synapse_capgroups.concierge.chat_guard import ChatGuard
from synapse_capgroups.concierge.chats import ConciergeChats
from synapse_capgroups.concierge.commands import all_commands
from synapse_capgroups.concierge.conversation import Concierge
from synapse_capgroups.config import Config
from synapse_capgroups.groups.members import Members
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.storage.database import Database


@attrs.frozen
class ConciergeParts:
    """What other packages use of this one. Each of their classes gets the parts that it needs."""

    chats: ConciergeChats
    guard: ChatGuard
    care: ChatCare
    account: ConciergeAccount
    hears: Concierge


def assemble_concierge(
    api: ModuleApi,
    database: Database,
    scope: Scope,
    limits: RateLimits,
    members: Members,
    codes: CodeParts,
    config: Config,
) -> ConciergeParts:
    """Make the parts."""
    enforce = config.enforce
    chats = ConciergeChats(api, database, limits, scope.concierge, config.words)
    commands = all_commands(api, chats, members, codes.sharing, codes.pictures, config)
    return ConciergeParts(
        chats=chats,
        guard=ChatGuard(api, scope, chats, enforce=enforce),
        care=ChatCare(api, database, scope, chats),
        account=ConciergeAccount(api, database, scope.concierge, enforce=enforce),
        hears=Concierge(api, chats, limits, commands, config),
    )
