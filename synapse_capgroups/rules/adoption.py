"""How a group that breaks rules becomes one that keeps them: the steps there, and back.

Each step says what is there before it and after it. So the same steps lead back, and whoever takes
one can see whether the room is still as it was when the steps were planned.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

import attrs
from canonicaljson import encode_canonical_json

from synapse_capgroups.rules import level_changes, seclusion
from synapse_capgroups.rules.breaches import Breach, remote_power
from synapse_capgroups.rules.federation import put_right
from synapse_capgroups.rules.power_levels import POWER_LEVELS, LevelFacts, fits
from synapse_capgroups.rules.text import MalformedRequest, is_text
from synapse_capgroups.rules.verdict import ALLOWED

_CLOSED_BY = {
    # First, and so the last on the way back: Synapse refuses an address that leads nowhere by then.
    Breach.ADDRESSED: seclusion.CANONICAL_ALIAS,
    Breach.PUBLIC: seclusion.JOIN_RULES,
    Breach.WORLD_READABLE: seclusion.HISTORY_VISIBILITY,
    Breach.GUESTS: seclusion.GUEST_ACCESS,
}
_OF_REMOTE_PEOPLE = frozenset((Breach.REMOTE_MODERATORS, Breach.REMOTE_INVITES))
STATE_TYPES = frozenset((*_CLOSED_BY.values(), POWER_LEVELS))
"""The only state that a step changes."""


class What(Enum):
    """What a step changes. The value is what programs read."""

    STATE = "state"
    LISTING = "listing"
    ADDRESS = "address"


class Left(Enum):
    """Why a room still breaks a rule after its steps."""

    ABOVE_CAP = "above_cap"
    """Nobody is removed."""
    NO_POWER = "no_power"
    """Nobody on this server has the power to change it."""
    GUESTS_INSIDE = "guests_inside"
    """There are guests in it, whom Synapse would remove."""
    NO_WAY_BACK = "no_way_back"
    """It could be changed, but never back to what it is, so it stays."""


@attrs.frozen
class Step:
    """One change of a room.

    Attributes:
        name: the event's type, or the address; empty for the listing.
        before, after: the event's content; whether the room is listed; who made an address and
            by which servers it can be reached, None without the address.
    """

    what: What
    name: str
    before: Any
    after: Any

    def back(self) -> "Step":
        return attrs.evolve(self, before=self.after, after=self.before)

    def to_json(self) -> dict[str, Any]:
        return {
            "what": self.what.value,
            "name": self.name,
            "before": self.before,
            "after": self.after,
        }


@attrs.frozen
class Standing:
    """What is there of what steps change.

    Attributes:
        state: the contents of the state events in `STATE_TYPES`, by their type.
        addresses: in the directory, each as `Step` has them.
    """

    listed: bool = False
    addresses: Mapping[str, Any] = attrs.field(factory=dict)
    state: Mapping[str, Any] = attrs.field(factory=dict)

    def value(self, step: Step) -> Any:
        """What is there now of what a step changes."""
        if step.what is What.LISTING:
            return self.listed
        return (self.state if step.what is What.STATE else self.addresses).get(step.name)

    def with_step(self, step: Step) -> "Standing":
        """What is there after a step."""
        if step.what is What.LISTING:
            return attrs.evolve(self, listed=step.after)
        if step.what is What.STATE:
            return attrs.evolve(self, state={**self.state, step.name: step.after})
        others = {name: entry for name, entry in self.addresses.items() if name != step.name}
        entry = {} if step.after is None else {step.name: step.after}
        return attrs.evolve(self, addresses={**others, **entry})


@attrs.frozen
class Room:
    """A group and how it breaks the rules.

    Attributes:
        local: this server's members, at least those with the most power.
        guests_inside: whether guests are in it or invited.
    """

    standing: Standing
    breaches: Collection[Breach]
    facts: LevelFacts
    local: Collection[str]
    guests_inside: bool = False


@attrs.frozen
class Way:
    """The steps of a room, in the order in which they are taken, and what stays as it is."""

    steps: tuple[Step, ...]
    left: tuple[Left, ...]

    @property
    def back(self) -> tuple[Step, ...]:
        return tuple(step.back() for step in reversed(self.steps))


class ChangedError(Exception):
    """A room is neither as it was before a step nor as it is after it.

    Attributes:
        done: how many steps were taken before that was seen.
    """

    def __init__(self, step: Step) -> None:
        super().__init__(step.name or step.what.value)
        self.step = step
        self.done = 0


def way_of(room: Room) -> Way:
    """What has to be changed in a group so that it breaks no rule, as little as possible."""
    left: list[Left] = []
    steps = list(_events(room, left))
    if Breach.LISTED in room.breaches:
        steps.append(Step(What.LISTING, "", True, False))
    if Breach.ADDRESSED in room.breaches:
        # Last: the way back begins with them, as Synapse wants an address before an event names it.
        for name, entry in sorted(room.standing.addresses.items()):
            steps.append(Step(What.ADDRESS, name, entry, None))
    if Breach.ABOVE_CAP in room.breaches:
        left.append(Left.ABOVE_CAP)
    return Way(tuple(steps), tuple(dict.fromkeys(left)))


def remaining(standing: Standing, steps: Iterable[Step]) -> list[Step]:
    """The steps that are still to be taken.

    Raises:
        ChangedError: something is there that no step has seen.
    """
    todo = []
    for step in steps:
        now = standing.value(step)
        if is_same(now, step.before):
            todo.append(step)
        elif not is_same(now, step.after):
            raise ChangedError(step)
    return todo


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: to Python, 1 and true are."""
    try:
        return bool(encode_canonical_json(one) == encode_canonical_json(other))
    except (ValueError, TypeError, RecursionError):
        return False


def closes(step: Step) -> bool:
    """Whether what a step leads to keeps the rules; what power levels say is not looked at."""
    if step.what is What.STATE:
        return isinstance(step.after, dict) and (
            step.name == POWER_LEVELS
            or bool(seclusion.decide_state(step.name, step.after) == ALLOWED)
        )
    return step.after is (False if step.what is What.LISTING else None)


def _events(room: Room, left: list[Left]) -> Iterator[Step]:
    state = room.standing.state
    levels = state.get(POWER_LEVELS)
    levels = levels if isinstance(levels, Mapping) else {}
    for breach, event_type in _CLOSED_BY.items():
        if breach not in room.breaches or event_type not in state:
            continue
        content = state[event_type]
        after = _closed(event_type, content)
        if after is None:
            continue
        if not _can_be_sent(content):
            left.append(Left.NO_WAY_BACK)
        elif event_type == seclusion.GUEST_ACCESS and room.guests_inside:
            left.append(Left.GUESTS_INSIDE)
        elif level_changes.strongest_sender(event_type, levels, room.local, room.facts) is None:
            left.append(Left.NO_POWER)
        else:
            yield Step(What.STATE, event_type, content, after)
    if _OF_REMOTE_PEOPLE.intersection(room.breaches):
        yield from _power(room, levels, left)


def _closed(event_type: str, content: object) -> dict[str, Any] | None:
    """The content that closes what this one opens; None if it opens nothing."""
    fields = content if isinstance(content, Mapping) else {}
    if event_type == seclusion.CANONICAL_ALIAS:
        closed = {k: v for k, v in fields.items() if k not in ("alias", "alt_aliases")}
        return None if seclusion.decide_state(event_type, content) == ALLOWED else closed
    return put_right(event_type, fields, None)


def _power(room: Room, levels: Mapping[str, Any], left: list[Left]) -> Iterator[Step]:
    found = level_changes.towards_guarded(levels, room.local, room.facts)
    wanted = found[1] if found else levels
    if remote_power(wanted, room.facts):
        left.append(Left.NO_POWER)
    if found is None or is_same(wanted, levels):
        return
    if not levels or level_changes.writer(wanted, levels, room.local, room.facts) is None:
        left.append(Left.NO_WAY_BACK)
    elif fits(wanted):
        yield Step(What.STATE, POWER_LEVELS, levels, dict(wanted))
    else:
        left.append(Left.NO_POWER)


def _can_be_sent(content: object) -> bool:
    return isinstance(content, Mapping) and is_same(content, content)


def step_from_json(value: object, server_name: str) -> Step:
    """A step of a plan, read from JSON that can be anything.

    Raises:
        MalformedRequest: it is no step from what opens a group to what keeps the rules.
    """
    fields = value if isinstance(value, dict) else {}
    try:
        step = Step(What(fields["what"]), fields["name"], fields["before"], fields["after"])
    except (KeyError, ValueError):
        raise MalformedRequest("A step has 'what', 'name', 'before' and 'after'") from None
    if not isinstance(step.name, str):
        raise MalformedRequest("The 'name' of a step must be a string")
    match step.what:
        case What.STATE:
            fits_in = step.name in STATE_TYPES and isinstance(step.before, dict)
        case What.LISTING:
            fits_in = step.name == "" and step.before is True
        case What.ADDRESS:
            fits_in = _is_own_address(step.name, server_name) and _is_entry(step.before)
    if not fits_in or not closes(step):
        raise MalformedRequest(f"The step about {str(step.name)[:255]!r} is none of a plan")
    return step


def _is_own_address(name: str, server_name: str) -> bool:
    return name.startswith("#") and is_text(name) and name.partition(":")[2] == server_name


def _is_entry(value: object) -> bool:
    if not isinstance(value, dict) or value.keys() != {"creator", "servers"}:
        return False
    creator, servers = value["creator"], value["servers"]
    return (creator is None or isinstance(creator, str)) and (
        isinstance(servers, list) and all(isinstance(server, str) for server in servers)
    )
