"""The steps from a group that breaks rules to one that keeps them, and back, as pure functions."""

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synapse_capgroups.rules import level_changes
from synapse_capgroups.rules.adoption import (
    ChangedError,
    Left,
    Room,
    Standing,
    Step,
    What,
    closes,
    is_same,
    remaining,
    step_from_json,
    way_of,
)
from synapse_capgroups.rules.breaches import Breach, Openness, openings, remote_power
from synapse_capgroups.rules.exemption import Likeness, Look, likeness
from synapse_capgroups.rules.power_levels import POWER_LEVELS, LevelFacts
from synapse_capgroups.rules.text import MalformedRequest

HERE = [f"@{name}:localhost" for name in ("anna", "ben", "cleo")]
AFAR = [f"@{name}:elsewhere.org" for name in ("rosa", "tom")]
PEOPLE = st.sampled_from([*HERE, *AFAR])

_numbers = st.integers(-2, 3) | st.sampled_from([50, 99, 100])
_levels = _numbers | _numbers | _numbers | st.sampled_from(["50", "x", 1.5, None])


@st.composite
def power_levels(draw: st.DrawFn) -> dict[str, Any]:
    names = ["users_default", "events_default", "state_default", "ban", "kick", "redact", "invite"]
    content: dict[str, Any] = draw(st.dictionaries(st.sampled_from(names), _levels))
    content["users"] = draw(st.dictionaries(PEOPLE, _levels))
    types = st.sampled_from(["m.room.join_rules", "m.room.name", POWER_LEVELS, "m.space.child"])
    if draw(st.booleans()):
        content["events"] = draw(st.dictionaries(types, _levels))
    return content


def contents(field: str, *values: Any) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({field: st.sampled_from(values)}, optional={"more": st.just(1)})


@st.composite
def standings(draw: st.DrawFn) -> Standing:
    aliases = st.lists(st.sampled_from(["#a:localhost", "#b:elsewhere.org"]), max_size=2)
    state = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "m.room.join_rules": contents(
                    "join_rule", "public", "invite", "knock", "restricted", None, ["x"]
                ),
                "m.room.history_visibility": contents(
                    "history_visibility", "world_readable", "shared", "joined"
                ),
                "m.room.guest_access": contents("guest_access", "can_join", "forbidden"),
                "m.room.canonical_alias": st.fixed_dictionaries(
                    {}, optional={"alias": st.just("#a:localhost"), "alt_aliases": aliases}
                )
                | st.just("nonsense"),
                POWER_LEVELS: power_levels(),
            },
        )
    )
    entry = {"creator": HERE[0], "servers": ["localhost"]}
    names = draw(st.sets(st.sampled_from(["#a:localhost", "#b:localhost", "#c:localhost"])))
    return Standing(draw(st.booleans()), dict.fromkeys(names, entry), state)


def levels_of(standing: Standing) -> Mapping[str, Any]:
    levels = standing.state.get(POWER_LEVELS)
    return levels if isinstance(levels, dict) else {}


def breaches_of(standing: Standing, facts: LevelFacts) -> list[Breach]:
    is_open = Openness(standing.listed, bool(standing.addresses), standing.state)
    return [*openings(is_open), *remote_power(levels_of(standing), facts)]


@st.composite
def rooms(draw: st.DrawFn) -> Room:
    standing = draw(standings())
    remote = frozenset(draw(st.sets(st.sampled_from(AFAR))))
    creators = frozenset(draw(st.sampled_from([(), (), (HERE[0],), (AFAR[0],)])))
    facts = LevelFacts("localhost", remote, creators)
    local = sorted(draw(st.sets(st.sampled_from(HERE))))
    return Room(standing, breaches_of(standing, facts), facts, local, draw(st.booleans()))


def after(standing: Standing, steps: Iterable[Step]) -> Standing:
    for step in steps:
        standing = standing.with_step(step)
    return standing


@settings(max_examples=200, deadline=None)
@given(rooms())
def test_after_the_steps_no_rule_is_broken_but_what_is_said_to_be_left(room: Room) -> None:
    way = way_of(room)
    broken = breaches_of(after(room.standing, way.steps), room.facts)
    assert not broken or way.left
    # What needs nobody's power is always done.
    assert Breach.LISTED not in broken
    assert not after(room.standing, way.steps).addresses
    assert all(closes(step) for step in way.steps)


@settings(max_examples=200, deadline=None)
@given(rooms())
def test_the_way_back_leads_to_the_same_contents(room: Room) -> None:
    way = way_of(room)
    adopted = after(room.standing, way.steps)
    assert after(adopted, way.back) == room.standing
    assert remaining(adopted, way.back) == list(way.back)


@settings(max_examples=200, deadline=None)
@given(rooms())
def test_somebody_here_has_the_power_for_each_step_both_ways(room: Room) -> None:
    way = way_of(room)
    standing = room.standing
    for step in (*way.steps, *way.back):
        if step.what is What.STATE:
            levels = levels_of(standing)
            if step.name == POWER_LEVELS:
                sender = level_changes.writer(levels, step.after, room.local, room.facts)
            else:
                sender = level_changes.strongest_sender(step.name, levels, room.local, room.facts)
            assert sender is not None
        standing = standing.with_step(step)


@settings(max_examples=100, deadline=None)
@given(rooms(), st.data())
def test_what_was_interrupted_goes_on_and_what_is_done_is_not_done_again(
    room: Room, data: st.DataObject
) -> None:
    way = way_of(room)
    for begin, steps in ((room.standing, way.steps), (after(room.standing, way.steps), way.back)):
        taken = data.draw(st.integers(0, len(steps)))
        halfway = after(begin, steps[:taken])
        assert remaining(halfway, steps) == list(steps[taken:])
        assert remaining(after(halfway, steps[taken:]), steps) == []


@settings(max_examples=100, deadline=None)
@given(rooms(), st.data())
def test_what_somebody_changed_meanwhile_is_noticed(room: Room, data: st.DataObject) -> None:
    way = way_of(room)
    states = [step for step in way.steps if step.what is What.STATE]
    if not states:
        return
    step = data.draw(st.sampled_from(states))
    theirs = attrs.evolve(step, after={"somebody": "else"})
    for standing, steps in ((room.standing, way.steps), (room.standing, way.back)):
        with pytest.raises(ChangedError) as raised:
            remaining(standing.with_step(theirs), steps)
        assert raised.value.step.name == step.name


@settings(max_examples=100, deadline=None)
@given(rooms())
def test_a_step_survives_json(room: Room) -> None:
    for step in way_of(room).steps:
        assert step_from_json(step.to_json(), "localhost") == step


def simple(standing: Standing, *, local: list[str] | None = None, remote: str = "") -> Room:
    facts = LevelFacts("localhost", frozenset([remote] if remote else []))
    people = HERE[:1] if local is None else local
    return Room(standing, breaches_of(standing, facts), facts, people)


CAN_JOIN = {"m.room.guest_access": {"guest_access": "can_join"}}
LEVELS = {"users": {HERE[0]: 100}}
PUBLIC = {"m.room.join_rules": {"join_rule": "public"}}


def test_a_public_listed_room_with_an_address() -> None:
    standing = Standing(
        listed=True,
        addresses={"#tea:localhost": {"creator": HERE[0], "servers": ["localhost"]}},
        state={
            **PUBLIC,
            "m.room.history_visibility": {"history_visibility": "world_readable"},
            "m.room.guest_access": {"guest_access": "can_join"},
            "m.room.canonical_alias": {"alias": "#tea:localhost", "more": 1},
            POWER_LEVELS: LEVELS,
        },
    )
    way = way_of(simple(standing))
    assert [(step.name or step.what.value, step.after) for step in way.steps] == [
        ("m.room.canonical_alias", {"more": 1}),
        ("m.room.join_rules", {"join_rule": "invite"}),
        ("m.room.history_visibility", {"history_visibility": "shared"}),
        ("m.room.guest_access", {"guest_access": "forbidden"}),
        ("listing", False),
        ("#tea:localhost", None),
    ]
    assert way.left == ()
    assert way.back[0].name == "#tea:localhost", "before the event that names it"


def test_a_remote_moderator_is_demoted() -> None:
    levels = {"users": {HERE[0]: 100, AFAR[0]: 50}}
    way = way_of(simple(Standing(state={POWER_LEVELS: levels}), remote=AFAR[0]))
    (step,) = way.steps
    assert step.after == {"users": {HERE[0]: 100, AFAR[0]: 0}, "users_default": 1, "invite": 1}


@pytest.mark.parametrize(
    ("room", "left"),
    [
        (simple(Standing(state={**PUBLIC, POWER_LEVELS: LEVELS}), local=[]), Left.NO_POWER),
        (simple(Standing(state={**PUBLIC, POWER_LEVELS: {}})), Left.NO_POWER),
        (
            simple(Standing(state={"m.room.join_rules": "x", POWER_LEVELS: LEVELS})),
            Left.NO_WAY_BACK,
        ),
        (
            simple(
                Standing(state={POWER_LEVELS: {"users": {HERE[0]: 100, AFAR[0]: 100}}}),
                remote=AFAR[0],
            ),
            Left.NO_POWER,
        ),
        # Levels that are text cannot be written again.
        (
            simple(
                Standing(state={POWER_LEVELS: {"users": {HERE[0]: "100", AFAR[0]: "50"}}}),
                remote=AFAR[0],
            ),
            Left.NO_WAY_BACK,
        ),
        (
            Room(
                Standing(state={**CAN_JOIN, POWER_LEVELS: LEVELS}),
                [Breach.GUESTS],
                LevelFacts("localhost"),
                HERE,
                guests_inside=True,
            ),
            Left.GUESTS_INSIDE,
        ),
        (Room(Standing(), [Breach.ABOVE_CAP], LevelFacts("localhost"), HERE), Left.ABOVE_CAP),
    ],
)
def test_what_cannot_be_changed_is_left(room: Room, left: Left) -> None:
    way = way_of(room)
    assert way.left == (left,)
    assert all(step.name == POWER_LEVELS for step in way.steps)


def test_true_is_not_one() -> None:
    assert is_same({"a": [1, None]}, {"a": [1, None]})
    assert not is_same({"a": 1}, {"a": True})
    assert not is_same("\ud800", "\ud800"), "it could not be sent"


@pytest.mark.parametrize(
    "value",
    [
        None,
        {"what": "state"},
        {"what": "power", "name": "", "before": True, "after": False},
        {"what": "listing", "name": "", "before": False, "after": True},
        {"what": "listing", "name": "", "before": True, "after": None},
        {"what": "state", "name": "m.room.name", "before": {}, "after": {}},
        {
            "what": "state",
            "name": "m.room.join_rules",
            "before": {"join_rule": "invite"},
            "after": {"join_rule": "public"},
        },
        {"what": "state", "name": "m.room.join_rules", "before": None, "after": {}},
        {"what": "state", "name": POWER_LEVELS, "before": {}, "after": []},
        {"what": "state", "name": ["x"], "before": {}, "after": {}},
        {"what": "address", "name": "#a:elsewhere.org", "before": None, "after": None},
        {"what": "address", "name": "#a:localhost", "before": {}, "after": None},
        {
            "what": "address",
            "name": "#a:localhost",
            "before": {"creator": None, "servers": [1]},
            "after": None,
        },
    ],
)
def test_what_is_no_step_of_a_plan_is_refused(value: Any) -> None:
    with pytest.raises(MalformedRequest):
        step_from_json(value, "localhost")


@pytest.mark.parametrize(
    ("look", "found"),
    [
        (Look("Tea", ["#lobby:localhost"], []), Likeness.AUTO_JOIN),
        (Look("Tea", [], [Breach.ADDRESSED], {"events_default": 50}), Likeness.FEW_WRITE),
        (Look("Tea", [], [], {"events": {"m.room.message": 50}}), Likeness.FEW_WRITE),
        (Look("Tea", [], [], {"events_default": 50, "users_default": 50}), None),
        (Look("Tea", [], [Breach.PUBLIC, Breach.ABOVE_CAP]), Likeness.LARGE),
        (Look("Tea", [], [Breach.ABOVE_CAP]), None),
        (Look("The Lobby", [], [Breach.PUBLIC]), Likeness.NAMED),
        (Look("Ankündigungen", [], [Breach.LISTED]), Likeness.NAMED),
        (Look("校园公告", [], [Breach.LISTED]), Likeness.NAMED),
        (Look("The Lobby", [], [Breach.WORLD_READABLE]), None),
        (Look("Newspapers", [], [Breach.PUBLIC]), None),
    ],
)
def test_what_looks_like_announcements_or_a_lobby(look: Look, found: Likeness | None) -> None:
    assert likeness(look, ["#lobby:localhost"]) == found
