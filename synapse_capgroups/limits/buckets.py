"""Token buckets, which count what people do."""

from collections import OrderedDict

from synapse_capgroups.limits.table import Limit

REMEMBERED_KEYS = 10_000


class Buckets:
    """A bucket of tokens for each key. The keys that were not used for longest are forgotten."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, key: str, now: float) -> bool:
        """Take a token, if there is one.

        Args:
            now: seconds, by a clock that nobody can set back.
        """
        burst, period = self._limit.burst, self._limit.period
        tokens, filled_at = self._buckets.pop(key, (float(burst), now))
        tokens = min(burst, tokens + (now - filled_at) / period)
        allowed = tokens >= 1
        self._buckets[key] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > REMEMBERED_KEYS:
            self._buckets.popitem(last=False)
        return allowed
