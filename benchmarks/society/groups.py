"""A group while it is simulated: members, who brought whom, its latest code."""

import attrs

from synapse_capgroups.rules.verdict import Reason


@attrs.define(eq=False)
class Group:
    """Its creator is its first member, and shares its codes.

    Attributes:
        wished: how many people would like to be in it.
        starts: on which day.
        members: in no order, so that one can be drawn and one removed at once.
        banned: who was removed.
        code_made: the day of its latest code, which may be dead.
    """

    creator: int
    wished: int
    starts: int
    members: list[int] = attrs.field(factory=list)
    banned: set[int] = attrs.field(factory=set)
    code_made: int = 0
    code_died_of: Reason | None = None
    _places: dict[int, int] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.code_made = self.starts
        self.add(self.creator)

    def __len__(self) -> int:
        return len(self.members)

    def __contains__(self, person: int) -> bool:
        return person in self._places

    def membership(self, person: int) -> str | None:
        """As Synapse calls it."""
        if person in self._places:
            return "join"
        return "ban" if person in self.banned else None

    def add(self, person: int) -> None:
        assert person not in self._places
        self._places[person] = len(self.members)
        self.members.append(person)

    def remove(self, person: int) -> None:
        place, last = self._places.pop(person), self.members.pop()
        if last != person:
            self.members[place] = last
            self._places[last] = place

    def ban(self, person: int) -> None:
        self.remove(person)
        self.banned.add(person)

    def renew_code(self, day: int) -> None:
        self.code_made, self.code_died_of = day, None
