"""Rule 3: who is a friend.

A and B are friends if there is a room in which both are joined, which nobody else has joined or is
invited to, and which `m.direct` of A or of B lists for the other. `m.direct` belongs to the client
and can hold anything, so it is read with suspicion: what has not the right shape lists nothing.
"""

from collections.abc import Iterable

import attrs

_MOST_ROOMS = 100


@attrs.frozen
class DirectChat:
    """A room that `m.direct` lists.

    Attributes:
        joined: who is a member.
        invited: who is invited.
        since: when the younger of the two unbroken memberships began, in milliseconds since 1970.
    """

    joined: frozenset[str]
    invited: frozenset[str] = frozenset()
    since: int = 0

    @classmethod
    def of(cls, present: Iterable[tuple[str, str]], since: int = 0) -> "DirectChat":
        """By who is joined or invited, each with their `membership`."""
        present = tuple(present)
        return cls(
            joined=frozenset(who for who, membership in present if membership == "join"),
            invited=frozenset(who for who, membership in present if membership != "join"),
            since=since,
        )


def listed_rooms(listed: object) -> frozenset[str]:
    """The room IDs in what one person's `m.direct` has for another.

    Only the last so many: each is looked up while others wait for the group, and the list is its
    owner's to fill.
    """
    if not isinstance(listed, list | tuple):
        return frozenset()
    return frozenset(
        room
        for room in listed[-_MOST_ROOMS:]
        # Unprintable text (a NUL, half a surrogate pair) is no room ID and breaks databases.
        if isinstance(room, str) and room.startswith("!") and room.isprintable()
    )


def are_friends(a: str, b: str, chats: Iterable[DirectChat], *, now: int, min_age: int) -> bool:
    """Whether one of the chats that either lists for the other makes them friends.

    Args:
        now: milliseconds since 1970.
        min_age: how long the chat must have had both, in milliseconds.
    """
    pair = frozenset((a, b))
    return len(pair) == 2 and any(
        chat.joined == pair and not chat.invited and now - chat.since >= min_age for chat in chats
    )
