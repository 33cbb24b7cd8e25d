"""The languages: one YAML file each beside this module, and which of them a browser gets."""

import re
from functools import cache
from importlib import resources
from typing import Any

import yaml

DEFAULT = "en"

_FOLDER = resources.files("synapse_capgroups.words")
_LONGEST_HEADER = 1000  # A browser sends a tenth of it. 16 kB would take milliseconds to read.
_RANGE = re.compile(
    r"(?P<tag>[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)"
    r"(?:\s*;\s*[qQ]\s*=\s*(?P<q>0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?"
)

_FILES = (file.name for file in _FOLDER.iterdir())
LANGUAGES = tuple(
    sorted(
        (name.removesuffix(".yaml") for name in _FILES if name.endswith(".yaml")),
        key=lambda name: (name != DEFAULT, name),
    )
)
"""Their names, BCP 47 tags such as `en` and `zh-Hans`. English is the first."""


@cache
def own_texts(language: str) -> dict[str, Any]:
    """What a language's file has, by section. Read once."""
    raw = (_FOLDER / f"{language}.yaml").read_text(encoding="utf-8")
    own: dict[str, Any] = yaml.safe_load(raw)
    return own


def texts(language: str) -> dict[str, Any]:
    """A language's texts by section. A text that its file lacks is there in English.

    Args:
        language: one of `LANGUAGES`.
    """
    return _merged(own_texts(DEFAULT), own_texts(language))


def is_plural(text: object) -> bool:
    """Whether a text has one form for 1 and another for every other number."""
    return isinstance(text, dict) and "other" in text


def _merged(english: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    merged = {**english, **own}
    for key, section in english.items():
        if isinstance(section, dict) and not is_plural(section) and isinstance(own.get(key), dict):
            merged[key] = _merged(section, own[key])
    return merged


def browser_language(accept_language: str) -> str:
    """The best of `LANGUAGES` for an `Accept-Language` header; English if none fits."""
    best, weight = DEFAULT, 0.0
    for part in accept_language[:_LONGEST_HEADER].split(","):
        wanted = _RANGE.fullmatch(part.strip())
        if wanted is None:
            continue
        found = _spoken(wanted["tag"].lower())
        q = float(wanted["q"] or 1)
        if found is not None and q > weight:
            best, weight = found, q
    return best


def _spoken(tag: str) -> str | None:
    """Which of our languages this tag means. Traditional Chinese (zh-TW, zh-Hant) is none."""
    if tag in ("zh", "zh-cn", "zh-sg"):
        return "zh-Hans"
    for language in LANGUAGES:
        if f"{tag}-".startswith(f"{language.lower()}-"):
            return language
    return None
