"""The join page in a real browser, with a stand-in for the API that it asks.

The page is served as Synapse serves it, below `/_synapse/client/capgroups/`. The stand-in answers
a code with what a test has put under that code, and notes what it was asked.
"""

# mypy: allow-untyped-calls
# Most of twisted.web has no types.

import base64
import itertools
import json
import shutil
import struct
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from twisted.internet.selectreactor import SelectReactor
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from synapse_capgroups.config import Config
from synapse_capgroups.web.join_page import JoinPage
from synapse_capgroups.web.sign_up import Offer

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/26.0 Safari/605"
ANDROID = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0"
DOOR = "#j-abc:server.name"
EXPIRES_AT = 1796043600000  # 30 November 2026, 14:00 in Berlin.

Reply = tuple[int, Any]
"""The stand-in's: status and body."""

TRY_LATER: Reply = (429, {"errcode": "M_LIMIT_EXCEEDED", "error": "Wait.", "retry_after_ms": 500})
UNKNOWN: Reply = (404, {"errcode": "M_NOT_FOUND", "error": "No such code."})


def alive(**changes: Any) -> Reply:
    return 200, {
        "state": "alive",
        "group": {"name": "Garden neighbours", "topic": "Seeds, tools and slugs", "avatar": None},
        "members": 64,
        "cap": 500,
        "code_limit": 100,
        "sharer": "Anna",
        "expires_at": EXPIRES_AT,
        "door": DOOR,
        **changes,
    }


def dead(state: str, **changes: Any) -> Reply:
    group = {"name": "Garden neighbours", "avatar": None}
    return 200, {"state": state, "group": group, "sharer": "Anna", **changes}


def picture() -> str:
    """A PNG of one orange pixel, as a data URL."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\x00\xff\xa0\x20")),
        (b"IEND", b""),
    ]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


class Preview(Resource):
    """Stands in for `POST v1/codes/preview`."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, list[Reply]] = {}
        """By code, one after the other; the last one stays."""
        self.asked: list[str] = []

    def render_POST(self, request: Request) -> bytes:
        assert request.content is not None
        secret = json.load(request.content)["secret"]
        self.asked.append(secret)
        answers = self.answers.get(secret, [UNKNOWN])
        status, body = answers.pop(0) if len(answers) > 1 else answers[0]
        request.setResponseCode(status)
        return body.encode() if isinstance(body, str) else json.dumps(body).encode()


class Served:
    """The page and the stand-in, on a port of their own."""

    def __init__(self, address: str, preview: Preview) -> None:
        self.address = address
        self.preview = preview
        self.join = f"http://{address}/_synapse/client/capgroups/join"
        self._numbers = itertools.count(1)

    def code(self, *answers: Reply) -> str:
        """The link of a new code that is answered like this."""
        secret = f"secret-{next(self._numbers)}"
        self.preview.answers[secret] = list(answers)
        return f"{self.join}#{secret}"

    def get(self, path: str, method: str = "GET", **headers: str) -> HTTPResponse:
        """Ask for a path below `/_synapse/client/capgroups/` without a browser."""
        connection = HTTPConnection(self.address, timeout=5)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, f"/_synapse/client/capgroups/{path}", headers=named)
        return connection.getresponse()


def _folder(parent: Resource, name: str, child: Resource | None = None) -> Resource:
    child = child or Resource()
    # mypy does not know zope.interface, by which a Resource is an IResource.
    parent.putChild(name.encode(), child)  # type: ignore[arg-type]
    return child


@contextmanager
def site(
    server_name: str = "server.name",
    config: Mapping[str, Any] | None = None,
    offer: Offer = Offer("page", "https://sign.up.example/"),  # noqa: B008, it is frozen
) -> Iterator[Served]:
    """The page of a server.

    Args:
        config: the module's, as in YAML.
        offer: how one gets an account.
    """
    own = {"codes": {"element_url": "https://element.example/"}}
    root, preview = Resource(), Preview()
    capgroups = _folder(_folder(_folder(root, "_synapse"), "client"), "capgroups")
    page = JoinPage(server_name, Config.from_yaml({**own, **(config or {})}), lambda: offer)
    _folder(capgroups, "join", page)
    _folder(_folder(_folder(capgroups, "v1"), "codes"), "preview", preview)
    # A reactor of its own: the process's one may be another test's.
    reactor = SelectReactor()
    port = reactor.listenTCP(0, Site(root, reactor=reactor), interface="127.0.0.1")
    thread = threading.Thread(target=reactor.run, args=(False,), daemon=True)
    thread.start()
    try:
        yield Served(f"127.0.0.1:{port.getHost().port}", preview)
    finally:
        reactor.callFromThread(reactor.stop)
        thread.join(10)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; skips the test where there is none."""
    if CHROMIUM is None:
        pytest.skip("no browser: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Phone:
    """Opens links, each in a browser profile of its own."""

    def __init__(self, browser: Browser, served: Served) -> None:
        self.served = served
        self.requested: list[tuple[str, str | None]] = []
        """URL and referrer of all that was ever requested."""
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._complaints: list[str] = []

    def scan(self, *answers: Reply, **options: Any) -> Page:
        """Scan a new code that the server answers like this."""
        return self.open(self.served.code(*answers), **options)

    def open(
        self, link: str, width: int = 360, height: int = 740, script: str = "", **options: Any
    ) -> Page:
        """
        Args:
            script: what is run before the page's own script.
            options: what Playwright's `new_context` takes.
        """
        self._contexts.append(
            self._browser.new_context(
                viewport={"width": width, "height": height},
                timezone_id="Europe/Berlin",
                **{"locale": "en-GB", **options},
            )
        )
        page = self._contexts[-1].new_page()
        page.add_init_script(script)
        page.set_default_timeout(5000)
        page.on("request", lambda r: self.requested.append((r.url, r.headers.get("referer"))))
        page.on("pageerror", lambda error: self._complaints.append(str(error)))
        page.on("console", lambda message: self._complaints.append(message.text))
        page.goto(link)
        if options.get("java_script_enabled", True):
            page.wait_for_selector("main[data-state]:not([data-state=checking])")
        return page

    def close(self) -> None:
        """Close all that was opened, and see that no page threw or broke its own policy."""
        for context in self._contexts:
            context.close()
        # Answers with an error are what some tests are about.
        assert [c for c in self._complaints if not c.startswith("Failed to load resource")] == []


def title(page: Page) -> str:
    return page.get_by_role("heading", level=1).inner_text()


def text(page: Page) -> str:
    """What can be seen of the page, without the marks that hold names in their direction."""
    return page.locator("main").inner_text().replace("\u2068", "").replace("\u2069", "")


def flaws(page: Page) -> Any:
    """What keeps people with a disability from using the page, as far as axe can tell."""
    return Axe().run(page).response["violations"]


def overflow(page: Page, width: int) -> Any:
    """By how many pixels the page is wider than a screen of this width."""
    page.set_viewport_size({"width": width, "height": 740})
    html = "document.documentElement"
    return page.evaluate(f"{html}.scrollWidth - {html}.clientWidth")
