"""Removes people of other servers from groups, or takes their invitations back."""

import logging

from synapse.module_api import ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.federation.levels import Levels
from synapse_capgroups.inside.membership_changes import remove_as_server
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.rules.verdict import Refusal
from synapse_capgroups.telemetry import journal, metrics
from synapse_capgroups.words.lookup import Audience, Words

logger = logging.getLogger(__name__)


class Removing:
    """Removes somebody in the name of the strongest local member, with a sentence that says why."""

    def __init__(self, api: ModuleApi, levels: Levels, words: Words) -> None:
        self._api = api
        self._levels = levels
        self._words = words

    async def remove(self, group: Group, user_id: str, why: Refusal) -> bool:
        """Remove somebody of another server, or take their invitation back.

        Returns:
            False if nobody here has the power.
        """
        sender = (await self._levels.standing(group)).remover(user_id)
        if sender is not None:
            reason = self._words.refusal(why, Audience.JOINING)
            try:
                await remove_as_server(self._api, sender, user_id, group.room_id, reason)
            except SynapseError:
                logger.exception("Could not remove %s from %s", user_id, group.room_id)
                return False
        removed = sender is not None
        metrics.WITHDRAWN.labels(why.reason.value).inc()
        journal.withdrawn(group.room_id, user_id, why.reason, removed=removed)
        return removed
