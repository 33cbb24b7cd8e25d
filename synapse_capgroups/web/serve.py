"""Puts the join page and the HTTP API where Synapse serves them."""

from synapse.module_api import ModuleApi

from synapse_capgroups.codes.assembly import CodeParts
from synapse_capgroups.config import Config
from synapse_capgroups.groups.members import Members
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.requests.assembly import RequestParts
from synapse_capgroups.web.api import Api
from synapse_capgroups.web.calls import PREFIX, Callers
from synapse_capgroups.web.code_calls import CodeCalls
from synapse_capgroups.web.group_calls import GroupCalls
from synapse_capgroups.web.join_page import JoinPage
from synapse_capgroups.web.preview_call import PreviewCall
from synapse_capgroups.web.request_calls import RequestCalls


def serve(
    api: ModuleApi,
    limits: RateLimits,
    members: Members,
    codes: CodeParts,
    requests: RequestParts,
    config: Config,
) -> None:
    """Register both on every HTTP listener of this process."""
    callers = Callers(api, limits, members)
    http_api = Api(
        PreviewCall(api, limits, codes.previews, config),
        GroupCalls(callers, members),
        CodeCalls(callers, codes.sharing, codes.pictures, config),
        RequestCalls(callers, requests),
        config.words,
    )
    api.register_web_resource(PREFIX, http_api)
    page = JoinPage(api.server_name, config.codes.element_url)
    api.register_web_resource("/_synapse/client/capgroups/join", page)
