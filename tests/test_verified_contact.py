"""`verified_contact`: known under any name, while the server knows that they are real."""

import time

import pytest

from synapse_capgroups.demo.person import Person, expect
from tests.conftest import Server, Starter, refused


def verify(server: Server, person: Person, medium: str, address: str) -> None:
    """What is left after somebody has clicked the link in the mail."""
    now = int(time.time() * 1000)
    server.query(
        "INSERT INTO user_threepids VALUES (?, ?, ?, ?, ?)",
        person.user_id, medium, address, now, now,
    )  # fmt: skip


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_who_has_no_verified_contact_neither_creates_nor_joins_a_group(
    start: Starter, engine: str
) -> None:
    server = start(engine, module={"cap": 6, "code_limit": 4, "verified_contact": "any"})
    known, unknown = server.people(2)
    verify(server, known, "email", "known@example.org")
    assert refused(unknown.create_room(), "contact_required")
    room = known.new_room(invite=[unknown.user_id])
    reply = unknown.join(room)
    assert refused(reply, "contact_required")
    assert "verify an e-mail address or phone number" in reply.error
    code = server.make_code(room, known)
    assert refused(server.scan(unknown, code), "contact_required")
    verify(server, unknown, "msisdn", "491234567")
    expect(server.scan(unknown, code))
    assert unknown.user_id in known.members(room)
    unknown.new_room()


def test_the_kind_of_contact_can_be_asked_for(start: Starter) -> None:
    server = start(module={"verified_contact": "email"})
    person = server.person()
    verify(server, person, "msisdn", "491234567")
    assert refused(person.create_room(), "contact_required")
    verify(server, person, "email", "a@example.org")
    person.new_room()


def test_nobody_else_learns_who_has_a_verified_contact(start: Starter) -> None:
    server = start(module={"cap": 6, "code_limit": 4, "verified_contact": "email"})
    known, unknown, friend = server.people(3)
    for number, person in enumerate((known, friend)):
        verify(server, person, "email", f"{number}@example.org")
    room = known.new_room()
    # The invitation is sent to both alike.
    assert known.invite(room, unknown).body == known.invite(room, friend).body == {}


def test_a_member_without_a_contact_can_still_change_their_name(start: Starter) -> None:
    server = start(module={"verified_contact": "email"})
    person = server.person()
    verify(server, person, "email", "a@example.org")
    room = person.new_room()
    server.query("DELETE FROM user_threepids")
    expect(person.set_room_name_of_own(room, "Somebody"))
