"""Rule 0: a group is every room created on this homeserver, but for a few kinds."""

from collections.abc import Mapping
from enum import Enum

import attrs

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
