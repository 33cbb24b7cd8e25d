"""Who may agree to newcomers: those who have the power to make join codes (rule 13)."""

from synapse.module_api import LoggingTransaction

from synapse_capgroups.config import Config
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.inside.tables.power import PowerTables
from synapse_capgroups.rules.codes import may_share


class Moderators:
    """Reads, inside the transaction that decides, who is a moderator at this moment.

    `codes.rights` reads the same from Synapse's caches, which can be behind on a worker.
    """

    def __init__(self, config: Config) -> None:
        self._share_level = config.codes.share_level

    def is_one(self, txn: LoggingTransaction, room_id: str, user_id: str) -> bool:
        """Whether somebody is a member with the power."""
        return Memberships.is_member(txn, room_id, user_id) and self.has_power(
            txn, room_id, user_id
        )

    def of_group(self, txn: LoggingTransaction, room_id: str) -> list[str]:
        """All members with the power."""
        levels = PowerTables.levels(txn, room_id)
        if levels.is_replaced:
            return []
        return [
            user_id
            for user_id, membership in sorted(PowerTables.of(txn, room_id).present.items())
            if membership == "join"
            and may_share(user_id, self._share_level, levels.content, levels.creators)
        ]

    def has_power(self, txn: LoggingTransaction, room_id: str, user_id: str) -> bool:
        """Whether somebody has the power, if they are a member: nobody in a replaced group."""
        levels = PowerTables.levels(txn, room_id)
        return not levels.is_replaced and may_share(
            user_id, self._share_level, levels.content, levels.creators
        )
