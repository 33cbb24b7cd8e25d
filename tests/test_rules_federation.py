"""Rule 10 as pure functions. What they lead to is checked by Synapse's own authorization rules."""

import copy
import itertools
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any, cast

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from synapse.api.errors import SynapseError
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.event_auth import (
    check_state_dependent_auth_rules,
    get_user_power_level,
    validate_event_for_room_version,
)
from synapse.events import EventBase, make_event_from_dict
from synapse.events.validator import EventValidator

from synapse_capgroups.demo.person import Person, expect
from synapse_capgroups.federation.levels import Standing
from synapse_capgroups.rules.federation import guarded_creation, local_creators, put_right
from synapse_capgroups.rules.joining import (
    INVITATION_LIFETIME_MS,
    JoinFacts,
    Limits,
    decide_join,
    decide_pending,
)
from synapse_capgroups.rules.level_changes import (
    may_replace,
    migrated,
    strongest_for,
    strongest_sender,
    writer,
)
from synapse_capgroups.rules.power_levels import (
    POWER_LEVELS,
    POWERFUL,
    SECTIONS,
    LevelFacts,
    as_integers,
    fits,
    guarded,
    is_guarded,
    with_entry,
)
from synapse_capgroups.rules.seclusion import SECLUDING, decide_state
from synapse_capgroups.rules.verdict import ALLOWED, Reason, Refusal
from tests.conftest import Server, Starter, starter

VERSIONS = ("10", "11", "12")
ANN, BEN, CLEO, DAN = LOCAL = ("@ann:here", "@ben:here", "@cleo:here", "@dan:here")
RAY, REX = REMOTE = ("@ray:far", "@rex:far")
STRANGER = "@sam:far"
"""Somebody who is not in the room."""

HARMLESS = ("m.room.name", "m.room.topic", "org.example.state")
"""State that a group may leave to all who are in it."""

OPENS_OR_RULES_A_ROOM = {
    "m.room.power_levels", "m.room.join_rules", "m.room.history_visibility", "m.room.guest_access",
    "m.room.canonical_alias", "m.room.server_acl", "m.room.tombstone", "m.room.encryption",
    "m.room.third_party_invite", "m.space.child",
}  # fmt: skip
"""What remote people must never send, whatever the rules say of it."""


class Room:
    """The state of a room, and what Synapse says of an event that somebody would add to it."""

    def __init__(
        self, version: str, creators: frozenset[str] = frozenset((ANN,)), *people: str
    ) -> None:
        self.version = KNOWN_ROOM_VERSIONS[version]
        all_power = self.version.msc4289_creator_power_enabled
        self.creators = creators if all_power else frozenset[str]()
        self.present = {*LOCAL, *people}
        self.state: dict[tuple[str, str | None], EventBase] = {}
        self.room_id = None if all_power else "!room:here"
        more = {"additional_creators": sorted(creators - {ANN})} if all_power else {}
        create = self._event("m.room.create", {"room_version": version, "creator": ANN, **more})
        self.room_id = create.room_id
        self._put(create)
        for person in (*LOCAL, *REMOTE):
            self._put(self._event("m.room.member", {"membership": "join"}, person, person))
        self._put(self._event("m.room.join_rules", {"join_rule": "invite"}))

    @property
    def facts(self) -> LevelFacts:
        return LevelFacts("here", frozenset(self.present - set(LOCAL)), self.creators)

    @property
    def levels(self) -> Mapping[str, Any]:
        return self.state[POWER_LEVELS, ""].content

    @levels.setter
    def levels(self, content: Mapping[str, object]) -> None:
        self._put(self._event(POWER_LEVELS, content))

    def accepts_levels(self, content: Mapping[str, object], sender: str) -> bool:
        """Whether Synapse lets a client send these power levels, as it makes and checks events."""
        try:
            event = self._event(POWER_LEVELS, content, sender)
            EventValidator().validate_new(event, cast(Any, None))
        except Exception:
            return False  # Some rubbish it fails on; the event is not sent all the same.
        return self._allows(event)

    def level(self, person: str) -> int:
        return get_user_power_level(person, cast(Any, self.state))

    def powers(self, person: str, *, over: tuple[str, ...]) -> set[str]:
        """What Synapse lets somebody do.

        Args:
            over: whom they could remove.
        """
        events = {
            f"send {kind}": self._event(kind, content, person)
            for kind, content in _CONTENTS.items()
        }
        events["message"] = self._event("m.room.message", {}, person, None)
        events["invite"] = self._event("m.room.member", {"membership": "invite"}, person, STRANGER)
        for other in set(over) - {person}:
            for name, membership in (("kick", "leave"), ("ban", "ban")):
                content = {"membership": membership}
                events[f"{name} {other}"] = self._event("m.room.member", content, person, other)
        events[f"send {POWER_LEVELS}"] = self._event(POWER_LEVELS, self.levels, person)
        found = {name for name, event in events.items() if self._allows(event)}

        redaction = self._event("m.room.redaction", {"redacts": "$event"}, person, None)
        if self._allows(redaction) and not redaction.internal_metadata.need_to_check_redaction():
            found.add("redact others")
        return found

    def _allows(self, event: EventBase) -> bool:
        try:
            check_state_dependent_auth_rules(event, self.state.values())
        except SynapseError:
            return False
        except Exception:
            return False  # It fails on levels that are none: nobody's event is sent.
        return True

    def _put(self, event: EventBase) -> None:
        self.state[event.type, event.get_state_key()] = event

    def _event(
        self,
        event_type: str,
        content: Mapping[str, object],
        sender: str = ANN,
        state_key: str | None = "",
    ) -> EventBase:
        event: dict[str, Any] = {
            "type": event_type, "sender": sender, "content": copy.deepcopy(dict(content)),
            "prev_events": ["$one", "$two"], "auth_events": [], "depth": 5, "hashes": {},
            "signatures": {}, "origin_server_ts": 1,
        }  # fmt: skip
        if state_key is not None:
            event["state_key"] = state_key
        if self.room_id is not None:
            event["room_id"] = self.room_id
        if event_type == "m.room.create":
            event["prev_events"] = []
        return make_event_from_dict(event, self.version)


_CONTENTS: Mapping[str, Mapping[str, object]] = {
    kind: {} for kind in sorted({*POWERFUL, *OPENS_OR_RULES_A_ROOM, *HARMLESS} - {POWER_LEVELS})
}

POWER_OVER_OTHERS = {f"send {kind}" for kind in POWERFUL | OPENS_OR_RULES_A_ROOM} | {
    "invite",
    "redact others",
}


def has_power(room: Room, person: str) -> set[str]:
    """What somebody can do in a room that remote people must not be able to do."""
    everybody = (*LOCAL, *REMOTE)
    return {
        power
        for power in room.powers(person, over=everybody)
        if power in POWER_OVER_OTHERS or power.startswith(("kick", "ban"))
    }


any_level = st.sampled_from(
    [-(2**53) + 1, -100, -5, -2, -1, 0, 0, 0, 1, 1, 2, 10, 49, 50, 50, 51, 99, 100, 100, 2**53 - 1]
)
TOP = ("users_default", "events_default", "state_default", "ban", "kick", "redact", "invite")


def contents(people: tuple[str, ...] = (*LOCAL, *REMOTE)) -> st.SearchStrategy[dict[str, Any]]:
    """Power levels that are well-formed."""
    kinds = st.sampled_from(
        [
            *sorted(POWERFUL | OPENS_OR_RULES_A_ROOM),
            *HARMLESS,
            "m.room.message",
            "m.room.redaction",
        ]
    )
    return st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(TOP, any_level),
            "users": st.dictionaries(st.sampled_from(people), any_level),
            "events": st.dictionaries(kinds, any_level),
            "notifications": st.dictionaries(st.just("room"), any_level),
        },
    )


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**30, -(10**30), 1e300, "1", " 1 ", "0x1", "9" * 5000, "٣"])
    | st.floats()
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.sampled_from(TOP), inner, max_size=4)
    ),
    max_leaves=8,
)
rubbish: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from([*TOP, "users", "events", "notifications"]) | st.text(),
    json_values
    | st.dictionaries(
        st.sampled_from([*LOCAL, *REMOTE, *sorted(POWERFUL), "nobody", "@", ":here"]),
        json_values | any_level,
    ),
)
any_contents = contents() | rubbish | st.builds(lambda a, b: {**a, **b}, contents(), rubbish)

creators = st.sampled_from(
    [frozenset((ANN,)), frozenset((ANN, BEN)), frozenset((ANN, RAY)), frozenset((ANN, BEN, RAY))]
)
versions = st.sampled_from(VERSIONS)
rooms = st.builds(Room, versions, creators, st.just(RAY), st.just(REX))
local_rooms = st.builds(Room, versions, st.sampled_from([frozenset((ANN,)), frozenset((ANN, BEN))]),
                        st.just(RAY), st.just(REX))  # fmt: skip


def without_creators(content: Mapping[str, Any], room: Room) -> dict[str, Any]:
    """The same power levels without entries that no server accepts."""
    users = {who: level for who, level in content.get("users", {}).items()
             if who not in room.creators}  # fmt: skip
    return {**content, "users": users} if "users" in content else dict(content)


class Clients(RuleBasedStateMachine):
    """Local people's clients send power levels of any kind; remote people come and go."""

    room: Room
    checked: object = None

    @initialize(version=versions, more=st.booleans(), asked=contents(LOCAL))
    def create(self, version: str, more: bool, asked: dict[str, Any]) -> None:
        self.room = Room(version, frozenset((ANN, BEN) if more else (ANN,)))
        first: dict[str, object] = {
            "users": {ANN: 100}, "invite": 0, "users_default": 0,
            "events": {POWER_LEVELS: 100, "m.room.name": 50}, **asked,
        }  # fmt: skip
        self.room.levels = guarded(first, self.room.facts)

    def send(self, content: Mapping[str, Any], sender: str) -> None:
        mended = guarded(content, self.room.facts)
        if self.room.accepts_levels(mended, sender):
            assert is_guarded(mended, self.room.facts)
            self.room.levels = mended

    @rule(content=any_contents, sender=st.sampled_from(LOCAL))
    def send_new_levels(self, content: dict[str, Any], sender: str) -> None:
        self.send(content, sender)

    @rule(change=any_contents, sender=st.sampled_from(LOCAL))
    def change_levels(self, change: dict[str, Any], sender: str) -> None:
        new: dict[str, Any] = copy.deepcopy(_thawed(self.room.levels))
        for name, value in change.items():
            both = isinstance(value, dict) and isinstance(new.get(name), dict)
            new[name] = {**new[name], **value} if both else value
        self.send(new, sender)

    @rule(change=st.dictionaries(st.sampled_from([*LOCAL, *REMOTE]), any_level, min_size=1),
          sender=st.sampled_from(LOCAL))  # fmt: skip
    def promote(self, change: dict[str, int], sender: str) -> None:
        levels = _thawed(self.room.levels)
        self.send({**levels, "users": {**levels.get("users", {}), **change}}, sender)

    @rule(person=st.sampled_from(REMOTE))
    def invite(self, person: str) -> None:
        if person in self.room.present:
            return
        wanted = with_entry(self.room.levels, self.room.facts, person)
        sender = writer(self.room.levels, wanted, LOCAL, self.room.facts)
        if sender is not None:
            assert self.room.accepts_levels(wanted, sender)
            self.room.levels = wanted
            self.room.present.add(person)

    @precondition(lambda self: self.room.present & set(REMOTE))
    @rule(person=st.sampled_from(REMOTE))
    def leave(self, person: str) -> None:
        self.room.present.discard(person)

    @invariant()
    def no_remote_person_has_power(self) -> None:
        looked_at = (self.room.state[POWER_LEVELS, ""], frozenset(self.room.present))
        if looked_at == self.checked:
            return
        for person in self.room.present & set(REMOTE):
            assert has_power(self.room, person) == set()
        self.checked = looked_at


def _thawed(content: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: dict(value) if isinstance(value, Mapping) else value
        for name, value in content.items()
    }


Clients.TestCase.settings = settings(max_examples=30, stateful_step_count=15, deadline=None)
TestClients = Clients.TestCase


@settings(max_examples=40, deadline=None)
@given(local_rooms, contents())
def test_no_local_person_loses_what_a_client_gave_them(room: Room, asked: dict[str, Any]) -> None:
    room.levels = asked = without_creators(asked, room)
    levels = {person: room.level(person) for person in LOCAL}
    powers = {
        # Below level 2 two who stood above each other can become equals.
        person: room.powers(person, over=(*(LOCAL if levels[person] > 1 else ()), *REMOTE))
        for person in LOCAL
    }
    room.levels = guarded(asked, room.facts)
    for person in LOCAL:
        assert room.level(person) >= levels[person]
        assert powers[person] <= room.powers(person, over=(*LOCAL, *REMOTE))


@settings(max_examples=40, deadline=None)
@given(rooms, any_contents)
def test_any_content_can_be_mended_once_and_stays_as_it_was(
    room: Room, content: dict[str, Any]
) -> None:
    before = copy.deepcopy(content)
    once = guarded(content, room.facts)
    assert repr(content) == repr(before)
    assert repr(guarded(once, room.facts)) == repr(once)
    assert is_guarded(once, room.facts)
    for person in LOCAL:
        repr(may_replace(before, content, person, room.facts))
        migrated(content, room.facts, person)
    writer(before, content, LOCAL, room.facts)
    for action in ("kick", "ban", "invite", "redact"):
        strongest_for(action, RAY, content, LOCAL, room.facts)
    strongest_sender(POWER_LEVELS, content, LOCAL, room.facts)
    as_integers(content)
    with_entry(content, room.facts, STRANGER)
    fits(content)
    assert repr(content) == repr(before)


@settings(max_examples=40, deadline=None)
@given(rooms, contents(), any_contents)
def test_who_may_write_power_levels_is_what_synapse_says(
    room: Room, old: dict[str, Any], new: dict[str, Any]
) -> None:
    room.levels = old
    new = {name: value for name, value in new.items() if name in (*TOP, *SECTIONS)}
    for person in LOCAL:
        assert may_replace(old, new, person, room.facts) == room.accepts_levels(new, person)
    found = writer(old, new, LOCAL, room.facts)
    assert (found is not None) == any(room.accepts_levels(new, person) for person in LOCAL)
    assert found is None or room.accepts_levels(new, found)


@pytest.mark.parametrize("level", [5, 2**53, -(2**53), True, 5.0, "5", None, {}])
@pytest.mark.parametrize("user", [BEN, "@:here", "@ben:", "ben:here", "@ben", "#ben:here", ""])
@pytest.mark.parametrize("version", VERSIONS)
def test_an_entry_that_synapse_refuses_is_never_sent(
    version: str, user: str, level: object
) -> None:
    room = Room(version)
    room.levels = old = {"users": {CLEO: 100}, "events": {POWER_LEVELS: 50}}
    new = {**old, "users": {**old["users"], user: level}}
    assert may_replace(old, new, CLEO, room.facts) == room.accepts_levels(new, CLEO)


@settings(max_examples=40, deadline=None)
@given(rooms, contents(), st.dictionaries(st.sampled_from([*LOCAL, *REMOTE]), any_level))
def test_who_may_change_entries_is_what_synapse_says(
    room: Room, old: dict[str, Any], change: dict[str, int]
) -> None:
    room.levels = old
    new = {**old, "users": {**old.get("users", {}), **change}}
    for person in LOCAL:
        assert may_replace(old, new, person, room.facts) == room.accepts_levels(new, person)


@settings(max_examples=40, deadline=None)
@given(rooms, contents())
def test_who_acts_for_the_server_is_who_synapse_allows_to(
    room: Room, content: dict[str, Any]
) -> None:
    room.levels = content = without_creators(content, room)
    powers = {person: room.powers(person, over=REMOTE) for person in LOCAL}
    found = {
        f"{action} {target}": strongest_for(action, target, content, LOCAL, room.facts)
        for action in ("kick", "ban")
        for target in REMOTE
    }
    found["invite"] = strongest_for("invite", None, content, LOCAL, room.facts)
    found |= {
        f"send {kind}": strongest_sender(kind, content, LOCAL, room.facts) for kind in POWERFUL
    }
    for power, person in found.items():
        able = {local for local in LOCAL if power in powers[local]}
        assert (person in able) if able else (person is None), power


@settings(max_examples=40, deadline=None)
@given(rooms, contents(), st.sampled_from(LOCAL))
def test_a_migration_can_be_sent_and_takes_all_power_of_remote_people_below_its_sender(
    room: Room, old: dict[str, Any], sender: str
) -> None:
    room.levels = old = without_creators(old, room)
    assume(room.accepts_levels(old, sender))
    own = room.level(sender)
    below = [person for person in REMOTE if room.level(person) < own]

    new = migrated(old, room.facts, sender)
    assert may_replace(old, new, sender, room.facts)
    assert room.accepts_levels(new, sender)
    room.levels = new
    assert room.level(sender) >= own
    if own > 0:  # Nobody can ask for more than they have themselves.
        for person in below:
            assert has_power(room, person) == set()


@settings(max_examples=40, deadline=None)
@given(rooms, contents(), contents(), st.booleans(), st.sampled_from(LOCAL))
def test_in_an_older_group_clients_send_what_they_could_and_it_is_mended_as_far_as_possible(
    room: Room, old: dict[str, Any], change: dict[str, Any], whole: bool, sender: str
) -> None:
    room.levels = old = without_creators(old, room)
    wanted = change if whole else {**old, **change}
    own = room.level(sender)
    below = [person for person in REMOTE if room.level(person) < own]

    sent = Standing(old, room.facts, LOCAL, federates=True).mended(wanted, sender)
    assert room.accepts_levels(sent, sender) or not room.accepts_levels(wanted, sender)
    if room.accepts_levels(sent, sender) and own > 0:
        room.levels = sent
        for person in below:
            assert has_power(room, person) == set()


def test_a_migration_by_somebody_below_level_1_takes_nothing_from_them() -> None:
    room = Room("11", frozenset((ANN,)), RAY)
    old = {"users": {DAN: -1}, "users_default": -5, "events": {POWER_LEVELS: -1}}
    room.levels = old
    assert migrated(old, room.facts, DAN) == old


def test_a_remote_moderator_is_demoted_by_an_operator_who_demotes_themselves() -> None:
    room = Room("11", frozenset((ANN,)), RAY, REX)
    room.levels = old = {"users": {ANN: 100, RAY: 50, REX: 100}, "users_default": 0, "invite": 0}
    wanted = {**old, "users": {ANN: 40, RAY: 50, REX: 100}}
    sent = Standing(old, room.facts, LOCAL, federates=True).mended(wanted, ANN)
    assert room.accepts_levels(sent, ANN)
    assert sent["users"] == {ANN: 40, RAY: 0, REX: 100}


@settings(max_examples=100, deadline=None)
@given(rooms, contents(), rubbish, st.sampled_from(LOCAL))
def test_what_is_no_power_level_is_left_for_synapse_to_refuse(
    room: Room, old: dict[str, Any], wanted: dict[str, Any], sender: str
) -> None:
    there = Standing(old, room.facts, LOCAL, federates=True)
    there.mended(wanted, sender)
    text = {**wanted, "events_default": "0"}
    assert there.mended(text, sender) is text


@pytest.mark.parametrize("version", ["6", "9"])
def test_a_migration_reads_levels_of_older_rooms_that_are_texts(version: str) -> None:
    room = Room(version, frozenset((ANN,)), RAY, REX)
    old = {
        "users": {ANN: "100", RAY: " 50", CLEO: 1.7}, "users_default": "0", "invite": "0",
        "events": {POWER_LEVELS: "100", "m.room.join_rules": "-1"}, "ban": "50",
    }  # fmt: skip
    room.levels = old
    new = migrated(old, room.facts, ANN)
    assert room.accepts_levels(new, ANN)
    room.levels = new
    assert has_power(room, RAY) == has_power(room, REX) == set()


def room_to_spare(version: str, users: int) -> dict[str, Any]:
    """Power levels that are as large as `fits` allows."""
    content: dict[str, Any] = {"users": {f"@{n}{'ü' * 50}:far": 0 for n in range(users)}, "a": ""}
    assert fits(content)
    low, high = 0, 70_000
    while low < high:
        middle = (low + high + 1) // 2
        content["a"] = "a" * middle
        low, high = (middle, high) if fits(content) else (low, middle - 1)
    return {**content, "a": "a" * low}


@pytest.mark.parametrize("users", [0, 400])
@pytest.mark.parametrize("version", VERSIONS)
def test_what_fits_is_small_enough_for_synapse_in_the_largest_envelope(
    version: str, users: int
) -> None:
    content = room_to_spare(version, users)
    assert not fits({**content, "a": content["a"] + "a"})
    event_id = f"${'x' * 43}"
    server = "s" * 230
    event = make_event_from_dict(
        {
            "type": POWER_LEVELS, "sender": f"@{'u' * 23}:{server}", "state_key": "",
            "room_id": f"!{'r' * 43}" if version == "12" else f"!{'r' * 23}:{server}",
            "content": content, "prev_events": [event_id] * 20, "auth_events": [event_id] * 10,
            "depth": 2**53 - 1, "origin_server_ts": 2**53 - 1, "hashes": {"sha256": "h" * 43},
            "signatures": {server: {f"ed25519:{'k' * 20}": "s" * 86}},
            "unsigned": {"replaces_state": event_id, "age_ts": 2**53 - 1},
        },
        KNOWN_ROOM_VERSIONS[version],
    )  # fmt: skip
    validate_event_for_room_version(event)


def test_power_levels_of_490_remote_people_fit() -> None:
    facts = LevelFacts("here", frozenset(f"@somebody{n}:example.org" for n in range(490)))
    assert fits(guarded({"users": {ANN: 100}}, facts))
    longest = frozenset(f"@{n:03}{'u' * 220}:{'s' * 29}" for n in range(490))
    assert not fits(guarded({"users": {ANN: 100}}, LevelFacts("here", longest)))


any_event = st.sampled_from([*sorted(SECLUDING), "m.room.name"])
secluding_contents = st.fixed_dictionaries(
    {},
    optional={
        "join_rule": st.sampled_from(["invite", "knock", "public", "restricted", "private"]),
        "history_visibility": st.sampled_from(["shared", "joined", "world_readable"]),
        "guest_access": st.sampled_from(["can_join", "forbidden"]),
        "alias": st.sampled_from(["", "#a:far"]),
        "alt_aliases": st.lists(st.just("#b:far"), max_size=1),
    },
)
state_contents = secluding_contents | st.dictionaries(st.text(), json_values) | rubbish


@given(any_event, state_contents, st.none() | state_contents)
@example("m.room.join_rules", {"join_rule": ["invite"]}, {"join_rule": "knock"})
@example("m.room.history_visibility", {"history_visibility": "world_readable"}, None)
def test_an_opening_is_undone_by_what_was_there_or_by_what_is_closed(
    event_type: str, content: dict[str, Any], previous: dict[str, Any] | None
) -> None:
    closed = put_right(event_type, content, previous)
    if decide_state(event_type, content) == ALLOWED:
        assert closed is None
        return
    assert closed is not None
    assert decide_state(event_type, closed) == ALLOWED
    assert put_right(event_type, closed, content) is None
    if previous is not None and decide_state(event_type, previous) == ALLOWED:
        assert closed == previous


LIMITS = Limits(cap=6, code_limit=4)
LIVES = INVITATION_LIFETIME_MS


@pytest.mark.parametrize(
    ("seats_taken", "friend", "age_ms", "reason"),
    [
        (3, False, 0, None),
        (3, False, LIVES - 1, None),
        (3, False, LIVES, None),
        (3, False, LIVES + 1, Reason.INVITE_REQUIRED),
        (4, False, 0, Reason.FRIENDS_ONLY),
        (4, True, LIVES, None),
        (4, True, LIVES + 1, Reason.INVITE_REQUIRED),
        (5, False, LIVES + 1, Reason.FRIENDS_ONLY),
        (5, True, LIVES, None),
        (6, True, 0, Reason.FULL),
        (7, True, 0, Reason.FULL),
    ],
)
def test_a_pending_invitation_holds_up_to_its_limits(
    seats_taken: int, friend: bool, age_ms: int, reason: Reason | None
) -> None:
    facts = JoinFacts(
        "invite", seats_taken, inviter=ANN, inviter_is_member=True, inviter_is_friend=friend
    )
    verdict = decide_pending(facts, LIMITS, age_ms=age_ms)
    assert (verdict.reason if isinstance(verdict, Refusal) else None) == reason


@given(
    st.builds(
        JoinFacts,
        membership=st.sampled_from([None, "join", "invite", "leave", "ban", "knock"]),
        seats_taken=st.integers(0, 8),
        inviter=st.none() | st.just(ANN),
        inviter_is_member=st.booleans(),
        inviter_is_friend=st.booleans(),
    ),
    st.integers(0, 2 * LIVES),
)
def test_a_pending_invitation_never_holds_where_its_join_would_be_refused(
    facts: JoinFacts, age_ms: int
) -> None:
    join, pending = decide_join(facts, LIMITS), decide_pending(facts, LIMITS, age_ms=age_ms)
    if join != ALLOWED or facts.membership == "join" or age_ms <= LIVES:
        assert pending == join
    else:
        assert pending != ALLOWED


# The creation of a group.

PRESETS = ("private_chat", "trusted_private_chat")
FAR = ("@ray:far.example", "@rex:far.example")
OVERRIDES: Mapping[str, Mapping[str, Any]] = {
    "nothing": {},
    "invite": {"power_level_content_override": {"invite": 50}},
    "default": {"power_level_content_override": {"users_default": 0, "invite": 0, "kick": 0}},
    "events": {"power_level_content_override": {"events": {"m.space.child": 0, "m.room.name": 0}}},
}


@pytest.fixture(scope="module")
def plain(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A homeserver without the module."""
    with ExitStack() as stack:
        yield starter(request, stack)("sqlite", module=None)


def created(
    server: Server,
    creator: Person,
    version: str,
    request: Mapping[str, Any],
    configured: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], dict[str, Any], LevelFacts]:
    """Create a room from a guarded body; its power levels, its create event, and who is who.

    The remote people are not invited: there is nobody to answer for them.
    """
    before = copy.deepcopy(request)

    def guard(body: Mapping[str, Any]) -> dict[str, Any]:
        return guarded_creation(
            body,
            creator.user_id,
            "localhost",
            creators_have_all_power=version == "12",
            preset_levels=configured,
        )

    body = guard(request)
    assert request == before
    assert guard(body) == body
    body["invite"] = [user for user in body.get("invite", []) if user.endswith(":localhost")]
    room_id = creator.new_room(**body)
    levels = expect(creator.state(room_id, POWER_LEVELS)).body
    create = expect(creator.state(room_id, "m.room.create")).body
    creators = {creator.user_id, *create.get("additional_creators", [])}
    remote = frozenset(user for user in request.get("invite", []) if user in FAR)
    facts = LevelFacts("localhost", remote, frozenset(creators if version == "12" else ()))
    return levels, create, facts


@pytest.mark.parametrize("invited", [(), FAR], ids=["local", "remote"])
@pytest.mark.parametrize("asked", OVERRIDES)
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_group_is_guarded_from_its_first_power_levels_on(
    plain: Server, version: str, preset: str, asked: str, invited: tuple[str, ...]
) -> None:
    creator, friend = plain.people(2)
    levels, create, facts = created(
        plain, creator, version,
        {"room_version": version, "preset": preset, "invite": [friend.user_id, *invited],
         **OVERRIDES[asked]},
    )  # fmt: skip
    assert is_guarded(levels, facts)
    assert levels["users_default"] >= 1
    assert levels["invite"] == (50 if asked == "invite" else 1)
    trusted = preset == "trusted_private_chat"
    expected = dict.fromkeys(invited, 0)
    if version == "12":
        assert create.get("additional_creators", []) == ([friend.user_id] if trusted else [])
    else:
        operators = [creator.user_id, *([friend.user_id] if trusted else [])]
        expected |= dict.fromkeys(operators, 100)
    assert levels["users"] == expected


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_group_with_power_levels_of_its_own_is_guarded(
    plain: Server, version: str, preset: str
) -> None:
    creator, friend = plain.people(2)
    users = {friend.user_id: 0, FAR[0]: 100}
    if version != "12":
        users[creator.user_id] = 100
    event = {"type": POWER_LEVELS, "content": {"users": users, "users_default": 0, "invite": 0}}
    levels, _, facts = created(
        plain, creator, version,
        {"room_version": version, "preset": preset, "initial_state": [event],
         "invite": [friend.user_id, *FAR]},
    )  # fmt: skip
    assert is_guarded(levels, facts)
    operators = {} if version == "12" else {creator.user_id: 100}
    assert levels["users"] == {**operators, **dict.fromkeys(FAR, 0)}
    assert (levels["users_default"], levels["invite"]) == (1, 1)


@pytest.mark.parametrize("preset", PRESETS)
def test_no_remote_person_becomes_a_creator(plain: Server, preset: str) -> None:
    creator, friend, other = plain.people(3)
    levels, create, facts = created(
        plain, creator, "12",
        {"room_version": "12", "preset": preset, "invite": [friend.user_id, FAR[0]],
         "creation_content": {"additional_creators": [FAR[0], FAR[1], other.user_id]},
         "power_level_content_override": {"users": {FAR[0]: 100, friend.user_id: 60}}},
    )  # fmt: skip
    trusted = [friend.user_id] if preset == "trusted_private_chat" else []
    assert sorted(create["additional_creators"]) == sorted([other.user_id, *trusted])
    assert not facts.remote_creators
    expected = {FAR[0]: 0, **({} if trusted else {friend.user_id: 60})}
    assert levels["users"] == expected
    assert is_guarded(levels, facts)


def test_what_the_server_is_configured_to_give_is_guarded_too(start: Starter) -> None:
    configured = {
        "private_chat": {"events": {"m.space.child": 0, "m.room.topic": 0}, "kick": 0},
        "trusted_private_chat": {"users_default": 10, "redact": 0},
    }
    server = start(module=None, settings={"default_power_level_content_override": configured})
    creator, friend = server.people(2)
    for version, preset in itertools.product(VERSIONS, PRESETS):
        request = {"room_version": version, "preset": preset, "invite": [friend.user_id, *FAR]}
        levels, _, facts = created(server, creator, version, request, configured)
        assert is_guarded(levels, facts)
        # The other preset, which replaces the trusted one, adds its own.
        assert levels["events"] == {"m.space.child": 1, "m.room.topic": 0}
        assert levels["kick"] == 1
        trusted = preset == "trusted_private_chat"
        assert (levels["users_default"], levels["redact"]) == ((10, 1) if trusted else (1, 50))


creation_requests = st.dictionaries(
    st.sampled_from(
        ["preset", "invite", "initial_state", "creation_content", "power_level_content_override"]
    ),
    json_values
    | st.sampled_from([*PRESETS, [ANN, RAY], {"additional_creators": [RAY, 1, ANN]},
                       {"additional_creators": RAY}, [{"type": POWER_LEVELS, "content": {}}]])
    | any_contents,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(creation_requests, st.booleans(), st.none() | st.dictionaries(
    st.sampled_from(PRESETS), st.none() | contents()))  # fmt: skip
def test_any_request_for_a_room_can_be_guarded(
    request: dict[str, Any], all_power: bool, configured: dict[str, Any] | None
) -> None:
    before = copy.deepcopy(request)
    body = guarded_creation(
        request, ANN, "here", creators_have_all_power=all_power, preset_levels=configured
    )
    assert repr(request) == repr(before)
    again = guarded_creation(
        body, ANN, "here", creators_have_all_power=all_power, preset_levels=configured
    )
    assert repr(again) == repr(body)


def test_only_local_people_may_be_creators() -> None:
    assert local_creators([ANN, RAY, "@ann:here:8448", BEN], "here") == [ANN, BEN]
