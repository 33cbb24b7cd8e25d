"""Generated names in the server's language (`names.on_arrival: pseudonym`)."""

from collections.abc import Collection

from synapse_capgroups.words.lookup import Words


def a_pseudonym(language: str, taken: Collection[str]) -> str:
    """A name in one of the server's languages that is not among those taken."""
    return Words(language).pseudonym(taken)
