"""Groups from before the module, and groups with very many people of other servers."""

from typing import Any

import pytest

from synapse_capgroups.demo.person import Person, expect
from tests.conftest import eventually
from tests.federation.forging import Forger
from tests.federation.lab import Lab, Labs, in_full
from tests.federation.looking import agree, eventually_everywhere, memberships
from tests.federation.people import accept

VERSIONS = ("10", "11", "12")
LONGEST_ID = 255


def levels(person: Person, room: str) -> dict[str, Any]:
    return dict(expect(person.state(room, "m.room.power_levels")).body)


def moderated(lab: Lab, version: str, level: int) -> tuple[str, Person, Person, Person]:
    """A room of hs1 with one member of each server, of whom the one of hs2 has this level."""
    alice, rosa, tom = (server.person() for server in lab.servers)
    room = alice.new_room(room_version=version)
    for guest in (rosa, tom):
        expect(alice.invite(room, guest))
        expect(accept(guest, room))
    agree(lab, room)
    content = levels(alice, room)
    content["users"] = {**content["users"], rosa.user_id: level}
    expect(alice.set_state(room, "m.room.power_levels", content))
    assert eventually(lambda: levels(rosa, room)["users"] == content["users"])
    return room, alice, rosa, tom


def gets_its_form(lab: Lab, room: str, alice: Person, rosa: Person, tom: Person) -> None:
    """Somebody of another server invites a stranger, and opens the group if they have the power."""
    is_moderator = levels(alice, room)["users"].get(rosa.user_id) == 50
    stranger = lab.hs3.person()
    expect(rosa.invite(room, stranger))
    if is_moderator:
        rosa.set_state(room, "m.room.join_rules", {"join_rule": "public"})
    assert eventually_everywhere(
        lab, lambda: memberships(lab.hs1, room).get(stranger.user_id) == "leave"
    )

    def is_in_form() -> bool:
        now = levels(alice, room)
        zero = {rosa.user_id, tom.user_id}
        return (now["invite"], now["users_default"]) == (1, 1) and not any(
            now["users"].get(user, 1) for user in zero
        )

    assert eventually(is_in_form)
    assert eventually(lambda: levels(rosa, room) == levels(alice, room))
    assert eventually(lambda: alice.state(room, "m.room.join_rules").body["join_rule"] == "invite")
    assert eventually_everywhere(lab, lambda: rosa.invite(room, lab.hs2.person()).status == 403)
    expect(rosa.send(room, "I still write here."))
    assert agree(lab, room) == sorted(p.user_id for p in (alice, rosa, tom))


def test_an_old_group_gets_its_form_with_the_first_change_from_afar_and_is_watched(
    start_lab: Labs,
) -> None:
    """Case 14."""
    lab = start_lab(None)
    before = [moderated(lab, version, level) for version in VERSIONS for level in (0, 50)]
    lab.hs1.install_module({"cap": 6, "code_limit": 6})
    for group in before:
        gets_its_form(lab, *group)
    words = [word for word, _ in lab.hs1.homeserver.journal()]
    assert "withdrawn" in words
    # What docs/alerts.yml asks for.
    metrics = lab.hs1.homeserver.metrics()
    assert metrics['capgroups_withdrawn_total{reason="remote_no_invite"}'] == len(before)
    assert metrics['capgroups_put_right_total{done="yes"}'] >= 1


@pytest.mark.parametrize("version", ["12", in_full("11")])
def test_what_was_closed_stays_closed_whatever_follows_its_opening(
    start_lab: Labs, version: str
) -> None:
    """Case 14: in version 12, a message that follows no more than the demotion opened it again."""
    lab = start_lab(None)
    room, alice, rosa, tom = moderated(lab, version, 50)
    lab.hs1.install_module({"cap": 6, "code_limit": 6})
    expect(rosa.set_state(room, "m.room.join_rules", {"join_rule": "public"}))
    assert eventually(
        lambda: ("put_right", True) in [(w, f.get("done")) for w, f in lab.hs1.homeserver.journal()]
    )
    agree(lab, room)
    forger = Forger(lab.hs2, room, version, rosa)
    known = forger.known(lab.hs1, rejected=False)
    [opening] = [event_id for event_id, event in known.items() if opens(event)]
    [demotion] = [
        event_id
        for event_id, event in known.items()
        if event["type"] == "m.room.power_levels" and event["prev_events"] == [opening]
    ]
    for server in (lab.hs1, lab.hs3):
        assert forger.send(server, [forger.message_after(known, demotion)]) == 200
    expect(alice.send(room, "This follows both."))
    agree(lab, room)
    for member in (alice, tom):
        assert member.state(room, "m.room.join_rules").body["join_rule"] == "invite"


def opens(event: dict[str, Any]) -> bool:
    return bool(event["content"].get("join_rule") == "public")


def is_removed(lab: Lab, room: str, who: Person) -> bool:
    return eventually_everywhere(
        lab, lambda: memberships(lab.hs1, room).get(who.user_id) == "leave", 60
    )


def test_whom_a_server_brings_into_an_old_group_and_joins_at_once_is_removed(
    start_lab: Labs,
) -> None:
    """Case 14: the invitation is answered by the time that this server hears of it."""
    lab = start_lab(None)
    before = [moderated(lab, version, 0) for version in VERSIONS]
    lab.hs1.install_module({"cap": 6, "code_limit": 6})
    for room, alice, rosa, tom in before:
        ruth = lab.hs2.person()
        with lab.apart(lab.hs1, lab.hs2):
            expect(rosa.invite(room, ruth))
            expect(ruth.join(room))
            expect(ruth.set_room_name_of_own(room, "Tom"))
        assert is_removed(lab, room, ruth)
        assert agree(lab, room) == sorted(p.user_id for p in (alice, rosa, tom))
        assert rosa.invite(room, lab.hs2.person()).status == 403


@pytest.mark.parametrize("version", ["11", "12", in_full("10")])
def test_a_demotion_holds_that_a_server_hears_of_late(start_lab: Labs, version: str) -> None:
    """Case 14."""
    lab = start_lab(None)
    room, alice, rosa, tom = moderated(lab, version, 50)
    lab.hs1.install_module({"cap": 6, "code_limit": 6})
    with lab.apart(lab.hs1, lab.hs2):
        # By this invitation the group gets its form, of which hs2 does not hear.
        expect(alice.invite(room, ruth := lab.hs3.person()))
        stranger = lab.hs2.person()
        expect(rosa.invite(room, stranger))
        expect(stranger.join(room))
    assert eventually_everywhere(
        lab, lambda: memberships(lab.hs1, room).get(stranger.user_id) != "join"
    )
    expect(accept(ruth, room))
    # On their own server the stranger may look joined.
    members = agree(lab, room, among=[lab.hs1, lab.hs3])
    assert members == sorted(p.user_id for p in (alice, rosa, tom, ruth))


@pytest.mark.parametrize("version", ["11", in_full("10"), in_full("12")])
@pytest.mark.parametrize("long", [False, True])
def test_four_hundred_and_ninety_people_fit_and_ids_that_do_not_are_refused_with_a_sentence(
    start_lab: Labs, long: bool, version: str
) -> None:
    """Case 18: their entries are 28 of the 64 KB of an event."""
    lab = start_lab({"cap": 500, "code_limit": 500})
    alice, rosa = lab.hs1.person(), lab.hs2.person()
    end = f":{lab.hs3.server_name}"
    width = LONGEST_ID - len(end) if long else len("@guest000")
    people = [f"@guest{n:03}".ljust(width, "x") + end for n in range(490)]
    creator = {} if version == "12" else {alice.user_id: 100}
    override = {"users": {**creator, **dict.fromkeys(people, 0)}}
    created = alice.create_room(room_version=version, power_level_content_override=override)
    if long:
        # With IDs of 255 characters, 240 are too many.
        assert created.status in (400, 413)
        return
    room = expect(created).body["room_id"]
    expect(alice.invite(room, rosa))
    assert levels(alice, room)["users"][rosa.user_id] == 0
    expect(accept(rosa, room))
    assert rosa.invite(room, lab.hs3.person()).status == 403
