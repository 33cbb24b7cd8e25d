"""The memory of the concierge's chats, which all processes share.

There may be millions of them, and every message of every room is compared with them. So what is
kept of a chat is nine bytes: a part of the hash of its room and of its person.
"""

from collections.abc import Iterable
from typing import Any

_ROOM, _PERSON = 5, 4  # bytes
_ENTRY = _ROOM + _PERSON
_IN_A_BUCKET = 32
_FEWEST = 64


class ChatRooms:
    """Who talks to the concierge in which room. `ModuleApi` takes it for a cache.

    The other processes learn of a new chat, and of one that has ended, from the notice that Synapse
    sends when a cache is invalidated.

    Of ten thousand million rooms that are no chats, one may be taken for one; whoever asks must
    look it up, if it matters. Of four thousand million people, one may be taken for a given chat's
    person. Python's hash of a text differs in each process and cannot be foreseen, so nobody can
    choose a name that is taken for another.
    """

    __name__ = "concierge_rooms"

    def __init__(self) -> None:
        self._buckets = [b""] * _FEWEST

    def expect(self, number: int) -> None:
        """Make place for so many chats. More are slower to find, and all are found."""
        size = _FEWEST
        while size * _IN_A_BUCKET < number:
            size *= 2
        # What is there is read again: where an entry belongs cannot be told from what is kept.
        self._buckets = [b""] * size

    def has(self, room_id: str) -> bool:
        """Whether a room is a chat."""
        bucket, entry = self._place(room_id)
        return self._find(bucket, entry) is not None

    def is_of(self, room_id: str, user_id: str) -> bool:
        """Whether a room is somebody's chat."""
        bucket, entry = self._place(room_id)
        return self._find(bucket, entry + _person(user_id)) is not None

    def remember(self, people: Iterable[tuple[str, str]]) -> None:
        """Add chats: room IDs with their people."""
        for room_id, user_id in people:
            self.invalidate((room_id, user_id))

    def invalidate(self, key: tuple[Any, ...]) -> None:
        """A process has opened a room for this person, or closed it if the person is empty."""
        room_id, user_id = key
        bucket, entry = self._place(room_id)
        kept = self._buckets[bucket]
        if (place := self._find(bucket, entry)) is not None:
            kept = kept[:place] + kept[place + _ENTRY :]
        self._buckets[bucket] = kept + entry + _person(user_id) if user_id else kept

    def invalidate_all(self) -> None:
        """Do nothing: Synapse never sends this for the name, and nothing could be read again."""

    def _place(self, room_id: str) -> tuple[int, bytes]:
        """The bucket of a room, and what is kept of it."""
        number = hash(room_id)
        kept = number >> 16 & (1 << 8 * _ROOM) - 1
        return number % len(self._buckets), kept.to_bytes(_ROOM, "little")

    def _find(self, bucket: int, beginning: bytes) -> int | None:
        """Where in a bucket an entry begins like this."""
        kept = self._buckets[bucket]
        place = kept.find(beginning)
        while place % _ENTRY:  # Between two entries; -1 % 9 is 8.
            if place < 0:
                return None
            place = kept.find(beginning, place + 1)
        return place


def _person(user_id: str) -> bytes:
    return (hash(user_id) & (1 << 8 * _PERSON) - 1).to_bytes(_PERSON, "little")
