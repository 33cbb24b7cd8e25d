"""Everything that people can ask the concierge for, by the word that asks for it."""

from synapse.module_api import ModuleApi

from synapse_capgroups.codes.assembly import CodeParts
from synapse_capgroups.concierge.asking import Answer
from synapse_capgroups.concierge.chats import ConciergeChats
from synapse_capgroups.concierge.code_commands import CodeCommands
from synapse_capgroups.concierge.group_commands import GroupCommands
from synapse_capgroups.concierge.meaning import GroupsMeant
from synapse_capgroups.concierge.newcomers import Newcomers
from synapse_capgroups.concierge.people_commands import PeopleCommands
from synapse_capgroups.concierge.picture_messages import PictureMessages
from synapse_capgroups.concierge.request_commands import RequestCommands
from synapse_capgroups.concierge.who_is_who import WhoIsWho
from synapse_capgroups.config import Config
from synapse_capgroups.groups.members import Members
from synapse_capgroups.people.remarks import Remarks
from synapse_capgroups.requests.assembly import RequestParts


def all_commands(
    api: ModuleApi,
    chats: ConciergeChats,
    members: Members,
    codes: CodeParts,
    requests: RequestParts,
    newcomers: Newcomers,
    config: Config,
) -> dict[str, Answer]:
    """The commands of all nouns, by their words."""
    words = config.words
    remarks = Remarks(api)
    groups = GroupsMeant(members, words)
    who = WhoIsWho(api, remarks, words)
    sharing = codes.sharing
    messages = PictureMessages(api, chats, codes.pictures)
    return {
        **GroupCommands(members, sharing, groups, who, config).answers(),
        **CodeCommands(sharing, groups, messages, who, config).answers(),
        **RequestCommands(requests, groups, newcomers, who, words).answers(),
        **PeopleCommands(remarks, words).answers(),
    }
