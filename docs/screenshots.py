"""Takes the pictures of docs/images: `python -m docs.screenshots`, with the `dev` extra.

All of them are of what people see: a real Synapse with the module, its join page in Debian's
Chromium, and chats in Hydrogen, the web client of Element's makers, which npm brings. Without npm
the pictures of chats stay as they are.
"""

import shutil
import sys
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, sync_playwright

from synapse_capgroups.demo.homeserver import Homeserver, free_port
from synapse_capgroups.demo.loopback import certificate
from synapse_capgroups.demo.person import Person, expect
from tests.browser import CHROMIUM, FLAGS, IPHONE
from tests.stock_client import Client, hydrogen

IMAGES = Path(__file__).parent / "images"
HOST = "chat.example.com"
GROUP = "Garden neighbours"
TOPIC = "Seeds, tools, and who waters what"
# fmt: off
NEIGHBOURS = [
    "Ada", "Bruno", "Chiara", "Dario", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Katya",
    "Liam", "Mina", "Noor", "Otto", "Paula", "Quentin", "Rosa", "Samir", "Tess", "Uma", "Viktor",
]
# fmt: on
PHONE = (360, 812)  # px
MOST_BYTES = 120_000


def main() -> None:
    if CHROMIUM is None:
        sys.exit("There is no browser: apt-get install chromium")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="capgroups-screenshots-") as name:
        folder = Path(name)
        https = free_port()
        # The browser takes this computer for the server that the pictures name.
        here = f"--host-resolver-rules=MAP {HOST}:443 127.0.0.1:{https}"
        server = homeserver(folder / "server", https)
        try:
            server.start()
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=CHROMIUM, args=[*FLAGS, here, "--ignore-certificate-errors"]
                )
                take(server, browser, folder)
                browser.close()
        finally:
            server.stop()


def homeserver(folder: Path, https: int) -> Homeserver:
    folder.mkdir()
    port = free_port()
    here = {"type": "http", "bind_addresses": ["127.0.0.1"]}
    names = [{"names": ["client", "health", "metrics"]}]
    settings = {
        **certificate(folder),
        "server_name": HOST,
        "public_baseurl": f"https://{HOST}/",
        "enable_registration": True,
        "enable_registration_without_verification": True,
        "listeners": [
            {**here, "port": port, "resources": names},
            {**here, "port": https, "resources": names, "tls": True},
        ],
    }
    # An Element of the server's own, in which one can register.
    module = {"codes": {"element_url": f"https://element.{HOST}"}}
    return Homeserver(folder, module, settings=settings, port=port)


def take(server: Homeserver, browser: Browser, folder: Path) -> None:
    marta = person(server, "Marta")
    neighbours = [person(server, name) for name in NEIGHBOURS]
    group = make_group(marta, neighbours)
    code = expect(marta.make_code(group)).body
    dead = expect(marta.make_code(group, lifetime_ms=1)).body

    def shoot(name: str, secret: str, width: int, height: int, **options: Any) -> None:
        link = f"https://{HOST}/_synapse/client/capgroups/join#{secret}"
        # What it offers first depends on the device.
        if width == PHONE[0]:
            options["user_agent"] = IPHONE
        page = open_page(browser, link, width, height, **options)
        page.wait_for_selector("main[data-state]:not([data-state=checking])")
        keep(name, page.screenshot(full_page=True))
        page.context.close()

    shoot("join-phone", code["secret"], *PHONE)
    shoot("join-phone-dark", code["secret"], *PHONE, color_scheme="dark")
    shoot("join-desktop", code["secret"], 1100, 760, device_scale_factor=1)
    shoot("join-dead", dead["secret"], PHONE[0], 280)
    keep("card", marta.code_picture(group, code["code_id"]).picture)

    if shutil.which("npm") is None:
        print("There is no npm: the pictures of chats stay as they are.")
        return
    with hydrogen(folder / "client") as client:
        take_chat(browser, client, marta)
        take_door(browser, client, person(server, "Nils"), f"#j-{code['secret']}:{HOST}")
        secret = take_series(browser, client, person(server, "Yara"), neighbours)
    shoot("series-phone", secret, *PHONE)


def take_chat(browser: Browser, client: str, marta: Person) -> None:
    """The chat with the concierge, as a sharer sees it."""
    hers = log_in(browser, client, marta, 900, 960, device_scale_factor=1.5)
    hers.open_chat("Groups")
    for said, answer in (("groups", f"1. {GROUP}"), ("code 1 7d 20 uses", "Join code for")):
        hers.say(said)
        hers.page.get_by_text(answer).wait_for()
    keep("concierge", with_code(hers.page))
    hers.page.context.close()


def take_series(browser: Browser, client: str, yara: Person, neighbours: list[Person]) -> str:
    """The chat of an organiser whose series fills; returns the secret of its live code."""
    picture = upload(yara, draw_cup())
    yara.new_room(
        name="Tea 1",
        initial_state=[{"type": "m.room.avatar", "content": {"url": picture}}],
    )
    hers = log_in(browser, client, yara, 900, 960, device_scale_factor=1.5)
    hers.open_chat("Groups")
    for said, answer in (
        ('series start tea "Tea {n}" fill 10', "series code tea"),
        ("series code tea 30d label poster at the station", "Code for all groups"),
    ):
        hers.say(said)
        hers.message(answer).wait_for()
    keep("series-start", with_code(hers.page))
    link = hers.message("Code for all groups").inner_text()
    secret = link.partition("/join#")[2].split()[0]
    for neighbour in neighbours:
        expect(neighbour.join(f"#j-{secret}:{HOST}"))
    for said, answer in (
        ("series tea", "3. Tea 3"),
        ("series report tea", "poster at the station:"),
        ("announce tea The picnic is on Sunday at three.", "Write “yes” to send it"),
        ("yes", "was delivered to"),
    ):
        hers.say(said)
        hers.message(answer).wait_for()
    hers.page.set_viewport_size({"width": 900, "height": 828})
    keep("series-groups", at_rest(hers.page))
    hers.say("console")
    said = hers.message("Here you run your groups")
    said.wait_for()
    console = next(word for word in said.inner_text().split() if "/console#" in word)
    hers.page.context.close()
    take_console(browser, console)
    return secret


def take_console(browser: Browser, link: str) -> None:
    """The console of an organiser, on a phone."""
    page = open_page(browser, link, *PHONE)
    page.locator("a.group").first.wait_for()
    keep("console-groups", at_rest(page))
    page.locator("a.group", has_text="Tea 1").click()
    page.locator("summary", has_text="Members").click()
    page.locator("summary", has_text="Who brought whom").click()
    page.locator(".tree").wait_for()
    keep("console-group", full(page))
    page.get_by_role("link", name="Series").click()
    page.get_by_role("heading", name="tea", exact=True).click()
    page.get_by_text("poster at the station").wait_for()
    keep("console-series", full(page))
    page.context.close()


def full(page: Page) -> bytes:
    """A screenshot of a whole page, at most two screens long."""
    page.evaluate("document.activeElement?.blur()")
    page.evaluate("document.getElementById('tabs').style.position = 'static'")
    page.wait_for_timeout(800)
    clip = {"x": 0, "y": 0, "width": PHONE[0], "height": 2 * PHONE[1]}
    return page.screenshot(full_page=True, clip=clip)


def take_door(browser: Browser, client: str, newcomer: Person, address: str) -> None:
    """A code's door, before and after the tap."""
    hers = log_in(browser, client, newcomer, *PHONE)
    hers.follow_link_to(address)
    page = hers.page
    join = page.get_by_role("button", name="Join room")
    join.wait_for()
    keep("door", at_rest(page))
    join.click()
    page.get_by_text("You are in").wait_for()
    keep("arrived", at_rest(page))
    page.context.close()


def log_in(
    browser: Browser, client: str, who: Person, width: int, height: int, **options: Any
) -> Client:
    hers = Client(new_page(browser, width, height, **options))
    hers.log_in(client, f"https://{HOST}", who)
    return hers


def at_rest(page: Page) -> bytes:
    """A screenshot with nothing under the pointer, nothing in focus and all avatars loaded."""
    page.mouse.move(5, page.evaluate("innerHeight") / 2)
    page.evaluate("document.activeElement?.blur()")
    page.wait_for_timeout(1500)
    return page.screenshot()


def with_code(page: Page) -> bytes:
    """A screenshot of a chat once the picture of a code can be seen in it."""
    page.wait_for_function("document.querySelector('.media img')?.naturalWidth > 0")
    return at_rest(page)


def person(server: Homeserver, name: str) -> Person:
    someone = server.register(name.lower())
    profile = f"/profile/{quote(someone.user_id)}/displayname"
    expect(someone.call("PUT", profile, {"displayname": name}))
    return someone


def upload(who: Person, image: Image.Image) -> str:
    """The address of a picture on the server."""
    content = BytesIO()
    image.save(content, "PNG")
    uploaded = who.call(
        "POST",
        "/_matrix/media/v3/upload",
        None,
        content_type="image/png",
        content=content.getvalue(),
    )
    return str(expect(uploaded).body["content_uri"])


def make_group(marta: Person, neighbours: list[Person]) -> str:
    """A group with a picture and more than twenty members."""
    group = marta.new_room(name=GROUP)
    expect(marta.set_state(group, "m.room.avatar", {"url": upload(marta, draw_garden())}))
    expect(marta.set_state(group, "m.room.topic", {"topic": TOPIC}))
    for neighbour in neighbours:
        expect(marta.invite(group, neighbour))
        expect(neighbour.join(group))
    return group


def draw_garden(size: int = 256) -> Image.Image:
    """A sunflower over green hills."""
    scale = 4
    full = size * scale
    image = Image.new("RGB", (full, full), "#bfe3f5")
    draw = ImageDraw.Draw(image)

    def circle(x: float, y: float, radius: float, colour: str) -> None:
        box = [(v * full) for v in (x - radius, y - radius, x + radius, y + radius)]
        draw.ellipse(box, fill=colour)

    circle(0.15, 1.15, 0.55, "#8fc46b")
    circle(0.9, 1.2, 0.6, "#6fae54")
    draw.line([(0.5 * full, 0.45 * full), (0.5 * full, full)], fill="#3e7d3a", width=full // 22)
    for x, left in ((0.40, True), (0.60, False)):
        leaf = [(x - 0.1) * full, 0.72 * full, (x + 0.1) * full, 0.83 * full]
        draw.pieslice(leaf, 180 if left else 270, 360 if left else 450, fill="#3e7d3a")
        draw.ellipse(leaf, fill="#3e7d3a")
    for petal in range(14):
        sheet = Image.new("L", (full, full))
        box = [0.465 * full, 0.12 * full, 0.535 * full, 0.40 * full]
        ImageDraw.Draw(sheet).ellipse(box, fill=255)
        turned = sheet.rotate(petal * 360 / 14, center=(0.5 * full, 0.40 * full))
        image.paste("#f7b924" if petal % 2 else "#fbd04e", mask=turned)
    circle(0.5, 0.40, 0.115, "#6b4226")
    circle(0.5, 0.40, 0.075, "#7d5230")
    return image.resize((size, size), Image.Resampling.LANCZOS)


def draw_cup(size: int = 256) -> Image.Image:
    """A cup of tea."""
    full = size * 4
    image = Image.new("RGB", (full, full), "#f3e3c3")
    draw = ImageDraw.Draw(image)

    def at(*values: float) -> list[float]:
        return [value * full for value in values]

    draw.ellipse(at(0.15, 0.74, 0.79, 0.86), fill="#c9ad7f")
    draw.ellipse(at(0.62, 0.42, 0.86, 0.66), outline="#2f6f6b", width=full // 24)
    draw.pieslice(at(0.2, 0.1, 0.74, 0.82), 0, 180, fill="#2f6f6b")
    draw.ellipse(at(0.2, 0.4, 0.74, 0.52), fill="#3c8a85")
    draw.ellipse(at(0.24, 0.42, 0.70, 0.50), fill="#b5651d")
    for x in (0.36, 0.47, 0.58):
        draw.arc(at(x - 0.04, 0.14, x + 0.04, 0.25), 90, 270, fill="#a08c68", width=full // 40)
        draw.arc(at(x - 0.04, 0.25, x + 0.04, 0.36), 270, 90, fill="#a08c68", width=full // 40)
    return image.resize((size, size), Image.Resampling.LANCZOS)


def open_page(browser: Browser, link: str, width: int, height: int, **options: Any) -> Page:
    page = new_page(browser, width, height, **options)
    page.goto(link)
    return page


def new_page(browser: Browser, width: int, height: int, **options: Any) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": height},
        timezone_id="Europe/Berlin",
        reduced_motion="reduce",
        **{"locale": "en-GB", "device_scale_factor": 2, **options},
    )
    return context.new_page()


def keep(name: str, png: bytes) -> None:
    """Write a picture, with 256 colours if it would be too large with all of them."""
    path = IMAGES / f"{name}.png"
    with Image.open(BytesIO(png)) as picture:
        full = picture.convert("RGB")
    full.save(path, optimize=True)
    if path.stat().st_size > MOST_BYTES:
        few = full.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.name}: {full.width} x {full.height}, {size:,} bytes")
    if size > MOST_BYTES:
        sys.exit(f"{path.name} is too large.")


if __name__ == "__main__":
    main()
