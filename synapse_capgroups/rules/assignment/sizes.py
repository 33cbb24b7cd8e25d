"""How many people go into each group: a small optimisation problem with an exact answer.

For one value there are `n` new people, groups that exist with gaps for `g` people in all, and as
many new groups as may be opened, each with `least` to `most` people. Asked for are, in this order:

1. as many people placed as possible,
2. as few groups opened as possible,
3. sizes as even as possible: the largest is least, then the second largest, and so on.

**Placed.** A new group can always be filled from people who would else be in a gap, so `k` opened
groups are possible exactly if `k * least <= n`, and then `min(n, g + k * most)` people are placed.
Without groups that exist this is the usual rule: `n` people need `k = ceil(n / most)` groups, and
that works if `floor(n / k) >= least`. If it does not, fewer groups are opened and people are left
out, because no group of a size that was not asked for is ever made.

**Groups shared among values.** If fewer groups may be opened than all values need, each next one
goes to the value that gains most by it. What a value gains never grows from one group to the next
(`most`, `most`, …, the rest, 0), so this greedy choice is optimal (Fox 1966; Ibaraki and Katoh,
"Resource Allocation Problems", 1988).

**Even sizes.** Group `i` ends with `lows[i]` to `highs[i]` people. The most even sizes with a
given sum are `clamp(level, lows[i], highs[i])` for one level, with one more in some groups where
it does not divide: water that is poured into vessels of different heights.
"""

import heapq
from collections.abc import Sequence

import attrs


@attrs.frozen
class Sizes:
    """How many people a group that is opened has: from `least` (1 or more) to `most`."""

    least: int
    most: int


@attrs.frozen
class Demand:
    """One value: how many new people have it, and for how many its groups have a gap."""

    people: int
    gaps: int

    def placed(self, opened: int, sizes: Sizes) -> int:
        """How many of the people have a place if so many groups are opened for them."""
        return min(self.people, self.gaps + opened * sizes.most)

    def may_open(self, opened: int, sizes: Sizes) -> bool:
        """Whether there are people enough for so many groups."""
        return opened * sizes.least <= self.people


def groups_to_open(demands: Sequence[Demand], available: int, sizes: Sizes) -> list[int]:
    """How many groups are opened for each value, so that most people are placed.

    Args:
        available: how many may be opened in all.
    """
    opened = [0] * len(demands)

    def gain(index: int) -> int:
        demand, count = demands[index], opened[index]
        if not demand.may_open(count + 1, sizes):
            return 0
        return demand.placed(count + 1, sizes) - demand.placed(count, sizes)

    best = [(-gain(index), index) for index in range(len(demands))]
    heapq.heapify(best)
    for _ in range(available):
        if not best or best[0][0] == 0:
            break
        _, index = best[0]
        opened[index] += 1
        heapq.heapreplace(best, (-gain(index), index))
    return opened


def even_sizes(total: int, lows: Sequence[int], highs: Sequence[int]) -> list[int]:
    """The most even sizes that have this sum.

    Args:
        total: from the sum of `lows` to the sum of `highs`.
        lows: the least size of each group: what it has already, or must have.
        highs: the greatest size of each group.
    """
    bounds = list(zip(lows, highs, strict=True))

    def sizes(level: int) -> list[int]:
        return [min(max(level, low), high) for low, high in bounds]

    # The highest level that needs no more than there is.
    level, above = min(lows, default=0), max(highs, default=0) + 1
    while above - level > 1:
        middle = (level + above) // 2
        if sum(sizes(middle)) <= total:
            level = middle
        else:
            above = middle
    even = sizes(level)
    left = total - sum(even)
    for index, (low, high) in enumerate(bounds):
        if left and low <= level < high:
            even[index] += 1
            left -= 1
    return even
