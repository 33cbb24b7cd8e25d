"""Rule 1: nobody can search for a group, read it from outside or walk in."""

from collections.abc import Mapping
from typing import Any

from synapse_capgroups.rules.verdict import ALLOWED, Reason, Refusal, Verdict

JOIN_RULES = "m.room.join_rules"
HISTORY_VISIBILITY = "m.room.history_visibility"
GUEST_ACCESS = "m.room.guest_access"
CANONICAL_ALIAS = "m.room.canonical_alias"
THIRD_PARTY_INVITE = "m.room.third_party_invite"

SECLUDING = frozenset(
    (JOIN_RULES, HISTORY_VISIBILITY, GUEST_ACCESS, CANONICAL_ALIAS, THIRD_PARTY_INVITE)
)
"""The only types of state event that this rule has an opinion on."""

_PRIVATE_JOIN_RULES = ("invite", "knock", "private")


def decide_state(event_type: str, content: object) -> Verdict:
    """Whether a group may get this state."""
    fields = content if isinstance(content, Mapping) else {}
    if event_type == JOIN_RULES and fields.get("join_rule") not in _PRIVATE_JOIN_RULES:
        return Refusal(Reason.NO_PUBLIC_ROOMS)
    if event_type == HISTORY_VISIBILITY and fields.get("history_visibility") == "world_readable":
        return Refusal(Reason.NO_PUBLIC_ROOMS)
    if event_type == GUEST_ACCESS and fields.get("guest_access") == "can_join":
        return Refusal(Reason.NO_PUBLIC_ROOMS)
    # Whoever holds the key of a third-party invitation can let in anybody, for ever. An empty
    # content is how a client takes such an invitation back.
    if event_type == THIRD_PARTY_INVITE and fields:
        return Refusal(Reason.NO_PUBLIC_ROOMS)
    if event_type == CANONICAL_ALIAS and (fields.get("alias") or fields.get("alt_aliases")):
        return Refusal(Reason.NO_ADDRESSES)
    return ALLOWED


def decide_listing(*, wanted: bool) -> Verdict:
    """Whether the room directory may show a group. Taking one out of it always works."""
    return Refusal(Reason.NOT_LISTED) if wanted else ALLOWED


def decide_address() -> Verdict:
    """Whether a group may get an address (`#name:server`)."""
    return Refusal(Reason.NO_ADDRESSES)


def decide_creation(request: Mapping[str, Any]) -> Verdict:
    """Whether a group may be created as a `createRoom` body asks.

    The body can be anything: what `creation.check_shape` has not seen is Synapse's to answer.
    """
    visibility = request.get("visibility", "private")
    if visibility == "public":
        return Refusal(Reason.NOT_LISTED)
    if request.get("room_alias_name") is not None:
        return Refusal(Reason.NO_ADDRESSES)
    # Synapse takes `public_chat` for any visibility but "private", misspelt ones too
    # (`RoomCreationHandler._room_preset_config`).
    preset = request.get("preset", "private_chat" if visibility == "private" else "public_chat")
    if preset == "public_chat":
        return Refusal(Reason.NO_PUBLIC_ROOMS)
    for event in initial_state(request):
        if event["type"] == GUEST_ACCESS:
            continue  # Clients ask for guests unbidden; see `closed_to_guests`.
        verdict = decide_state(event["type"], event["content"])
        if isinstance(verdict, Refusal):
            return verdict
    return ALLOWED


def initial_state(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The `initial_state` of a `createRoom` body, without what is no event."""
    return [
        event
        for event in _list(request, "initial_state")
        if isinstance(event, Mapping)
        and isinstance(event.get("type"), str)
        and isinstance(event.get("content"), Mapping)
    ]


def _list(request: Mapping[str, Any], key: str) -> list[Any]:
    value = request.get(key)
    return value if isinstance(value, list) else []


def closed_to_guests(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The `initial_state` for a group: as asked, but never open to guests.

    Every private preset of Synapse opens a room to guests, and Element asks for it with each room
    it creates, so this is put right in silence; a refusal would leave people without groups.
    """
    kept = [
        event
        for event in _list(request, "initial_state")
        if not (isinstance(event, Mapping) and event.get("type") == GUEST_ACCESS)
    ]
    closed = {"type": GUEST_ACCESS, "state_key": "", "content": {"guest_access": "forbidden"}}
    return [*kept, closed]


def address(request: Mapping[str, Any], server_name: str) -> str | None:
    """The address that a `createRoom` body asks for."""
    name = request.get("room_alias_name")
    return f"#{name}:{server_name}" if isinstance(name, str) else None


def invitees(request: Mapping[str, Any]) -> frozenset[str]:
    """Who is invited by Matrix ID in a `createRoom` body."""
    return frozenset(user for user in _list(request, "invite") if isinstance(user, str))


def address_invitations(request: Mapping[str, Any]) -> int:
    """How many e-mail addresses and phone numbers are invited in a `createRoom` body."""
    return len(_list(request, "invite_3pid"))


def predecessor(request: Mapping[str, Any]) -> str | None:
    """The room that this one replaces."""
    content = request.get("creation_content")
    old = content.get("predecessor") if isinstance(content, Mapping) else None
    room_id = old.get("room_id") if isinstance(old, Mapping) else None
    return room_id if isinstance(room_id, str) and room_id.isprintable() else None


def decide_succession(*, listed: bool, has_address: bool) -> Verdict:
    """Whether a group may replace a room: Synapse hands listing and addresses on to it."""
    if listed:
        return Refusal(Reason.NOT_LISTED)
    if has_address:
        return Refusal(Reason.NO_ADDRESSES)
    return ALLOWED
