"""Pictures of join codes: a card as PNG to send and to print, and the bare code as SVG and as text.

Names on a card are whatever people typed. `_clean` takes out what could rearrange a picture, each
line is drawn on a strip of its own that cuts off what leaves it, and a character that no font can
draw is replaced rather than shown as a box.
"""

import bisect
import functools
import glob
import math
import unicodedata
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import cast

import qrcode

# Pillow is not a dependency of this package: Synapse requires it, for its thumbnails.
from PIL import Image, ImageDraw, ImageFont, features
from qrcode.util import MODE_8BIT_BYTE, QRData

from synapse_capgroups.codes.card_words import Card

QUIET_ZONE = 4  # modules, as the standard for QR codes asks
LONGEST_URL = 2331  # bytes; what the largest code holds at error correction level M
WIDTH, MARGIN, PADDING, ROUNDING = 900, 40, 60, 36  # px
COLUMN = WIDTH - 2 * MARGIN - 2 * PADDING
BACKDROP, PAPER, INK, SOFT_INK, FAINT_INK = "#f0f0ee", "#ffffff", "#111111", "#444444", "#707070"
NAME_SIZES = ((60, 1), (52, 2), (44, 2))  # px to try, each with the lines that a name may take
SMALL_SIZE = 30  # px
_FAMILIES = (
    *("NotoSans", "NotoSans{script}", "NotoSerif{script}", "NotoSansCJK", "wqy-microhei"),
    *("wqy-zenhei", "DejaVuSans", "NotoSansSymbols", "NotoSansSymbols2", "FreeSans", "unifont"),
)
_EMOJI, _EMOJI_SIZE = "NotoColorEmoji", 109  # px; a font of bitmaps has this size only
_LONGEST_NAME, _LONGEST_SHARER = 300, 24  # characters
_MOST_JOINED = 8  # code points in one character: an emoji of a family has seven
_JOINERS = "\u200c\u200d\ufe0e\ufe0f"  # They shape their neighbours and draw nothing.
_STRONG = {"L": "ltr", "R": "rtl", "AL": "rtl", "AN": "rtl"}
# Without both, Pillow neither joins Arabic letters nor orders them, and rejects `direction`.
_SHAPING = features.check("raqm") and features.check("fribidi")


def qr_png(card: Card) -> bytes:
    """The card, 900 px wide: the group's name, the code, who shared it and until when.

    It takes tens of milliseconds of processor time: better not on the reactor's thread.

    Raises:
        ValueError: the URL is empty, or no QR code can hold it.
    """
    code = _code(card.url)
    pixels = Image.new("L", (len(code), len(code)))
    pixels.putdata([0x11 if dark else 0xFF for row in code for dark in row])
    side = COLUMN // len(code) * len(code)  # Whole pixels for each module keep its edges sharp.
    small = [(_shared_by(card), SOFT_INK), (card.valid_until, FAINT_INK)]
    parts = [
        *_name(card.group),
        pixels.resize((side, side), Image.Resampling.NEAREST).convert("RGB"),
        *(_strip(line, SMALL_SIZE, ink) for text, ink in small for line in _fold(text)[0]),
    ]
    height = 2 * (MARGIN + PADDING) + sum(part.height for part in parts)
    image = Image.new("RGB", (WIDTH, height), BACKDROP)
    corners = (MARGIN, MARGIN, WIDTH - MARGIN - 1, height - MARGIN - 1)
    ImageDraw.Draw(image).rounded_rectangle(corners, ROUNDING, PAPER)
    y = MARGIN + PADDING
    for part in parts:
        image.paste(part, ((WIDTH - part.width) // 2, y))
        y += part.height
    file = BytesIO()
    image.save(file, "PNG", optimize=True, dpi=(300, 300))
    return file.getvalue()


def qr_svg(url: str) -> bytes:
    """The bare code as an SVG of a white square and one path; raises like `qr_png`."""
    code = _code(url)
    side = len(code)
    dark = [f"M{x} {y}h1v1h-1z" for y, row in enumerate(code) for x, d in enumerate(row) if d]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{side * 8}" height="{side * 8}" '
        f'viewBox="0 0 {side} {side}" shape-rendering="crispEdges"><path fill="#fff" '
        f'd="M0 0h{side}v{side}H0z"/><path fill="#111" d="{"".join(dark)}"/></svg>\n'
    ).encode()


def qr_text(url: str) -> str:
    """The bare code for a terminal: light on dark, two modules a letter; raises like `qr_png`."""
    code = _code(url)
    code.append([True] * len(code))  # The number of rows is odd: the last line's lower half.
    blocks = {(False, False): "█", (False, True): "▀", (True, False): "▄", (True, True): " "}
    pairs = zip(code[::2], code[1::2], strict=True)
    return "".join("".join(blocks[p] for p in zip(*two, strict=True)) + "\n" for two in pairs)


def _code(url: str) -> list[list[bool]]:
    """The rows of the code with its quiet zone; True is dark."""
    if not url:
        raise ValueError("There is no URL to make a QR code of.")
    data = url.encode()
    if len(data) > LONGEST_URL:
        raise ValueError(f"The URL is too long for a QR code: {len(data)} bytes of {LONGEST_URL}.")
    # Level M and not Q: larger modules are read from farther away, and nothing covers any of them.
    code = qrcode.QRCode(error_correction=qrcode.ERROR_CORRECT_M, border=QUIET_ZONE)
    code.add_data(QRData(data, mode=MODE_8BIT_BYTE))
    code.make(fit=True)
    return [[bool(dark) for dark in row] for row in code.get_matrix()]


def _name(name: str) -> list[Image.Image]:
    """The group's name in the largest size that holds it, its lines about equally long."""
    for size, most in NAME_SIZES:
        lines, whole = _fold(name, size, most, "Bold")
        if whole:
            widths = range(COLUMN // 2, COLUMN, 20) if len(lines) > 1 else ()
            folded = (_fold(name, size, most, "Bold", width) for width in widths)
            lines = next((even for even, whole in folded if whole), lines)
            break
    return [_strip(line, size, INK, "Bold") for line in lines]


def _shared_by(card: Card) -> str:
    """The sentence with a long name shortened, so that the words after it are not lost."""
    letters = _clusters(_clean(card.sharer))
    if len(letters) <= _LONGEST_SHARER:
        return card.shared_by
    short = "".join(letters[:_LONGEST_SHARER]).strip() + "…"
    return card.shared_by.replace(card.sharer, short, 1)


def _fold(
    text: str, size: int = SMALL_SIZE, most: int = 2, style: str = "Regular", width: int = COLUMN
) -> tuple[list[str], bool]:
    """At most so many lines of that width, and whether the text is whole; if not, "…" ends it."""
    rest = _clusters(_clean(text))
    lines: list[str] = []

    def longest(ending: str) -> int:
        """How many clusters fit on a line. One always does: `_strip` cuts off what is too wide."""
        starts = ["".join(rest[: i + 1]).strip() + ending for i in range(len(rest))]
        return max(1, bisect.bisect_right(starts, width, key=lambda s: _width(s, size, style)))

    while rest:
        count = longest("")
        if count == len(rest):
            return [*lines, "".join(rest)], True
        if len(lines) == most - 1:
            return [*lines, "".join(rest[: longest("…")]).rstrip(" …") + "…"], False
        count = next((i for i in range(count, 0, -1) if _may_break(rest[i - 1], rest[i])), count)
        lines.append("".join(rest[:count]).strip())
        rest = rest[count + (rest[count] == " ") :]
    return lines, True


def _may_break(before: str, after: str) -> bool:
    """Whether a line may end between the two: at a space, and between Chinese characters."""
    held = unicodedata.category(before[0]) == "Ps" or unicodedata.category(after[0])[0] == "P"
    wide = any(unicodedata.east_asian_width(c[0]) in "WF" for c in (before, after))
    return " " in (before, after) or (wide and not held)


def _strip(text: str, size: int, ink: str, style: str = "Regular") -> Image.Image:
    """One line as a picture of its own, so that nothing in it can reach the code."""
    width = min(COLUMN, _width(text, size, style) + 4)
    strip = Image.new("RGB", (width, round(size * 1.6)), PAPER)
    draw = ImageDraw.Draw(strip)
    x, baseline = 2.0, round(size * 1.15)
    for run in _runs(text, size, style):
        if run.scale == 1:
            draw.text((x, baseline), run.text, ink, run.font, "ls", direction=run.direction)
        else:  # A bitmap of an emoji: drawn in its own size, then made as small as the letters.
            glyphs = Image.new("RGBA", (math.ceil(run.width / run.scale), 2 * _EMOJI_SIZE))
            at = (0, 1.5 * _EMOJI_SIZE)
            ImageDraw.Draw(glyphs).text(at, run.text, ink, run.font, "ls", embedded_color=True)
            glyphs = glyphs.resize((math.ceil(run.width), 2 * size), Image.Resampling.LANCZOS)
            strip.paste(glyphs, (round(x), round(baseline - 1.5 * size)), glyphs)
        x += run.width
    return strip


def _clean(text: str) -> str:
    """Only what can be drawn, on one line: no controls, no direction marks."""
    kept = ""
    for letter in _clusters(unicodedata.normalize("NFC", text[:_LONGEST_NAME])):
        plain = unicodedata.normalize("NFKD", letter)[0]
        if _font_file(letter) is not None:
            kept += letter
        elif _font_file(plain) is not None:  # "ü" can still be "u".
            kept += plain
        elif unicodedata.category(plain)[0] in "LN" and not kept.endswith("…"):
            kept += "…"  # Letters leave a mark, symbols and emoji nothing.
    return " ".join(kept.split())


def _clusters(text: str) -> list[str]:
    """The text in pieces that a reader takes for one character each, without what is unsafe."""
    clusters: list[str] = []
    for c in text:
        category = unicodedata.category(c)
        if c in _JOINERS or category[0] == "M" or "\U0001f3fb" <= c <= "\U0001f3ff":
            if clusters and clusters[-1] != " " and len(clusters[-1]) < _MOST_JOINED:
                clusters[-1] += c
        elif c.isspace() or category[0] != "C":
            clusters.append(" " if c.isspace() else c)
    return clusters


class _Run:
    """A part of a line that one font draws in one direction."""

    def __init__(self, direction: str, file: str, letters: list[str], size: int) -> None:
        self.font = _load(file, _EMOJI_SIZE if _EMOJI in file else size)
        self.scale = size / self.font.size  # from the font's size to the line's
        self.direction = direction if _SHAPING and file else None
        self.text = "".join(letters if _SHAPING or direction == "ltr" else letters[::-1])
        self.width = self.font.getlength(self.text, direction=self.direction) * self.scale


def _width(text: str, size: int, style: str) -> int:
    return math.ceil(sum(run.width for run in _runs(text, size, style)))


def _runs(text: str, size: int, style: str) -> list[_Run]:
    """The line from left to right. The first letter with a direction gives the line's."""
    letters = _clusters(text)
    own = [_STRONG.get(unicodedata.bidirectional(letter[0]), "") for letter in letters]
    line = next(filter(None, own), "ltr")
    parts = [(key, len(list(part))) for key, part in groupby(own)]
    pieces: list[tuple[str, str, list[str]]] = []  # direction, font file, letters
    file = _EMOJI
    for i, (strong, length) in enumerate(parts):
        # What has none takes its neighbours' if they agree, as in Unicode's algorithm (N1, N2).
        around = {key for key, _ in ((line, 0), *parts, (line, 0))[i : i + 3 : 2]}
        direction = strong or (around.pop() if len(around) == 1 else line)
        for letter in letters[:length]:
            if strong or _EMOJI in file or not _draws(file, letter):
                file = _font_file(letter, style) or ""
            if not pieces or pieces[-1][:2] != (direction, file):
                pieces.append((direction, file, []))
            pieces[-1][2].append(letter)
        del letters[:length]
    # Right to left is turned twice: the pieces of each stretch, and the stretches of the line.
    stretches = [list(stretch) for _, stretch in groupby(pieces, lambda piece: piece[0])]
    turned = [stretch[::-1] if stretch[0][0] == "rtl" else stretch for stretch in stretches]
    ordered = turned[::-1] if line == "rtl" else turned
    return [_Run(*piece, size) for stretch in ordered for piece in stretch]


@functools.lru_cache(maxsize=4096)
def _font_file(letter: str, style: str = "Regular") -> str | None:
    """The best font that draws this letter, "" for Pillow's own, None if there is none."""
    c = letter[0]
    symbol = "\u2300" <= c < "\u2c00" and unicodedata.east_asian_width(c) == "W"
    emoji = symbol or "\ufe0f" in letter or "\U0001f000" <= c < "\U00020000"
    script = unicodedata.name(c, "").split(" ")[0].title()  # "THAI CHARACTER KO KAI"
    families = [family.format(script=script) for family in _FAMILIES]
    order = [_EMOJI, *families] if emoji else [*families, _EMOJI]
    names = [f"{family}{ending}" for family in order for ending in (f"-{style}", "-Regular", "")]
    files = [*filter(None, map(_font_files().get, names)), ""]
    return next((file for file in files if _draws(file, letter)), None)


@functools.lru_cache(maxsize=8192)
def _draws(file: str, letter: str) -> bool:
    """Whether the font shows something for it, and not what it shows for a missing character."""
    try:
        font = _load(file, _EMOJI_SIZE, ImageFont.Layout.BASIC)
    except OSError:
        return False
    missing = bytes(font.getmask("\U0010ffff"))
    shown = (bytes(font.getmask(c)) for c in letter if c != " " and c not in _JOINERS)
    return all(mask.strip(b"\0") and mask != missing for mask in shown)


@functools.lru_cache(maxsize=64)
def _load(file: str, size: int, layout: ImageFont.Layout | None = None) -> ImageFont.FreeTypeFont:
    if not file:
        return cast(ImageFont.FreeTypeFont, ImageFont.load_default(size))
    # Of the same characters as Japan, Korea, China, Taiwan and Hong Kong draw them: China's.
    return ImageFont.truetype(file, size, 2 if "NotoSansCJK" in file else 0, layout_engine=layout)


@functools.cache
def _font_files() -> dict[str, str]:
    """Each font's file by its name without the ending."""
    patterns = ("/usr/share/fonts/**/*.[to]t[fc]", "/usr/local/share/fonts/**/*.[to]t[fc]")
    return {Path(f).stem: f for pattern in patterns for f in glob.glob(pattern, recursive=True)}
