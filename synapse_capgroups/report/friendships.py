"""The social filter at work: how many members of a group have a friend in it (rule 3)."""

from collections.abc import Collection, Iterator, Mapping

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.tables.account_data import AccountData
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.inside.tables.state_history import StateHistory
from synapse_capgroups.inside.tables.within import Within
from synapse_capgroups.inside.transactions import batches
from synapse_capgroups.rules.friends import DirectChat, are_friends, listed_rooms

MOST_MEMBERS = 1000
"""A larger group is left out."""
_LONGEST_LIST = 1_000_000
"""In characters, of `m.direct`: about 10,000 chats. It is its owner's to fill, as what follows."""
_MOST_CHATS = 300
"""So many rooms are looked at that one member lists with other members of the group."""
_LISTS_AT_ONCE = 50

_Chats = Iterator[tuple[str, str]]
"""Another member, and a room that is listed with them."""


@attrs.frozen
class Friends:
    """Finds friends among the members of a group.

    Attributes:
        min_age: how old a friendship must be to count, in milliseconds.
        now: milliseconds since 1970.
    """

    server_name: str
    min_age: int
    now: int

    def counted(self, txn: LoggingTransaction, room_id: str) -> tuple[int, int] | None:
        """How many members have a friend in the group, and how many there are.

        None if there are too many to look at.
        """
        members = Within.members(txn, room_id, MOST_MEMBERS + 1)
        if len(members) > MOST_MEMBERS:
            return None
        return len(self._with_a_friend(txn, frozenset(members))), len(members)

    def _with_a_friend(self, txn: LoggingTransaction, members: frozenset[str]) -> set[str]:
        found: set[str] = set()
        local = sorted(who for who in members if who.partition(":")[2] == self.server_name)
        for batch in batches(local, _LISTS_AT_ONCE):
            lists = AccountData.m_directs(txn, batch, longest=_LONGEST_LIST)
            for owner, direct in lists.items():
                chats = list(_chats(owner, direct, members, known=found))
                # Most that is listed with others of the group is left already by one of the two.
                mine = set(Memberships.joined_by(txn, {room for _, room in chats}, owner))
                for other, room in chats:
                    known = owner in found and other in found
                    if room in mine and not known and self._is_chat(txn, room, owner, other):
                        found |= {owner, other}
        return found

    def _is_chat(self, txn: LoggingTransaction, room_id: str, a: str, b: str) -> bool:
        """Whether a room that one of two people lists makes them friends."""
        # Three people are enough to know that a room is no chat of two.
        present = Memberships.present(txn, room_id, most=3)
        since = 0
        if self.min_age and len(present) == 2:
            since = max(StateHistory.joined_since(txn, room_id, who) for who in (a, b))
        chat = DirectChat.of(present, since)
        return are_friends(a, b, [chat], now=self.now, min_age=self.min_age)


def _chats(
    owner: str, direct: Mapping[str, object], members: Collection[str], *, known: Collection[str]
) -> _Chats:
    count = 0
    for other, listed in direct.items():
        if other not in members or other == owner or (owner in known and other in known):
            continue
        for room_id in listed_rooms(listed):
            if count == _MOST_CHATS:
                return
            count += 1
            yield other, room_id
