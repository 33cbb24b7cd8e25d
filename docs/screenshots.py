"""Takes the pictures of docs/images: `python -m docs.screenshots`, with the `dev` extra.

All of them are of what people see: a real Synapse with the module, its join page in Debian's
Chromium, and a chat with the concierge in Hydrogen, the web client of Element's makers, which npm
brings. Without npm the chat's pictures stay as they are.
"""

import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, sync_playwright

from synapse_capgroups.demo.homeserver import Homeserver, free_port
from synapse_capgroups.demo.loopback import certificate
from synapse_capgroups.demo.person import Person, expect
from tests.browser import CHROMIUM, FLAGS

IMAGES = Path(__file__).parent / "images"
HOST = "chat.example.com"
GROUP = "Garden neighbours"
# fmt: off
NEIGHBOURS = [
    "Ada", "Bruno", "Chiara", "Dario", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Katya",
    "Liam", "Mina", "Noor", "Otto", "Paula", "Quentin", "Rosa", "Samir", "Tess", "Uma", "Viktor",
]
# fmt: on
PHONE = (360, 812)  # px
MOST_BYTES = 120_000

# Hydrogen as its own `main` puts it together.
CLIENT_PACKAGES = ("hydrogen-view-sdk@0.3.1", "esbuild@0.28.2")
CLIENT_SCRIPT = """
import { Platform, RootViewModel, FeatureSet, createNavigation, createRouter }
  from "hydrogen-view-sdk";
const platform = new Platform({
  container: document.body,
  assetPaths: { serviceWorker: "sw.js" },
  config: { defaultHomeServer: new URLSearchParams(location.search).get("server") },
  options: {},
});
const navigation = createNavigation();
platform.setNavigation(navigation);
await platform.init();
const urlRouter = createRouter({ navigation, history: platform.history });
urlRouter.attach();
const features = await FeatureSet.load(platform.settingsStorage);
const root = new RootViewModel({ platform, urlRouter, navigation, features });
await root.load();
platform.createAndMountRootView(root);
"""
CLIENT_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Hydrogen</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="assets/theme-element-light.css"></head>
<body class="hydrogen"><script type="module" src="client.js"></script></body></html>
"""


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
        "listeners": [
            {**here, "port": port, "resources": names},
            {**here, "port": https, "resources": names, "tls": True},
        ],
    }
    return Homeserver(folder, {}, settings=settings, port=port)


def take(server: Homeserver, browser: Browser, folder: Path) -> None:
    marta = person(server, "Marta")
    group = make_group(server, marta)
    code = expect(marta.make_code(group)).body
    dead = expect(marta.make_code(group, lifetime_ms=1)).body

    def shoot(name: str, secret: str, width: int, height: int, **options: Any) -> None:
        link = f"https://{HOST}/_synapse/client/capgroups/join#{secret}"
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
        print("There is no npm: the pictures of the chat stay as they are.")
        return
    with hydrogen(folder / "client") as client:
        take_chat(browser, client, marta)
        take_door(browser, client, person(server, "Nils"), f"#j-{code['secret']}:{HOST}")


def take_chat(browser: Browser, client: str, marta: Person) -> None:
    """The chat with the concierge, as a sharer sees it."""
    page = log_in(browser, client, marta, 900, 960, device_scale_factor=1.5)
    page.locator(".RoomList li").filter(has_text="Groups").click()
    page.get_by_role("button", name="Accept").click()
    box = page.locator(".MessageComposer textarea")
    for said, answer in (("groups", f"1. {GROUP}"), ("code 1 7d 20 uses", "Join code for")):
        box.fill(said)
        box.press("Enter")
        page.get_by_text(answer).wait_for()
    page.wait_for_function("document.querySelector('.media img').naturalWidth > 0")
    keep("concierge", at_rest(page))
    page.context.close()


def take_door(browser: Browser, client: str, newcomer: Person, address: str) -> None:
    """A code's door, before and after the tap."""
    page = log_in(browser, client, newcomer, *PHONE)
    page.evaluate("path => location.hash += path", f"/room/{quote(address, safe='')}")
    join = page.get_by_role("button", name="Join room")
    join.wait_for()
    keep("door", at_rest(page))
    join.click()
    page.get_by_text("You are in").wait_for()
    keep("arrived", at_rest(page))
    page.context.close()


def log_in(
    browser: Browser, client: str, who: Person, width: int, height: int, **options: Any
) -> Page:
    page = open_page(browser, f"{client}?server=https://{HOST}#/login", width, height, **options)
    page.locator("#username").fill(who.user_id)
    page.locator("#password").fill(who.password)
    page.get_by_role("button", name="Log In", exact=True).click()
    page.locator(".SessionView").wait_for()
    return page


def at_rest(page: Page) -> bytes:
    """A screenshot with nothing under the pointer, nothing in focus and all avatars loaded."""
    page.mouse.move(5, page.evaluate("innerHeight") / 2)
    page.evaluate("document.activeElement?.blur()")
    page.wait_for_timeout(1500)
    return page.screenshot()


def person(server: Homeserver, name: str) -> Person:
    someone = server.register(name.lower())
    profile = f"/profile/{quote(someone.user_id)}/displayname"
    expect(someone.call("PUT", profile, {"displayname": name}))
    return someone


def make_group(server: Homeserver, marta: Person) -> str:
    """A group with a picture and more than twenty members."""
    picture = BytesIO()
    draw_garden().save(picture, "PNG")
    uploaded = marta.call(
        "POST",
        "/_matrix/media/v3/upload",
        None,
        content_type="image/png",
        content=picture.getvalue(),
    )
    group = marta.new_room(name=GROUP)
    expect(marta.set_state(group, "m.room.avatar", {"url": expect(uploaded).body["content_uri"]}))
    for name in NEIGHBOURS:
        neighbour = person(server, name)
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


def open_page(browser: Browser, link: str, width: int, height: int, **options: Any) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": height},
        timezone_id="Europe/Berlin",
        reduced_motion="reduce",
        **{"locale": "en-GB", "device_scale_factor": 2, **options},
    )
    page = context.new_page()
    page.goto(link)
    return page


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


@contextmanager
def hydrogen(folder: Path) -> Iterator[str]:
    """Hydrogen, from npm, at an address of this computer's."""
    folder.mkdir()
    npm = ["npm", "install", "--silent", "--ignore-scripts", "--prefix", str(folder)]
    subprocess.run([*npm, *CLIENT_PACKAGES], check=True)
    (folder / "main.js").write_text(CLIENT_SCRIPT)
    subprocess.run(
        [
            folder / "node_modules/.bin/esbuild", "main.js", "--bundle", "--format=esm",
            "--external:fs", "--external:path", "--external:crypto", "--outfile=site/client.js",
            "--log-level=error",
        ],
        cwd=folder, check=True,
    )  # fmt: skip
    site, package = folder / "site", folder / "node_modules/hydrogen-view-sdk"
    shutil.copytree(package / "asset-build/assets", site / "assets")
    shutil.copy(package / "lib-build/sw.js", site)
    (site / "index.html").write_text(CLIENT_PAGE)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


if __name__ == "__main__":
    main()
