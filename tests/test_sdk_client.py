"""From the picture of a QR code to the first line under a name of one's own, with matrix-js-sdk."""

import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from synapse_capgroups.demo.person import Person, expect
from synapse_capgroups.demo.story import read_picture
from tests.browser import IPHONE, chromium
from tests.conftest import Server, Starter
from tests.sdk_client import SdkClient, matrix_js_sdk

pytestmark = [pytest.mark.stock_client, pytest.mark.long(1)]

PATIENCE_MS = 60_000
AppOf = Callable[[Server, Person], SdkClient]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if shutil.which("npm") is None:
        pytest.skip("no npm: apt-get install npm")
    with matrix_js_sdk(tmp_path_factory.mktemp("client") / "js_client") as served:
        yield served


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def app_of(browser: Browser, address: str) -> AppOf:
    """Gives a person an app of their own, and logs them in."""

    def give(server: Server, person: Person) -> SdkClient:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        app = SdkClient(page)
        app.log_in(address, server.homeserver.url, person)
        return app

    return give


def scan(browser: Browser, picture: bytes) -> tuple[str, str]:
    """The links that a phone shows for a picture: to an app, and to matrix.to."""
    page = browser.new_page(user_agent=IPHONE, viewport={"width": 360, "height": 740})
    page.goto(read_picture(picture))
    button = page.get_by_role("link", name="Open in your Matrix app")
    button.wait_for()
    links = [where.get_attribute("href") or "" for where in (button, page.locator("#matrix-to"))]
    page.close()
    return links[0], links[1]


def about(app: SdkClient, room_id: str, who: Person) -> list[tuple[str, str | None]]:
    """How somebody's memberships of a room show in its timeline, each with its reason."""
    return [
        (event["content"]["membership"], event["content"].get("reason"))
        for event in app.timeline(room_id)
        if event["type"] == "m.room.member" and event["about"] == who.user_id
    ]


def links_in(event: dict[str, Any]) -> list[str]:
    return re.findall('href="([^"]*)"', event["content"].get("formatted_body", ""))


def test_from_a_picture_to_the_first_line_under_a_name_of_ones_own(
    start: Starter, browser: Browser, app_of: AppOf
) -> None:
    server = start(module={})
    room, (marta,) = server.group(1)
    code = server.make_code(room, marta)
    nils = server.person()
    app = app_of(server, nils)

    to_app, to_matrix_to = scan(browser, marta.code_picture(room, code["code_id"]).picture)
    assert app.read(to_app)["room"] == app.read(to_matrix_to)["room"] == server.door(code)
    doorway = app.follow(to_app)["room"]
    app.wait_until_joined(room)
    app.wait_until_joined(doorway)
    assert app.rooms()[room] == ("A group", "join")
    assert app.rooms()[doorway] == ("Join A group", "join")
    assert app.memberships(room)[-1] == "join"

    (notice,) = [event for event in app.timeline(doorway) if "body" in event["content"]]
    assert "You are in A group." in notice["content"]["body"]
    (to_group,) = links_in(notice)
    assert app.read(to_group) == {"room": room, "via": [server.homeserver.server_name]}
    assert app.follow(to_group) == {"room": room}  # It is in there, and asks for nothing.

    by = f"by a join code that {marta.user_id[1:].partition(':')[0]} shared"
    assert about(app, room, nils) == [("invite", by), ("join", by)]

    app.rename(room, "Nils of the allotments")
    app.say(room, "Hello, I am new here.")
    line = app.timeline(room)[-1]
    assert (line["from"], line["content"]["body"]) == (
        "Nils of the allotments",
        "Hello, I am new here.",
    )
    assert [re.sub("/_matrix/client/v3/", "", asked).split("/")[0] for asked in app.changing] == [
        "POST join",
        "PUT rooms",
        "PUT rooms",
    ], app.changing


def test_the_sentence_of_a_refusal_reaches_the_app_as_the_servers_own(
    start: Starter, browser: Browser, app_of: AppOf
) -> None:
    server = start(module={"cap": 3, "code_limit": 3})
    room, (marta,) = server.group(1)
    code = server.make_code(room, marta)
    to_app, _ = scan(browser, marta.code_picture(room, code["code_id"]).picture)
    late = server.person()
    expect(marta.invite(room, late))
    for person in server.people(2):
        server.admit(room, marta, person)

    app = app_of(server, late)
    assert app.rooms()[room][1] == "invite"
    at_cap = app.follow(f"https://matrix.to/#/{room}?via={server.homeserver.server_name}")
    assert (at_cap["status"], at_cap["org.capgroups.reason"]) == (403, "full")
    assert "all its 3 members" in at_cap["error"]
    dead = app.follow(to_app)
    assert (dead["status"], dead["org.capgroups.reason"]) == (403, "code_closed")
    assert dead["error"].endswith(".")
    assert [membership for _, membership in app.rooms().values()] == ["invite"]
