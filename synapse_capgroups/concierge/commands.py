"""Everything that people can ask the concierge for, by the word that asks for it."""

from synapse.module_api import ModuleApi

from synapse_capgroups.concierge.announcement_commands import AnnouncementCommands
from synapse_capgroups.concierge.asking import Answer, Asked
from synapse_capgroups.concierge.chats import ConciergeChats
from synapse_capgroups.concierge.code_commands import CodeCommands
from synapse_capgroups.concierge.console_commands import ConsoleCommands
from synapse_capgroups.concierge.forwarding import Forwarding
from synapse_capgroups.concierge.group_commands import GroupCommands
from synapse_capgroups.concierge.meaning import GroupsMeant
from synapse_capgroups.concierge.newcomers import Newcomers
from synapse_capgroups.concierge.people_commands import PeopleCommands
from synapse_capgroups.concierge.picture_messages import PictureMessages
from synapse_capgroups.concierge.quiet_commands import QuietCommands
from synapse_capgroups.concierge.request_commands import RequestCommands
from synapse_capgroups.concierge.series_codes import SeriesCodes
from synapse_capgroups.concierge.series_commands import (
    SeriesCommands,
    SeriesMeant,
    SeriesReading,
)
from synapse_capgroups.concierge.series_deeds import SeriesDeeds
from synapse_capgroups.concierge.understanding import about
from synapse_capgroups.concierge.who_is_who import WhoIsWho
from synapse_capgroups.config import Config
from synapse_capgroups.deeds import Deeds
from synapse_capgroups.people.remarks import Remarks
from synapse_capgroups.storage.database import Database


def all_commands(
    api: ModuleApi,
    database: Database,
    chats: ConciergeChats,
    deeds: Deeds,
    newcomers: Newcomers,
    config: Config,
) -> dict[str, Answer]:
    """The commands of all nouns, by their words."""
    words = config.words
    remarks = Remarks(api)
    members = deeds.members
    groups = GroupsMeant(members, words)
    who = WhoIsWho(api, remarks, words)
    sharing, series = deeds.codes.sharing, deeds.series
    messages = PictureMessages(api, chats, deeds.codes.pictures)
    live_codes = SeriesCodes(deeds.codes.live, messages, config)
    meant = SeriesMeant(series, words)
    series_commands = SeriesCommands(
        meant,
        SeriesReading(series, who, words),
        SeriesDeeds(series, groups, live_codes, words, api.server_name),
        words,
    )
    announcements = AnnouncementCommands(
        deeds.announcing, meant, Forwarding(database), config
    ).answers()
    answers = {
        **GroupCommands(members, sharing, groups, who, config).answers(),
        **CodeCommands(sharing, groups, messages, who, config).answers(),
        **RequestCommands(deeds.requests, groups, newcomers, who, words).answers(),
        **series_commands.answers(),
        **PeopleCommands(remarks, words).answers(),
        **QuietCommands(database, words).answers(),
        **ConsoleCommands(api, deeds.consoles, chats.user_id, words).answers(),
    }
    both = {
        word: _alone_or_about(announcements[word], answers[word])
        for word in announcements.keys() & answers.keys()
    }
    return {**answers, **announcements, **both}


def _alone_or_about(alone: Answer, of_something: Answer) -> Answer:
    """What a word means by itself, and what it means if something follows it.

    `yes` confirms an announcement, and `yes 1234` is about a request.
    """

    async def answer(asked: Asked) -> str:
        return await (of_something if about(asked.rest) else alone)(asked)

    return answer
