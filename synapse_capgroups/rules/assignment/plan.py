"""The plan of an assignment: who goes into which group, and who is left out and why."""

from hashlib import sha256
from typing import Any

import attrs
from canonicaljson import encode_canonical_json

from synapse_capgroups.rules.assignment.facts import Label, Why


@attrs.frozen
class PlannedGroup:
    """A group that gets people.

    Attributes:
        number: in the series.
        new: whether it is still to be made.
        label: what its people have in common.
        before: how many people are in it already.
        people: who is added, sorted.
    """

    number: int
    new: bool
    label: Label
    before: int
    people: tuple[str, ...]


@attrs.frozen
class PlannedValue:
    """What became of the new people with one value; `why` some of them are left out, if any are."""

    label: Label
    people: int
    placed: int
    why: Why | None


@attrs.frozen
class Plan:
    """The same for the same people and facts, in whatever order they are given.

    Attributes:
        groups: those that get people, by number.
        values: what became of each value, if groups are made by values.
        staying: who is in a group already and stays there, with its number.
        left_out: who gets no place, and why.
    """

    groups: tuple[PlannedGroup, ...]
    values: tuple[PlannedValue, ...]
    staying: tuple[tuple[str, int], ...]
    left_out: tuple[tuple[str, Why], ...]

    @property
    def placed(self) -> int:
        """How many people get a place."""
        return sum(len(group.people) for group in self.groups)

    def to_json(self) -> dict[str, Any]:
        """The plan as the HTTP API gives it, without its hash."""
        groups = [
            {
                "number": group.number,
                "new": group.new,
                "label": dict(group.label),
                "before": group.before,
                "people": list(group.people),
            }
            for group in self.groups
        ]
        values = [
            {
                "label": dict(value.label),
                "people": value.people,
                "placed": value.placed,
                "reason": value.why and value.why.value,
            }
            for value in self.values
        ]
        return {
            "groups": groups,
            "values": values,
            "staying": [{"user": user, "group": number} for user, number in self.staying],
            "left_out": [{"user": user, "reason": why.value} for user, why in self.left_out],
            "totals": {
                "placed": self.placed,
                "staying": len(self.staying),
                "left_out": len(self.left_out),
                "groups": len(self.groups),
                "new_groups": sum(group.new for group in self.groups),
            },
        }

    def hash(self) -> str:
        """The SHA-256 of the plan's canonical JSON, in hexadecimal."""
        return sha256(encode_canonical_json(self.to_json())).hexdigest()
