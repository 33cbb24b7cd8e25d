"""Which of their groups a person means."""

import attrs

from synapse_capgroups.concierge.asking import sorry
from synapse_capgroups.concierge.parsing import matching
from synapse_capgroups.concierge.voice import shortened
from synapse_capgroups.groups.members import Member, Members
from synapse_capgroups.words.lookup import Words


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

    async def one(self, user_id: str, said: str) -> NamedGroup:
        """The one of a person's groups that they mean.

        Raises:
            Misunderstanding: they may mean none or several.
        """
        if not said:
            raise sorry(self._words, "which_group")
        groups = await self.all(user_id)
        meant = matching(said, [named.name for named in groups])
        if len(meant) != 1:
            key = "several_groups" if meant else "no_such_group"
            raise sorry(self._words, key, said=said[:60])
        return groups[meant[0]]
