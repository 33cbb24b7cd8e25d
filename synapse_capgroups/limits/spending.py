"""Counts what people do against the table of limits, and refuses what is too much."""

import time

from synapse.module_api import ModuleApi
from synapse.module_api.errors import Codes, SynapseError

from synapse_capgroups.inside.authority import is_unlimited
from synapse_capgroups.limits.buckets import Buckets
from synapse_capgroups.limits.table import ALL, Limit
from synapse_capgroups.telemetry import metrics
from synapse_capgroups.words.lookup import Words


class RateLimits:
    """The counts of one process, for all limits of the table."""

    def __init__(self, api: ModuleApi, words: Words) -> None:
        self._api = api
        self._words = words
        self._buckets = {limit: Buckets(limit) for limit in ALL}

    def allows(self, limit: Limit, key: str) -> bool:
        """Count one more for this key; False if that is too many."""
        # Not the time of day, which can be set back.
        allowed = self._buckets[limit].allows(key, time.monotonic())
        if not allowed:
            metrics.LIMITED.labels(limit.name).inc()
        return allowed

    async def spend(self, limit: Limit, user_id: str, key: str | None = None) -> None:
        """Count one more for a local person, unless a server admin has lifted their limits.

        Args:
            key: what is counted, if that is not the person alone.

        Raises:
            SynapseError: 429 `M_LIMIT_EXCEEDED`, this is too many.
        """
        if not self.allows(limit, key or user_id) and not await is_unlimited(self._api, user_id):
            raise self.too_many(limit)

    def too_many(self, limit: Limit) -> SynapseError:
        """The answer to somebody who asks too often."""
        return SynapseError(
            429,
            self._words.say("asked_too_often"),
            Codes.LIMIT_EXCEEDED,
            {"retry_after_ms": max(1, round(limit.period * 1000))},
        )
