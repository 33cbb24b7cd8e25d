"""What the rules say of the fuzzer's people and groups. It shares no code with the module.

People are their numbers, from 0. A model is told what the server has answered, and says what the
rules of `docs/rules.md` allow next.
"""

from enum import Enum
from itertools import count

import attrs

CAP = 4
CODE_LIMIT = 3
MOST_LIVING_CODES = 20

_moments = count(1)


class Promise(Enum):
    """A promise that can be broken, by the number of its rule where it has one."""

    SECLUDED = "rule 1: a group cannot be listed, opened, or given an address"
    ENTRY = "rule 2: who comes in is allowed to"
    WELCOME = "rule 2: who may come in does"
    CAP = "rule 4: never more members than the cap"
    DEAD = "rule 5: a dead code lets nobody in"
    DEAD_SAYS_WHY = "rule 5: a dead code says why it is dead"
    REMOVED = "rule 5: a removed person never comes back by an older code"
    SCAN_ENDS = "rule 5: a scan ends in the group or in a refusal with a sentence"
    ONE_ADDRESS = "rule 5: a door has one address"
    NAMES = "rule 6: aliases stay"
    CONCIERGE_ROOM = "rule 7: a room of the concierge has nobody but its two"
    ANSWERS = "the concierge answers its person"
    REFUSALS = "rule 8: a refusal has a reason and a sentence"
    NO_ERRORS = "nothing answers 500"


class BrokenPromise(AssertionError):
    """The server did what a rule forbids."""

    def __init__(self, promise: Promise, what: str) -> None:
        super().__init__(f"{promise.value}: {what}")
        self.promise = promise


@attrs.define
class Code:
    """A join code.

    Attributes:
        dead: why it must be dead, None while it lives.
        used_by: who came in by it.
        door: the room ID of its door, once somebody has been there.
    """

    group: "Group"
    sharer: int
    secret: str
    code_id: str
    max_uses: int | None = None
    made: int = attrs.field(factory=lambda: next(_moments))
    dead: str | None = None
    used_by: set[int] = attrs.field(factory=set)
    door: str | None = None
    at_door: set[int] = attrs.field(factory=set)


@attrs.define
class Group:
    """A group.

    Attributes:
        invited: who is invited, and who last invited them.
        removed: who was removed while they were a member, and when last.
        unsure: whose standing the model does not follow: an invitation taken back, a ban lifted.
    """

    room_id: str
    name: str
    creator: int
    members: set[int]
    invited: dict[int, int] = attrs.field(factory=dict)
    banned: set[int] = attrs.field(factory=set)
    removed: dict[int, int] = attrs.field(factory=dict)
    unsure: set[int] = attrs.field(factory=set)
    may_share: set[int] = attrs.field(factory=set)
    aliases: dict[int, str] = attrs.field(factory=dict)
    knocks: bool = False
    upgraded: bool = False

    @property
    def mode(self) -> str:
        if len(self.members) >= CAP:
            return "full"
        return "friends" if len(self.members) >= CODE_LIMIT else "open"

    def shares(self, person: int) -> bool:
        return person in self.members and (person == self.creator or person in self.may_share)


@attrs.define
class Model:
    """All of it."""

    groups: list[Group] = attrs.field(factory=list)
    codes: list[Code] = attrs.field(factory=list)
    friends: set[frozenset[int]] = attrs.field(factory=set)
    suspended: set[int] = attrs.field(factory=set)

    def living_codes(self, sharer: int, group: Group) -> int:
        """How many codes of a group one person has that live."""
        return sum(
            code.dead is None and code.sharer == sharer and code.group is group
            for code in self.codes
        )

    def why_not_invite(self, group: Group, by: int, person: int) -> str | None:
        """Why rule 2 is against an invitation; None if it is not."""
        if by not in group.members or person in group.members or person in group.banned:
            return "impossible"
        if by in self.suspended:
            return "suspended"
        return self._limits(group, by, person)

    def why_not_join(self, group: Group, person: int) -> str | None:
        """Why rule 2 is against a join; None if it is not."""
        if person in self.suspended:
            return "suspended"  # By Synapse, a member's repeated join too.
        if person in group.members:
            return None
        if person in group.banned:
            return "banned"
        by = group.invited.get(person)
        if by is None or by not in group.members:
            return "full" if group.mode == "full" else "not invited by a member"
        return self._limits(group, by, person)

    def _limits(self, group: Group, by: int, person: int) -> str | None:
        if group.mode == "full":
            return "full"
        if group.mode == "friends" and frozenset((by, person)) not in self.friends:
            return "friends_only"
        return None

    def why_not_enter(self, code: Code, person: int) -> tuple[Promise, str] | None:
        """Why rules 2 and 5 are against an entry by a code, and which promise that is."""
        group = code.group
        if person in group.members:
            return None
        if code.dead:
            return Promise.DEAD, code.dead
        if group.removed.get(person, 0) > code.made:
            return Promise.REMOVED, "removed"
        if person in group.banned:
            return Promise.ENTRY, "banned"
        if person in self.suspended:
            return Promise.ENTRY, "suspended"
        if group.mode != "open":
            return Promise.ENTRY, group.mode
        return None

    def came(self, group: Group, person: int) -> None:
        group.members.add(person)
        group.invited.pop(person, None)
        group.unsure.discard(person)
        self.codes_die()

    def went(self, group: Group, person: int, *, removed: bool) -> None:
        """Somebody left, declined, or was removed."""
        if removed and person in group.members:
            group.removed[person] = next(_moments)
        elif removed:
            group.unsure.add(person)
        group.members.discard(person)
        group.invited.pop(person, None)
        group.aliases.pop(person, None)
        self.codes_die()

    def codes_die(self) -> None:
        """Find what each code dies of now. Nothing wakes it."""
        for code in self.codes:
            code.dead = code.dead or self._cause(code)

    def _cause(self, code: Code) -> str | None:
        group = code.group
        if group.upgraded:
            return "the group was upgraded"
        if code.sharer not in group.members:
            return "the sharer left"
        if not group.shares(code.sharer):
            return "the sharer lost the right"
        if code.sharer in self.suspended:
            return "the sharer was suspended"
        if len(group.members) >= CODE_LIMIT:
            return "the group reached the code limit"
        if code.max_uses is not None and len(code.used_by) >= code.max_uses:
            return "used up"
        return None
