"""Rule 0: a group is every room created on this homeserver, but for a few kinds."""

from collections.abc import Mapping
from enum import Enum

import attrs

from synapse_capgroups.rules.verdict import Refusal, Verdict

SPACE = "m.space"


class Kind(Enum):
    """What a room is to this module."""

    GROUP = "group"
    SPACE = "space"
    APPLICATION_SERVICE = "application_service"
    SERVER_NOTICES = "server_notices"
    SERVER = "server"
    """Made by the server on an admin's behalf: the notice room of a deletion."""
    CONCIERGE = "concierge"
    """The module's own: doors, and rooms in which the concierge talks to people."""
    EXEMPT = "exempt"
    ELSEWHERE = "elsewhere"


@attrs.frozen
class RoomFacts:
    """What decides whether a room is a group. None of it ever changes during a room's life, but
    that `exempt.rooms` can name an address, which can be given to another room.
    """

    creator_is_local: bool
    room_type: object = None
    creator_is_application_service: bool = False
    creator_is_server_notices: bool = False
    creator_is_concierge: bool = False
    made_by_server: bool = False
    exempt: bool = False
    spaces_are_exempt: bool = False


def kind_of(room: RoomFacts) -> Kind:
    if not room.creator_is_local:
        return Kind.ELSEWHERE
    if room.creator_is_concierge:
        return Kind.CONCIERGE
    if room.exempt:
        return Kind.EXEMPT
    if room.room_type == SPACE and room.spaces_are_exempt:
        return Kind.SPACE
    if room.creator_is_server_notices:
        return Kind.SERVER_NOTICES
    if room.creator_is_application_service:
        return Kind.APPLICATION_SERVICE
    if room.made_by_server:
        return Kind.SERVER
    return Kind.GROUP


def room_type(creation_content: object) -> object:
    """The `type` of an m.room.create event's content, or of what a client asked for."""
    return creation_content.get("type") if isinstance(creation_content, Mapping) else None


@attrs.frozen
class Group:
    """A room that the module governs.

    Attributes:
        created_at: milliseconds since 1970.
        predecessor: the room ID of the room that it replaces, None if it replaces none.
    """

    room_id: str
    creator: str
    created_at: int
    predecessor: str | None = None
    is_space: bool = False

    def concerned(self, verdict: Verdict) -> Verdict:
        """A verdict on this group: the refusal of a space says that it is one."""
        return _of_space(verdict) if self.is_space else verdict


def about(creation_content: object, verdict: Verdict) -> Verdict:
    """A verdict on a creation: the refusal of a space says that it is one."""
    return _of_space(verdict) if room_type(creation_content) == SPACE else verdict


def _of_space(verdict: Verdict) -> Verdict:
    return attrs.evolve(verdict, of_space=True) if isinstance(verdict, Refusal) else verdict
