"""The memory of the concierge's chats, which all processes share."""

from collections.abc import Mapping
from typing import Any


class ChatRooms:
    """Who talks to the concierge in which room. `ModuleApi` takes it for a cache.

    The other processes learn of a new chat, and of one that has ended, from the notice that Synapse
    sends when a cache is invalidated.
    """

    __name__ = "concierge_rooms"

    def __init__(self) -> None:
        self._people: dict[str, str] = {}

    def person_of(self, room_id: str) -> str | None:
        """The person who may be in a room besides the concierge; None if it is no chat."""
        return self._people.get(room_id)

    def remember(self, people: Mapping[str, str]) -> None:
        """Add all rooms with their people."""
        self._people.update(people)

    def invalidate(self, key: tuple[Any, ...]) -> None:
        """A process has opened a room for this person, or closed it if the person is empty."""
        room_id, user_id = key
        if user_id:
            self._people[room_id] = user_id
        else:
            self._people.pop(room_id, None)

    def invalidate_all(self) -> None:
        """Do nothing: Synapse never sends this for the name, and nothing could be read again."""
