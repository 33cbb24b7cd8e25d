"""The documentation refers to what exists, and every picture is in use."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [
    README,
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "benchmarks").rglob("*.md")),
]
_CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)|\b(?:src|href)=\"([^\"]+)\"")
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
# A file of this repository by its address, as README names them for readers on PyPI.
_PROJECT = (ROOT / "pyproject.toml").read_text()
_NAME = re.findall(r'^Source = "https://github.com/([^"]*)"$', _PROJECT, re.MULTILINE)[0]
_OURS = re.compile(
    rf"https://(?:github\.com/{_NAME}/blob|raw\.githubusercontent\.com/{_NAME})/main/(.*)"
)
_MARKDOWN_PICTURE, _HTML_PICTURE = re.compile(r"!\[([^\]]*)\]"), re.compile(r"<img\b([^>]*)>")


def text(page: Path) -> str:
    """A page's text, without what it shows as code."""
    return _CODE.sub("", page.read_text())


def links(page: Path) -> list[str]:
    """The addresses that a page links to or shows, without the headings in them."""
    found = (markdown or html for markdown, html in _LINK.findall(text(page)))
    return [link.partition("#")[0] for link in found if not link.startswith("#")]


def targets(page: Path) -> list[Path]:
    """The files of this repository that a page links to or shows."""
    found = []
    for link in links(page):
        ours = _OURS.match(link)
        if ours is not None:
            found.append((ROOT / ours[1]).resolve())
        elif not _ELSEWHERE.match(link):
            found.append((page.parent / link).resolve())
    return found


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
    pictures = [
        *(ROOT / "docs" / "images").iterdir(),
        *(ROOT / "benchmarks" / "results").glob("*.svg"),
    ]
    assert pictures
    assert [picture.name for picture in pictures if picture.resolve() not in shown] == []
    assert [picture.name for picture in pictures if picture.stat().st_size > 120_000] == []


def test_links_of_the_readme_work_on_pypi() -> None:
    assert [link for link in links(README) if not link.startswith("https://")] == []


def test_the_readme_is_short_and_has_the_commands_that_ci_runs() -> None:
    lines = README.read_text().splitlines()
    assert len(lines) < 200
    for command in (".venv/bin/pytest", ".venv/bin/capgroups demo"):
        assert next(line for line in lines if command in line).startswith("python3 -m venv .venv")
    assert any("needs Synapse 1." in line for line in lines)


def test_the_files_that_the_architecture_names_exist() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text().partition("\n## Tests\n")[0]
    named = set(re.findall(r"`((?:\w+/)+|(?:\w+/)*\w+(?:-\w+)*\.(?:py|yaml))`", page))
    assert len(named) > 40
    root = ROOT / "synapse_capgroups"
    callbacks = {file.name for file in (root / "callbacks").iterdir()}
    missing = {name for name in named if not (root / name).exists()} - callbacks
    assert missing <= {"synapse_capgroups/"}
