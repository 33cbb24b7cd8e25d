"""The console in a real browser, with a real homeserver behind it."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from synapse_capgroups.demo import person as demo
from synapse_capgroups.demo.person import Person
from synapse_capgroups.words.languages import LANGUAGES, own_texts
from synapse_capgroups.words.lookup import Words
from tests.browser import chromium, flaws, overflow
from tests.conftest import API, Server, eventually
from tests.test_concierge import Chat
from tests.test_console_sessions import link

HOSTILE = "\u202e<script>document.title='owned'</script><img src=x onerror=alert(1)>"
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


class Console:
    """A browser of somebody's, with the console open."""

    def __init__(self, browser: Browser, server: Server, **options: Any) -> None:
        self.requested: list[str] = []
        self.complaints: list[str] = []
        self._base = f"{server.homeserver.url}/_synapse/client/capgroups/console"
        options = {"viewport": PHONE, "timezone_id": "Europe/Berlin", "locale": "en-GB", **options}
        self._context = browser.new_context(**options)
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(15_000)
        self.page.on("request", lambda request: self.requested.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("dialog", lambda dialog: dialog.accept())

    def open(self, secret: str = "") -> Page:
        """Open a link of the concierge's, or the page without one."""
        self.page.goto("about:blank")
        self.page.goto(f"{self._base}#{secret}")
        self.page.wait_for_selector("h1")
        return self.page

    def close(self) -> None:
        self._context.close()
        # Answers with an error are what some tests are about.
        assert [c for c in self.complaints if not c.startswith("Failed to load resource")] == []


@pytest.fixture
def opened(browser: Browser, server: Server) -> Iterator[Any]:
    consoles = []

    def start(**options: Any) -> Console:
        consoles.append(Console(browser, server, **options))
        return consoles[-1]

    yield start
    for console in consoles:
        console.close()


def organiser(server: Server, name: str = "Garden neighbours") -> tuple[Chat, str]:
    person = server.person()
    room = person.new_room(name=name)
    return Chat(person), room


def text(page: Page) -> str:
    return page.locator("body").inner_text().replace("\u2068", "").replace("\u2069", "")


def test_a_link_opens_the_console_and_is_gone_from_the_address(opened: Any, server: Server) -> None:
    chat, _ = organiser(server)
    console = opened()
    secret = link(chat)
    page = console.open(secret)
    expect(page.get_by_role("heading", level=1)).to_have_text("My groups")
    expect(page.get_by_role("heading", name="Garden neighbours")).to_be_visible()
    assert "1 of 6 members" in text(page)
    assert "null" not in text(page)
    assert secret not in page.url
    assert secret not in page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")
    assert page.context.cookies() == []
    page.reload()
    expect(page.get_by_role("heading", name="Garden neighbours")).to_be_visible()
    other = opened()
    assert "This link works no more." in text(other.open(secret))
    assert "Write “console” to @groups:localhost" in text(other.page)
    # All of it from this server, and the secret in no address.
    for url in console.requested + other.requested:
        assert url.startswith((server.homeserver.url, "data:", "about:"))
        assert secret not in url.partition("#")[0]


def test_a_code_is_made_shown_and_withdrawn(opened: Any, server: Server) -> None:
    chat, room = organiser(server)
    page = opened().open(link(chat))
    page.get_by_role("heading", name="Garden neighbours").click()
    page.get_by_text("New code").click()
    page.get_by_label("Label").fill("poster at the station")
    page.get_by_label("It works for").select_option("2")
    page.get_by_role("button", name="Make a code").click()
    poster = page.get_by_role("dialog")
    expect(poster.get_by_role("img", name="QR code")).to_be_visible()
    assert poster.get_by_role("img").evaluate("image => image.naturalWidth") > 0
    poster.get_by_role("button", name="Close").click()
    (code,) = demo.expect(chat.person.call("GET", f"{API}/groups/{quote(room)}/codes")).body[
        "codes"
    ]
    assert code["label"] == "poster at the station"
    assert code["expires_at"] - code["created_at"] == 2 * 24 * 60 * 60 * 1000
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("0 people came by it · withdrawn")).to_be_visible()
    (code,) = demo.expect(chat.person.call("GET", f"{API}/groups/{quote(room)}/codes")).body[
        "codes"
    ]
    assert code["state"] == "code_revoked"


def codes(person: Person, room: str) -> list[dict[str, Any]]:
    return list(demo.expect(person.call("GET", f"{API}/groups/{quote(room)}/codes")).body["codes"])


def test_requests_are_answered_and_approval_is_turned_on(opened: Any, server: Server) -> None:
    chat, room = organiser(server)
    code = server.make_code(room, chat.person)
    page = opened().open(link(chat))
    page.get_by_role("heading", name="Garden neighbours").click()
    page.get_by_role("switch", name=re.compile("agrees to each newcomer")).check()
    asks = f"{API}/groups/{quote(room)}"
    assert eventually(lambda: demo.expect(chat.person.call("GET", asks)).body["approval"])
    good, bad = server.people(2)
    for person in (good, bad):
        assert server.scan(person, code).reason == "awaiting_approval"
    page.reload()
    row = page.locator(".row", has_text=good.user_id)
    row.get_by_role("button", name="Let in").click()
    expect(page.get_by_text("may come in")).to_be_visible()
    page.locator(".row", has_text=bad.user_id).get_by_role("button", name="Turn down").click()
    expect(page.get_by_text("Nobody waits for an answer.")).to_be_visible()
    assert eventually(lambda: room in joined(good))
    assert room not in joined(bad)


def joined(person: Person) -> list[str]:
    return list(demo.expect(person.call("GET", "/joined_rooms")).body["joined_rooms"])


def test_who_is_in_who_brought_whom_and_how_it_grew(opened: Any, server: Server) -> None:
    chat, room = organiser(server)
    first, second = server.people(2)
    server.admit(room, chat.person, first)
    code = server.make_code(room, chat.person)
    demo.expect(server.scan(second, code))
    demo.expect(second.set_room_name_of_own(room, HOSTILE))
    page = opened().open(link(chat))
    page.get_by_role("heading", name="Garden neighbours").click()
    for part in ("Members", "Who brought whom", "Growth"):
        page.get_by_role("heading", name=part).click()
    expect(page.get_by_text(f"invited by {chat.person.user_id}").first).to_be_hidden()
    expect(page.get_by_role("img", name=re.compile("3 members in the end"))).to_be_visible()
    assert f"invited by {chat.person.user_id} on" in text(page)
    assert f"by a code of {chat.person.user_id} on" in text(page)
    expect(page.locator(".tree")).to_contain_text("(brought 2)")
    assert "<script>" in text(page)
    assert page.title() != "owned"


def test_somebody_chooses_a_name_and_a_member_sees_no_more_than_that(
    opened: Any, server: Server
) -> None:
    chat, room = organiser(server)
    member = server.person()
    server.admit(room, chat.person, member)
    member.new_room(name="Mine")
    page = opened().open(link(Chat(member)))
    page.get_by_role("heading", name="Garden neighbours").click()
    expect(page.get_by_text("Who may make join codes here sees more")).to_be_visible()
    assert page.get_by_role("heading", name="Members").count() == 0
    page.get_by_label("Name (empty: as everywhere)").fill("Uncle Bob")
    page.get_by_role("button", name="Keep this name").click()
    expect(page.get_by_text("The name is kept.")).to_be_visible()
    own = demo.expect(member.call("GET", f"{API}/groups/{quote(room)}")).body
    assert own["name"] == "Uncle Bob"


def test_a_series_is_looked_at_and_an_announcement_sent(opened: Any, server: Server) -> None:
    chat, room = organiser(server, "Tea 1")
    wish = {"room_id": room, "name": "tea", "pattern": "Tea {n}"}
    demo.expect(chat.person.call("POST", f"{API}/series", wish))
    page = opened().open(link(chat))
    page.get_by_role("link", name="Series").click()
    page.get_by_role("heading", name="tea", exact=True).click()
    expect(page.get_by_text("0 of 3 places are taken")).to_be_visible()
    page.get_by_text("New announcement").click()
    page.get_by_label("Text").fill("The picnic is on Sunday")
    page.get_by_role("button", name="Look at it first").click()
    expect(page.get_by_text("reached 1 of 1 groups")).to_be_visible(timeout=60_000)
    messages = f"/rooms/{quote(room)}/messages?dir=b&limit=20"

    def is_there() -> bool:
        events = demo.expect(chat.person.call("GET", messages)).body["chunk"]
        return any(e["content"].get("body") == "The picnic is on Sunday" for e in events)

    assert eventually(is_there)
    page.get_by_role("heading", name="Who came, and by what").click()
    expect(page.get_by_text("Members: 1. Groups: 1.")).to_be_visible()


def test_people_are_put_into_groups_by_a_table(opened: Any, server: Server) -> None:
    chat, room = organiser(server, "Tea 1")
    wish = {"room_id": room, "name": "tea", "pattern": "Tea {n}"}
    demo.expect(chat.person.call("POST", f"{API}/series", wish))
    people = server.people(2)
    table = "user,city\n" + "".join(f"{person.user_id},Ulm\n" for person in people) + "nobody,Ulm\n"
    page = opened().open(link(chat))
    page.get_by_role("link", name="Series").click()
    page.get_by_role("heading", name="tea", exact=True).click()
    page.get_by_role("heading", name="Put people into groups").click()
    page.get_by_label("Table").set_input_files(
        [{"name": "people.csv", "mimeType": "text/csv", "buffer": table.encode()}]
    )
    page.get_by_role("button", name="Plan", exact=True).click()
    page.get_by_text("1 person is left out").click()
    expect(page.get_by_text("There is no such account.")).to_be_visible()
    page.get_by_role("button", name="Do what the plan says").click()
    expect(page.get_by_text("2 of 2 people are done; 0 failed.")).to_be_visible(timeout=60_000)
    assert flaws(page) == []


def test_a_personal_code_is_made_and_sessions_are_ended(opened: Any, server: Server) -> None:
    chat, _ = organiser(server)
    first, second = opened(), opened()
    first.open(link(chat))
    page = second.open(link(chat))
    page.get_by_role("link", name="Me", exact=True).click()
    page.get_by_text("New code").click()
    page.get_by_role("button", name="Make a code").click()
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    expect(page.get_by_text("0 people came by it")).to_be_visible()
    page.get_by_role("button", name="End").click()
    expect(page.get_by_text("Another browser")).to_be_hidden()
    first.page.get_by_role("link", name="Series").click()
    expect(first.page.get_by_text("Your session has ended.")).to_be_visible()
    page.get_by_role("button", name="Leave").click()
    expect(page.get_by_text("You have left the console.")).to_be_visible()
    page.reload()
    expect(page.get_by_text("once you have a link")).to_be_visible()


def test_what_somebody_calls_others_is_kept_and_removed(opened: Any, server: Server) -> None:
    chat, _ = organiser(server)
    other = server.person()
    page = opened().open(link(chat))
    page.get_by_role("link", name="Me", exact=True).click()
    expect(page.get_by_text("You call nobody anything yet.")).to_be_visible()
    page.get_by_label("Matrix ID").fill("@nobody:localhost")
    page.get_by_label("What I call them").fill("Bob <b>")
    page.get_by_role("button", name="Keep", exact=True).click()
    expect(page.get_by_text("Nobody on this server is called @nobody:localhost.")).to_be_visible()
    page.get_by_label("Matrix ID").fill(other.user_id)
    page.get_by_role("button", name="Keep", exact=True).click()
    expect(page.get_by_text("Bob <b>", exact=True)).to_be_visible()
    assert flaws(page) == []
    page.get_by_role("button", name="Remove “").click()
    expect(page.get_by_text("You call nobody anything yet.")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_view_fits_a_phone_and_has_no_flaw_that_axe_finds(
    opened: Any, server: Server, language: str, scheme: str
) -> None:
    chat, room = organiser(server, "W" * 255)
    wish = {"room_id": room, "name": "tea", "pattern": "Tea {n}"}
    demo.expect(chat.person.call("POST", f"{API}/series", wish))
    server.make_code(room, chat.person, label="x" * 64)
    words = own_texts(language)["console_page"]
    console = opened(locale=language, color_scheme=scheme)
    page = console.open(link(chat))
    expect(page.get_by_role("heading", level=1)).to_have_text(words["my_groups"])

    def check() -> None:
        assert not {"null", "undefined", "NaN"} & set(text(page).split())
        assert flaws(page) == []
        assert [overflow(page, width) for width in (320, 360, 1280)] == [0, 0, 0]

    check()
    page.locator("a.group").first.click()
    expect(page.get_by_role("heading", name=words["codes"])).to_be_visible()
    for part in page.locator("details.card").all():
        part.locator("summary").first.click()
    expect(page.locator(".tree")).to_be_visible()
    check()
    page.get_by_role("button", name=words["show"], exact=True).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    check()
    page.get_by_role("dialog").get_by_role("button", name=words["close"]).click()
    page.get_by_role("link", name=words["series"], exact=True).click()
    page.get_by_role("heading", name="tea", exact=True).click()
    expect(page.get_by_role("heading", name=words["announcements"])).to_be_visible()
    check()
    page.get_by_role("link", name=words["me"], exact=True).click()
    expect(page.get_by_role("heading", name=words["sessions"])).to_be_visible()
    check()


def test_the_console_is_used_by_keyboard(opened: Any, server: Server) -> None:
    chat, _ = organiser(server)
    page = opened().open(link(chat))
    page.get_by_role("link", name="My groups").focus()
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Garden neighbours")


def test_a_server_admin_sees_the_report_as_pictures_and_nobody_else_does(
    opened: Any, server: Server
) -> None:
    admin = server.person(admin=True)
    room = admin.new_room(name="Tea")
    for _ in range(2):
        server.admit(room, admin, server.person())
    console = opened(locale="de")
    page = console.open(link(Chat(admin)))
    words = own_texts("de")["console_page"]
    page.get_by_role("link", name="Server").click()
    expect(page.get_by_role("heading", name=words["by_size"])).to_be_visible()
    expect(page.get_by_role("row").nth(1)).to_be_visible()  # After the heads.
    page.get_by_role("heading", name=words["breaches"]).click()
    expect(page.locator("details.card p").first).not_to_have_text(words["loading"])
    assert flaws(page) == []
    assert [overflow(page, width) for width in (320, 360, 1280)] == [0, 0, 0]
    chat, _ = organiser(server)
    other = opened().open(link(chat))
    expect(other.get_by_role("link", name="Me", exact=True)).to_be_visible()
    assert other.get_by_role("link", name="Server").count() == 0


def test_nothing_may_frame_the_console_or_run_in_it(server: Server) -> None:
    for path in ("console", "console/console.js", "console/console.css"):
        answer = server.homeserver._http.get(f"/_synapse/client/capgroups/{path}")
        assert answer.status_code == 200
        policy = answer.headers["Content-Security-Policy"]
        for directive in ("default-src 'none'", "frame-ancestors 'none'", "script-src 'self';"):
            assert directive in policy
        assert "unsafe" not in policy
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_of_the_console_is_used_by_it(language: str) -> None:
    from importlib import resources

    folder = resources.files("synapse_capgroups.web") / "static"
    scripts = "".join(
        each.read_text() for each in folder.iterdir() if each.name.startswith("console")
    )
    known = Words(language).console()
    made = ("mode_", "short_", "came_", "series_", "left_out_", "code_", "suspended")
    unused = [
        key for key in known
        if f'"{key}"' not in scripts and f"${key}" not in scripts and not key.startswith(made)
    ]  # fmt: skip
    assert unused == []
    asked = set(re.findall(r'say\((?:\w[\w.]* \? )?"([a-z_]+)"', scripts))
    assert asked - known.keys() == set()


def test_a_morning_of_an_organiser_with_twenty_groups(opened: Any, server: Server) -> None:
    """A new code for a poster, three requests, an announcement, a look at who came: on a phone."""
    chat, first = organiser(server, "Tea 1")
    marta = chat.person
    wish = {"room_id": first, "name": "tea", "pattern": "Tea {n}", "max_groups": 20}
    path = (
        f"{API}/series/{demo.expect(marta.call('POST', f'{API}/series', wish)).body['series_id']}"
    )
    rooms = [first, *(marta.new_room(name=f"Tea {n}") for n in range(2, 21))]
    for room in rooms[1:]:
        demo.expect(marta.call("POST", f"{path}/groups", {"room_id": room}))
    waiting = dict(zip((rooms[3], rooms[11], rooms[19]), server.people(3), strict=True))
    for room, person in waiting.items():
        demo.expect(marta.call("PUT", f"{API}/groups/{quote(room)}/approval", {"on": True}))
        assert server.scan(person, server.make_code(room, marta)).reason == "awaiting_approval"

    page = opened().open(link(chat))
    # Three requests, wherever they are.
    expect(page.get_by_role("heading", name="They wait for your answer")).to_be_visible()
    for left in (2, 1, 0):
        page.get_by_role("button", name="Let in").first.click()
        expect(page.get_by_role("button", name="Let in")).to_have_count(left)
    assert eventually(lambda: all(room in joined(who) for room, who in waiting.items()))
    # A new code for a poster.
    page.get_by_role("link", name="Series").click()
    page.get_by_role("heading", name="tea", exact=True).click()
    expect(page.get_by_role("link", name="Tea 20", exact=True)).to_be_visible()
    page.get_by_text("New code").click()
    page.get_by_label("Label").fill("poster at the station")
    page.get_by_role("button", name="Make a code").click()
    poster = page.get_by_role("dialog")
    expect(poster.get_by_role("img", name="QR code")).to_be_visible()
    poster.get_by_role("button", name="Close").click()
    (code,) = demo.expect(marta.call("GET", f"{path}/codes")).body["codes"]
    assert code["label"] == "poster at the station"
    # An announcement.
    page.get_by_text("New announcement").click()
    page.get_by_label("Text").fill("The picnic is on Sunday")
    page.get_by_role("button", name="Look at it first").click()
    expect(page.get_by_text("reached 20 of 20 groups")).to_be_visible(timeout=120_000)
    # A look at who came.
    page.get_by_role("link", name="Tea 4", exact=True).click()
    page.get_by_role("heading", name="Members").click()
    expect(page.get_by_text("let in by")).to_be_visible()
