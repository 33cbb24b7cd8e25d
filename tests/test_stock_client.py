"""What people do with a printed code and an app that knows nothing of this module."""

import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, BrowserContext

from synapse_capgroups.demo.person import Person, expect
from synapse_capgroups.demo.story import read_picture
from tests.browser import chromium
from tests.conftest import API, Server, Starter
from tests.stock_client import Client, hydrogen

pytestmark = [pytest.mark.stock_client, pytest.mark.long(1)]

PATIENCE_MS = 60_000
PICNIC = "The picnic is on Sunday at three."


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if shutil.which("npm") is None:
        pytest.skip("no npm: apt-get install npm")
    with hydrogen(tmp_path_factory.mktemp("client") / "hydrogen") as served:
        yield served


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def server(start: Starter) -> Server:
    return start(module={})


Devices = Callable[[Person], Client]


@pytest.fixture
def device_of(browser: Browser, address: str, server: Server) -> Iterator[Devices]:
    """Gives a person a device with a browser of its own, and logs them in."""
    contexts: list[BrowserContext] = []

    def give(person: Person) -> Client:
        context = browser.new_context(
            viewport={"width": 1000, "height": 760},
            locale="en-GB",
            permissions=["clipboard-read", "clipboard-write"],
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        client = Client(context.new_page())
        client.log_in(address, server.homeserver.url, person)
        return client

    yield give
    for context in contexts:
        context.close()


def called(person: Person) -> str:
    """What others read of a person without a display name."""
    return person.user_id[1:].partition(":")[0]


def live_code(server: Server, organiser: Person, name: str) -> dict[str, Any]:
    """The live code of a series with one place in each group, and its first group."""
    first = organiser.new_room(name=f"{name} 1")
    wish = {"room_id": first, "name": name.lower(), "pattern": f"{name} {{n}}", "fill": 1}
    series = expect(organiser.call("POST", f"{API}/series", wish)).body["series_id"]
    code = expect(organiser.call("POST", f"{API}/series/{series}/codes", {})).body
    path = f"{API}/series/{series}/codes/{code['code_id']}/qr.png"
    return {**code, "first": first, "picture": expect(organiser.call("GET", path)).picture}


def scan(client: Client, code: dict[str, Any], *says: str) -> None:
    """Scan the printed code, read the page that it opens, and copy the address there."""
    page = client.page.context.new_page()
    page.goto(read_picture(code["picture"]))
    for text in says:
        page.get_by_text(text).wait_for()
    client.tap(page.get_by_text("Other ways"))
    client.tap(page.get_by_role("button", name="Copy address"))
    page.get_by_text("Copied").wait_for()
    page.close()


def test_a_stranger_scans_a_live_code_lands_in_group_2_and_reads_what_is_announced(
    server: Server, device_of: Devices
) -> None:
    marta, early, nils = server.people(3)
    code = live_code(server, marta, "Tea")
    expect(server.scan(early, code))

    client = device_of(nils)
    scan(client, code, "Tea 2", "Group 2 of 20: 0 of 1 places are taken")
    client.join()
    client.message("You are in the group. Open it in your list of chats.").wait_for()
    client.open_room("Tea 2")
    client.page.get_by_text(f"{called(nils)} joined the room").wait_for()
    assert client.names() == ["Join Tea", "Tea 2"]
    assert (client.taps, client.typed) == (8, 0)

    hers = device_of(marta)
    hers.open_chat("Groups")
    hers.say(f"announce tea {PICNIC}")
    hers.message("Write “yes” to send it").wait_for()
    hers.say("yes")
    hers.message("was delivered to 3 of 3 groups").wait_for()
    said = client.message(PICNIC)
    said.wait_for()
    assert called(marta) in said.inner_text()


def test_a_stranger_asks_and_is_in_the_group_once_a_moderator_has_said_yes(
    server: Server, device_of: Devices
) -> None:
    marta, nils = server.people(2)
    code = live_code(server, marta, "Coffee")
    path = f"{API}/groups/{quote(code['first'])}/approval"
    expect(marta.call("PUT", path, {"on": True}))
    hers = device_of(marta)
    hers.open_chat("Groups")

    client = device_of(nils)
    scan(
        client,
        code,
        "Coffee 1",
        "asked before you come in. Until then, your app may say that you are not invited.",
    )
    client.join()
    # Hydrogen says so of whatever a server forbids, and so the page says it beforehand.
    client.page.get_by_text("You are not invited to join").wait_for()
    # By a link it shows the server's own sentence, and the person waits on.
    client.follow_link_to(server.door(code))
    client.tap(client.page.get_by_role("button", name="Join room"))
    client.page.get_by_text("Your request waits for a moderator's answer.").wait_for()
    assert client.names() == []

    asked = hers.message(f"({nils.user_id}) asks to join Coffee 1")
    asked.wait_for()
    found = re.search(r"“(yes [0-9]+)”", asked.inner_text())
    assert found, asked.inner_text()
    hers.say(found[1])
    client.open_room("Coffee 1")
    client.page.get_by_text(f"{called(nils)} joined the room").wait_for()
    client.say("Hello!")
    client.message("Hello!").wait_for()
