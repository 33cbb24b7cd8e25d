"""The refusals in English, keyed by reason, for each reader."""

from synapse_capgroups.rules.verdict import Reason, Refusal
from synapse_capgroups.words.languages import DEFAULT, texts

_REFUSALS = texts(DEFAULT)["refusals"]


def _sentences(section: str) -> dict[Reason, str]:
    own = {**_REFUSALS["anybody"], **_REFUSALS[section]}
    return {Reason(reason): text for reason, text in own.items()}


JOINING = _sentences("joining")
INVITING = _sentences("inviting")
SHARING = _sentences("sharing")
CREATING = _sentences("creating")
ADDRESSING_A_DOOR = _sentences("addressing_a_door")
ADDRESSING_LIKE_A_CODE = _sentences("addressing_like_a_code")
SPACES = _REFUSALS["of_space"]


def sentence(refusal: Refusal, audience: dict[Reason, str]) -> str:
    """The sentence that this reader is told, with the refusal's numbers filled in."""
    said = audience[refusal.reason].format(limit=refusal.limit, members=refusal.members)
    return f"{said} {SPACES}" if refusal.of_space else said
