"""What the concierge and its doors say, in each language."""

from synapse_capgroups.words import languages
from synapse_capgroups.words.lookup import Words

LANGUAGES = {language: Words(language) for language in languages.LANGUAGES}
ENGLISH = LANGUAGES["en"]
