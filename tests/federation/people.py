"""What people do in rooms of other servers, as their clients would."""

import itertools
from typing import Protocol
from urllib.parse import quote

from synapse_capgroups.demo.person import Person, Reply, expect
from tests.conftest import eventually
from tests.federation.lab import Lab
from tests.federation.looking import agree

_different = itertools.count(1)


class Named(Protocol):
    """A homeserver, by the name that other homeservers know."""

    @property
    def server_name(self) -> str: ...


def _by(room: str, via: Named) -> str:
    return f"{quote(room, safe='')}?via={via.server_name}&server_name={via.server_name}"


def try_remotely(person: Person, room: str, via: Named) -> Reply:
    """Join a room through a server that is in it."""
    return person.call("POST", f"/join/{_by(room, via)}", {})


def join_remotely(person: Person, room: str, via: Named) -> None:
    expect(try_remotely(person, room, via))


def knock_remotely(person: Person, room: str, via: Named) -> Reply:
    """Ask for an invitation through a server that is in the room."""
    return person.call("POST", f"/knock/{_by(room, via)}", {})


def invited_to(person: Person) -> list[str]:
    # Synapse remembers for two minutes what it answered to the same first sync.
    sync = person.call("GET", f"/sync?timeout={next(_different)}")
    return list(expect(sync).body.get("rooms", {}).get("invite", {}))


def accept(person: Person, room: str) -> Reply:
    """Wait for the invitation to arrive and join by it; no server is named."""
    assert eventually(lambda: room in invited_to(person)), f"{person} was not invited to {room}"
    return person.join(room)


def decline(person: Person, room: str) -> Reply:
    """Wait for the invitation to arrive and decline it."""
    assert eventually(lambda: room in invited_to(person)), f"{person} was not invited to {room}"
    return person.leave(room)


def with_guests(lab: Lab, **request: object) -> tuple[str, Person, Person, Person]:
    """A room of hs1 with one member from each server, and these three."""
    alice, rosa, tom = (server.person() for server in lab.servers)
    room = alice.new_room(**request)
    for guest in (rosa, tom):
        expect(alice.invite(room, guest))
        expect(accept(guest, room))
    assert len(agree(lab, room)) == 3
    return room, alice, rosa, tom
