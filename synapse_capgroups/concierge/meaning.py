"""Which of their groups a person means."""

from collections.abc import Sequence

import attrs

from synapse_capgroups.concierge.asking import Misunderstanding, sorry
from synapse_capgroups.concierge.parsing import matching, splits
from synapse_capgroups.concierge.understanding import about
from synapse_capgroups.concierge.voice import shortened
from synapse_capgroups.groups.members import Member, Members
from synapse_capgroups.words.lookup import Words

_MOST_LISTED = 10


@attrs.frozen
class NamedGroup:
    """A group as a person sees it in `groups`."""

    member: Member
    name: str

    @property
    def called(self) -> str:
        """Its name, as an answer has place for it."""
        return shortened(self.name)


class GroupsMeant:
    """Finds groups by their numbers and names, among those of the person who asks."""

    def __init__(self, members: Members, words: Words) -> None:
        self._members = members
        self._words = words

    async def all(self, user_id: str) -> list[NamedGroup]:
        """A person's groups, always in the same order; their direct chats are left out."""
        found = [
            NamedGroup(member, name or self._words.say("unnamed"))
            for member, name in await self._members.of_person(user_id)
        ]
        return sorted(found, key=lambda named: (named.name.casefold(), named.member.group.room_id))

    async def is_named(self, user_id: str, said: str) -> bool:
        """Whether this names a group at all: one can be called “A group”, which else means none."""
        return bool(about(said) or (said and _meant(said, await self.all(user_id))))

    async def one(self, user_id: str, said: str) -> NamedGroup:
        """The one of a person's groups that they mean; who has one group need not name it.

        Raises:
            Misunderstanding: they may mean none or several.
        """
        groups = await self.all(user_id)
        found = _meant(said, groups)
        if len(found) == 1:
            return groups[found[0]]
        if not found and not about(said):
            if len(groups) == 1:
                return groups[0]
            raise self._which("which_group", groups, range(len(groups)))
        if found:
            raise self._which("several_groups", groups, found, said=said[:60])
        raise sorry(self._words, "no_such_group", said=said[:60])

    async def one_and_rest(self, user_id: str, rest: str) -> tuple[NamedGroup, str]:
        """A group and what follows it; names of groups have spaces in them.

        Raises:
            Misunderstanding: they may mean none or several groups.
        """
        groups = await self.all(user_id)
        for left, right in splits(rest, [named.name for named in groups]):
            found = _meant(left, groups)
            if len(found) == 1:
                return groups[found[0]], right
            if found:
                raise self._which("several_groups", groups, found, said=left[:60])
        if _meant(rest, groups):
            raise sorry(self._words, "which_name")
        if len(groups) == 1:
            return groups[0], rest
        raise sorry(self._words, "no_such_group", said=rest.partition(" ")[0][:60])

    def _which(
        self, key: str, groups: Sequence[NamedGroup], among: Sequence[int], **values: object
    ) -> Misunderstanding:
        """The question which of some groups is meant, with their numbers, to be raised."""
        lines = [f"{number + 1}. {groups[number].called}" for number in among[:_MOST_LISTED]]
        if len(among) > _MOST_LISTED:
            lines.append("…")
        return Misunderstanding("\n".join([self._words.say(key, **values), *lines]))


def _meant(said: str, groups: Sequence[NamedGroup]) -> list[int]:
    """Which groups may be meant by this, or else by what is left of it without small words."""
    names = [named.name for named in groups]
    return matching(said, names) or matching(about(said), names)
