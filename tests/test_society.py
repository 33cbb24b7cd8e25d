"""The simulation of people: the same seed is the same town, and the rules alone let people in."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import attrs
import pytest

from benchmarks.__main__ import main
from benchmarks.report import RESULTS
from benchmarks.society import command, page
from benchmarks.society.figures import simulate
from benchmarks.society.groups import Group
from benchmarks.society.guesses import DEFAULTS, FULL, TINY, WITHOUT, Guesses, Setting
from benchmarks.society.judge import Judge
from benchmarks.society.people import People, small_world
from synapse_capgroups.rules import codes, friends, joining
from synapse_capgroups.rules.verdict import ALLOWED, Reason, Refusal, Verdict

SMALL_LIMITS = Setting("small", {"cap": 30, "code_limit": 10})


@pytest.fixture(scope="module")
def people() -> People:
    return small_world(TINY.people, friends=10, far=0.1, days=TINY.days, seed=1)


def simulated(people: People, setting: Setting, seed: int = 1) -> dict[str, Any]:
    return simulate(people, Guesses(), setting, TINY, seed)


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(tmp_path: Path) -> None:
    def data(seed: int, name: str) -> bytes:
        out = tmp_path / name
        assert main(["society", "--tiny", "--seed", str(seed), "--out", str(out)]) == 0
        return (out / page.DATA).read_bytes()

    first = data(5, "first")
    assert data(5, "again") == first
    assert data(6, "other") != first
    assert command.as_json(json.loads(first)).encode() == first


def test_it_writes_tables_and_pictures_and_keeps_the_text_around_them(tmp_path: Path) -> None:
    text_page = tmp_path / page.PAGE
    text_page.parent.mkdir()
    text_page.write_text(f"# Title\n\n{page.BEGIN}\nold\n{page.END}\n\nAfter.\n")
    assert main(["society", "--tiny", "--out", str(tmp_path)]) == 0
    text = text_page.read_text()
    assert text.startswith("# Title\n")
    assert text.endswith(f"{page.END}\n\nAfter.\n")
    assert "old" not in text
    assert "`python -m benchmarks society --tiny`" in text
    for name in ("friends", "spammers", "guesses"):
        picture = tmp_path / RESULTS / f"society-{name}.svg"
        assert f"](../{RESULTS / picture.name})" in text
        assert ElementTree.parse(picture).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_everybody_has_friends_of_whom_most_know_each_other(people: People) -> None:
    assert len(people) == TINY.people
    for person in range(0, len(people), 97):
        for friend, since in people.friendships(person):
            assert people.began(friend, person) == since, "for both"
    near = [b - a for a, b in pairwise(sorted(friend for friend, _ in people.friendships(7)))]
    assert min(near) == 1, "those beside somebody in the ring"


def test_no_group_passes_the_cap_and_without_the_module_some_do(people: People) -> None:
    assert simulated(people, SMALL_LIMITS)["largest"] == 30
    assert simulated(people, WITHOUT)["largest"] > 100


def test_who_comes_into_a_large_group_knows_a_member_if_nobody_opens_a_chat_for_it(
    people: People,
) -> None:
    honest = Guesses(opens_chat=0)
    setting = Setting("few", {"code_limit": 50})
    assert simulate(people, honest, setting, TINY, 1)["arrivals"]["large"]["knew_a_member"] == 1
    without = simulate(people, honest, WITHOUT, TINY, 1)["arrivals"]["large"]
    assert without["knew_a_member"] < 1


def allow_all(*_: Any, **__: Any) -> Verdict:
    return ALLOWED


def refuse_all(*_: Any, **__: Any) -> Verdict:
    return Refusal(Reason.UNDECIDED)


@pytest.mark.parametrize(
    ("module", "rule", "broken"),
    [
        (joining, "decide_join", allow_all),
        (joining, "decide_join", refuse_all),
        (codes, "decide_entry", allow_all),
        (codes, "decide_entry", refuse_all),
        (codes, "cause_of_death", lambda *_, **__: None),
        (friends, "are_friends", lambda *_, **__: True),
        (friends, "are_friends", lambda *_, **__: False),
    ],
)
def test_a_broken_rule_makes_another_town(
    people: People,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    rule: str,
    broken: Callable[..., Any],
) -> None:
    sound = simulated(people, SMALL_LIMITS)
    monkeypatch.setattr(module, rule, broken)
    assert simulated(people, SMALL_LIMITS) != sound


def test_if_the_rules_refuse_everybody_every_group_has_its_creator_alone(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "decide_join", refuse_all)
    monkeypatch.setattr(codes, "decide_entry", refuse_all)
    found = simulated(people, DEFAULTS)
    assert found["members"] == TINY.groups
    assert found["intruders"]["reached_per_account"] == 0
    assert found["recruiters"]["reached_per_account"] == 0


def test_min_age_and_vouches_are_judged_by_the_day(people: People) -> None:
    options = {"code_limit": 2, "friends": {"min_age": "7d", "max_vouches_per_day": 1}}
    judge = Judge(Setting("", options).config(), people)
    group = Group(0, 10, 0)
    group.add(1)
    stranger, other = 1000, 1001
    for person in (stranger, other):
        judge.befriend(0, person, 0)

    def answer(person: int) -> Reason | None:
        verdict = judge.invitation(group, 0, person)
        return verdict.reason if isinstance(verdict, Refusal) else None

    judge.new_day(6)
    assert answer(stranger) is Reason.FRIENDS_ONLY
    judge.new_day(7)
    assert answer(stranger) is None
    group.add(stranger)
    assert answer(other) is Reason.VOUCH_LIMIT
    judge.new_day(8)
    assert answer(other) is None


def test_variations_change_one_guess_of_those_there_are() -> None:
    for changes in FULL.variations.values():
        assert len(changes) <= 2
        attrs.evolve(Guesses(), **changes)
    assert len(FULL.variations) > 5
