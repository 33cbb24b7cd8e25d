"""A refusal as fields of a Matrix error (rule 8), alike for callbacks and the HTTP API."""

from typing import Any

from synapse_capgroups.rules.verdict import Refusal
from synapse_capgroups.words.lookup import Audience, Words


def refusal_fields(words: Words, refusal: Refusal, audience: Audience) -> dict[str, Any]:
    """The sentence, the reason and the numbers of a refusal."""
    fields: dict[str, Any] = {
        "error": words.refusal(refusal, audience),
        "org.capgroups.reason": refusal.reason.value,
    }
    if refusal.members is not None:
        fields["org.capgroups.members"] = refusal.members
    if refusal.limit is not None:
        fields["org.capgroups.limit"] = refusal.limit
    return fields
