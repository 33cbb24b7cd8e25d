"""The plan of an adoption: what would be changed in which room, who is told, and what is left."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import attrs
from canonicaljson import encode_canonical_json

from synapse_capgroups.admin.check import standards
from synapse_capgroups.admin.homeserver_yaml import ServerConfig
from synapse_capgroups.admin.opening import Opened
from synapse_capgroups.groups.survey import Finding, Survey
from synapse_capgroups.inside.tables.all_rooms import AllRooms
from synapse_capgroups.inside.tables.openings import Opening, Openings
from synapse_capgroups.rules import seclusion
from synapse_capgroups.rules.adoption import STATE_TYPES, Room, Standing, Step, Way, What, way_of
from synapse_capgroups.rules.breaches import Breach
from synapse_capgroups.rules.exemption import Likeness, Look, likeness
from synapse_capgroups.rules.power_levels import (
    POWER_LEVELS,
    LevelFacts,
    level_of,
    level_to_send,
    number,
)
from synapse_capgroups.storage.server_rooms import ServerRooms
from synapse_capgroups.words.lookup import Words

_BATCH = 200
_OWNERS_TOLD = 5
_OWNERS_ASKED = 20

Json = dict[str, Any]


@attrs.frozen
class PlannedRoom:
    """A room that breaks a rule, and what would be done.

    Attributes:
        people: who is written to.
        words: in whose language they read it.
        exempt: why it should perhaps be exempt instead; such a room is changed only if asked for.
    """

    found: Finding
    way: Way
    people: tuple[str, ...]
    words: Words
    exempt: Likeness | None

    @property
    def text(self) -> str:
        """What they read."""
        return notice(self.words, self.found.name, self.way.steps) if self.way.steps else ""

    def to_json(self) -> Json:
        """What is carried out: the hash of a plan is over these."""
        return {
            "room_id": self.found.room_id,
            "name": self.found.name,
            "steps": [step.to_json() for step in self.way.steps],
            "people": list(self.people),
            "text": self.text,
        }


@attrs.frozen
class AdoptionPlan:
    """What would be done with the rooms of a server.

    Attributes:
        rooms: all that break a rule, by their IDs.
        everything: whether rooms that should perhaps be exempt are changed as well.
        hash: the same for the same changes of the same server.
    """

    server_name: str
    rooms: Sequence[PlannedRoom]
    everything: bool
    hash: str = attrs.field(init=False)

    @hash.default
    def _hash(self) -> str:
        digest = hashlib.sha256(encode_canonical_json({"server": self.server_name}))
        for room in self.changed:
            digest.update(b"\n" + encode_canonical_json(room.to_json()))
        return digest.hexdigest()

    @property
    def changed(self) -> list[PlannedRoom]:
        """The rooms in which something is changed."""
        return [room for room in self.rooms if room.way.steps and not self.is_spared(room)]

    def is_spared(self, room: PlannedRoom) -> bool:
        """Whether a room is left as it is, since it should perhaps be exempt."""
        return room.exempt is not None and not self.everything


def make_plan(server: ServerConfig, database: Opened, *, everything: bool) -> AdoptionPlan:
    """Look at all rooms and plan.

    Args:
        everything: whether rooms that should perhaps be exempt are changed as well.
    """
    server_rooms = (
        ServerRooms.all(database.transaction)
        if database.has_table("capgroups_server_rooms")
        else set()
    )
    survey = Survey(standards(server, database), database, server_rooms=server_rooms)
    planner = _Planner(server, database)
    rooms = planner.planned(survey.findings(database.rooms(server.server_name)))
    ordered = sorted(rooms, key=lambda room: room.found.room_id)
    return AdoptionPlan(server.server_name, ordered, everything)


class _Planner:
    def __init__(self, server: ServerConfig, database: Opened) -> None:
        self._server_name = server.server_name
        self._auto_join = server.parsed.registration.auto_join_rooms
        self._words = server.module.words
        self._txn = database.transaction

    def planned(self, findings: Iterable[Finding]) -> Iterator[PlannedRoom]:
        breaking = (found for found in findings if found.breaches)
        while batch := list(islice(breaking, _BATCH)):
            ids = [found.room_id for found in batch]
            openings = Openings.of(self._txn, ids, sorted(STATE_TYPES))
            closed = [found.room_id for found in batch if Breach.GUESTS in found.breaches]
            with_guests = Openings.with_guests(self._txn, closed)
            remote, somebody = Openings.present(self._txn, ids, self._server_name)
            asked = {
                found.room_id: self._by_power(openings[found.room_id], found.creator)
                for found in batch
            }
            pairs = [(room_id, user) for room_id, users in asked.items() for user in users]
            joined = AllRooms.joined(self._txn, pairs)
            for found in batch:
                opening = openings[found.room_id]
                facts = LevelFacts(
                    self._server_name,
                    frozenset(remote.get(found.room_id, ())),
                    opening.creators,
                )
                powerful = [
                    user for user in asked[found.room_id] if (found.room_id, user) in joined
                ]
                by_chance = somebody.get(found.room_id)
                room = Room(
                    Standing(opening.listed, opening.addresses, opening.state),
                    found.breaches,
                    facts,
                    [*powerful, *([by_chance] if by_chance else [])],
                    guests_inside=found.room_id in with_guests,
                )
                yield self._planned(found, room, powerful)

    def _by_power(self, opening: Opening, creator: str) -> list[str]:
        """Local people with a level of their own, the most powerful first."""
        levels = _levels(opening.state)
        users = levels.get("users")
        named = {user for user, level in users.items() if number(level)} if users else set()
        facts = LevelFacts(self._server_name, creators=opening.creators)
        local = [user for user in {*named, *opening.creators, creator} if facts.is_local(user)]
        return sorted(local, key=lambda user: (-level_of(user, levels, facts), user))[
            :_OWNERS_ASKED
        ]

    def _planned(self, found: Finding, room: Room, powerful: list[str]) -> PlannedRoom:
        levels = _levels(room.standing.state)
        way = way_of(room)
        needed = level_to_send(POWER_LEVELS, levels)
        owners = [user for user in powerful if level_of(user, levels, room.facts) >= needed]
        look = Look(found.name or "", found.addresses, found.breaches, levels)
        return PlannedRoom(
            found,
            way,
            tuple(owners[:_OWNERS_TOLD]),
            self._words,
            likeness(look, self._auto_join),
        )


def _levels(state: Mapping[str, Any]) -> Mapping[str, Any]:
    levels = state.get(POWER_LEVELS)
    if not isinstance(levels, dict):
        return {}
    users = levels.get("users")
    return {**levels, "users": users if isinstance(users, dict) else {}}


_SAID = {
    seclusion.JOIN_RULES: "adopt_invited",
    seclusion.HISTORY_VISIBILITY: "adopt_history",
    seclusion.GUEST_ACCESS: "adopt_guests",
    POWER_LEVELS: "adopt_power",
}


def notice(words: Words, name: str | None, steps: Sequence[Step]) -> str:
    """What the owners of a room read before it changes."""
    group = " ".join(name.split()) if name else words.say("unnamed")
    said = [words.say(_SAID[step.name]) for step in steps if step.name in _SAID]
    if any(step.what is What.LISTING for step in steps):
        said.append(words.say("adopt_unlisted"))
    if any(step.what is What.ADDRESS or step.name == seclusion.CANONICAL_ALIAS for step in steps):
        said.append(words.say("adopt_addresses"))
    return "\n".join(
        [
            words.say("adopt_intro", group=group),
            "",
            *(f"• {line}" for line in said),
            "",
            words.say("adopt_stays"),
        ]
    )
