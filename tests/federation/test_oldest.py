"""Case 17: the other server runs on the oldest Synapse that README claims: the same rules hold."""

import pytest

from synapse_capgroups.demo.person import expect
from tests.conftest import API, eventually, refused
from tests.federation.lab import Lab, Labs
from tests.federation.looking import (
    agree,
    eventually_everywhere,
    memberships,
    power_levels_of_invitation,
)
from tests.federation.people import accept, invited_to, try_remotely

pytestmark = pytest.mark.oldest_elsewhere
VERSIONS = pytest.mark.parametrize("version", ["10", "11", "12"])


@pytest.fixture(scope="module")
def lab(start_lab: Labs) -> Lab:
    return start_lab({"cap": 6, "code_limit": 4}, oldest=True)


@VERSIONS
def test_people_of_a_server_with_the_oldest_synapse_come_and_can_invite_nobody(
    lab: Lab, version: str
) -> None:
    """Case 17."""
    alice, rosa, tom = (server.person() for server in lab.servers)
    room = alice.new_room(room_version=version)
    for guest in (rosa, tom):
        expect(alice.invite(room, guest))
        assert power_levels_of_invitation(lab.hs1, room, guest.user_id)["users"][guest.user_id] == 0
        expect(accept(guest, room))
    expect(rosa.send(room, "Hello."))
    stranger = lab.hs2.person()
    assert rosa.invite(room, stranger).status == 403
    assert stranger.join(room).status in (403, 404)
    assert agree(lab, room) == sorted(p.user_id for p in (alice, rosa, tom))


@VERSIONS
def test_their_invitations_hold_seats_and_are_withdrawn(lab: Lab, version: str) -> None:
    """Case 17."""
    alice, bob = lab.hs1.person(), lab.hs1.person()
    room = alice.new_room(room_version=version)
    expect(alice.invite(room, bob))
    expect(bob.join(room))
    rosa, ruth = lab.hs2.person(), lab.hs2.person()
    for guest in (rosa, ruth):
        expect(bob.invite(room, guest))
    assert refused(alice.invite(room, lab.hs2.person()), "friends_only")
    assert eventually(lambda: room in invited_to(rosa))
    expect(bob.leave(room))
    assert eventually_everywhere(
        lab, lambda: {memberships(lab.hs1, room)[p.user_id] for p in (rosa, ruth)} == {"leave"}
    )
    # A server that has nobody in the room does not understand that the invitation is gone.
    assert try_remotely(rosa, room, lab.hs1).error == "You are not invited to this room."


def test_a_code_brings_them_in(lab: Lab) -> None:
    """Case 17."""
    alice, rosa = lab.hs1.person(), lab.hs2.person()
    room = alice.new_room()
    code = expect(alice.call("POST", f"{API}/groups/{room}/codes", {})).body
    expect(try_remotely(rosa, f"#j-{code['secret']}:{lab.hs1.server_name}", lab.hs1))
    expect(accept(rosa, room))
    assert agree(lab, room) == sorted([alice.user_id, rosa.user_id])
