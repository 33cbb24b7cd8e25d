"""Which rooms look like announcements or lobbies: better named in `exempt` than made groups.

Only what can be counted or read is asked, and an admin decides.
"""

import re
from collections.abc import Collection, Mapping
from enum import Enum
from typing import Any

import attrs

from synapse_capgroups.rules.breaches import Breach
from synapse_capgroups.rules.power_levels import named_level, number

_OPEN = frozenset((Breach.LISTED, Breach.PUBLIC))
_NAMES = re.compile(
    r"\b(?:announcements?|news|lobby|welcome|help ?desk|support|"
    r"ankündigung(?:en)?|neuigkeiten|aktuelles|empfang|willkommen)\b|公告|通知|大厅|欢迎|新闻",
    re.IGNORECASE,
)


class Likeness(Enum):
    """What a room looks like. The value is what people and programs read."""

    AUTO_JOIN = "auto_join"
    """New accounts are put there (`auto_join_rooms`)."""
    FEW_WRITE = "few_write"
    """Ordinary members can read and not write."""
    LARGE = "large"
    """It is open, and has more members than a group may have."""
    NAMED = "named"
    """It is open, and its name says so."""


@attrs.frozen
class Look:
    """What a room looks like from outside.

    Attributes:
        levels: the content of its power levels; empty if it has none.
    """

    name: str
    addresses: Collection[str]
    breaches: Collection[Breach]
    levels: Mapping[str, Any] = attrs.field(factory=dict)


def likeness(look: Look, auto_join_rooms: Collection[str]) -> Likeness | None:
    """Why a room should perhaps be exempt; None if nothing says so."""
    if set(look.addresses) & set(auto_join_rooms):
        return Likeness.AUTO_JOIN
    if _few_write(look.levels):
        return Likeness.FEW_WRITE
    if not _OPEN.intersection(look.breaches):
        return None
    if Breach.ABOVE_CAP in look.breaches:
        return Likeness.LARGE
    return Likeness.NAMED if _NAMES.search(look.name) else None


def _few_write(levels: Mapping[str, Any]) -> bool:
    events = levels.get("events")
    own = number(events.get("m.room.message")) if isinstance(events, Mapping) else None
    needed = named_level(levels, "events_default") if own is None else own
    ordinary = named_level(levels, "users_default")
    return (needed or 0) > (ordinary or 0)
