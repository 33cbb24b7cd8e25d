"""Looks at every room of a server and tells which groups break a rule, and how.

Nothing here needs a running module: `capgroups check` asks the same before there is one.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import attrs

from synapse_capgroups.config import ExemptConfig
from synapse_capgroups.groups.names import shortened
from synapse_capgroups.inside.tables.all_rooms import AllRooms, Reading, Room, RoomState
from synapse_capgroups.rules import breaches, seclusion
from synapse_capgroups.rules.breaches import Breach, Note, Openness
from synapse_capgroups.rules.joining import Limits
from synapse_capgroups.rules.power_levels import POWER_LEVELS, LevelFacts, level_of, number
from synapse_capgroups.rules.scope import Kind, RoomFacts, kind_of, room_type

_CREATE = "m.room.create"
_BATCH = 500
_OWNERS_ASKED = 5
"""So many people with the highest power of a room are looked for among its members."""


@attrs.frozen
class Standards:
    """What groups are measured by.

    Attributes:
        guests: whether accounts of guests can be had on this server.
        guarded: whether groups keep their rules across servers.
        concierge: the module's own account; None as long as it has none.
        notices: the account of server notices; None if there is none.
    """

    server_name: str
    limits: Limits
    exempt: ExemptConfig = attrs.field(factory=ExemptConfig)
    guests: bool = False
    guarded: bool = True
    concierge: str | None = None
    notices: str | None = None


@attrs.frozen(slots=True)
class Finding:
    """A group of which there is something to say.

    Attributes:
        owner: who of those who are in it has the most power; None if nobody is left.
        members: people who have joined.
        remote: people of other servers who are joined, invited or knocking.
        last_activity: when its latest event arrived, in milliseconds since 1970.
    """

    room_id: str
    name: str | None
    creator: str
    owner: str | None
    members: int
    remote: int
    last_activity: int | None
    addresses: tuple[str, ...]
    breaches: tuple[Breach, ...]
    notes: tuple[Note, ...]


@attrs.define
class Tally:
    """What a survey has counted so far."""

    rooms: Counter[Kind] = attrs.field(factory=Counter)
    breaches: Counter[Breach] = attrs.field(factory=Counter)
    notes: Counter[Note] = attrs.field(factory=Counter)
    breaking: int = 0
    """Groups with at least one breach."""
    only_large: int = 0
    """Groups without one that are above the code limit."""


class Survey:
    """Judges rooms one after the other, and reads more of those in which something may be."""

    def __init__(
        self, standards: Standards, txn: Reading, *, server_rooms: Collection[str] = ()
    ) -> None:
        """
        Args:
            txn: what the statements run in.
            server_rooms: rooms that the server made on an admin's behalf.
        """
        self._standards = standards
        self._txn = txn
        self._server_rooms = server_rooms
        # None: of all rooms the state itself is read.
        self._behind = (
            None if AllRooms.without_statistics(txn) else AllRooms.changed_since_statistics(txn)
        )
        exempt = standards.exempt
        addressed = AllRooms.with_addresses(txn, exempt.addresses)
        self._exempt_rooms = addressed | set(exempt.rooms)
        self.tally = Tally()
        self._harmless = self._harmless_with_guests = 0

    @property
    def reads_each_state(self) -> bool:
        """Whether it takes long, as Synapse's statistics tell nothing."""
        return self._behind is None

    def kinds(self, txn: Reading, rooms: Iterable[Room]) -> dict[str, Kind]:
        """What each of these rooms is.

        Args:
            txn: the same as of this survey, or a later one.
        """
        found: dict[str, Kind] = {}
        unknown: list[Room] = []
        for room in rooms:
            if not room.local or (room.creator and not self._is_local(room.creator)):
                found[room.room_id] = Kind.ELSEWHERE
            elif room.creator:
                found[room.room_id] = self._kind(
                    room, room.creator, room.room_type, room.of_application_service
                )
            else:
                unknown.append(room)
        if unknown:
            states = AllRooms.states(txn, unknown)
            creators = {state.creator for state in states.values() if state.creator}
            of_services = AllRooms.of_application_services(txn, creators)
            for room in unknown:
                found[room.room_id] = self._kind_by_state(room, states[room.room_id], of_services)
        return found

    def _kind_by_state(self, room: Room, state: RoomState, of_services: Collection[str]) -> Kind:
        creator = state.creator
        if not creator:
            return Kind.ELSEWHERE  # As without a module: nobody is in it who could know.
        content = state.contents.get(_CREATE)
        return self._kind(room, creator, room_type(content), creator in of_services)

    def findings(self, rooms: Iterable[Room]) -> Iterator[Finding]:
        """The groups that break a rule, and those above the code limit.

        At the end the tally is complete.

        Args:
            rooms: from `AllRooms`, at once only by another cursor than this survey asks with.
        """
        doubtful: list[Room] = []
        for room in rooms:
            if not room.local or (room.creator and not self._is_local(room.creator)):
                self.tally.rooms[Kind.ELSEWHERE] += 1
            elif self._needs_a_look(room):
                doubtful.append(room)
            else:
                self._count_harmless(room)
            if len(doubtful) == _BATCH:
                yield from self._look_at(doubtful)
                doubtful = []
        yield from self._look_at(doubtful)
        self.tally.rooms[Kind.GROUP] += self._harmless
        self.tally.notes[Note.GUESTS_ALLOWED] += self._harmless_with_guests

    def described(self, room: Room) -> Finding:
        """What there is to say of one group, even if it breaks no rule."""
        states = AllRooms.states(self._txn, [room])
        remote = AllRooms.remote_people(self._txn, [room.room_id], self._standards.server_name)
        there = remote.get(room.room_id, set()) if self._standards.guarded else set()
        state = states[room.room_id]
        found = self._judge(room, state, self._level_facts(state, there))
        return next(self._described({room: found}, states))

    def _is_local(self, user_id: str) -> bool:
        return user_id.partition(":")[2] == self._standards.server_name

    def _needs_a_look(self, room: Room) -> bool:
        """Whether the room's state must be read to know that no rule is broken."""
        return bool(
            not room.creator
            or self._behind is None
            or room.room_id in self._behind
            # Each creation makes both: without them, it is unclear what there is.
            or room.join_rule is None
            or room.history_visibility is None
            or room.listed
            or room.has_address
            or room.has_alias_event
            or breaches.opens(seclusion.JOIN_RULES, room.join_rule)
            or breaches.opens(seclusion.HISTORY_VISIBILITY, room.history_visibility)
            or (self._standards.guests and self._takes_guests(room))
            or breaches.size(room.members, self._standards.limits) is not None
            or (self._standards.guarded and room.remote)
        )

    @staticmethod
    def _takes_guests(room: Room) -> bool:
        access = room.guest_access
        return access is not None and breaches.opens(seclusion.GUEST_ACCESS, access)

    def _count_harmless(self, room: Room) -> None:
        kind = self._kind(room, room.creator, room.room_type, room.of_application_service)
        # These are nearly all rooms, and the key of a counter takes longer than a number.
        if kind is Kind.GROUP:
            self._harmless += 1
            self._harmless_with_guests += self._takes_guests(room)
        else:
            self.tally.rooms[kind] += 1

    def _kind(self, room: Room, creator: str, kind: object, of_service: bool) -> Kind:
        standards = self._standards
        return kind_of(
            RoomFacts(
                creator_is_local=self._is_local(creator),
                room_type=kind,
                creator_is_application_service=bool(of_service),
                creator_is_server_notices=creator == standards.notices,
                creator_is_concierge=creator == standards.concierge,
                made_by_server=room.room_id in self._server_rooms,
                exempt=room.room_id in self._exempt_rooms or standards.exempt.creator(creator),
                spaces_are_exempt=standards.exempt.spaces,
            )
        )

    def _look_at(self, rooms: list[Room]) -> Iterator[Finding]:
        txn = self._txn
        states = AllRooms.states(txn, rooms)
        creators = {state.creator for state in states.values() if state.creator}
        of_services = AllRooms.of_application_services(txn, creators)
        groups: list[Room] = []
        for room in rooms:
            kind = self._kind_by_state(room, states[room.room_id], of_services)
            self.tally.rooms[kind] += 1
            if kind is Kind.GROUP:
                groups.append(room)

        mixed = [room.room_id for room in groups if room.remote] if self._standards.guarded else []
        remote = AllRooms.remote_people(txn, mixed, self._standards.server_name)
        judged = {}
        for room in groups:
            state = states[room.room_id]
            facts = self._level_facts(state, remote.get(room.room_id, set()))
            found = self._judge(room, state, facts)
            if found[0] or Note.ABOVE_CODE_LIMIT in found[1]:
                judged[room] = found
        yield from self._described(judged, states)

    def _level_facts(self, state: RoomState, remote: Collection[str]) -> LevelFacts:
        return LevelFacts(self._standards.server_name, frozenset(remote), state.creators)

    def _judge(
        self, room: Room, state: RoomState, facts: LevelFacts
    ) -> tuple[tuple[Breach, ...], tuple[Note, ...]]:
        contents = state.contents
        is_open = Openness(bool(room.listed), bool(room.has_address), contents)
        found: list[Breach] = []
        notes: list[Note] = []
        for breach in breaches.openings(is_open):
            if breach is Breach.GUESTS and not self._standards.guests:
                notes.append(Note.GUESTS_ALLOWED)
            else:
                found.append(breach)
        size = breaches.size(room.members, self._standards.limits)
        if isinstance(size, Breach):
            found.append(size)
        elif size:
            notes.append(size)
        found += breaches.remote_power(_levels(state), facts)
        self.tally.breaches.update(found)
        self.tally.notes.update(notes)
        self.tally.breaking += bool(found)
        self.tally.only_large += not found and Note.ABOVE_CODE_LIMIT in notes
        return tuple(found), tuple(notes)

    def _described(
        self,
        judged: dict[Room, tuple[tuple[Breach, ...], tuple[Note, ...]]],
        states: dict[str, RoomState],
    ) -> Iterator[Finding]:
        if not judged:
            return
        ids = [room.room_id for room in judged]
        addresses = AllRooms.addresses(self._txn, ids)
        activity = AllRooms.last_activity(self._txn, ids)
        powerful = {room_id: self._by_power(states[room_id]) for room_id in ids}
        asked = [(room_id, user) for room_id, users in powerful.items() for user in users]
        joined = AllRooms.joined(self._txn, asked)
        for room, (found, notes) in judged.items():
            state = states[room.room_id]
            present = [user for user in powerful[room.room_id] if (room.room_id, user) in joined]
            yield Finding(
                room_id=room.room_id,
                name=_name(state),
                creator=state.creator or room.creator,
                owner=present[0] if present else None,
                members=room.members,
                remote=room.remote,
                last_activity=activity.get(room.room_id),
                addresses=tuple(addresses.get(room.room_id, ())),
                breaches=found,
                notes=notes,
            )

    def _by_power(self, state: RoomState) -> list[str]:
        """Who may own a room, the most powerful first, and its creator before equals."""
        levels = _levels(state)
        users = levels.get("users")
        named = {user for user, level in users.items() if number(level)} if users else set()
        if state.creator:
            named.add(state.creator)
        facts = self._level_facts(state, ())

        def order(user: str) -> tuple[float, bool, str]:
            return -level_of(user, levels, facts), user != state.creator, user

        return sorted(named | state.creators, key=order)[:_OWNERS_ASKED]


def _levels(state: RoomState) -> dict[str, Any]:
    levels = state.contents.get(POWER_LEVELS)
    if not isinstance(levels, dict):
        return {}
    users = levels.get("users")
    return {**levels, "users": users if isinstance(users, dict) else {}}


def _name(state: RoomState) -> str | None:
    content = state.contents.get("m.room.name")
    name = content.get("name") if isinstance(content, dict) else None
    if not isinstance(name, str) or not name:
        return None
    # Half a surrogate pair cannot be printed.
    return shortened(name.encode(errors="replace").decode())
