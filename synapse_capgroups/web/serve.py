"""Puts the join page, the HTTP API and the health route where Synapse serves them."""

from synapse.module_api import ModuleApi

from synapse_capgroups.config import Config
from synapse_capgroups.deeds import Deeds
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.people.remarks import Remarks
from synapse_capgroups.storage.database import Database
from synapse_capgroups.web.adoption_calls import AdoptionCalls
from synapse_capgroups.web.announcement_calls import AnnouncementCalls
from synapse_capgroups.web.api import Api
from synapse_capgroups.web.assignment_calls import AssignmentCalls
from synapse_capgroups.web.avatars import Avatars
from synapse_capgroups.web.calls import PREFIX, Callers
from synapse_capgroups.web.code_calls import CodeCalls
from synapse_capgroups.web.code_desk_calls import CodeDeskCalls
from synapse_capgroups.web.console_page import ConsolePage, origin
from synapse_capgroups.web.forget_call import ForgetCall
from synapse_capgroups.web.group_calls import GroupCalls
from synapse_capgroups.web.health import Health
from synapse_capgroups.web.join_page import JoinPage
from synapse_capgroups.web.live_code_calls import LiveCodeCalls
from synapse_capgroups.web.owner_mail_calls import OwnerMailCalls
from synapse_capgroups.web.personal_code_calls import PersonalCodeCalls
from synapse_capgroups.web.preview_call import PreviewCall
from synapse_capgroups.web.remark_calls import RemarkCalls
from synapse_capgroups.web.renaming_call import RenamingCall
from synapse_capgroups.web.report_calls import ReportCalls
from synapse_capgroups.web.request_calls import RequestCalls
from synapse_capgroups.web.series_calls import SeriesCalls
from synapse_capgroups.web.session_calls import SessionCalls
from synapse_capgroups.web.sign_up import SignUp
from synapse_capgroups.web.view_calls import ViewCalls


def serve(
    api: ModuleApi,
    database: Database,
    limits: RateLimits,
    deeds: Deeds,
    config: Config,
) -> None:
    """Register all of them on every HTTP listener of this process."""
    members, codes, series = deeds.members, deeds.codes, deeds.series
    callers = Callers(api, limits, members, deeds.consoles)
    http_api = Api(
        config.words,
        PreviewCall(api, limits, codes.previews, config),
        GroupCalls(callers, members, Avatars(api)),
        ViewCalls(callers, codes.sharing, deeds.views),
        CodeCalls(callers, codes.sharing, codes.pictures, config),
        PersonalCodeCalls(callers, codes.sharing, codes.pictures, config),
        RemarkCalls(callers, Remarks(api), config.words),
        RequestCalls(api, callers, limits, deeds.requests),
        SeriesCalls(callers, members, series),
        AnnouncementCalls(callers, deeds.announcing, config),
        AssignmentCalls(api, callers, series.organisers, deeds.assigning, config.words),
        LiveCodeCalls(callers, series.organisers, codes.live, codes.live_pictures, config),
        ForgetCall(api, callers, deeds.helpdesk.forgetting),
        CodeDeskCalls(api, callers, deeds.helpdesk.codes),
        OwnerMailCalls(callers, deeds.helpdesk.mail),
        RenamingCall(callers, deeds.helpdesk.renaming),
        AdoptionCalls(api, callers, deeds.adopting),
        ReportCalls(api, callers, deeds.reports),
        SessionCalls(api, callers, limits, deeds.consoles, config.words),
    )
    api.register_web_resource(PREFIX, http_api)
    page = JoinPage(api.server_name, config, SignUp(api, config).offer)
    api.register_web_resource("/_synapse/client/capgroups/join", page)
    me = api.get_qualified_user_id(config.concierge)
    api.register_web_resource(
        "/_synapse/client/capgroups/console", ConsolePage(api.server_name, me)
    )
    # Beside it, so that the page finds its scripts and the calls by the same names.
    widget = ConsolePage(api.server_name, me, origin(config.codes.element_url))
    api.register_web_resource("/_synapse/client/capgroups/widget", widget)
    api.register_web_resource("/_synapse/client/capgroups/health", Health(api, database))
