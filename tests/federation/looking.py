"""What each homeserver of a lab knows of a room, seen in several ways."""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

import attrs

from synapse_capgroups.demo.person import expect
from tests.federation.lab import FederatingServer, Lab
from tests.federation.window import PATH

_MEMBERS = "SELECT state_key, membership FROM current_state_events WHERE room_id = ? AND type = ?"
_LATEST = (
    "SELECT COALESCE(MAX(stream_ordering), -1) FROM events"
    " WHERE NOT outlier AND rejection_reason IS NULL"
)
"""The last event that a server could tell others of: it passes on nothing that it rejected."""

_EVENTS = (
    "SELECT j.event_id, j.json, j.internal_metadata, r.reason FROM events e"
    " JOIN event_json j ON j.event_id = e.event_id"
    " LEFT JOIN rejections r ON r.event_id = e.event_id"
)


def memberships(server: FederatingServer, room: str) -> dict[str, str]:
    """The membership of each person in the current state, from the server's database.

    It is what this module counts and what Synapse decides by.
    """
    return {str(user): str(word) for user, word in server.query(_MEMBERS, room, "m.room.member")}


def joined(server: FederatingServer, room: str) -> list[str]:
    """The members as the server counts them."""
    return _members(memberships(server, room))


def own_membership(server: FederatingServer, room: str, user: str) -> str | None:
    """The membership of one of a server's people, also in a room that nobody of it is in."""
    sql = "SELECT membership FROM local_current_membership WHERE room_id = ? AND user_id = ?"
    for (membership,) in server.query(sql, room, user):
        return str(membership)
    return None


def failures(server: FederatingServer) -> float:
    """How many requests of clients and servers a server has answered with a 5xx."""
    return sum(
        value
        for series, value in server.homeserver.metrics().items()
        if series.startswith("synapse_http_server_responses_total{") and 'code="5' in series
    )


def state_memberships(server: FederatingServer, room: str) -> dict[str, str]:
    """The membership of each person in the state after the room's latest events.

    The server resolves it anew from the events. It must be the same as `memberships`: where it is
    not, there is a ghost, somebody whom other servers see and this one does not count.
    """
    reply = server.admin.call("GET", f"{PATH}?room={quote(room, safe='')}")
    return dict(expect(reply).body["members"])


def state_members(server: FederatingServer, room: str) -> list[str]:
    """The members in the state after the room's latest events."""
    return _members(state_memberships(server, room))


def shown_members(server: FederatingServer, room: str) -> list[str]:
    """The members as a client of this server lists them. Empty if nobody of it is in the room.

    Not by a first `/sync`: of many joins at once Synapse leaves some out of it.
    """
    local = [user for user in joined(server, room) if server.has(user)]
    return server.somebody(local[0]).members(room) if local else []


def _members(memberships: dict[str, Any]) -> list[str]:
    return sorted(user for user, membership in memberships.items() if membership == "join")


@attrs.frozen
class Event:
    """An event in a server's database.

    Attributes:
        rejected: why this server rejected it by the auth rules; None if it did not.
        soft_failed: whether this server took it, but does not show it.
    """

    event_id: str
    type: str
    sender: str
    state_key: str | None
    content: dict[str, Any]
    auth_events: tuple[str, ...]
    rejected: str | None
    soft_failed: bool


def events_of_type(
    server: FederatingServer, room: str, event_type: str, state_key: str | None = None
) -> list[Event]:
    """The events of a type that a server has of a room, in the order in which it wrote them.

    Args:
        state_key: of which state; of all if None.
    """
    sql = f"{_EVENTS} WHERE e.room_id = ? AND e.type = ? ORDER BY e.stream_ordering"
    events = [_event(*row) for row in server.query(sql, room, event_type)]
    return [event for event in events if state_key is None or event.state_key == state_key]


def event_of(server: FederatingServer, event_id: str) -> Event:
    """An event as a server has it.

    Raises:
        LookupError: it does not have it.
    """
    for row in server.query(f"{_EVENTS} WHERE e.event_id = ?", event_id):
        return _event(*row)
    raise LookupError(f"{server} does not have {event_id}")


def auth_events_of(server: FederatingServer, event_id: str) -> list[Event]:
    """The events by which an event says that it is allowed."""
    return [event_of(server, other) for other in event_of(server, event_id).auth_events]


def power_levels_of_invitation(server: FederatingServer, room: str, invitee: str) -> dict[str, Any]:
    """The power levels by which the latest invitation of somebody is judged everywhere.

    Raises:
        LookupError: there is none, or it names no power levels.
    """
    for event in reversed(events_of_type(server, room, "m.room.member", invitee)):
        if event.content.get("membership") == "invite":
            for other in auth_events_of(server, event.event_id):
                if other.type == "m.room.power_levels":
                    return other.content
    raise LookupError(f"{server} has no invitation of {invitee} with power levels")


def _event(event_id: str, text: str, internal: str, reason: str | None) -> Event:
    event = json.loads(text)
    return Event(
        event_id=event_id,
        type=event["type"],
        sender=event["sender"],
        state_key=event.get("state_key"),
        content=event["content"],
        auth_events=tuple(event["auth_events"]),
        rejected=reason,
        soft_failed=bool(json.loads(internal).get("soft_failed")),
    )


def unsaid(lab: Lab, among: Sequence[FederatingServer] | None = None) -> list[str]:
    """What servers have still to tell each other, by lines that are open; empty when quiet.

    Args:
        among: which servers; all if None.
    """
    found = []
    for caller, called in lab.lines():
        if among is not None and not {caller, called} <= set(among):
            continue
        [(position,)] = caller.query(
            "SELECT MAX(stream_id) FROM federation_stream_position WHERE type = 'events'"
        )
        [(latest,)] = caller.query(_LATEST)
        [(waiting,)] = caller.query(
            "SELECT COUNT(*) FROM destination_rooms r LEFT JOIN destinations d"
            " ON d.destination = r.destination WHERE r.destination = ?"
            " AND r.stream_ordering > COALESCE(d.last_successful_stream_ordering, 0)",
            called.server_name,
        )
        if position < latest or waiting:
            found.append(f"{caller} has news for {called}: {waiting} rooms, {position} of {latest}")
    return found


def knows_in_part(server: FederatingServer, room: str) -> bool:
    """Whether a server has joined a room and is still being told its state.

    It can show some of the members, and would keep what comes if it left the room meanwhile.
    """
    return bool(server.query("SELECT 1 FROM partial_state_rooms WHERE room_id = ?", room))


def eventually_everywhere(lab: Lab, condition: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether something comes true in time that needs servers to hear of each other."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        lab.call_again()
        time.sleep(0.1)
    return True


def agree(
    lab: Lab, room: str, seconds: float = 20, *, among: Sequence[FederatingServer] | None = None
) -> list[str]:
    """Wait until all news is delivered and all servers see the same members of a room.

    Compared are what each server counts, the state after the room's latest events, and what its
    clients see. A server without anybody in the room must count nobody there.

    Args:
        seconds: how long to wait.
        among: which servers must agree; all if None. A rogue may be left out.

    Returns:
        The members.

    Raises:
        AssertionError: they do not agree in time. It says who sees whom.
    """
    servers = list(among if among is not None else lab.servers)
    views: dict[str, list[str]] = {}

    def same() -> bool:
        views.clear()
        for server in servers:
            views.update(_views(server, room))
        everybody = {user for seen in views.values() for user in seen}
        return (
            not unsaid(lab, servers)
            and not any(knows_in_part(server, room) for server in servers)
            and all(
                set(views.get(f"{server} {way}", [])) == everybody
                for server in servers
                if any(server.has(user) for user in everybody)
                for way in _WAYS
            )
            and all(
                not views[f"{server} counts"]
                for server in servers
                if not any(server.has(user) for user in everybody)
            )
        )

    assert eventually_everywhere(lab, same, seconds), _difference(lab, room, views, servers)
    return sorted({user for seen in views.values() for user in seen})


_WAYS = {"counts": joined, "has in its state": state_members, "shows": shown_members}


def _views(server: FederatingServer, room: str) -> dict[str, list[str]]:
    if not any(server.has(user) for user in joined(server, room)):
        return {f"{server} counts": joined(server, room)}
    return {f"{server} {way}": look(server, room) for way, look in _WAYS.items()}


def _difference(
    lab: Lab, room: str, views: dict[str, list[str]], among: Sequence[FederatingServer]
) -> str:
    """Who sees whom, a line for each person about whom they do not agree."""
    everybody = sorted({user for seen in views.values() for user in seen})
    lines = [f"The servers do not agree who is in {room}:"]
    for user in everybody:
        without = [view for view, seen in views.items() if user not in seen]
        lines.append(f"  {user}: " + (f"not in what {', '.join(without)}" if without else "in all"))
    lines += [
        f"  {server} ({server.server_name}) has {memberships(server, room)}"
        for server in lab.servers
    ]
    return "\n".join([*lines, *unsaid(lab, among)])
