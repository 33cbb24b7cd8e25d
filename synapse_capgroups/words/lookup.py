"""Looks up what people read, in one language."""

from collections.abc import Collection, Mapping
from enum import Enum
from functools import cache
from typing import Any

from synapse_capgroups.rules.names import pseudonym
from synapse_capgroups.rules.verdict import Refusal
from synapse_capgroups.words.languages import DEFAULT, is_plural, texts

_SAID = (
    "errors",
    "concierge",
    "series",
    "states",
    "cards",
    "doors",
    "assignments",
    "announcements",
)


class Audience(Enum):
    """Who reads a refusal; the value is a section of `refusals` in a language's file."""

    JOINING = "joining"
    INVITING = "inviting"
    SHARING = "sharing"
    CREATING = "creating"
    ADDRESSING_A_DOOR = "addressing_a_door"
    ADDRESSING_LIKE_A_CODE = "addressing_like_a_code"


class Words:
    """The texts of one language."""

    def __init__(self, language: str = DEFAULT) -> None:
        """
        Args:
            language: one of `languages.LANGUAGES`.
        """
        self.language = language
        self._texts = texts(language)
        self._said = {k: v for section in _SAID for k, v in self._texts[section].items()}

    def say(self, key: str, /, **values: object) -> str:
        """What the concierge, a door, a card or an error says.

        Args:
            key: its name in the language's file.
            values: what stands for the names in braces.
        """
        return _form(self._said[key], values).format(**values)

    def refusal(self, refusal: Refusal, audience: Audience) -> str:
        """The sentence that this reader is told, with the refusal's numbers filled in."""
        refusals = self._texts["refusals"]
        reason = refusal.reason.value
        text = refusals[audience.value].get(reason) or refusals["anybody"][reason]
        said = text.format(limit=refusal.limit, members=refusal.members, group=refusal.group)
        return f"{said} {refusals['of_space']}" if refusal.of_space else said

    def page(self) -> dict[str, str]:
        """The texts of the join page, whose script fills in the names in braces."""
        page: dict[str, str] = self._texts["join_page"]
        return page

    def console(self) -> dict[str, Any]:
        """The texts of the console, whose scripts fill in the names in braces and choose forms."""
        left_out = {k: v for k, v in self._said.items() if k.startswith("left_out_")}
        return {**self._texts["console_page"], **left_out}

    def pseudonym(self, taken: Collection[str]) -> str:
        """A generated name that is not among those taken."""
        parts = self._texts["pseudonyms"]
        words = parts["adjectives"].split(), parts["nouns"].split()
        return pseudonym(words, parts["pattern"], taken)


@cache
def in_language(language: str) -> Words:
    """The texts of one of `languages.LANGUAGES`, the same object each time."""
    return Words(language)


def _form(text: Any, values: Mapping[str, object]) -> str:
    """The form of a text for its number."""
    if not is_plural(text):
        return str(text)
    is_one = values.get(text.get("number")) == 1
    return str(text["one"] if is_one and "one" in text else text["other"])
