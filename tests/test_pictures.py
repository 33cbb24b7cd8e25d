"""Pictures of join codes: real decoders read them, whatever the group is called."""

import functools
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import attrs
import numpy as np
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from synapse_capgroups.codes import pictures
from synapse_capgroups.codes.card_words import Card
from synapse_capgroups.codes.pictures import qr_png, qr_svg, qr_text

URL = "https://chat.example.com/_synapse/client/capgroups/join#abcdefghijklmnopqrstuvwxyz"
CARD = Card(
    url=URL,
    group="Sunday hikers",
    sharer="Alice",
    valid_until="Valid until 30 November 2026, 14:00 UTC",
    shared_by="Shared by Alice",
)
SVG = "{http://www.w3.org/2000/svg}"
NAMES = {
    "Chinese": "周日喝茶",
    "long Chinese": "周日喝茶读书会、徒步旅行与摄影爱好者交流群（上海浦东新区分会）第二季",  # noqa: RUF001
    "German": "Größere Ärgernisse & Übungen in Köln",
    "Arabic": "عائلة الشاي (2026) والأصدقاء",
    "both directions": "Alice (عائلة) & 周日 group",
    "emoji": "🎉 Party ☕ crew 👩‍👩‍👧‍👦 🇩🇪 ❤️",
    "500 words": "word " * 500,
    "500 letters": "W" * 500,
    "500 accents": "Z" + "\u0301" * 499,
    "right to left override": "\u202egnorw si siht\u202c\u2066",
    "control characters": "a\x00b\x07c\x1b[31md\x7f",
    "lines": "one\ntwo\r\nthree\u2028four\x0bfive",
    "half a character": "a\ud800b",
    "nothing to see": "\u200b\u00ad\u2060 \u00a0",
    "nothing": "",
}

needs_fonts = pytest.mark.skipif(
    pictures._font_file("周") is None, reason="needs a font for Chinese on this machine"
)


@functools.cache
def card(name: str) -> Image.Image:
    """The card of a group and a sharer of this name."""
    said = attrs.evolve(CARD, group=name, sharer=name, shared_by=f"Shared by {name}")
    return Image.open(io.BytesIO(qr_png(said))).convert("RGB")


def decoded(image: Image.Image) -> list[str]:
    return [found.text for found in zxingcpp.read_barcodes(image)]


def small(image: Image.Image) -> Image.Image:
    return image.resize((200, 200 * image.height // image.width), Image.Resampling.BILINEAR)


def jpeg(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=50)
    return Image.open(file)


def rotated(image: Image.Image) -> Image.Image:
    return image.rotate(5, Image.Resampling.BICUBIC, expand=True, fillcolor="white")


def on_grey(image: Image.Image) -> Image.Image:
    poster = Image.new("RGB", (image.width * 2, image.height * 2), "#808080")
    poster.paste(image, (image.width // 3, image.height // 4))
    return poster


def only_the_code(image: Image.Image) -> Image.Image:
    (found,) = zxingcpp.read_barcodes(image)
    at, zone = found.position, 30
    top_left, bottom_right = at.top_left, at.bottom_right
    return image.crop(
        (top_left.x - zone, top_left.y - zone, bottom_right.x + zone, bottom_right.y + zone)
    )


def all_at_once(image: Image.Image) -> Image.Image:
    return jpeg(small(rotated(image)))


TREATMENTS = (small, jpeg, rotated, on_grey, only_the_code, all_at_once)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_a_card_can_be_scanned_whatever_the_name(name: str) -> None:
    assert decoded(card(name)) == [URL]


@pytest.mark.parametrize("treat", TREATMENTS, ids=lambda treat: treat.__name__)
def test_a_card_can_be_scanned_after_a_rough_journey(
    treat: Callable[[Image.Image], Image.Image],
) -> None:
    for name in ("Sunday hikers", NAMES["long Chinese"], NAMES["500 accents"]):
        assert decoded(treat(card(name))) == [URL], name


def test_another_decoder_reads_it_too() -> None:
    cv2 = pytest.importorskip("cv2")
    for image in (card("周日喝茶"), jpeg(card("周日喝茶"))):
        text, _, _ = cv2.QRCodeDetector().detectAndDecode(np.array(image.convert("RGB")))
        assert text == URL


@settings(max_examples=20, deadline=None)
@given(name=st.text(st.characters(), max_size=60), valid_until=st.text(max_size=60))
def test_any_text_makes_a_card_that_can_be_scanned(name: str, valid_until: str) -> None:
    said = Card(URL, name, name, valid_until, f"Shared by {name}")
    image = Image.open(io.BytesIO(qr_png(said)))
    assert decoded(image) == [URL]
    assert image.width == pictures.WIDTH
    assert image.height < 1300


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_no_name_leaves_its_place(name: str) -> None:
    """The margin and the padding stay empty, and so does the quiet zone around the code."""
    image = card(name).convert("L")
    (found,) = zxingcpp.read_barcodes(image)
    left, right = found.position.top_left.x, found.position.top_right.x
    top, bottom = found.position.top_left.y, found.position.bottom_left.y
    zone = pictures.QUIET_ZONE * (right - left) // 37 - 5
    around = image.crop((left - zone, top - zone, right + zone, bottom + zone))
    ImageDraw.Draw(around).rectangle(
        (zone - 5, zone - 5, around.width - zone + 5, around.height - zone + 5), 255
    )
    assert around.getextrema() == (255, 255)
    side = pictures.MARGIN + pictures.PADDING
    edge = image.crop((pictures.MARGIN, 200, side - 1, image.height - 200))
    assert edge.getextrema() == (255, 255)


def test_a_name_that_cannot_be_drawn_is_not_a_row_of_boxes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pictures, "_font_files", dict)
    pictures._font_file.cache_clear()
    try:
        assert pictures._clean("周日喝茶") == "…"
        assert pictures._clean("Köln 🎉 周日 2026") == "Koln … 2026"
        said = attrs.evolve(CARD, group="Köln 🎉 周日", sharer="محمد", shared_by="Shared by محمد")
        assert decoded(Image.open(io.BytesIO(qr_png(said)))) == [URL]
    finally:
        pictures._font_file.cache_clear()


def test_a_font_file_that_is_broken_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    broken = {"NotoSans-Regular": str(tmp_path / "broken.ttf")}
    monkeypatch.setattr(pictures, "_font_files", lambda: broken)
    pictures._font_file.cache_clear()
    try:
        assert pictures._clean("Sunday") == "Sunday"
    finally:
        pictures._font_file.cache_clear()


@needs_fonts
def test_names_lose_what_could_rearrange_a_line() -> None:
    assert pictures._clean("\u202ea\x00b\nc\u2066 \t d\ud800") == "ab c d"
    assert pictures._clean("Z" + "\u0301" * 499) == "Ź" + "\u0301" * 7
    assert pictures._clean(NAMES["nothing to see"]) == ""


def test_a_long_name_keeps_the_words_around_it() -> None:
    said = attrs.evolve(CARD, sharer="x" * 500, shared_by=f"由{'x' * 500}分享")
    assert pictures._shared_by(said) == f"由{'x' * 24}…分享"
    assert pictures._shared_by(CARD) == "Shared by Alice"


@needs_fonts
def test_lines_break_at_spaces_and_between_chinese_characters() -> None:
    assert pictures._fold("Sunday hikers", 60, 2, width=300)[0] == ["Sunday", "hikers"]
    lines, whole = pictures._fold("周日喝茶，读书会", 60, 3, width=250)  # noqa: RUF001
    assert whole
    assert lines[0] == "周日喝"  # A comma does not begin a line.
    lines, whole = pictures._fold("word " * 100, 60, 2)
    assert (len(lines), lines[-1][-1], whole) == (2, "…", False)


def test_right_to_left_runs_are_ordered_as_they_are_read() -> None:
    def order(text: str) -> list[str]:
        return [run.text for run in pictures._runs(text, 30, "Regular")]

    if not pictures._SHAPING or order("周")[0] != "周" or len(order("a周")) == 1:
        pytest.skip("needs fonts of several scripts, and FriBiDi")
    assert "".join(order("Alice (עמית) x")).startswith("Alice (")
    assert order("עמית 周 שרה")[0].strip() == "שרה"


def test_the_svg_is_drawn_by_itself_and_can_be_scanned() -> None:
    svg = qr_svg(URL)
    root = ET.fromstring(svg)
    assert {element.tag for element in root.iter()} == {f"{SVG}svg", f"{SVG}path"}
    names = {name for element in root.iter() for name in element.attrib}
    assert names == {"width", "height", "viewBox", "shape-rendering", "fill", "d"}
    assert b"http" not in svg.replace(b'xmlns="http://www.w3.org/2000/svg"', b"")

    side = int(root.attrib["viewBox"].split()[2])
    image = Image.new("RGB", (side * 8, side * 8), "red")
    ground, modules = root
    assert ground.attrib == {"fill": "#fff", "d": f"M0 0h{side}v{side}H0z"}
    ImageDraw.Draw(image).rectangle((0, 0, *image.size), ground.attrib["fill"])
    steps = modules.attrib["d"].split("z")
    assert steps.pop() == ""
    for step in steps:
        match = re.fullmatch(r"M(\d+) (\d+)h1v1h-1", step)
        assert match
        x, y = int(match[1]) * 8, int(match[2]) * 8
        ImageDraw.Draw(image).rectangle((x, y, x + 7, y + 7), modules.attrib["fill"])
    assert decoded(image) == [URL]


def test_the_text_can_be_scanned_from_a_dark_terminal() -> None:
    lines = qr_text(URL).splitlines()
    width = len(lines[0])
    assert {len(line) for line in lines} == {width}
    image = Image.new("L", (width, 2 * len(lines)))
    for y, line in enumerate(lines):
        for x, block in enumerate(line):
            image.putpixel((x, 2 * y), 255 * (block in "█▀"))
            image.putpixel((x, 2 * y + 1), 255 * (block in "█▄"))
    terminal = Image.new("L", (image.width * 8 + 100, image.height * 8 + 100), 20)
    terminal.paste(image.resize((image.width * 8, image.height * 8)), (0, 0))
    assert decoded(terminal) == [URL]
    assert len(lines) < 24, "a small terminal shows it whole"


@pytest.mark.parametrize("make", [qr_svg, qr_text, lambda url: qr_png(attrs.evolve(CARD, url=url))])
def test_a_url_that_no_code_can_hold_is_refused(make: Callable[[str], object]) -> None:
    with pytest.raises(ValueError, match=r"There is no URL"):
        make("")
    with pytest.raises(ValueError, match=r"too long for a QR code: 2332 bytes of 2331"):
        make("x" * (pictures.LONGEST_URL + 1))
    make("x" * pictures.LONGEST_URL)


def test_the_longest_url_can_be_scanned() -> None:
    longest = URL + "x" * (pictures.LONGEST_URL - len(URL))
    assert decoded(Image.open(io.BytesIO(qr_png(attrs.evolve(CARD, url=longest))))) == [longest]
