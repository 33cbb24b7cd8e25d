"""The join page in a real browser: what it shows, to whom, and what it keeps to itself."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from synapse_capgroups.web.sign_up import Offer
from synapse_capgroups.words.languages import LANGUAGES, browser_language
from synapse_capgroups.words.lookup import Words
from tests.browser import (
    ANDROID,
    DOOR,
    IPHONE,
    MAC,
    TRY_LATER,
    UNKNOWN,
    WINDOWS,
    Phone,
    Reply,
    Served,
    alive,
    chromium,
    dead,
    flaws,
    overflow,
    picture,
    site,
    text,
    title,
)

LONG = {"name": "W" * 500, "topic": "W" * 256, "avatar": None}
TOKEN = "kz7uc26d6ippfhgmlpnssn33jaaq"
NAMELESS = {"name": None, "avatar": None}
HOSTILE = "\u202e<script>document.title='owned'</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with site() as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def phone(browser: Browser, served: Served) -> Iterator[Phone]:
    phone = Phone(browser, served)
    yield phone
    phone.close()


# What it shows.


def test_a_living_code_shows_the_group_and_the_ways_into_it(phone: Phone) -> None:
    page = phone.scan(alive())
    assert title(page) == "Garden neighbours"
    for words in (
        "64 of 500 members",
        "Shared by Anna",
        "100 members",
        "the group appears in your list",
    ):
        assert words in text(page)
    assert "Valid until 30 November 2026 at 14:00" in text(page)
    assert page.locator("#letter").inner_text() == "G"
    assert "On server.name" in text(page)
    element = "https://element.example/#/room/#j-abc:server.name"
    assert links(page) == [element, "https://sign.up.example/"]
    assert not page.get_by_label("address").is_visible()
    page.get_by_text("Other ways").click()
    assert links(page)[2:] == [
        "matrix:r/j-abc:server.name?action=join", "https://matrix.to/#/%23j-abc%3Aserver.name",
    ]  # fmt: skip
    assert page.get_by_label("address").input_value() == DOOR


def links(page: Page) -> list[str | None]:
    return [link.get_attribute("href") for link in page.get_by_role("link").all()]


@pytest.mark.parametrize(
    ("agent", "touches", "first", "store"),
    [
        (IPHONE, 5, "app", "https://apps.apple.com/"),
        (MAC, 5, "app", "https://apps.apple.com/"),  # An iPad.
        (MAC, 0, "element", None),
        (ANDROID, 5, "app", "https://play.google.com/"),
        (WINDOWS, 10, "element", None),
    ],
)
def test_one_way_comes_first_on_each_device(
    phone: Phone, agent: str, touches: int, first: str, store: str | None
) -> None:
    touch = f"Object.defineProperty(navigator, 'maxTouchPoints', {{value: {touches}}})"
    page = phone.scan(alive(), user_agent=agent, script=touch)
    buttons = page.locator("a.primary").filter(visible=True)
    assert [button.get_attribute("id") for button in buttons.all()] == [first]
    assert page.locator(f"#{first}-hint").is_visible()
    assert page.locator(".hint").filter(has_text="no Matrix app").is_visible() == (first == "app")
    offered = page.locator("#apps a").all()
    assert [str(app.get_attribute("href")).startswith(store or "?") for app in offered] == (
        [True] if store else []
    )
    page.get_by_text("Other ways").click()
    assert len(links(page)) == 4 + len(offered)


def test_who_will_see_which_name_is_said(browser: Browser, phone: Phone) -> None:
    assert "The members see your account's name and your Matrix ID" in text(phone.scan(alive()))
    assert "Anna sees your account's name" in text(phone.scan(alive(group=None)))
    with site(config={"names": {"on_arrival": "pseudonym"}}) as served:
        other = Phone(browser, served)
        assert "you get a made-up name" in text(other.scan(alive()))
        other.close()


@pytest.mark.parametrize(
    ("offer", "shown"),
    [
        (Offer("app"), "choose server.name as your server"),
        (Offer("ask"), "Ask whoever gave you this code how to get one on server.name"),
        (Offer("ask", elsewhere=False), "Ask whoever gave you this code how to get one"),
        (Offer("page", "https://a.example/", token=True), "asked for a registration token"),
    ],
)
def test_how_to_get_an_account_is_said(browser: Browser, offer: Offer, shown: str) -> None:
    with site(offer=offer) as served:
        phone = Phone(browser, served)
        page = phone.scan(alive())
        assert shown in text(page)
        assert ("registration token" in text(page)) == offer.token
        register = page.get_by_role("link", name="Get an account")
        assert register.count() == (1 if offer.url else 0)
        if offer.url:
            assert register.get_attribute("href") == offer.url
        assert ("any other Matrix server" in text(page)) == offer.elsewhere
        assert "any other Matrix server" not in text(phone.scan(alive(group=None)))
        phone.close()


@pytest.mark.parametrize("offer", [Offer("app", token=True), Offer("page", "https://a.example/")])
def test_a_registration_token_that_the_code_carries_can_be_copied(
    browser: Browser, offer: Offer
) -> None:
    with site(offer=offer) as served:
        phone = Phone(browser, served)
        page = phone.scan(
            alive(registration_token=TOKEN), permissions=["clipboard-read", "clipboard-write"]
        )
        assert "Use this one, which came with the code" in text(page)
        assert "may have one" not in text(page)
        assert page.get_by_label("Registration token").input_value() == TOKEN
        page.get_by_role("button", name="Copy token").click()
        expect(page.locator("#token-copied")).to_have_text("The token is copied.")
        assert page.evaluate("navigator.clipboard.readText()") == TOKEN
        assert flaws(page) == []
        # The next code has none.
        page = phone.scan(alive())
        assert not page.get_by_label("Registration token").is_visible()
        assert ("may have one" in text(page)) == offer.token
        phone.close()


def test_where_an_admin_offers_no_registration_no_token_is_shown(browser: Browser) -> None:
    with site(offer=Offer("ask")) as served:
        phone = Phone(browser, served)
        page = phone.scan(alive(registration_token=TOKEN))
        assert not page.get_by_label("Registration token").is_visible()
        phone.close()


def test_an_element_that_is_everybodys_suggests_another_server(browser: Browser) -> None:
    config = {"codes": {}, "join_page": {"apps": [
        {"platform": "desktop", "name": "Tea", "url": "https://tea.example/?server={server}"},
    ]}}  # fmt: skip
    with site(config=config) as served:
        phone = Phone(browser, served)
        page = phone.scan(alive())
        assert "That site suggests another server. Choose server.name" in text(page)
        app = page.locator("#apps a")
        assert app.text_content() == "Get \u2068Tea\u2069"
        assert app.get_attribute("href") == "https://tea.example/?server=server.name"
        phone.close()


def test_the_topic_is_shown_as_text(phone: Phone) -> None:
    assert "Seeds, tools and slugs" in text(phone.scan(alive()))
    for topic in (None, "", " \n"):
        page = phone.scan(alive(group={"name": "Garden", "topic": topic, "avatar": None}))
        assert not page.locator("#topic").is_visible()
    page = phone.scan(alive(group={"name": "Garden", "topic": f"a\nb {HOSTILE}", "avatar": None}))
    assert f"a b  {HOSTILE[1:]}" == page.locator("#topic").text_content()
    assert page.locator("#topic *").count() == 0


def test_it_says_where_a_moderator_is_asked_first(phone: Phone) -> None:
    asked = Words().page()["approval"]
    assert asked in text(phone.scan(alive(approval=True)))
    assert asked not in text(phone.scan(alive(approval=False)))


def test_the_groups_picture_takes_the_place_of_its_letter(phone: Phone) -> None:
    page = phone.scan(alive(group={"name": "Garden", "avatar": picture()}))
    page.wait_for_function("document.querySelector('#tile img').naturalWidth === 1")
    assert not page.locator("#letter").is_visible()
    broken = "data:image/png;base64,bm9uc2Vuc2U="
    page = phone.scan(alive(group={"name": "Garden", "avatar": broken}))
    expect(page.locator("#letter")).to_be_visible()
    expect(page.locator("#tile img")).to_have_count(0)


def test_a_personal_code_names_the_person_and_no_group(phone: Phone) -> None:
    page = phone.scan(alive(group=None, members=None, cap=None, code_limit=None))
    assert "Chat with Anna" in text(page)
    assert "members" not in text(page)
    assert "Valid until 30 November 2026 at 14:00" in text(page)
    assert page.locator("#letter").inner_text() == "A"
    page = phone.scan(dead("code_revoked", group=None))
    assert "Ask Anna for a new one" in text(page)


def test_a_group_may_have_no_name_and_a_code_no_sharer(phone: Phone) -> None:
    page = phone.scan(alive(group=NAMELESS, sharer=None))
    assert title(page) == "A group without a name"
    assert "Shared by" not in text(page)
    assert page.locator("#people").is_visible()


def test_the_code_of_a_suspended_account_says_so(phone: Phone) -> None:
    page = phone.scan(dead("suspended"))
    assert title(page) == Words().page()["suspended"]
    assert "The account that shared it is suspended" in text(page)
    assert "Ask another member" in text(page)


def test_a_live_code_shows_which_group_is_filled_and_how_full_it_is(phone: Phone) -> None:
    series = {"title": "Tea", "number": 3, "groups": 20, "people": 41, "places": 100}
    page = phone.scan(alive(group={"name": "Tea 3", "avatar": None}, series=series))
    assert title(page) == "Tea 3"
    assert "Group 3 of 20: 41 of 100 places are taken" in text(page)
    assert "until the group has" not in text(page)


@pytest.mark.parametrize(
    ("state", "shown"),
    [("series_full", "All groups are full"), ("series_paused", "Nobody can join at the moment")],
)
def test_a_series_that_takes_nobody_says_so(phone: Phone, state: str, shown: str) -> None:
    page = phone.scan(dead(state))
    assert title(page) == shown
    assert not page.get_by_role("link", name="Open in your Matrix app").is_visible()


@pytest.mark.parametrize("state", ["code_expired", "code_used_up", "code_revoked", "code_closed"])
def test_a_dead_code_says_why_and_what_to_do(phone: Phone, state: str) -> None:
    page = phone.scan(dead(state))
    assert title(page) == Words().page()[state]
    assert "Garden neighbours" in text(page)
    assert ("Ask Anna for a new one" in text(page)) == (state != "code_closed")
    assert ("Only a friend who is a member" in text(page)) == (state == "code_closed")
    assert not page.locator("#ways, #retry").filter(visible=True).count()
    page = phone.scan(dead(state, group=NAMELESS, sharer=None))
    assert title(page) == Words().page()[state]
    assert ("whoever gave it to you" in text(page)) == (state != "code_closed")


def test_an_unknown_code_is_told_from_a_missing_one(phone: Phone, served: Served) -> None:
    page = phone.scan(UNKNOWN)
    assert title(page) == "No such code"
    before = len(served.preview.asked)
    page = phone.open(served.join)
    assert title(page) == "The code is missing"
    assert len(served.preview.asked) == before
    page.goto(served.code(alive()))  # In the same tab, where only the fragment changes.
    expect(page.locator("h1")).to_have_text("Garden neighbours")


@pytest.mark.parametrize(
    ("reply", "heading"),
    [
        (TRY_LATER, "Too many tries"),
        ((502, "<h1>Bad Gateway</h1>"), "The code could not be checked"),
        ((200, "<h1>Welcome to our Wi-Fi</h1>"), "The code could not be checked"),
        (alive(door=None), "The code could not be checked"),
    ],
)
def test_when_the_server_cannot_say_one_can_try_again(
    phone: Phone, reply: Reply, heading: str
) -> None:
    page = phone.scan(reply, alive())
    assert title(page) == heading
    page.get_by_role("button", name="Try again").press("Enter")
    expect(page.locator("h1")).to_have_text("Garden neighbours")
    assert page.evaluate("document.activeElement.id") == "title"
    assert not page.locator("#retry").is_visible()


def test_when_the_network_fails_one_can_try_again(phone: Phone, served: Served) -> None:
    page = phone.open(served.join)
    page.route("**/preview", lambda route: route.abort(), times=1)
    page.goto(served.code(alive()))
    expect(page.locator("h1")).to_have_text("No connection")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("h1")).to_have_text("Garden neighbours")


def test_without_script_it_says_how_to_go_on(phone: Phone) -> None:
    page = phone.scan(alive(), java_script_enabled=False)
    assert "the part after # is the code" in text(page)
    assert "#j-CODE:server.name" in text(page)
    assert not page.locator("#ways").is_visible()


def test_the_address_can_be_copied(phone: Phone) -> None:
    page = phone.scan(alive(), permissions=["clipboard-read", "clipboard-write"])
    page.get_by_text("Other ways").click()
    page.get_by_role("button", name="Copy address").click()
    expect(page.locator("#copied")).to_have_text("The address is copied.")
    assert page.evaluate("navigator.clipboard.readText()") == DOOR


def test_where_copying_is_not_allowed_the_address_is_selected(phone: Phone) -> None:
    page = phone.scan(alive())
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.get_by_text("Other ways").click()
    page.get_by_role("button", name="Copy address").click()
    expect(page.locator("#copied")).to_contain_text("The address is selected")
    assert page.evaluate("document.getSelection().toString()") == DOOR


# To whom.


def test_the_browsers_language_decides() -> None:
    for lang, headers in {
        "en": ["", "fr, *;q=0.5", "en, de", "zh-TW", "de;q=0, en;q=0.1", "de;q=nan, zh;q=7, ;;=,"],
        "de": ["de", "DE-at;q=0.8, en;q=0.7", "en;q=0.5, de ; q=0.9"],
        "zh-Hans": ["zh", "zh-SG", "zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans-HK", "zh-TW,zh;q=0.9"],
    }.items():
        assert [browser_language(header) for header in headers] == [lang] * len(headers)


def test_every_language_has_the_same_words_to_fill_in() -> None:
    def gaps(words: dict[str, str]) -> dict[str, list[str]]:
        return {key: sorted(re.findall(r"{.*?}", sentence)) for key, sentence in words.items()}

    for language in LANGUAGES:
        words = Words(language).page()
        assert gaps(words) == gaps(Words().page())
        assert all(words.values())


@pytest.mark.parametrize(
    ("locale", "lang", "words"),
    [
        ("en-US", "en", ["64 of 500 members", "November 30, 2026", "Other ways"]),
        ("zh-CN", "zh-Hans", ["已有 64 位成员", "2026年11月30日", "其他方式"]),
        ("de-DE", "de", ["64 von 500 Mitgliedern", "30. November 2026", "Andere Wege"]),
    ],
)
def test_it_speaks_the_browsers_language(
    phone: Phone, locale: str, lang: str, words: list[str]
) -> None:
    page = phone.scan(alive(), locale=locale)
    assert page.locator("html").get_attribute("lang") == lang
    for word in words:
        assert word in text(page)
    assert (
        title(phone.scan(dead("code_used_up"), locale=locale)) == Words(lang).page()["code_used_up"]
    )
    page = phone.scan(alive(), locale=locale, java_script_enabled=False)
    assert Words(lang).page()["no_script_code"] in text(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "reply",
    [
        alive(),
        alive(group=LONG, sharer="@" + "w" * 200, door=f"#j-{'a' * 200}:server.name"),
        dead("code_closed", group=LONG),
        TRY_LATER,
    ],
)
def test_it_fits_every_screen_and_leaves_nobody_out(
    phone: Phone, reply: Reply, scheme: str
) -> None:
    page = phone.scan(reply, color_scheme=scheme, reduced_motion="reduce")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(int(c) for c in ground[4:-1].split(",")) > 3 * 128) == (scheme == "light")
    assert flaws(page) == []
    assert [overflow(page, width) for width in (320, 360, 1280)] == [0, 0, 0]
    page.evaluate("document.getElementById('others').open = true")
    assert flaws(page) == []
    assert [overflow(page, width) for width in (320, 360, 1280)] == [0, 0, 0]


def test_the_keyboard_reaches_everything_in_order(phone: Phone) -> None:
    page = phone.scan(alive(), user_agent=ANDROID)
    for expected in ("app", "register", "store", "ways", "element", "matrix-to", "address", "copy"):
        page.keyboard.press("Tab")
        if expected == "store":
            assert page.evaluate("document.activeElement.parentElement.id") == "apps"
        elif expected == "ways":
            assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
            page.keyboard.press("Enter")
        else:
            assert page.evaluate("document.activeElement.id") == expected
        assert "3px" in page.evaluate("getComputedStyle(document.activeElement).outline")


def test_nothing_moves_for_who_wants_no_motion(phone: Phone, served: Served) -> None:
    for motion, name in (("reduce", "none"), ("no-preference", "breathe")):
        page = phone.open(served.join, reduced_motion=motion)
        page.evaluate("document.getElementById('sheet').dataset.state = 'checking'")
        animation = "getComputedStyle(document.getElementById('tile')).animationName"
        assert page.evaluate(animation) == name


# What it keeps to itself.


def test_a_hostile_name_stays_text(phone: Phone) -> None:
    group = {"name": HOSTILE, "topic": HOSTILE, "avatar": "javascript:alert(1)"}
    shown = HOSTILE[1:]  # Without the mark that turns the text around.
    page = phone.scan(alive(group=group, sharer=HOSTILE))
    assert title(page) == shown
    assert f"Shared by {shown}" in text(page)
    assert page.title() == "Join a group"
    assert page.locator("img").count() == 0
    page = phone.scan(dead("code_expired", group=group, sharer=HOSTILE))
    assert f"Ask {shown} for a new one." in text(page)


def test_the_code_is_in_no_url_that_is_requested(phone: Phone, served: Served) -> None:
    page = phone.scan(alive())
    secret = page.url.partition("#")[2]
    assert served.preview.asked[-1] == secret
    assert len(phone.requested) >= 4
    for url, referrer in phone.requested:
        # Playwright may tell a page's URL with its fragment, which is not sent.
        assert secret not in url.partition("#")[0]
        assert not referrer
    assert page.context.cookies() == []
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0


@pytest.mark.parametrize("path", ["join", "join/join.js", "join/join.css"])
def test_the_headers_let_nothing_in(served: Served, path: str) -> None:
    got = served.get(path)
    policy = got.headers["Content-Security-Policy"].split("; ")
    for directive in (
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:",
        "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
    ):  # fmt: skip
        assert directive in policy
    assert got.headers["Referrer-Policy"] == "no-referrer"
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert "geolocation=()" in got.headers["Permissions-Policy"]
    assert got.headers["Cache-Control"] == ("no-store" if path == "join" else "no-cache")
    assert got.headers["Vary"] == ("Accept-Language" if path == "join" else None)
    assert got.headers["Set-Cookie"] is None
    if path != "join":
        assert served.get(path, If_None_Match=got.headers["ETag"]).status == 304


def test_only_reading_is_allowed_and_only_what_is_there(served: Served) -> None:
    for path in ("join", "join/join.js", "join/join.css"):
        head = served.get(path, "HEAD")
        assert (head.status, head.read()) == (200, b"")
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            assert served.get(path, method).status == 405
    for path in ("join/", "join/join.html", "join/words.py", "join/../words.py", "join/join.js/x"):
        assert served.get(path).status == 404


def test_a_hostile_server_name_stays_text() -> None:
    with site(server_name='"><script>') as strange:
        body = strange.get("join").read().decode()
    assert "&quot;&gt;&lt;script&gt;" in body
    assert '"><script>' not in body
