"""The console as a widget, in a page that shows it as Element on the web does."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from playwright.sync_api import Browser, Page, expect

from synapse_capgroups.concierge.console_commands import WIDGET
from synapse_capgroups.demo import person as demo
from tests.browser import chromium, flaws
from tests.conftest import Server, Starter
from tests.npm_site import build, serve
from tests.test_concierge import ENGLISH, Chat

pytestmark = pytest.mark.stock_client


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("npm") is None:
        pytest.skip("no npm: apt-get install npm")
    return build(Path(__file__).parent / "widget_host", tmp_path_factory.mktemp("host") / "site")


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@attrs.frozen
class Shown:
    """A widget in the page of a client."""

    page: Page
    complaints: list[str]

    @property
    def inside(self) -> Any:
        return self.page.frame_locator("iframe")

    def decide(self, *, allowed: bool) -> None:
        self.page.wait_for_function("() => window.host.isAsking()")
        self.page.evaluate("allowed => window.host.decide(allowed)", allowed)


def show(browser: Browser, client: str, server: Server, chat: Chat, content: Any = None) -> Shown:
    content = content or demo.expect(chat.person.state(chat.room, *WIDGET)).body
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(client)
    page.wait_for_function("() => window.host")
    page.evaluate(
        "all => window.host.show(...all)",
        [content, chat.room, server.homeserver.url, chat.person.user_id, chat.person._token],
    )
    return Shown(page, complaints)


def test_the_console_is_a_widget_of_the_chat(browser: Browser, site: Path, start: Starter) -> None:
    with serve(site) as client, serve(site) as elsewhere:
        server = start(module={"codes": {"element_url": client.rstrip("/")}})
        person = server.person()
        room = person.new_room(name="Garden neighbours")
        chat = Chat(person)
        assert chat.ask("console widget") == ENGLISH.say("console_widget")

        shown = show(browser, client, server, chat)
        shown.decide(allowed=True)
        title = shown.inside.get_by_role("heading", name="Garden neighbours")
        title.click()
        expect(shown.inside.get_by_role("heading", name="Join codes")).to_be_visible()
        shown.inside.get_by_text("New code").click()
        shown.inside.get_by_role("button", name="Make a code").click()
        expect(shown.inside.get_by_role("img", name="QR code")).to_be_visible()
        assert len(server.query("SELECT 1 FROM capgroups_codes WHERE room_id = ?", room)) == 1
        assert shown.page.evaluate("() => window.host.asked") == []
        assert [said for said in shown.complaints if "Security Policy" in said] == []
        frame = shown.page.frames[1]
        key = re.search("#widget=(.*)", demo.expect(person.state(chat.room, *WIDGET)).body["url"])
        assert key
        assert key[1] not in frame.evaluate("() => window.location.href")

        refused = show(browser, client, server, chat)
        refused.decide(allowed=False)
        words = "Your app did not say who you are"
        expect(refused.inside.get_by_text(words)).to_be_visible()

        # Somebody else's client shows the same widget.
        other = server.person()
        other.new_room(name="Chess")
        content = demo.expect(person.state(chat.room, *WIDGET)).body
        stranger = show(browser, client, server, Chat(other), content)
        stranger.decide(allowed=True)
        expect(stranger.inside.get_by_text("This widget is not yours")).to_be_visible()

        # Another page than the client's may not show it at all.
        framed = show(browser, elsewhere, server, chat)
        framed.page.wait_for_timeout(2000)
        assert any("frame-ancestors" in said for said in framed.complaints)
        assert not framed.page.evaluate("() => window.host.isAsking()")


def test_outside_a_client_a_widget_is_a_page_that_says_how_to_open_the_console(
    browser: Browser, server: Server
) -> None:
    person = server.person()
    person.new_room(name="Tea")
    chat = Chat(person)
    assert chat.ask("console widget") == ENGLISH.say("console_widget")
    page = browser.new_page()
    page.goto(demo.expect(person.state(chat.room, *WIDGET)).body["url"])
    expect(page.get_by_text("Write “console” to @groups:localhost")).to_be_visible()
    assert flaws(page) == []
