"""Brings files from outside docs/ into the site; mkdocs.yml names it under `hooks`.

The pages link to files as they lie in a checkout, so that links work in an editor and on a forge.
On the site, CONTRIBUTING.md and CHANGELOG.md are pages, plots are copied, README's installation is
shown on its page, and every other file outside docs/ is a link to the repository.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
PAGES = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changes.md"}
PLOTS = "benchmarks/results/"

_LINK = re.compile(r"(\]\()([^)#\s]+)([^)\s]*\))|(\b(?:src|href)=\")([^\"#]+)([^\"]*\")")
_INSTALL = re.compile(r"^\[[^\]]*\]\(\.\./README\.md#install-it\)$", re.MULTILINE)


def on_files(files: Files, config: Any) -> Files:
    """Add the pages and plots from outside docs/."""
    elsewhere = PAGES | {f"{PLOTS}{plot.name}": f"plots/{plot.name}" for plot in _plots()}
    for source, target in elsewhere.items():
        files.append(File.generated(config, target, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Show README's installation, and point links that leave docs/ to where they work."""
    folder = "docs"
    if page.file.src_uri in PAGES.values():
        folder = ""
    if _INSTALL.search(markdown):
        readme = (ROOT / "README.md").read_text()
        _, _, section = readme.partition("\n## Install it\n")
        section = section.partition("\n## ")[0].strip()
        markdown = _INSTALL.sub(lambda _: section, markdown)
    repository = f"{config.repo_url}/blob/main/"

    def on_site(link: str) -> str:
        if link.startswith(repository):
            path = link.removeprefix(repository)
        elif ":" in link or link.startswith("/"):
            return link
        else:
            path = posixpath.normpath(posixpath.join(folder, link))
        if path in PAGES:
            return PAGES[path]
        if path.startswith(PLOTS) and path.endswith(".svg"):
            return "plots/" + path.removeprefix(PLOTS)
        if path.startswith("docs/") and not path.endswith(".py"):
            return path.removeprefix("docs/")
        return repository + path

    def replace(found: re.Match[str]) -> str:
        before, link, after = found[1] or found[4], found[2] or found[5], found[3] or found[6]
        return f"{before}{on_site(link)}{after}"

    return _LINK.sub(replace, markdown)


def _plots() -> list[Path]:
    return sorted((ROOT / PLOTS).glob("*.svg"))
