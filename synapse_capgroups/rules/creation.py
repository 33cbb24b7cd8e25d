"""What a `createRoom` body must look like, so that it can be judged and Synapse can carry it out.

Synapse looks at most of it only while it makes the room, and what it cannot use it answers with a
500 and half a room. Nobody learns from that what to mend.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from synapse_capgroups.rules.text import MalformedRequest, is_text

_KINDS: tuple[tuple[str, type, str], ...] = (
    ("visibility", str, "a string"),
    ("preset", str, "a string"),
    ("room_alias_name", str, "a string"),
    ("room_version", str, "a string"),
    ("name", str, "a string"),
    ("topic", str, "a string"),
    ("creation_content", Mapping, "an object"),
    ("power_level_content_override", Mapping, "an object"),
    ("invite", list, "a list of Matrix IDs"),
    ("invite_3pid", list, "a list of objects"),
    ("initial_state", list, "a list of events"),
)
_PRINTABLE = ("visibility", "preset", "room_alias_name", "room_version")
_NOT_INITIAL = {
    # Synapse would write these unasked: invitations beyond the cap, or a ban that makes an
    # invitation of the same request fail when the room is already there.
    "m.room.member": "'initial_state' cannot have members; use 'invite'",
    "m.room.create": "'initial_state' cannot have the room's creation; use 'creation_content'",
    "m.room.redaction": "'initial_state' cannot have redactions: there is nothing to redact",
    "m.room.message": "'initial_state' cannot have messages",
}


def check_shape(request: Mapping[str, Any]) -> None:
    """Make sure that a `createRoom` body can be judged.

    Raises:
        MalformedRequest: something in it has not the shape that the Matrix specification gives.
    """
    for key, kind, wording in _KINDS:
        if key in request and not isinstance(request[key], kind):
            raise MalformedRequest(f"'{key}' must be {wording}")
        # A NUL makes PostgreSQL refuse the whole statement; half a surrogate pair is no UTF-8.
        if not _is_all_text(request.get(key)):
            raise MalformedRequest(f"'{key}' has text that cannot be stored")
    for key in _PRINTABLE:
        if not request.get(key, "").isprintable():
            raise MalformedRequest(f"'{key}' must be text")
    if not all(
        _is_matrix_id(user) and user.isprintable() and len(user.encode()) <= 255
        for user in request.get("invite", [])
    ):
        raise MalformedRequest("'invite' must be a list of Matrix IDs")
    for invitation in request.get("invite_3pid", []):
        if not isinstance(invitation, Mapping) or not all(
            isinstance(value, str) for value in invitation.values()
        ):
            raise MalformedRequest("'invite_3pid' must be a list of objects of strings")
    _check_creators(request.get("creation_content", {}))
    _check_levels(request.get("power_level_content_override", {}))
    for event in request.get("initial_state", []):
        if not (
            isinstance(event, Mapping)
            and isinstance(event.get("type"), str)
            and isinstance(event.get("content"), Mapping)
            and isinstance(event.get("state_key", ""), str)
        ):
            raise MalformedRequest(
                "'initial_state' must be a list of events, each with a 'type' and a 'content'"
            )
        if event["type"] in _NOT_INITIAL:
            raise MalformedRequest(_NOT_INITIAL[event["type"]])
        if event["type"] == "m.room.power_levels":
            _check_levels(event["content"])


def _is_matrix_id(user: object) -> bool:
    return isinstance(user, str) and user.startswith("@") and ":" in user


def _check_levels(content: Mapping[str, Any]) -> None:
    users = content.get("users", {})
    if not isinstance(users, Mapping) or not all(_is_matrix_id(user) for user in users):
        raise MalformedRequest("'users' in power levels must be an object of Matrix IDs")


def _check_creators(creation_content: Mapping[str, Any]) -> None:
    creators = creation_content.get("additional_creators", [])
    if not (isinstance(creators, list) and all(_is_matrix_id(user) for user in creators)):
        raise MalformedRequest("'additional_creators' must be a list of Matrix IDs")


def events(request: Mapping[str, Any]) -> Iterable[tuple[str, str, Mapping[str, Any]]]:
    """The events that Synapse will make of a body: type, state key and content of each.

    Of the first, `m.room.create`, and of the power levels there will be more than is said here.
    """
    yield "org.capgroups.creation", "", request.get("creation_content", {})
    yield "m.room.power_levels", "", request.get("power_level_content_override", {})
    for event in request.get("initial_state", []):
        yield event["type"], event.get("state_key", ""), event["content"]
    for key in ("name", "topic"):
        if key in request:
            yield f"m.room.{key}", "", {key: request[key]}


def _is_all_text(value: object) -> bool:
    """Whether every text in a piece of JSON can be stored."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            if not is_text(one):
                return False
        elif isinstance(one, Mapping):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            waiting += one
    return True
