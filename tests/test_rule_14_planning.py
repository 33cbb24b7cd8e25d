"""Rule 14: a plan says who goes into which group, and who is left out and why."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_capgroups.rules.assignment.facts import (
    Asked,
    Candidate,
    Label,
    PresentGroup,
    SeriesFacts,
    Why,
)
from synapse_capgroups.rules.assignment.plan import Plan
from synapse_capgroups.rules.assignment.planning import ImpossibleSizesError, make_plan
from synapse_capgroups.rules.assignment.sizes import Demand, Sizes, even_sizes, groups_to_open

BY_CITY = Asked(by=("city",))
BERLIN: Label = (("city", "Berlin"),)
ULM: Label = (("city", "Ulm"),)


def series(
    *groups: PresentGroup, fill: int = 100, max_groups: int = 20, **more: Any
) -> SeriesFacts:
    number = max((group.number for group in groups), default=0) + 1
    return SeriesFacts(groups, number, fill, max_groups, **more)


def people(count: int, *values: str, name: str = "p") -> list[Candidate]:
    return [Candidate(f"@{name}{n:04}:s", values) for n in range(count)]


def sizes_of(plan: Plan) -> dict[int, int]:
    """How many people each group of the plan has afterwards."""
    return {group.number: group.before + len(group.people) for group in plan.groups}


def reasons(plan: Plan) -> dict[str, str]:
    return {user: why.value for user, why in plan.left_out}


# How many groups, and how large.


def compositions(
    total: int, lows: Sequence[int], highs: Sequence[int]
) -> Iterator[tuple[int, ...]]:
    ranges = [range(low, high + 1) for low, high in zip(lows, highs, strict=True)]
    return (sizes for sizes in product(*ranges) if sum(sizes) == total)


bounds = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 4)).map(lambda b: (b[0], b[0] + b[1])), max_size=5
)


@given(bounds, st.data())
def test_no_other_sizes_are_more_even(bounds: list[tuple[int, int]], data: st.DataObject) -> None:
    lows, highs = [low for low, _ in bounds], [high for _, high in bounds]
    total = data.draw(st.integers(sum(lows), sum(highs)))
    found = even_sizes(total, lows, highs)
    possible = list(compositions(total, lows, highs))
    assert tuple(found) in possible
    # The largest is least, then the second largest, and so on.
    assert sorted(found, reverse=True) == min(sorted(s, reverse=True) for s in possible)
    # The smallest is largest, and the sum of squares is least, too.
    assert sorted(found) == max(sorted(s) for s in possible)
    assert sum(n * n for n in found) == min(sum(n * n for n in s) for s in possible)


def best_by_trying(demands: Sequence[Demand], available: int, sizes: Sizes) -> tuple[int, int]:
    """The most people that can be placed, and the fewest groups with which that is done."""
    best = (0, 0)
    for opened in product(range(available + 1), repeat=len(demands)):
        if sum(opened) > available:
            continue
        placed = 0
        for demand, count in zip(demands, opened, strict=True):
            # People in the gaps and in new groups, of which each has a size that is asked for.
            placed += max(
                (
                    gaps + new
                    for gaps in range(demand.gaps + 1)
                    for new in range(count * sizes.least, count * sizes.most + 1)
                    if gaps + new <= demand.people
                ),
                default=-1000,
            )
        best = max(best, (placed, -sum(opened)))
    return best[0], -best[1]


@given(
    st.lists(st.builds(Demand, st.integers(0, 12), st.integers(0, 6)), max_size=3),
    st.integers(0, 4),
    st.integers(1, 4),
    st.integers(0, 3),
)
def test_most_people_are_placed_in_the_fewest_groups(
    demands: list[Demand], available: int, least: int, more: int
) -> None:
    sizes = Sizes(least, least + more)
    opened = groups_to_open(demands, available, sizes)
    placed = sum(d.placed(n, sizes) for d, n in zip(demands, opened, strict=True))
    assert (placed, sum(opened)) == best_by_trying(demands, available, sizes)


@given(st.integers(1, 400), st.integers(1, 40), st.integers(0, 40))
def test_without_groups_the_known_rule_holds(count: int, least: int, more: int) -> None:
    most = least + more
    fewest = -(-count // most)
    plan = make_plan(
        people(count), Asked(least=least, most=most), series(max_groups=500, fill=1000)
    )
    if count // fewest >= least:
        assert plan.left_out == ()
        assert len(plan.groups) == fewest
        sizes = sizes_of(plan).values()
        assert max(sizes) - min(sizes) <= 1
    else:
        assert set(reasons(plan).values()) == {"too_few"}


# Any table and any series.

CITIES = ("Berlin", "Ulm", "Köln")


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[Candidate], Asked, SeriesFacts]:
    fill = draw(st.integers(3, 12))
    staff = draw(st.integers(0, 2))
    groups = []
    for number in range(1, 1 + draw(st.integers(0, 4))):
        inside = draw(st.integers(0, fill))
        city = draw(st.sampled_from((None, *CITIES)))
        label = (("city", city),) if city else ()
        groups.append(PresentGroup(number, inside, max(0, fill - staff - inside), label))
    names = draw(st.lists(st.integers(0, 40), max_size=40))
    table = [Candidate(f"@p{name:02}:s", (draw(st.sampled_from(("", *CITIES))),)) for name in names]
    placed = {}
    if groups:
        placed = draw(st.dictionaries(st.sampled_from(names or [0]), st.integers(1, len(groups))))
    barred = draw(st.dictionaries(st.sampled_from(names or [0]), st.just(Why.BLOCKED)))
    facts = series(
        *groups,
        fill=fill,
        max_groups=draw(st.integers(len(groups), len(groups) + 5)),
        staff=staff,
        placed={f"@p{name:02}:s": number for name, number in placed.items()},
        barred={f"@p{name:02}:s": why for name, why in barred.items()},
    )
    least = draw(st.integers(1, fill - staff))
    most = draw(st.none() | st.integers(least, fill))
    return table, Asked(("city",), None, least, most), facts


def applied(plan: Plan, facts: SeriesFacts) -> SeriesFacts:
    """The series after the plan was carried out."""
    groups = {group.number: group for group in facts.groups}
    placed = dict(facts.placed)
    for planned in plan.groups:
        number, count = planned.number, len(planned.people)
        before = groups.get(number) or PresentGroup(number, 0, facts.places_in_new)
        groups[number] = attrs.evolve(
            before, people=before.people + count, places=before.places - count, label=planned.label
        )
        placed |= dict.fromkeys(planned.people, number)
    next_number = max(groups, default=0) + 1
    return attrs.evolve(
        facts, groups=tuple(groups.values()), placed=placed, next_number=next_number
    )


@given(situations())
def test_everybody_of_the_table_is_told_of_exactly_once(
    situation: tuple[list[Candidate], Asked, SeriesFacts],
) -> None:
    table, asked, facts = situation
    plan = make_plan(table, asked, facts)
    told = [user for group in plan.groups for user in group.people]
    told += [user for user, _ in plan.staying] + [user for user, _ in plan.left_out]
    assert Counter(told) == Counter({person.user for person in table})


@given(situations())
def test_no_limit_is_passed_and_nobody_is_moved(
    situation: tuple[list[Candidate], Asked, SeriesFacts],
) -> None:
    table, asked, facts = situation
    plan = make_plan(table, asked, facts)
    present = {group.number: group for group in facts.groups}
    value = {person.user: person.values[0] for person in table}
    for group in plan.groups:
        assert group.people
        assert group.new == (group.number not in present)
        before = present.get(group.number, PresentGroup(group.number, 0, facts.places_in_new))
        assert group.before == before.people
        assert len(group.people) <= before.places
        size = group.before + len(group.people)
        assert asked.most is None or size <= asked.most
        if group.new or not before.label:
            assert size >= asked.least
        assert {value[user] for user in group.people} == {dict(group.label)["city"]}
        assert before.label in ((), group.label)
        assert not set(group.people) & (set(facts.placed) | set(facts.barred))
    assert len(present.keys() | {group.number for group in plan.groups}) <= max(
        facts.max_groups, len(present)
    )
    new = sorted(group.number for group in plan.groups if group.new)
    assert new == list(range(facts.next_number, facts.next_number + len(new)))
    assert dict(plan.staying) == {
        user: number for user, number in facts.placed.items() if user in value
    }


@given(situations(), st.randoms())
def test_the_order_of_rows_and_groups_does_not_matter(
    situation: tuple[list[Candidate], Asked, SeriesFacts], random: Any
) -> None:
    table, asked, facts = situation
    plan = make_plan(table, asked, facts)
    shuffled = random.sample(table, len(table))
    groups = tuple(random.sample(facts.groups, len(facts.groups)))
    again = make_plan(shuffled, asked, attrs.evolve(facts, groups=groups))
    assert again.to_json() == plan.to_json()
    assert again.hash() == plan.hash()


@given(situations())
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(
    situation: tuple[list[Candidate], Asked, SeriesFacts],
) -> None:
    table, asked, facts = situation
    plan = make_plan(table, asked, facts)
    again = make_plan(table, asked, applied(plan, facts))
    assert again.groups == ()
    assert len(again.staying) == len(plan.staying) + plan.placed
    assert {user for user, _ in again.left_out} == {user for user, _ in plan.left_out}


@pytest.mark.full_size
def test_a_hundred_thousand_people_are_planned_in_200_mb() -> None:
    """From the file to the plan's hash, in a process of its own. Time depends on the machine."""
    command = [sys.executable, "-m", "benchmarks.planning"]
    measured = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert measured["totals"]["placed"] == 79_000
    assert measured["memory_mb"] < 200


# What an organiser sees.


def test_each_value_has_a_group_of_its_own() -> None:
    table = people(30, "Ulm", name="u") + people(45, "Berlin", name="b")
    plan = make_plan(table, Asked(("city",), None, 20, 40), series())
    assert [(g.number, g.new, dict(g.label), len(g.people)) for g in plan.groups] == [
        (1, True, {"city": "Berlin"}, 23),
        (2, True, {"city": "Berlin"}, 22),
        (3, True, {"city": "Ulm"}, 30),
    ]
    assert plan.left_out == ()


def test_two_columns_are_kept_apart_in_whatever_order_they_are_named() -> None:
    rows = {"a": ("Ulm", "A1"), "b": ("Ulm", "A2"), "c": ("Ulm", "A1")}
    one = make_plan(
        [Candidate(f"@{n}:s", v) for n, v in rows.items()], Asked(("city", "level")), series()
    )
    other = make_plan(
        [Candidate(f"@{n}:s", v[::-1]) for n, v in rows.items()],
        Asked(("level", "city")),
        series(),
    )
    assert [group.people for group in one.groups] == [("@a:s", "@c:s"), ("@b:s",)]
    assert one.hash() == other.hash()


def test_new_people_fill_gaps_before_a_group_is_opened() -> None:
    present = PresentGroup(1, 35, 60, BERLIN), PresentGroup(2, 10, 60, BERLIN)
    asked = Asked(("city",), None, 20, 40)
    assert sizes_of(make_plan(people(20, "Berlin"), asked, series(*present))) == {2: 30}
    assert sizes_of(make_plan(people(35, "Berlin"), asked, series(*present))) == {1: 40, 2: 40}
    # From one more on there is a third group, and all are evened out.
    plan = make_plan(people(36, "Berlin"), asked, series(*present))
    assert sizes_of(plan) == {2: 23, 3: 23}
    assert plan.left_out == ()


def test_groups_of_another_value_or_of_strangers_are_left_alone() -> None:
    present = PresentGroup(1, 5, 90, ULM), PresentGroup(2, 5, 90)
    plan = make_plan(people(3, "Berlin"), BY_CITY, series(*present))
    assert sizes_of(plan) == {3: 3}


def test_an_empty_group_without_a_label_is_opened_before_one_is_made() -> None:
    plan = make_plan(people(3, "Berlin"), BY_CITY, series(PresentGroup(1, 0, 99)))
    assert [(group.number, group.new) for group in plan.groups] == [(1, False)]
    too_few = Asked(("city",), None, 20, 40)
    plan = make_plan(people(3, "Berlin"), too_few, series(PresentGroup(1, 0, 99)))
    assert plan.groups == ()
    assert set(reasons(plan).values()) == {"too_few"}


def test_without_columns_people_are_spread_over_all_groups_without_a_label() -> None:
    present = PresentGroup(1, 90, 9), PresentGroup(2, 10, 89), PresentGroup(3, 0, 99, ULM)
    plan = make_plan(people(89), Asked(), series(*present))
    assert sizes_of(plan) == {1: 95, 2: 94}


def test_a_value_with_too_few_people_has_no_group() -> None:
    table = people(19, "Ulm", name="u") + people(41, "Berlin", name="b")
    plan = make_plan(table, Asked(("city",), None, 25, 40), series())
    assert sizes_of(plan) == {1: 40}
    assert Counter(reasons(plan).values()) == {"too_few": 20}
    assert [(dict(v.label), v.people, v.placed, v.why) for v in plan.values] == [
        ({"city": "Berlin"}, 41, 40, Why.TOO_FEW),
        ({"city": "Ulm"}, 19, 0, Why.TOO_FEW),
    ]


def test_the_last_groups_go_where_most_people_are_placed() -> None:
    table = people(30, "Berlin", name="b") + people(45, "Ulm", name="u")
    plan = make_plan(table, Asked(("city",), None, 5, 40), series(max_groups=2))
    assert sizes_of(plan) == {1: 30, 2: 40}
    assert Counter(reasons(plan).values()) == {"no_group_left": 5}


def test_a_new_group_has_places_for_its_organisers() -> None:
    plan = make_plan(people(30), Asked(), series(fill=12, staff=2))
    assert sizes_of(plan) == {1: 10, 2: 10, 3: 10}
    with pytest.raises(ImpossibleSizesError) as refused:
        make_plan(people(30), Asked(least=11), series(fill=12, staff=2))
    assert (refused.value.least, refused.value.most) == (11, 10)


def test_whoever_cannot_be_placed_is_told_why() -> None:
    barred = {f"@{why.value}:s": why for why in (Why.NO_ACCOUNT, Why.BANNED, Why.OVER_LIMIT)}
    table = [Candidate(user, ("Ulm",)) for user in barred]
    table += [Candidate("@twice:s", ("Ulm",)), Candidate("@twice:s", ("Berlin",))]
    table += [Candidate("@same:s", ("Ulm",)), Candidate("@same:s", ("Ulm",))]
    table += [Candidate("@nowhere:s", ("",)), Candidate("@inside:s", ("",))]
    facts = series(PresentGroup(1, 1, 98, ULM), barred=barred, placed={"@inside:s": 1})
    plan = make_plan(table, BY_CITY, facts)
    assert plan.groups == ()
    assert plan.staying == (("@inside:s", 1),)
    assert reasons(plan) == {
        "@banned:s": "banned",
        "@no_account:s": "no_account",
        "@nowhere:s": "no_value",
        "@over_limit:s": "over_limit",
        "@same:s": "in_two_rows",
        "@twice:s": "in_two_rows",
    }


BY_GROUP = Asked(group="group")


def test_a_table_can_name_the_groups_itself() -> None:
    facts = series(PresentGroup(1, 3, 2, name="Tea 1"), PresentGroup(2, 0, 9, ULM), max_groups=5)
    rows: Mapping[str, Sequence[str]] = {
        "1": "abc", "tea 1": "d", "2": "e", "3": "f", "4": "g", "6": "h", "red": "i", "": "j",
        "-1": "k", "99999999999999999999": "l",
    }  # fmt: skip
    table = [Candidate(f"@{user}:s", (value,)) for value, users in rows.items() for user in users]
    plan = make_plan(table, BY_GROUP, facts)
    assert [(group.number, group.new, group.label, group.people) for group in plan.groups] == [
        (1, False, (), ("@a:s", "@b:s")),
        (2, False, ULM, ("@e:s",)),
        (3, True, (), ("@f:s",)),
        (4, True, (), ("@g:s",)),
    ]
    assert reasons(plan) == {
        "@c:s": "group_full", "@d:s": "group_full", "@h:s": "unknown_group",
        "@i:s": "unknown_group", "@j:s": "no_value", "@k:s": "unknown_group",
        "@l:s": "unknown_group",
    }  # fmt: skip


def test_a_wrong_number_makes_no_groups() -> None:
    plan = make_plan([Candidate("@a:s", ("12",))], BY_GROUP, series(max_groups=20))
    assert plan.groups == ()
    plan = make_plan([Candidate("@a:s", ("1",))], BY_GROUP, series(max_groups=0))
    assert reasons(plan) == {"@a:s": "unknown_group"}


def test_two_groups_of_one_name_are_named_by_number() -> None:
    facts = series(PresentGroup(1, 0, 9, name="Tea"), PresentGroup(2, 0, 9, name="tea"))
    plan = make_plan([Candidate("@a:s", ("Tea",)), Candidate("@b:s", ("2",))], BY_GROUP, facts)
    assert [(group.number, group.people) for group in plan.groups] == [(2, ("@b:s",))]
    assert reasons(plan) == {"@a:s": "unknown_group"}


def test_the_hash_is_that_of_the_canonical_json() -> None:
    plan = make_plan(people(2, "Köln"), BY_CITY, series())
    assert plan.to_json() == {
        "groups": [
            {
                "number": 1,
                "new": True,
                "label": {"city": "Köln"},
                "before": 0,
                "people": ["@p0000:s", "@p0001:s"],
            }
        ],
        "values": [{"label": {"city": "Köln"}, "people": 2, "placed": 2, "reason": None}],
        "staying": [],
        "left_out": [],
        "totals": {"placed": 2, "staying": 0, "left_out": 0, "groups": 1, "new_groups": 1},
    }
    # Written down, because it must stay the same from one version to the next.
    assert plan.hash() == "983d47fa846a23f53f736436e3502a9aa200ec25ec7b178b40042d2136c0af1d"
