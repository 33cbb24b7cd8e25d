"""The memory of the concierge's chats, which all processes share.

There may be millions of them, and every message of every room is compared with them. So what is
kept of a chat is a fingerprint of its room. Whose chat it is, the database knows; the answers that
were needed last are remembered.
"""

from collections import OrderedDict
from typing import Any

from synapse_capgroups.concierge.fingerprints import BITS, Fingerprints

_REMEMBERED = 1000


class ChatRooms:
    """Who talks to the concierge in which room. `ModuleApi` takes it for a cache.

    The other processes learn of a new chat, and of one that has ended, from the notice that Synapse
    sends when a cache is invalidated. A fingerprint of one that has ended stays until the process
    ends: it is one more room that may seem to be a chat, and of which is remembered that it is
    none.

    Attributes:
        changes: how many notices have come. An answer of the database's is as old as its question.
    """

    __name__ = "concierge_rooms"

    def __init__(self, bits: int = BITS) -> None:
        """
        Args:
            bits: of a fingerprint.
        """
        self._fingerprints = Fingerprints(bits)
        self._people: OrderedDict[str, str | None] = OrderedDict()
        self.changes = 0

    def may_have(self, room_id: str) -> bool:
        """Whether a room is a chat, or by rare chance another (`Fingerprints`)."""
        return room_id in self._fingerprints

    def add(self, room_id: str) -> None:
        """Add a chat that the database knows."""
        self._fingerprints.add(room_id)

    def remembered(self, room_id: str) -> str | None:
        """The person of a chat; None if the room is none.

        Raises:
            LookupError: it is not remembered which.
        """
        person = self._people[room_id]
        self._people.move_to_end(room_id)
        return person

    def remember(self, room_id: str, person: str | None, changes: int) -> None:
        """Remember an answer of the database's, unless it may have changed since the question.

        Args:
            changes: as they were when it was asked.
        """
        if changes == self.changes:
            self._keep(room_id, person)

    def invalidate(self, key: tuple[Any, ...]) -> None:
        """A process has opened a room for this person, or closed it if the person is empty."""
        room_id, user_id = key
        self.changes += 1
        if user_id:
            self._fingerprints.add(room_id)
        self._keep(room_id, user_id or None)

    def invalidate_all(self) -> None:
        """Ask the database again about whom a chat is with."""
        self.changes += 1
        self._people.clear()

    def _keep(self, room_id: str, person: str | None) -> None:
        self._people[room_id] = person
        self._people.move_to_end(room_id)
        if len(self._people) > _REMEMBERED:
            self._people.popitem(last=False)
