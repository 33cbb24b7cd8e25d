"""The console: a page from which people run their groups, with the module's own calls alone.

The page is the same for everybody but for its language. What it shows, its scripts ask for with the
token of a session (`session_calls`).
"""

# mypy: allow-untyped-calls
# Most of twisted.web has no types.

import html
import json
from string import Template
from urllib.parse import urlsplit

from twisted.web.server import Request

from synapse_capgroups.web.static_files import Asset, Secured, static
from synapse_capgroups.words.languages import LANGUAGES, browser_language
from synapse_capgroups.words.lookup import in_language

_SCRIPTS = (
    "console.js", "console_api.js", "console_codes.js", "console_dom.js", "console_groups.js",
    "console_me.js", "console_pictures.js", "console_series.js", "console_server.js",
    "console_widget.js",
)  # fmt: skip


class ConsolePage(Secured):
    """`/console` and, below it, its scripts and its style."""

    def __init__(self, server_name: str, concierge: str, client: str | None = None) -> None:
        """
        Args:
            concierge: its Matrix ID.
            client: the origin of the client that shows it as a widget; none may otherwise.
        """
        super().__init__(client)
        template = Template(static("console.html").decode())
        data = {"server": server_name, "concierge": concierge, "client": client}
        self._pages = {lang: _page(template, lang, data) for lang in LANGUAGES}
        for name in _SCRIPTS:
            # mypy does not know zope.interface, by which a Resource is an IResource.
            self.putChild(name.encode(), Asset(name, "text/javascript"))  # type: ignore[arg-type]
        self.putChild(b"console.css", Asset("console.css", "text/css"))  # type: ignore[arg-type]

    def render_GET(self, request: Request) -> bytes:
        lang = browser_language(request.getHeader("Accept-Language") or "")
        request.setHeader("Content-Type", "text/html; charset=utf-8")
        request.setHeader("Content-Language", lang)
        request.setHeader("Vary", "Accept-Language")
        request.setHeader("Cache-Control", "no-store")
        return self._pages[lang]


def origin(address: str) -> str:
    """The origin of a page: what a browser compares when one page talks to another."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _page(template: Template, lang: str, about: dict[str, str | None]) -> bytes:
    words = in_language(lang).console()
    data = json.dumps({**about, "words": words}, ensure_ascii=False)
    return template.substitute(
        {key: html.escape(value) for key, value in words.items() if isinstance(value, str)},
        lang=lang,
        # Nothing in the data can end the <script> around it.
        data=data.replace("<", r"\u003c"),
    ).encode()
