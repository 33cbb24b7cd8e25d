"""The first hour of a newcomer with the concierge, as it stands in docs/first-hour.md.

`python -m tests.first_hour` writes the answers of a real homeserver into the page; the test of this
name holds the page against one.
"""

import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from synapse_capgroups.demo.homeserver import Homeserver
from synapse_capgroups.demo.person import Person, expect
from tests.test_concierge import invitations

PAGE = Path(__file__).parent.parent / "docs" / "first-hour.md"
GROUP = "Garden neighbours"
CONCIERGE = "Groups"
HOST = "chat.example.com"
_QUOTE = re.compile(r"^> \*\*(?P<who>\w+)\*\*: (?P<text>.*)$")
_PATIENCE = 30
T = TypeVar("T")


def masked(text: str) -> str:
    """A text without what differs from one day, server and code to the next."""
    text = re.sub(r"https?://\S+", "<link>", text)
    text = re.sub(r"\b[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}( [A-Z]+)?", "<time>", text)
    text = re.sub(
        r"\b[0-9]{1,2} \w+ [0-9]{4}(,? (at )?[0-9]{2}:[0-9]{2})?( [A-Z]+)?", "<time>", text
    )
    text = re.sub(r"\b[0-9a-f]{10}\b", "<code>", text)
    text = re.sub(r"\b[1-9][0-9]{3}\b", "<number>", text)
    return re.sub(r"@(\w+):[\w.:]+", r"@\1:<server>", text)


class Hour:
    """Plays it: Marta writes, and what others do happens in between."""

    def __init__(self, server: Homeserver) -> None:
        self._server = server
        self.marta = named(server, "Marta")
        self._room = ""
        self.group = ""
        self._seen = 0

    def happens(self, deed: str) -> list[str]:
        """Let something happen between two lines; returns what the concierge says to it."""
        if deed == "makes":
            self._make()
        else:
            self._scan("Bob" if deed == "scans" else "Dora")
        return [] if deed == "scans" else self._answers()

    def says(self, text: str) -> list[str]:
        """Write to the concierge; returns its answers."""
        number = re.search(r"[1-9][0-9]{3}", text)
        if number:  # Of the request that waits here.
            text = text.replace(number[0], self._request())
        expect(self.marta.send(self._room, text))
        return self._answers()

    def _make(self) -> None:
        self.group = self.marta.new_room(name=GROUP)
        (self._room,) = soon(lambda: invitations(self.marta, chats_only=True))
        expect(self.marta.join(self._room))

    def _scan(self, name: str) -> None:
        secret = re.findall(r"/join#([a-z2-7]{28})", "\n".join(self._texts()))[-1]
        named(self._server, name).join(f"#j-{secret}:{self._server.server_name}")

    def _request(self) -> str:
        path = f"/_synapse/client/capgroups/v1/groups/{quote(self.group)}/requests"
        return str(expect(self.marta.call("GET", path)).body["requests"][0]["number"])

    def _texts(self) -> list[str]:
        path = f"/rooms/{quote(self._room)}/messages?dir=b&limit=100"
        events = expect(self.marta.call("GET", path)).body["chunk"]
        return [
            event["content"]["body"]
            for event in reversed(events)
            if event["type"] == "m.room.message" and event["sender"] != self.marta.user_id
        ]

    def _answers(self) -> list[str]:
        """What is new, once nothing more has come for a moment."""
        soon(lambda: len(self._texts()) > self._seen)
        while True:
            number = len(self._texts())
            time.sleep(1)
            if len(self._texts()) == number:
                break
        new, self._seen = self._texts()[self._seen :], number
        return new


def soon(found: Callable[[], T]) -> T:
    """What is found within half a minute."""
    until = time.monotonic() + _PATIENCE
    while not (result := found()) and time.monotonic() < until:
        time.sleep(0.1)
    assert result
    return result


def named(server: Homeserver, name: str) -> Person:
    person = server.register(name.lower())
    path = f"/profile/{quote(person.user_id)}/displayname"
    expect(person.call("PUT", path, {"displayname": name}))
    return person


def play(page: str, server: Homeserver) -> str:
    """The page with the answers of this homeserver in place of those that stand there."""
    hour = Hour(server)
    blocks: list[str] = []
    for block in page.strip().split("\n\n"):
        match = _QUOTE.match(block.partition("\n")[0])
        if match and match["who"] == CONCIERGE:
            continue
        if match:
            answers = [quoted(answer, server) for answer in hour.says(match["text"])]
            blocks.append("\n>\n".join([match[0], *answers]))
            continue
        blocks.append(block)
        if deed := re.search(r"<!-- (\w+) -->", block):
            blocks += [quoted(answer, server) for answer in hour.happens(deed[1])]
    return "\n\n".join(blocks) + "\n"


def quoted(text: str, server: Homeserver) -> str:
    """An answer as a quotation, with its line breaks, of a server that has a name."""
    text = text.replace(server.url, f"https://{HOST}").replace(f":{server.server_name}", f":{HOST}")
    text = re.sub(r"#[a-z2-7]{28}", "#…", text.replace("<", "&lt;"))
    lines = text.splitlines()
    lines[0] = f"**{CONCIERGE}**: {lines[0]}"
    return "\n".join([*(f"> {line}\\" for line in lines[:-1]), f"> {lines[-1]}"])


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="capgroups-first-hour-") as folder:
        server = Homeserver(Path(folder), {})
        server.start()
        try:
            PAGE.write_text(play(PAGE.read_text(), server))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
