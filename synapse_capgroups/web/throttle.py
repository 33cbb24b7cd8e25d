"""A limit on how often one address may ask."""

from collections import OrderedDict

_REMEMBERED_ADDRESSES = 10_000


class Throttle:
    """A bucket of tokens for each address; the ones that asked longest ago are forgotten.

    Args:
        per_second: how fast a bucket fills.
        burst: how many tokens it holds.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, address: str, now: float) -> bool:
        """Take a token, if there is one. `now` is in seconds."""
        tokens, filled_at = self._buckets.pop(address, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - filled_at) * self._per_second)
        allowed = tokens >= 1
        self._buckets[address] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > _REMEMBERED_ADDRESSES:
            self._buckets.popitem(last=False)
        return allowed
