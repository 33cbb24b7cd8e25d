"""The lab itself: what the tests of federation stand on."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from synapse_capgroups.demo.person import Person, expect
from tests.conftest import eventually
from tests.federation.lab import FederatingServer, Lab, Labs
from tests.federation.looking import (
    agree,
    auth_events_of,
    events_of_type,
    eventually_everywhere,
    joined,
    memberships,
    power_levels_of_invitation,
    shown_members,
    state_members,
    unsaid,
)
from tests.federation.people import (
    accept,
    decline,
    invited_to,
    knock_remotely,
    with_guests,
)

VERSIONS = pytest.mark.parametrize("version", ["10", "11", "12"])


@pytest.fixture(scope="module")
def lab(start_lab: Labs) -> Lab:
    """Its people of other servers invite others, as in any room."""
    return start_lab({"cap": 6, "code_limit": 4, "federation": "open"})


@pytest.fixture(scope="module")
def rogue_lab(start_lab: Labs) -> Lab:
    return start_lab({"cap": 6, "code_limit": 4}, rogue=True)


@pytest.mark.parametrize("version", ["11", "12"])
def test_three_servers_see_the_same_members(lab: Lab, version: str) -> None:
    room, alice, rosa, tom = with_guests(lab, room_version=version)
    everybody = sorted([alice.user_id, rosa.user_id, tom.user_id])
    for server in lab.servers:
        assert joined(server, room) == everybody
        assert state_members(server, room) == everybody
        assert shown_members(server, room) == everybody
    expect(rosa.leave(room))
    assert eventually(lambda: rosa.user_id not in alice.members(room))
    assert agree(lab, room) == sorted([alice.user_id, tom.user_id])
    assert joined(lab.hs2, room) == []


def test_remote_people_decline_knock_and_join_through_their_own_server(lab: Lab) -> None:
    room, alice, rosa, _ = with_guests(lab)
    ruth = lab.hs2.person()
    expect(alice.invite(room, ruth))
    expect(decline(ruth, room))
    assert eventually_everywhere(lab, lambda: memberships(lab.hs1, room)[ruth.user_id] == "leave")
    expect(alice.set_state(room, "m.room.join_rules", {"join_rule": "knock"}))
    # Their own server is in the room, so it is that one which decides about the knock.
    assert eventually_everywhere(lab, lambda: join_rule_for(rosa, room) == "knock")
    expect(knock_remotely(ruth, room, lab.hs1))
    assert eventually_everywhere(lab, lambda: memberships(lab.hs1, room)[ruth.user_id] == "knock")
    expect(alice.invite(room, ruth))
    # Clients see an invitation before it is the room's state. In between, Synapse makes a join that
    # names both the invitation and what was there before it, and then refuses it itself.
    assert eventually_everywhere(lab, lambda: memberships(lab.hs2, room)[ruth.user_id] == "invite")
    expect(accept(ruth, room))
    assert ruth.user_id in agree(lab, room)


def join_rule_for(person: Person, room: str) -> object:
    return person.state(room, "m.room.join_rules").body.get("join_rule")


def failing(caller: FederatingServer, called: FederatingServer) -> bool:
    """Whether one server has tried to reach another since the last success, and failed."""
    sql = "SELECT failure_ts FROM destinations WHERE destination = ?"
    return [row for row in caller.query(sql, called.server_name) if row[0]] != []


def test_a_cut_line_delays_and_a_healed_one_delivers(lab: Lab) -> None:
    room, alice, rosa, tom = with_guests(lab)
    ruth = lab.hs2.person()

    def name_for(person: Person) -> object:
        return person.state(room, "m.room.name").body.get("name")

    with lab.apart(lab.hs1, lab.hs2):
        expect(alice.set_state(room, "m.room.name", {"name": "Garden"}))
        expect(rosa.invite(room, ruth))
        expect(accept(ruth, room))
        # The third server hears of both.
        assert eventually(lambda: name_for(tom) == "Garden" and ruth.user_id in tom.members(room))
        assert eventually(lambda: failing(lab.hs1, lab.hs2) and failing(lab.hs2, lab.hs1))
        assert name_for(rosa) is None
        assert ruth.user_id not in joined(lab.hs1, room)
        # Its line is open, and one of its people is invited through it.
        assert not failing(lab.hs1, lab.hs3)
        assert not failing(lab.hs2, lab.hs3)
    assert agree(lab, room) == sorted(p.user_id for p in (alice, rosa, ruth, tom))
    assert name_for(rosa) == "Garden"


def test_a_line_is_cut_and_healed_again_and_again(lab: Lab) -> None:
    room, alice, *_ = with_guests(lab)
    for _ in range(2):
        lab.cut(lab.hs1, lab.hs2)
        sent = expect(alice.send(room, "Who hears this?")).body["event_id"]
        assert eventually(lambda: failing(lab.hs1, lab.hs2))
        assert not has(lab.hs2, sent)
        lab.heal(lab.hs1, lab.hs2)
        assert eventually_everywhere(lab, lambda sent=sent: has(lab.hs2, sent))  # type: ignore[misc]
        assert eventually_everywhere(lab, lambda: not unsaid(lab))


def has(server: FederatingServer, event_id: str) -> bool:
    return bool(server.query("SELECT 1 FROM event_json WHERE event_id = ?", event_id))


def test_a_deaf_server_is_not_reached_and_reaches_others(lab: Lab) -> None:
    room, alice, rosa, _ = with_guests(lab)
    lab.deafen(lab.hs2, to=lab.hs1)
    sent = expect(alice.send(room, "Rosa is not to hear this.")).body["event_id"]
    answer = expect(rosa.send(room, "Alice hears me.")).body["event_id"]
    assert eventually(lambda: has(lab.hs1, answer))
    assert eventually(lambda: failing(lab.hs1, lab.hs2))
    assert not has(lab.hs2, sent)
    lab.heal(lab.hs1, lab.hs2)
    assert eventually_everywhere(lab, lambda: has(lab.hs2, sent))


def test_a_stalled_line_lets_a_server_wait_and_then_goes_on(lab: Lab) -> None:
    alice, rosa = lab.hs1.person(), lab.hs2.person()
    room = alice.new_room()
    lab.stall(lab.hs1, lab.hs2)
    with ThreadPoolExecutor() as beside:
        waiting = beside.submit(alice.invite, room, rosa)
        expect(alice.send(room, "This server does other things meanwhile."))
        assert not waiting.done()
        lab.heal(lab.hs1, lab.hs2)
        expect(waiting.result(30))
    assert eventually(lambda: room in invited_to(rosa))


def test_a_server_that_is_stopped_hears_the_news_when_it_is_back(lab: Lab) -> None:
    room, alice, rosa, tom = with_guests(lab)
    lab.hs1.homeserver.stop()
    expect(rosa.leave(room))
    assert eventually(lambda: rosa.user_id not in tom.members(room))
    lab.hs1.homeserver.start()
    assert agree(lab, room) == sorted([alice.user_id, tom.user_id])


def test_an_invitation_names_the_power_levels_that_it_is_judged_by(lab: Lab) -> None:
    alice, rosa = lab.hs1.person(), lab.hs2.person()
    room = alice.new_room(power_level_content_override={"invite": 7}, room_version="11")
    expect(alice.invite(room, rosa))
    assert power_levels_of_invitation(lab.hs1, room, rosa.user_id)["invite"] == 7
    [invitation] = events_of_type(lab.hs1, room, "m.room.member", rosa.user_id)
    named = auth_events_of(lab.hs1, invitation.event_id)
    assert "m.room.create" in {event.type for event in named} or len(named) == 3
    # A server that is only invited has the invitation and nothing else.
    assert eventually(lambda: has(lab.hs2, invitation.event_id))


@VERSIONS
def test_people_of_a_rogue_server_break_the_rules_there_and_nowhere_else(
    rogue_lab: Lab, version: str
) -> None:
    lab = rogue_lab
    plain = lab.hs3.person()  # Who creates a room on a server without the module.
    rosa, ruth, tom = lab.hs2.person(), lab.hs2.person(), lab.hs1.person()
    levels = {"users_default": 0, "invite": 50}
    room = plain.new_room(room_version=version, power_level_content_override=levels)
    for guest in (rosa, tom):
        expect(plain.invite(room, guest))
        expect(accept(guest, room))
    agree(lab, room)

    assert tom.invite(room, lab.hs1.person()).status == 403
    expect(rosa.invite(room, victim := lab.hs2.person()))  # without the power
    expect(victim.join(room))
    expect(ruth.join(room))  # without an invitation
    power = rosa.state(room, "m.room.power_levels").body
    users = {**power.get("users", {}), rosa.user_id: 50}
    expect(rosa.set_state(room, "m.room.power_levels", {**power, "users": users}))
    expect(rosa.set_state(room, "m.room.join_rules", {"join_rule": "public"}))

    broken = [plain.user_id, rosa.user_id, ruth.user_id, tom.user_id, victim.user_id]
    assert joined(lab.hs2, room) == sorted(broken)
    # The others were told, and rejected it by the rules that every server checks.
    honest = [lab.hs1, lab.hs3]
    for server in honest:
        assert eventually(
            lambda server=server: all(  # type: ignore[misc]
                rejected(server, room, person.user_id) for person in (ruth, victim)
            )
        )
    assert agree(lab, room, among=honest) == sorted([plain.user_id, rosa.user_id, tom.user_id])
    assert join_rule_for(tom, room) == "invite"


def rejected(server: FederatingServer, room: str, user_id: str) -> bool:
    events = events_of_type(server, room, "m.room.member", user_id)
    return any(event.rejected for event in events)
