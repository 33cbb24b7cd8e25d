"""A set of very many room IDs in a few bytes for each."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_capgroups.concierge.fingerprints import Fingerprints

MANY = 210_000  # Enough for all first buckets to be divided, and some of the new ones.


@pytest.fixture(scope="module")
def large() -> Fingerprints:
    known = Fingerprints()
    for n in range(MANY):
        known.add(f"!{n}:localhost")
    return known


def test_what_was_added_is_there_however_many_follow(large: Fingerprints) -> None:
    assert len(large) == MANY
    assert all(f"!{n}:localhost" in large for n in range(MANY))


def test_hardly_anything_else_is(large: Fingerprints) -> None:
    # One of ten million others: that there are three of 100,000 happens once in millions of runs.
    assert sum(f"!other{n}:localhost" in large for n in range(100_000)) < 3


def test_chance_is_as_rare_as_fingerprints_are_long() -> None:
    known = Fingerprints(bits=24)
    for n in range(50_000):
        known.add(f"!{n}:localhost")
    # 50,000 of 2^24 fingerprints are taken: some 149 of 50,000 others, with a deviation of 12.
    assert 80 < sum(f"!other{n}:localhost" in known for n in range(50_000)) < 230


@given(st.lists(st.integers(0, 50)), st.sampled_from([1, 5, 10, 41]))
def test_nothing_is_lost_and_nothing_is_kept_twice(numbers: list[int], bits: int) -> None:
    known = Fingerprints(bits)
    for number in numbers:
        known.add(f"!{number}")
        size = len(known)
        known.add(f"!{number}")
        assert len(known) == size
    assert all(f"!{number}" in known for number in numbers)
    assert len(known) <= min(len(set(numbers)), 2**bits)


def test_each_takes_less_than_six_bytes_and_none_needs_more_meanwhile() -> None:
    tracemalloc.start()
    try:
        known = Fingerprints()
        for n in range(50_000):
            known.add(f"!{n}:localhost")
        taken, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 6 * 50_000
    assert most < 6 * 50_000
    assert "!7:localhost" in known
