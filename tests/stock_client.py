"""Hydrogen, the web client of Element's makers: an app that knows nothing of the module.

npm brings its published library and views, of the version and with the checksums that
`hydrogen/package-lock.json` names. `hydrogen/main.js` puts them together as Hydrogen itself does.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import attrs
from playwright.sync_api import Locator, Page

from synapse_capgroups.demo.person import Person
from tests.npm_site import build, serve

_SOURCE = Path(__file__).parent / "hydrogen"


@attrs.define
class Client:
    """Hydrogen in a tab of a browser, and somebody's hands: they tap, type and paste.

    Attributes:
        taps: how often they tapped, counted since the login.
        typed: how many characters they typed since then.
    """

    page: Page
    taps: int = 0
    typed: int = 0

    def log_in(self, address: str, homeserver: str, who: Person) -> None:
        """Open the client and log in with a password."""
        self.page.goto(f"{address}?server={homeserver}#/login")
        self.page.locator("#username").fill(who.user_id)
        self.page.locator("#password").fill(who.password)
        self.page.get_by_role("button", name="Log In", exact=True).click()
        self.page.locator(".SessionView").wait_for()

    def tap(self, what: Locator) -> None:
        what.click()
        self.taps += 1

    def type(self, where: Locator, text: str) -> None:
        where.press_sequentially(text)
        self.typed += len(text)

    def paste(self, where: Locator) -> None:
        """Paste what is in the clipboard, with a tap and a tap on "Paste"."""
        where.click()
        where.press("Control+V")
        self.taps += 2

    def names(self) -> list[str]:
        """What the list has."""
        return sorted(self.page.locator(".RoomList .name").all_inner_texts())

    def open_room(self, name: str) -> None:
        self.tap(
            self.page.locator(".RoomList li").filter(has=self.page.get_by_text(name, exact=True))
        )

    def open_chat(self, name: str) -> None:
        """Accept an invitation to a chat."""
        self.open_room(name)
        self.tap(self.page.get_by_role("button", name="Accept"))
        self.page.locator(".MessageComposer textarea").wait_for()

    def follow_link_to(self, address: str) -> None:
        """Open a room that the person is not in, as a link in this client does."""
        session = "location.hash.split('/').slice(0, 3).join('/')"
        path = f"/room/{quote(address, safe='')}"
        self.page.evaluate(f"path => {{ location.hash = {session} + path }}", path)
        self.taps += 1

    def join(self) -> None:
        """Join the room whose address is in the clipboard."""
        self.tap(self.page.get_by_role("button", name="Create room"))
        self.tap(self.page.get_by_text("Join Room", exact=True))
        self.paste(self.page.get_by_placeholder("Enter a room id or alias"))
        self.tap(self.page.get_by_role("button", name="Join", exact=True))

    def say(self, text: str) -> None:
        """Write a message into the room that is open."""
        box = self.page.locator(".MessageComposer textarea")
        self.type(box, text)
        box.press("Enter")
        self.typed += 1

    def message(self, text: str) -> Locator:
        """A message in the room that is open, by a part of its text."""
        return self.page.locator(".Timeline_message").filter(has_text=text).last


@contextmanager
def hydrogen(folder: Path) -> Iterator[str]:
    """Hydrogen, fetched into this folder, at an address of this computer's.

    Raises:
        CalledProcessError: npm could not get it, or got something else.
    """
    site = build(_SOURCE, folder, "--external:fs", "--external:path", "--external:crypto")
    package = folder / "node_modules/hydrogen-view-sdk"
    shutil.copytree(package / "asset-build/assets", site / "assets")
    shutil.copy(package / "lib-build/sw.js", site)
    with serve(site) as address:
        yield address
