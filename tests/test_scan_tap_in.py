"""The whole way on real parts: decode the picture, open the page in a browser, join its address."""

import io
import json
from collections.abc import Iterator

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Browser

from synapse_capgroups.demo.person import expect
from synapse_capgroups.demo.story import read_picture
from tests.browser import chromium
from tests.conftest import API, CODE_LIMIT, Starter, refused


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def test_from_the_picture_to_being_a_member_takes_what_a_phone_does(
    start: Starter, browser: Browser
) -> None:
    server = start(module={"cap": 6, "code_limit": CODE_LIMIT})
    room, people = server.group(2)
    code = server.make_code(room, people[0])
    picture = people[0].code_picture(room, code["code_id"]).picture
    link = read_picture(picture)
    assert link == code["url"]
    assert link.startswith(f"{server.homeserver.url}/_synapse/client/capgroups/join#")

    page = browser.new_page(viewport={"width": 360, "height": 740})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(link)
    page.get_by_text("2 of 6 members").wait_for()
    assert page.get_by_role("heading", name="A group").is_visible()
    address = page.get_by_label("address").input_value()
    assert address == server.door(code)
    assert code["secret"] not in json.dumps([url.partition("#")[0] for url in asked])

    stranger = server.person()
    expect(stranger.join(address))
    assert stranger.user_id in people[0].members(room)

    server.admit(room, people[0], server.person())  # the code limit
    page.reload()
    page.get_by_text("too large").or_(page.get_by_text("friend")).first.wait_for()
    assert page.get_by_label("address").is_hidden()
    assert refused(people[0].make_code(room), "code_closed")
    page.close()
    log = server.homeserver.log.read_text()
    assert "/_synapse/client/capgroups/join" in log
    assert code["secret"] not in log


def test_the_svg_is_for_those_who_print(start: Starter) -> None:
    server = start(module={})
    room, people = server.group(1)
    code = server.make_code(room, people[0])
    path = f"{API}/groups/{room}/codes/{code['code_id']}/qr.svg"
    svg = expect(people[0].call("GET", path)).picture
    assert svg.lstrip().startswith((b"<svg", b"<?xml"))
    png = people[0].code_picture(room, code["code_id"]).picture
    assert zxingcpp.read_barcodes(Image.open(io.BytesIO(png)))[0].text == code["url"]
