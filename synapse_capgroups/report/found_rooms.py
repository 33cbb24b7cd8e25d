"""A group that breaks a rule, as programs read of it."""

from synapse_capgroups.groups.survey import Finding
from synapse_capgroups.rules.breaches import Breach, Note

FIELDS = (
    "room_id", "name", "creator", "owner", "members", "remote", "last_activity", "addresses",
    "breaches", "notes",
)  # fmt: skip


def record(found: Finding) -> dict[str, object]:
    """What is told of a group, by `FIELDS`."""
    return {
        name: [item.value if isinstance(item, Breach | Note) else item for item in value]
        if isinstance(value := getattr(found, name), tuple)
        else value
        for name in FIELDS
    }
