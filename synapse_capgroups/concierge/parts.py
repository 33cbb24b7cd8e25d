"""Puts the parts of this package together."""

import attrs
from synapse.module_api import ModuleApi

from synapse_capgroups.admission.moderators import Moderators
from synapse_capgroups.admission.requesting import Bell
from synapse_capgroups.concierge.account import ConciergeAccount
from synapse_capgroups.concierge.adoption_notices import AdoptionNotices
from synapse_capgroups.concierge.announcement_reports import AnnouncementReports
from synapse_capgroups.concierge.chat_care import ChatCare
from synapse_capgroups.concierge.chat_guard import ChatGuard
from synapse_capgroups.concierge.chats import ConciergeChats
from synapse_capgroups.concierge.commands import all_commands
from synapse_capgroups.concierge.conversation import Concierge
from synapse_capgroups.concierge.front_door import FrontDoor
from synapse_capgroups.concierge.languages_spoken import SpokenConfig
from synapse_capgroups.concierge.moving import Moving
from synapse_capgroups.concierge.newcomers import Newcomers
from synapse_capgroups.concierge.news_finding import NewsFinding
from synapse_capgroups.concierge.news_telling import NewsTelling
from synapse_capgroups.concierge.news_writing import NewsWriting
from synapse_capgroups.concierge.owner_postman import OwnerPostman
from synapse_capgroups.concierge.request_notices import ModeratorNotices, RefusalNotices
from synapse_capgroups.concierge.who_is_who import WhoIsWho
from synapse_capgroups.config import Config
from synapse_capgroups.deeds import Deeds
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.people.remarks import Remarks
from synapse_capgroups.storage.database import Database


@attrs.frozen
class ConciergeParts:
    """What other packages use of this one. Each of their classes gets the parts that it needs.

    Attributes:
        notices: what is told to people who have not asked; none in a trial.
    """

    chats: ConciergeChats
    guard: ChatGuard
    care: ChatCare
    account: ConciergeAccount
    hears: Concierge
    notices: tuple[ModeratorNotices | RefusalNotices | OwnerPostman | NewsTelling, ...]


def assemble_concierge(
    api: ModuleApi,
    database: Database,
    scope: Scope,
    limits: RateLimits,
    deeds: Deeds,
    bell: Bell,
    config: Config,
) -> ConciergeParts:
    """Make the parts.

    Args:
        bell: rings when there is somebody to be told of a request.
    """
    config = SpokenConfig.of(config)
    enforce, words = config.enforce, config.words
    chats = ConciergeChats(api, database, limits, scope.concierge, words)
    front_door = FrontDoor(api, database, scope, chats, words)
    who = WhoIsWho(api, Remarks(api), words)
    newcomers = Newcomers(api, who, words)
    to_moderators = ModeratorNotices(api, database, chats, newcomers, Moderators(config))
    to_refused = RefusalNotices(api, database, chats, newcomers, words)
    if enforce:
        bell.asked = to_moderators.tell_soon
        bell.refused = to_refused.tell_soon
    reports = AnnouncementReports(deeds.announcing.announced, chats, words)
    deeds.announcing.postman.report_to(reports.report)
    deeds.adopting.tell_by(AdoptionNotices(chats).tell)
    moving = Moving(api, database, chats, deeds.codes.closing, deeds.series.tending)
    to_owners = OwnerPostman(api, database, chats)
    deeds.helpdesk.mail.written = to_owners.begin
    writing = NewsWriting(api, database, newcomers, who, config)
    news = NewsTelling(api, database, chats, NewsFinding(api, database, config), writing)
    commands = all_commands(api, database, chats, deeds, newcomers, config)
    return ConciergeParts(
        chats=chats,
        guard=ChatGuard(scope, chats, front_door, deeds.series.tending, enforce=enforce),
        care=ChatCare(api, database, scope, chats, moving if enforce else None),
        account=ConciergeAccount(api, database, scope.concierge, enforce=enforce),
        hears=Concierge(api, chats, limits, commands, config),
        notices=(to_moderators, to_refused, to_owners, news) if enforce else (),
    )
