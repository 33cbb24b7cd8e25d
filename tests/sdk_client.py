"""matrix-js-sdk, on which Element Web and Cinny are built, in a browser as there.

It is what these apps have below their screens: the SDK's own login, `/sync`, rooms, members,
timelines and `joinRoom`. It is not these apps: no screen of theirs is here, nor how they read a
link (`js_client/main.js` does that), nor encryption. npm brings the version that
`js_client/package-lock.json` names, with its checksum.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
from playwright.sync_api import Page, Request

from synapse_capgroups.demo.person import Person
from tests.npm_site import build, serve

_SOURCE = Path(__file__).parent / "js_client"


@attrs.define
class SdkClient:
    """An app that consists of the SDK, in a tab of a browser.

    Attributes:
        changing: the requests that changed something, as method and path, since the login.
    """

    page: Page
    changing: list[str] = attrs.field(factory=list)

    def log_in(self, address: str, homeserver: str, who: Person) -> None:
        """Start the SDK, log in with a password, and wait for the first `/sync`."""
        self.page.goto(address)
        self.page.wait_for_function("() => window.app")
        self._do("logIn", homeserver, who.user_id, who.password)
        self.page.on("request", lambda request: self._note(request))

    def _note(self, request: Request) -> None:
        path = urlsplit(request.url).path
        # What is to be synced is no change.
        if request.method not in ("GET", "OPTIONS", "HEAD") and not path.endswith("/filter"):
            self.changing.append(f"{request.method} {path}")

    def read(self, link: str) -> dict[str, Any]:
        """The `room` that a link names, and the servers to join it `via`."""
        return dict(self._do("read", link))

    def follow(self, link: str) -> dict[str, Any]:
        """Join what a link names: the `room` then, or the server's answer with its `status`."""
        return dict(self._do("follow", link))

    def rooms(self) -> dict[str, tuple[str, str]]:
        """What the SDK knows: by the room's ID, its name and the person's membership."""
        return {room["id"]: (room["name"], room["membership"]) for room in self._do("rooms")}

    def memberships(self, room_id: str) -> list[str]:
        """Which memberships the SDK told the app of, one after the other."""
        changes = self.page.evaluate("() => app.changes")
        return [membership for changed, membership in changes if changed == room_id]

    def wait_until_joined(self, room_id: str) -> None:
        self.page.wait_for_function(
            """id => app.rooms().some(room => room.id === id && room.membership === "join")""",
            arg=room_id,
        )

    def timeline(self, room_id: str) -> list[dict[str, Any]]:
        """The events that it has to show, with who they are `from` by their names there."""
        return list(self._do("timeline", room_id))

    def rename(self, room_id: str, name: str) -> None:
        """Have another name in one room, as with Element's `/myroomnick`."""
        self._do("rename", room_id, name)
        self.page.wait_for_function("([id, name]) => app.nameIn(id) === name", arg=[room_id, name])

    def say(self, room_id: str, text: str) -> None:
        """Write a message, and wait until `/sync` brings it."""
        self._do("say", room_id, text)
        self.page.wait_for_function(
            """([id, text]) => app.timeline(id).some(
                event => event.content.body === text && !event.sending)""",
            arg=[room_id, text],
        )

    def _do(self, deed: str, *arguments: Any) -> Any:
        return self.page.evaluate("([deed, given]) => app[deed](...given)", [deed, arguments])


@contextmanager
def matrix_js_sdk(folder: Path) -> Iterator[str]:
    """The SDK, fetched into this folder, at an address of this computer's.

    Raises:
        CalledProcessError: npm could not get it, or got something else.
    """
    with serve(build(_SOURCE, folder)) as address:
        yield address
