"""The memory of the concierge's chats, which all processes share."""

from collections.abc import Mapping
from typing import Any


class ChatRooms:
    """Who talks to the concierge in which room; takes a cache's place with `ModuleApi`.

    Other processes hear of a new chat, and of one that has ended, by the notice that Synapse sends
    when a cache is invalidated.
    """

    __name__ = "concierge_rooms"

    def __init__(self) -> None:
        self._people: dict[str, str] = {}

    def person_of(self, room_id: str) -> str | None:
        """Who may be there beside the concierge; None if it is no room of theirs."""
        return self._people.get(room_id)

    def remember(self, people: Mapping[str, str]) -> None:
        """All rooms that there are, with their people."""
        self._people.update(people)

    def invalidate(self, key: tuple[Any, ...]) -> None:
        """A process has opened a room for this person; or closed it, if that is nobody."""
        room_id, user_id = key
        if user_id:
            self._people[room_id] = user_id
        else:
            self._people.pop(room_id, None)

    def invalidate_all(self) -> None:
        """Never sent for this name, and nothing here is a copy that could be read again."""
