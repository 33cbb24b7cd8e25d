"""The alias under which somebody arrives in a group (rule 6)."""

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.config import Config
from synapse_capgroups.inside.tables.within import Within
from synapse_capgroups.rules.names import Alias
from synapse_capgroups.storage.aliases import Aliases


class Naming:
    """Names the people who come by a code."""

    def __init__(self, api: ModuleApi, config: Config) -> None:
        self._api = api
        named = config.names.on_arrival == "pseudonym"
        self._pseudonyms = config.words if named else None

    def alias(self, txn: LoggingTransaction, room_id: str, user_id: str) -> Alias | None:
        """The alias under which somebody arrives by a code, a new one if they are to have one."""
        if not self._api.is_mine(user_id):
            return None  # Their own server makes their first event.
        alias = Aliases.of(txn, room_id, user_id)
        if alias is None and self._pseudonyms is not None:
            # Those of people who are still on their way are among the aliases.
            taken = Within.names_of_members(txn, room_id)
            taken += Aliases.names_in(txn, room_id)
            alias = Alias(self._pseudonyms.pseudonym(taken))
            Aliases.set(txn, room_id, user_id, alias)
        return alias
