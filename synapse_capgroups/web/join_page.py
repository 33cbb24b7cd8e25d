"""The page behind a QR code: it says what the code opens and sends people to a Matrix client.

The code is in the link's fragment, which browsers never send. So the page depends only on its
language, and join.js asks for the code and shows it.
"""

# mypy: allow-untyped-calls
# Most of twisted.web has no types.

import html
import json
from collections.abc import Callable
from string import Template
from typing import Any
from urllib.parse import quote

import attrs
from twisted.web.server import Request

from synapse_capgroups.config import Config
from synapse_capgroups.web.sign_up import Offer, is_own_element
from synapse_capgroups.web.static_files import Asset, Secured, static
from synapse_capgroups.words.languages import LANGUAGES, browser_language
from synapse_capgroups.words.lookup import in_language


class JoinPage(Secured):
    """`/join` and, below it, its script and its style."""

    def __init__(self, server_name: str, config: Config, offer: Callable[[], Offer]) -> None:
        """
        Args:
            server_name: the homeserver's name, as in `#door:server.name`.
            offer: says how somebody gets an account, whenever it is asked.
        """
        super().__init__()
        self._server_name = server_name
        self._facts = _facts(server_name, config)
        self._offer = offer
        self._pages: dict[str, bytes] = {}
        self._offered: Offer | None = None
        for name, content_type in (("join.js", "text/javascript"), ("join.css", "text/css")):
            # mypy does not know zope.interface, by which a Resource is an IResource.
            self.putChild(name.encode(), Asset(name, content_type))  # type: ignore[arg-type]

    def render_GET(self, request: Request) -> bytes:
        lang = browser_language(request.getHeader("Accept-Language") or "")
        request.setHeader("Content-Type", "text/html; charset=utf-8")
        request.setHeader("Content-Language", lang)
        request.setHeader("Vary", "Accept-Language")
        request.setHeader("Cache-Control", "no-store")
        offer = self._offer()
        if offer != self._offered:
            facts = {**self._facts, "accounts": attrs.asdict(offer)}
            template = Template(static("join.html").decode())
            self._pages = {
                lang: _page(template, lang, self._server_name, facts) for lang in LANGUAGES
            }
            self._offered = offer
        return self._pages[lang]


def _facts(server_name: str, config: Config) -> dict[str, Any]:
    """What the page's script knows of this server, beside its words."""
    element = config.codes.element_url.rstrip("/")
    return {
        "server": server_name,
        "element_url": element,
        "element_is_own": is_own_element(element),
        "apps": [
            {**attrs.asdict(app), "url": app.url.replace("{server}", quote(server_name))}
            for app in config.join_page.apps
        ],
        "made_up_names": config.names.on_arrival == "pseudonym",
    }


def _page(template: Template, lang: str, server_name: str, facts: dict[str, Any]) -> bytes:
    words = in_language(lang).page()
    data = json.dumps({**facts, "words": words}, ensure_ascii=False)
    return template.substitute(
        {key: html.escape(value) for key, value in words.items()},
        lang=lang,
        server_name=html.escape(server_name),
        # Nothing in the data can end the <script> around it.
        data=data.replace("<", r"\u003c"),
    ).encode()
