"""A refusal as fields of a Matrix error (rule 8), alike for callbacks and the HTTP API."""

from typing import Any

from synapse_capgroups.rules.verdict import Reason, Refusal
from synapse_capgroups.words.refusals import sentence


def refusal_fields(refusal: Refusal, audience: dict[Reason, str]) -> dict[str, Any]:
    """The sentence, the reason and the numbers of a refusal."""
    fields: dict[str, Any] = {
        "error": sentence(refusal, audience),
        "org.capgroups.reason": refusal.reason.value,
    }
    if refusal.members is not None:
        fields["org.capgroups.members"] = refusal.members
    if refusal.limit is not None:
        fields["org.capgroups.limit"] = refusal.limit
    return fields
