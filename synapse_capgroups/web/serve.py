"""Puts the join page and the HTTP API where Synapse serves them."""

from synapse.module_api import ModuleApi

from synapse_capgroups.web.api import Api
from synapse_capgroups.web.calls import PREFIX
from synapse_capgroups.web.join_page import JoinPage


def serve(api: ModuleApi, http_api: Api, element_url: str) -> None:
    """Register both on every HTTP listener of this process.

    Args:
        element_url: where Element for the web is, `https://app.element.io` for example.
    """
    api.register_web_resource(PREFIX, http_api)
    page = JoinPage(api.server_name, element_url)
    api.register_web_resource("/_synapse/client/capgroups/join", page)
