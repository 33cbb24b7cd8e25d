"""The words of the join page, and which language a browser gets."""

from synapse_capgroups.words.languages import LANGUAGES
from synapse_capgroups.words.languages import browser_language as language
from synapse_capgroups.words.lookup import Words

__all__ = ["WORDS", "language"]

WORDS = {name: Words(name).page() for name in LANGUAGES}
