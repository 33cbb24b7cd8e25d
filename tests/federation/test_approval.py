"""Rule 13 across servers: people of other servers ask, and are invited when a moderator agrees."""

from typing import Any

from synapse_capgroups.demo.person import Person, expect
from tests.conftest import eventually, joined_rooms, refused
from tests.federation.lab import Lab, Labs
from tests.federation.people import accept, invited_to, join_remotely, try_remotely
from tests.test_rule_13_approval import answer, promote, turn, waiting

MODULE = {"cap": 6, "code_limit": 4}


def asking_group(lab: Lab) -> tuple[str, Person, str]:
    """A group of hs1 with approval, its creator, and the address of a code's door."""
    alice = lab.hs1.person()
    room = alice.new_room(name="Tea")
    code: dict[str, Any] = lab.hs1.make_code(room, alice)
    expect(turn(alice, room))
    return room, alice, f"#j-{code['secret']}:{lab.hs1.server_name}"


def test_a_remote_person_asks_at_the_door_and_is_invited_when_a_moderator_agrees(
    start_lab: Labs,
) -> None:
    lab = start_lab(MODULE)
    room, alice, door = asking_group(lab)
    bob = lab.hs1.person()
    expect(alice.invite(room, bob))
    expect(bob.join(room))
    promote(room, alice, bob)
    rosa, tom = lab.hs2.person(), lab.hs3.person()
    for person in (rosa, tom):
        assert refused(try_remotely(person, door, lab.hs1), "awaiting_approval")
    assert waiting(alice, room) == [rosa.user_id, tom.user_id]
    assert invited_to(rosa) == []

    expect(answer(bob, room, rosa, approve=True))
    expect(answer(alice, room, tom, approve=False))
    assert refused(try_remotely(tom, door, lab.hs1), "not_approved")
    assert waiting(alice, room) == []
    assert eventually(lambda: room in invited_to(rosa))
    # Who has agreed may have lost the power before she accepts.
    promote(room, alice, bob, level=0)
    expect(accept(rosa, room))
    assert eventually(lambda: rosa.user_id in alice.members(room))
    how = "SELECT how, inviter FROM capgroups_admissions WHERE user_id = ?"
    assert eventually(lambda: lab.hs1.query(how, rosa.user_id) == [("approved", bob.user_id)])
    assert joined_rooms(tom) == []


def test_a_remote_person_whose_server_lets_them_into_the_door_is_turned_away(
    start_lab: Labs,
) -> None:
    lab = start_lab(MODULE)
    room, alice, door = asking_group(lab)
    expect(turn(alice, room, on=False))
    first, rosa = lab.hs2.person(), lab.hs2.person()
    join_remotely(first, door, lab.hs1)
    assert eventually(lambda: room in invited_to(first))
    expect(turn(alice, room))
    # Their server is in the door now and asks nobody; or it is no more, if `first` was taken out.
    entered = try_remotely(rosa, door, lab.hs1)
    assert entered.ok or entered.reason == "awaiting_approval"
    assert eventually(lambda: waiting(alice, room) == [rosa.user_id])
    assert eventually(lambda: joined_rooms(rosa) == [])
    assert invited_to(rosa) == []
    expect(answer(alice, room, rosa, approve=True))
    expect(accept(rosa, room))
    assert eventually(lambda: rosa.user_id in alice.members(room))


def test_an_invitation_by_a_member_is_taken_back_once_moderators_are_asked(
    start_lab: Labs,
) -> None:
    lab = start_lab(MODULE)
    room, alice, _ = asking_group(lab)
    expect(turn(alice, room, on=False))
    bob = lab.hs1.person()
    expect(alice.invite(room, bob))
    expect(bob.join(room))
    rosa = lab.hs2.person()
    expect(bob.invite(room, rosa))
    assert eventually(lambda: room in invited_to(rosa))
    expect(turn(alice, room))
    # The sweep looks at what was not looked at for a minute.
    lab.hs1.query("UPDATE capgroups_remote_invitations SET judged_at = 0")
    lab.hs1.homeserver.stop()
    lab.hs1.homeserver.start()

    def membership() -> object:
        return alice.state(room, "m.room.member", rosa.user_id).body["membership"]

    assert eventually(lambda: membership() == "leave", 30)
