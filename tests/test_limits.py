"""The limits on how often anybody may ask, with a clock that stands still."""

import time
from types import SimpleNamespace
from typing import cast

import pytest
from synapse.module_api import ModuleApi

from synapse_capgroups.limits import buckets
from synapse_capgroups.limits.buckets import Buckets
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.limits.table import ALL, PREVIEWS, Limit
from synapse_capgroups.limits.visitors import visitor
from synapse_capgroups.words.lookup import Words

HERE, THERE = "192.0.2.1", "2001:db8::1"


def fresh(per_second: float, burst: int) -> Buckets:
    return Buckets(Limit("test", burst, 1 / per_second, "address"))


def allowed(limit: Buckets, address: str, now: float, asked: int) -> int:
    """How many of so many questions at one moment are allowed."""
    return sum(limit.allows(address, now) for _ in range(asked))


def test_as_many_as_the_burst_may_ask_at_once() -> None:
    assert allowed(fresh(10, 60), HERE, now=5.0, asked=100) == 60


def test_an_empty_bucket_fills_as_time_goes_by() -> None:
    limit = fresh(10, 60)
    allowed(limit, HERE, now=0.0, asked=60)
    assert allowed(limit, HERE, now=0.0625, asked=1) == 0
    assert allowed(limit, HERE, now=0.125, asked=5) == 1
    assert allowed(limit, HERE, now=2.0, asked=100) == 19


def test_a_bucket_never_holds_more_than_the_burst() -> None:
    limit = fresh(10, 60)
    allowed(limit, HERE, now=0.0, asked=60)
    assert allowed(limit, HERE, now=1_000_000.0, asked=100) == 60


def test_who_keeps_asking_in_vain_waits_no_longer_for_it() -> None:
    limit = fresh(1, 1)
    assert limit.allows(HERE, 0.0)
    assert [limit.allows(HERE, quarter / 4) for quarter in range(1, 5)] == [False] * 3 + [True]


def test_one_address_takes_nothing_from_another() -> None:
    limit = fresh(10, 60)
    allowed(limit, HERE, now=0.0, asked=100)
    assert allowed(limit, THERE, now=0.0, asked=100) == 60


def test_the_addresses_that_asked_longest_ago_are_forgotten_and_no_others() -> None:
    limit = fresh(1, 2)
    allowed(limit, HERE, now=0.0, asked=2)
    allowed(limit, THERE, now=0.0, asked=2)
    for number in range(buckets.REMEMBERED_KEYS - 2):
        limit.allows(str(number), 0.0)
    assert not limit.allows(THERE, 0.0), "it fits, and asking has made it the newest"
    limit.allows("one more", 0.0)
    assert len(limit._buckets) == buckets.REMEMBERED_KEYS
    assert not limit.allows(THERE, 0.0)
    assert limit.allows(HERE, 0.0)


def test_each_limit_has_a_name_of_its_own_and_can_be_met() -> None:
    assert len({limit.name for limit in ALL}) == len(ALL)
    assert all(limit.burst >= 1 and limit.period > 0 for limit in ALL)


def test_nothing_stays_refused_when_the_clock_of_the_server_is_set_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = RateLimits(cast(ModuleApi, None), Words())
    of_day, passed = time.time(), [1000.0]
    monkeypatch.setattr(time, "time", lambda: of_day)
    monkeypatch.setattr(time, "monotonic", lambda: passed[0])
    while limits.allows(PREVIEWS, HERE):
        pass
    monkeypatch.setattr(time, "time", lambda: of_day - 60 * 60)
    passed[0] += PREVIEWS.period + 0.01
    assert limits.allows(PREVIEWS, HERE)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("", None, True),
        ("unknown", "unknown", True),
    ],
)
def test_whoever_has_half_an_ipv6_address_is_one_visitor(
    one: str | None, other: str | None, same: bool
) -> None:
    def from_(host: str | None) -> str:
        return visitor(SimpleNamespace(getClientAddress=lambda: SimpleNamespace(host=host)))

    assert (from_(one) == from_(other)) == same
