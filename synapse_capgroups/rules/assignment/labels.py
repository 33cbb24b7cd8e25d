"""What the people of a group have in common, as it is stored and as people read it."""

import json

from synapse_capgroups.rules.assignment.facts import Label


def stored(label: Label) -> str:
    """A label as text that `labelled` reads."""
    return json.dumps(dict(label), ensure_ascii=False, sort_keys=True)


def labelled(text: str) -> Label:
    """The label that a stored text is."""
    return tuple(sorted(json.loads(text).items()))


def shown(label: Label) -> str:
    """A label as people read it."""
    return ", ".join(f"{column}: {value}" for column, value in label)
