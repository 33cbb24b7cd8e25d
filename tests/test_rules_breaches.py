"""Which rules an existing group breaks."""

from typing import Any

import pytest

from synapse_capgroups.rules.breaches import Breach, Note, Openness, openings, remote_power, size
from synapse_capgroups.rules.joining import Limits
from synapse_capgroups.rules.power_levels import LevelFacts

_ROSA = "@rosa:elsewhere.org"


def power(
    levels: dict[str, Any],
    *,
    remote: frozenset[str] = frozenset({_ROSA}),
    creators: tuple[str, ...] = (),
) -> set[str]:
    facts = LevelFacts("localhost", remote, frozenset(creators))
    return {breach.value for breach in remote_power(levels, facts)}


def test_a_group_that_keeps_rule_1_has_no_opening() -> None:
    state = {
        "m.room.join_rules": {"join_rule": "knock"},
        "m.room.history_visibility": {"history_visibility": "shared"},
        "m.room.guest_access": {"guest_access": "forbidden"},
        "m.room.canonical_alias": {},
    }
    assert list(openings(Openness(state=state))) == []
    assert list(openings(Openness())) == []


@pytest.mark.parametrize(
    ("room", "breach"),
    [
        (Openness(listed=True), Breach.LISTED),
        (Openness(has_address=True), Breach.ADDRESSED),
        (Openness(state={"m.room.canonical_alias": {"alias": "#a:b"}}), Breach.ADDRESSED),
        (Openness(state={"m.room.canonical_alias": {"alt_aliases": ["#a:b"]}}), Breach.ADDRESSED),
        (Openness(state={"m.room.join_rules": {"join_rule": "public"}}), Breach.PUBLIC),
        (Openness(state={"m.room.join_rules": {"join_rule": "restricted"}}), Breach.PUBLIC),
        (Openness(state={"m.room.join_rules": {"join_rule": ["no", "rule"]}}), Breach.PUBLIC),
        (Openness(state={"m.room.join_rules": "nonsense"}), Breach.PUBLIC),
        (
            Openness(state={"m.room.history_visibility": {"history_visibility": "world_readable"}}),
            Breach.WORLD_READABLE,
        ),
        (Openness(state={"m.room.guest_access": {"guest_access": "can_join"}}), Breach.GUESTS),
    ],
)
def test_each_opening_is_found(room: Openness, breach: Breach) -> None:
    assert list(openings(room)) == [breach]


def test_only_more_members_than_the_cap_break_the_rule_of_the_cap() -> None:
    limits = Limits(cap=5, code_limit=3)
    said = [size(members, limits) for members in range(1, 7)]
    large = Note.ABOVE_CODE_LIMIT
    assert said == [None, None, large, large, large, Breach.ABOVE_CAP]


def test_remote_people_may_neither_invite_nor_moderate() -> None:
    guarded = {"users_default": 1, "invite": 1, "users": {_ROSA: 0}}
    assert power(guarded) == set()
    assert power({"users": {_ROSA: 50}}) == {"remote_moderators", "remote_invites"}
    # As Synapse makes rooms without the module: everybody can invite.
    assert power({}) == {"remote_invites"}
    assert power({"invite": 50}) == set()
    assert power({"invite": 50, "users": {_ROSA: 50}, "kick": 50}) == {
        "remote_moderators", "remote_invites",
    }  # fmt: skip
    assert power({"users_default": 1, "invite": 1}) == {"remote_invites"}
    assert power({"invite": 50, "events": {"m.room.join_rules": 0}}) == {"remote_moderators"}


def test_a_remote_creator_has_all_power_in_rooms_of_version_12() -> None:
    levels = {"users_default": 1, "invite": 1, "users": {}}
    assert power(levels, creators=(_ROSA,)) == {"remote_moderators", "remote_invites"}


def test_without_remote_people_power_breaks_no_rule() -> None:
    assert power({"users": {_ROSA: 100}}, remote=frozenset()) == set()


def test_levels_that_are_no_numbers_are_read_as_servers_read_them() -> None:
    assert power({"invite": "50", "users": {_ROSA: "0"}}) == set()
    assert power({"invite": {}, "users": {_ROSA: 0}}) == {"remote_invites"}
