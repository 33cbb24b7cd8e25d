"""Who owns a group: its local members with the most power."""

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.inside.tables.power import PowerTables
from synapse_capgroups.rules.power_levels import LevelFacts, level_of

_MOST = 10
"""Where everybody has the same power, nobody in particular owns the group."""


def owners(txn: LoggingTransaction, api: ModuleApi, room_id: str) -> list[str]:
    """The owners of a group, ten at most; nobody owns one that was replaced."""
    if PowerTables.levels(txn, room_id).is_replaced:
        return []
    power = PowerTables.of(txn, room_id)
    facts = LevelFacts(api.server_name, creators=power.creators)
    levels = {
        user_id: level_of(user_id, power.content or {}, facts)
        for user_id, membership in power.present.items()
        if membership == "join" and api.is_mine(user_id)
    }
    most = max(levels.values(), default=0)
    return sorted(user_id for user_id, level in levels.items() if level == most)[:_MOST]
