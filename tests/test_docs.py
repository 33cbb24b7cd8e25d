"""The documentation refers to what exists, and every picture is in use."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
_CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)|\b(?:src|href)=\"([^\"]+)\"")
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|#", re.IGNORECASE)
_MARKDOWN_PICTURE, _HTML_PICTURE = re.compile(r"!\[([^\]]*)\]"), re.compile(r"<img\b([^>]*)>")


def text(page: Path) -> str:
    """A page's text, without what it shows as code."""
    return _CODE.sub("", page.read_text())


def targets(page: Path) -> list[Path]:
    """The files that a page links to or shows."""
    links = [markdown or html for markdown, html in _LINK.findall(text(page))]
    return [
        (page.parent / link.partition("#")[0]).resolve()
        for link in links
        if not _ELSEWHERE.match(link)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_everything_a_page_refers_to_exists(page: Path) -> None:
    assert [str(target) for target in targets(page) if not target.exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_picture_is_told_in_words(page: Path) -> None:
    words = _MARKDOWN_PICTURE.findall(text(page))
    for attributes in _HTML_PICTURE.findall(text(page)):
        alt = re.search(r"\balt=\"([^\"]*)\"", attributes)
        words.append(alt[1] if alt else "")
    assert all(words)


def test_every_picture_is_shown_somewhere_and_small() -> None:
    shown = {target for page in PAGES for target in targets(page)}
    pictures = list((ROOT / "docs" / "images").iterdir())
    assert pictures
    assert [picture.name for picture in pictures if picture.resolve() not in shown] == []
    assert [picture.name for picture in pictures if picture.stat().st_size > 120_000] == []
