"""Rule 10: groups keep their rules while people of other servers are in them.

Each test ends where all servers see the same members, and count those who are in the room's state.
The cases are numbered as where they were listed first; 14, 17 and 18 are in files of their own.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from synapse_capgroups.demo.person import Person, Reply, expect
from tests.conftest import API, eventually, refused
from tests.federation.lab import FederatingServer, Lab, Labs, in_full
from tests.federation.looking import (
    agree,
    event_of,
    events_of_type,
    eventually_everywhere,
    joined,
    memberships,
    power_levels_of_invitation,
    state_members,
    state_memberships,
)
from tests.federation.people import (
    accept,
    decline,
    invited_to,
    join_remotely,
    try_remotely,
    with_guests,
)
from tests.identity import TOKEN, IdentityServer, identity_server_in

CAP = 6
CODE_LIMIT = 3  # Of the second lab; in the first one friendship never matters.
POWER_LEVELS = "m.room.power_levels"
VERSIONS = pytest.mark.parametrize("version", ["10", "11", "12"])
CREATORS = pytest.mark.parametrize("version", ["11", "12", in_full("10")])
"""Without and with creators who stand above the power levels."""
NEWEST = pytest.mark.parametrize("version", ["12", in_full("10"), in_full("11")])


@pytest.fixture(scope="module")
def lab(start_lab: Labs) -> Lab:
    # For the certificate of the identity server, which hs1 asks about e-mail addresses.
    settings = {"use_insecure_ssl_client_just_for_testing_do_not_use": True}
    return start_lab({"cap": CAP, "code_limit": CAP}, settings=settings)


@pytest.fixture(scope="module")
def rogue_lab(start_lab: Labs) -> Lab:
    """The server hs2 breaks the rules for its people; above a limit people must be friends."""
    return start_lab({"cap": CAP, "code_limit": CODE_LIMIT}, rogue=True)


def settled(lab: Lab, room: str, *, among: Sequence[FederatingServer] | None = None) -> list[str]:
    """Case 19: wait until the servers agree, see that none counts a ghost, return the members."""
    members = agree(lab, room, among=among)
    for server in among or lab.servers:
        if any(server.has(user) for user in members):
            assert memberships(server, room) == state_memberships(server, room)
    return members


def ids(*people: Person) -> list[str]:
    return sorted(person.user_id for person in people)


def levels(person: Person, room: str) -> dict[str, Any]:
    return expect(person.state(room, POWER_LEVELS)).body


def entry(person: Person, room: str, of: Person) -> object:
    """Somebody's own power level, as somebody sees it; None if they have none."""
    return levels(person, room).get("users", {}).get(of.user_id)


def users_level(version: str, creator: Person) -> dict[str, int]:
    """How a client names the creator in power levels: not at all from version 12 on."""
    return {} if version == "12" else {creator.user_id: 100}


def seats_left(person: Person, room: str) -> object:
    return expect(person.call("GET", f"{API}/groups/{quote(room)}")).body["seats_left"]


def can_invite_nobody(lab: Lab, person: Person, room: str) -> None:
    """Somebody of another server tries to invite a person of each server, and may not."""
    strangers = [server.person() for server in lab.servers]
    for stranger in strangers:
        reply = person.invite(room, stranger)
        assert reply.status == 403, reply
    agree(lab, room)
    for server in lab.servers:
        assert not memberships(server, room).keys() & {who.user_id for who in strangers}


# What every server refuses its own people


@VERSIONS
def test_a_member_from_another_server_can_invite_nobody(lab: Lab, version: str) -> None:
    """Case 1."""
    room, _, rosa, tom = with_guests(lab, room_version=version)
    can_invite_nobody(lab, rosa, room)
    can_invite_nobody(lab, tom, room)
    assert len(settled(lab, room)) == 3


@VERSIONS
def test_nobody_joins_uninvited_through_a_server_that_is_in_the_group(
    lab: Lab, version: str
) -> None:
    """Case 2."""
    room, alice, rosa, tom = with_guests(lab, room_version=version)
    ruth = lab.hs2.person()
    assert ruth.join(room).status == 403
    for via in lab.servers:
        assert try_remotely(ruth, room, via).status == 403
    assert settled(lab, room) == ids(alice, rosa, tom)
    assert ruth.user_id not in memberships(lab.hs1, room)


# What people of other servers can do as before


def reaches(lab: Lab, reply: Reply) -> bool:
    """Whether an event arrives at each server, and each takes it."""

    def taken(server: FederatingServer) -> bool:
        try:
            event = event_of(server, expect(reply).body["event_id"])
        except LookupError:
            return False
        return event.rejected is None and not event.soft_failed

    return eventually_everywhere(lab, lambda: all(taken(server) for server in lab.servers))


@NEWEST
def test_a_member_from_another_server_writes_and_leaves_and_comes_back(
    lab: Lab, version: str
) -> None:
    """Case 15."""
    room, alice, rosa, tom = with_guests(lab, room_version=version)
    said = rosa.send(room, "Good morning")
    assert reaches(lab, said)
    event_id = said.body["event_id"]
    relation = {"rel_type": "m.annotation", "event_id": event_id, "key": "+1"}
    path = f"/rooms/{quote(room)}"
    reaction = {"m.relates_to": relation}
    assert reaches(lab, rosa.call("PUT", f"{path}/send/m.reaction/1", reaction))
    assert reaches(lab, rosa.call("PUT", f"{path}/redact/{quote(event_id)}/1", {}))
    assert reaches(lab, rosa.set_room_name_of_own(room, "Rose"))
    expect(rosa.leave(room))
    assert eventually(lambda: rosa.user_id not in alice.members(room))
    assert settled(lab, room) == ids(alice, tom)

    expect(alice.invite(room, rosa))
    assert eventually(lambda: room in invited_to(rosa))
    expect(rosa.join(room))
    assert reaches(lab, rosa.send(room, "Here I am again"))
    assert settled(lab, room) == ids(alice, rosa, tom)
    assert entry(alice, room, rosa) == 0


# What groups of local people do not notice


@CREATORS
@pytest.mark.parametrize("preset", ["private_chat", "trusted_private_chat"])
def test_a_group_of_local_people_costs_no_event_and_its_members_invite(
    lab: Lab, version: str, preset: str
) -> None:
    """Case 16."""
    counts = []
    for server in (lab.hs1, lab.hs3):  # With the module, and without.
        alice, ben, carol = server.people(3)
        room = alice.new_room(
            name="Garden", preset=preset, room_version=version, invite=[ben.user_id]
        )
        expect(ben.join(room))
        expect(ben.invite(room, carol))
        expect(carol.join(room))
        counts.append(server.query("SELECT COUNT(*) FROM events WHERE room_id = ?", room))
        assert settled(lab, room) == ids(alice, ben, carol)
    assert counts[0] == counts[1]


# The entry is there before the invitation


def by_member(lab: Lab, rosa: Person, version: str) -> tuple[str, Person]:
    alice = lab.hs1.person()
    room = alice.new_room(room_version=version)
    expect(alice.invite(room, rosa))
    return room, alice


def by_ordinary_member(lab: Lab, rosa: Person, version: str) -> tuple[str, Person]:
    alice, ben = lab.hs1.people(2)
    room = alice.new_room(room_version=version, invite=[ben.user_id])
    expect(ben.join(room))
    expect(ben.invite(room, rosa))
    return room, ben


def by_creation(lab: Lab, rosa: Person, version: str) -> tuple[str, Person]:
    alice = lab.hs1.person()
    return alice.new_room(room_version=version, invite=[rosa.user_id]), alice


def by_server_admin(lab: Lab, rosa: Person, version: str) -> tuple[str, Person]:
    alice, admin = lab.hs1.person(), lab.hs1.person(admin=True)
    room = alice.new_room(room_version=version, invite=[admin.user_id])
    expect(admin.join(room))
    expect(admin.invite(room, rosa))
    return room, alice


def by_door(lab: Lab, rosa: Person, version: str) -> tuple[str, Person]:
    alice = lab.hs1.person()
    room = alice.new_room(room_version=version, name="Garden")
    join_remotely(rosa, lab.hs1.door(lab.hs1.make_code(room, alice)), lab.hs1)
    return room, alice


def after_upgrade(lab: Lab, rosa: Person, version: str) -> tuple[str, Person]:
    old, alice, *_ = with_guests(lab, room_version="11" if version == "10" else "10")
    body = {"new_version": version}
    reply = expect(alice.call("POST", f"/rooms/{quote(old)}/upgrade", body))
    room = str(reply.body["replacement_room"])
    expect(alice.invite(room, rosa))
    return room, alice


OTHER_WAYS = (by_member, by_ordinary_member, by_server_admin, by_door)


@pytest.mark.parametrize(
    ("way", "version"),
    [
        *((way, version) for way in (by_creation, after_upgrade) for version in ("10", "11", "12")),
        *((way, "12") for way in OTHER_WAYS),
        *(in_full(way, version) for way in OTHER_WAYS for version in ("10", "11")),
    ],
)
def test_an_invitation_to_another_server_is_judged_by_levels_without_power(
    lab: Lab, way: Callable[[Lab, Person, str], tuple[str, Person]], version: str
) -> None:
    """Case 3."""
    rosa = lab.hs2.person()
    room, alice = way(lab, rosa, version)
    assert eventually(lambda: memberships(lab.hs1, room).get(rosa.user_id) == "invite")
    content = power_levels_of_invitation(lab.hs1, room, rosa.user_id)
    assert content["users"][rosa.user_id] == 0
    assert content["users_default"] >= 1
    assert content["invite"] >= 1
    expect(accept(rosa, room))
    assert rosa.user_id in settled(lab, room)
    assert rosa.invite(room, lab.hs2.person()).status == 403
    assert entry(alice, room, rosa) == 0


# A pending invitation holds a seat


def by_declining(lab: Lab, room: str, alice: Person, rosa: Person) -> None:
    expect(decline(rosa, room))


def by_withdrawal(lab: Lab, room: str, alice: Person, rosa: Person) -> None:
    assert eventually(lambda: room in invited_to(rosa))
    expect(alice.kick(room, rosa))
    assert eventually_everywhere(lab, lambda: room not in invited_to(rosa))


def by_leaving(lab: Lab, room: str, alice: Person, rosa: Person) -> None:
    expect(accept(rosa, room))
    assert rosa.user_id in agree(lab, room)
    assert seats_left(alice, room) == 0
    expect(rosa.leave(room))


def by_expiry(lab: Lab, room: str, alice: Person, rosa: Person) -> None:
    assert eventually(lambda: room in invited_to(rosa))
    lab.hs1.homeserver.stop()
    lab.hs1.query(
        "UPDATE capgroups_remote_invitations SET invited_at = 1, judged_at = 1 WHERE user_id = ?",
        rosa.user_id,
    )
    lab.hs1.homeserver.start()  # It sweeps at once.
    assert eventually_everywhere(lab, lambda: room not in invited_to(rosa))


@NEWEST
@pytest.mark.parametrize("end", [by_declining, by_withdrawal, by_leaving, by_expiry])
def test_a_pending_invitation_to_another_server_holds_a_seat_until_it_ends(
    lab: Lab, end: Callable[[Lab, str, Person, Person], None], version: str
) -> None:
    """Case 5."""
    room, people = lab.hs1.group(CAP - 2, room_version=version)
    alice, dora, rosa = people[0], lab.hs1.person(), lab.hs2.person()
    expect(alice.invite(room, dora))
    expect(alice.invite(room, ben := lab.hs1.person()))
    expect(alice.invite(room, rosa))
    expect(ben.join(room))
    assert seats_left(alice, room) == 0
    assert refused(dora.join(room), "full")
    assert refused(alice.invite(room, lab.hs3.person()), "full")
    end(lab, room, alice, rosa)
    assert eventually_everywhere(lab, lambda: seats_left(alice, room) == 1)
    expect(dora.join(room))
    assert settled(lab, room) == ids(*people, ben, dora)


def test_the_seats_that_invitations_hold_are_a_number_for_prometheus(lab: Lab) -> None:
    """Case 5: what `docs/operations.md` tells of."""
    alice, rosa = lab.hs1.person(), lab.hs2.person()
    room = alice.new_room()
    expect(alice.invite(room, rosa))
    lab.hs1.homeserver.stop()
    [(held,)] = lab.hs1.query("SELECT COUNT(*) FROM capgroups_remote_invitations")
    lab.hs1.homeserver.start()  # It sweeps at once.
    metrics = lab.hs1.homeserver.metrics
    assert eventually(lambda: 1 <= metrics().get("capgroups_remote_seats", 0) <= held)
    expect(decline(rosa, room))


@CREATORS
def test_of_twelve_simultaneous_invitations_and_a_join_two_seats_are_filled(
    lab: Lab, version: str
) -> None:
    """Case 4."""
    alice, ben, carol, dora, emil = lab.hs1.people(5)
    room = alice.new_room(
        room_version=version, invite=[person.user_id for person in (ben, carol, dora, emil)]
    )
    for person in (ben, carol, dora):
        expect(person.join(room))
    guests = [*lab.hs2.people(6), *lab.hs3.people(6)]
    inviters = [alice, ben, carol, dora]

    def invite(number: int) -> bool:
        reply = inviters[number % 4].invite(room, guests[number])
        assert reply.ok or refused(reply, "full"), reply
        return reply.ok

    with ThreadPoolExecutor(13) as together:
        invitations = [together.submit(invite, number) for number in range(len(guests))]
        joining = together.submit(emil.join, room)
        accepted = [guest for guest, it in zip(guests, invitations, strict=True) if it.result()]
    come = [emil] if joining.result().ok else []
    assert len(accepted) + len(come) == 2
    for guest in accepted:
        expect(accept(guest, room))
    assert settled(lab, room) == ids(*inviters, *come, *accepted)
    assert len(joined(lab.hs1, room)) == CAP


# Power that somebody asks for


@VERSIONS
def test_a_trusted_private_chat_gives_no_power_to_another_server(lab: Lab, version: str) -> None:
    """Case 12."""
    alice, ben, rosa = *lab.hs1.people(2), lab.hs2.person()
    room = alice.new_room(
        preset="trusted_private_chat", room_version=version, invite=ids(ben, rosa)
    )
    expect(ben.join(room))
    expect(accept(rosa, room))
    assert entry(alice, room, rosa) == 0
    can_invite_nobody(lab, rosa, room)
    # The local one has what the preset promises.
    expect(ben.set_state(room, "m.room.name", {"name": "Garden"}))
    expect(ben.set_state(room, POWER_LEVELS, {**levels(ben, room), "kick": 60}))
    assert settled(lab, room) == ids(alice, ben, rosa)


def test_a_person_of_another_server_is_no_creator(lab: Lab) -> None:
    """Case 12."""
    alice, ben, rosa = *lab.hs1.people(2), lab.hs2.person()
    room = alice.new_room(
        room_version="12",
        creation_content={"additional_creators": ids(ben, rosa)},
        invite=ids(ben, rosa),
    )
    [created] = events_of_type(lab.hs1, room, "m.room.create")
    assert created.content["additional_creators"] == [ben.user_id]
    expect(accept(rosa, room))
    assert entry(alice, room, rosa) == 0
    can_invite_nobody(lab, rosa, room)
    assert settled(lab, room) == ids(alice, rosa)


def as_override(content: dict[str, Any]) -> dict[str, Any]:
    return {"power_level_content_override": content}


def as_initial_state(content: dict[str, Any]) -> dict[str, Any]:
    return {"initial_state": [{"type": POWER_LEVELS, "state_key": "", "content": content}]}


@CREATORS
@pytest.mark.parametrize("asked", [as_override, as_initial_state])
def test_a_creation_with_power_levels_of_its_own_gives_none_to_another_server(
    lab: Lab, asked: Callable[[dict[str, Any]], dict[str, Any]], version: str
) -> None:
    """Case 12."""
    alice, rosa = lab.hs1.person(), lab.hs2.person()
    content = {
        "users": {**users_level(version, alice), rosa.user_id: 50},
        "users_default": 0,
        "invite": 0,
        "state_default": 0,
    }
    room = alice.new_room(room_version=version, invite=[rosa.user_id], **asked(content))
    expect(accept(rosa, room))
    assert entry(alice, room, rosa) == 0
    can_invite_nobody(lab, rosa, room)
    assert rosa.set_state(room, "m.room.topic", {"topic": "Mine"}).status == 403
    assert settled(lab, room) == ids(alice, rosa)


@VERSIONS
def test_power_levels_that_a_client_writes_keep_people_of_other_servers_at_zero(
    lab: Lab, version: str
) -> None:
    """Case 11."""
    room, alice, rosa, tom = with_guests(lab, room_version=version)
    expect(alice.invite(room, ruth := lab.hs2.person()))
    guests = (rosa, tom, ruth)
    # As a client that knows of no entries, as one that promotes somebody, as one that opens all.
    without = {**levels(alice, room), "users": users_level(version, alice)}
    promoted = {**without, "users": {**without["users"], rosa.user_id: 50, ruth.user_id: 100}}
    opened = {**without, "users_default": 0, "invite": 0, "kick": 0}
    for content in (without, promoted, opened):
        expect(alice.set_state(room, POWER_LEVELS, content))
        assert [entry(alice, room, guest) for guest in guests] == [0, 0, 0]
        assert levels(alice, room)["users_default"] >= 1
        assert levels(alice, room)["invite"] >= 1
        assert eventually_everywhere(lab, lambda: levels(rosa, room) == levels(alice, room))
        can_invite_nobody(lab, rosa, room)
    expect(accept(ruth, room))
    assert settled(lab, room) == ids(alice, rosa, tom, ruth)


@CREATORS
def test_no_entry_is_lost_where_a_client_writes_levels_while_people_are_invited(
    lab: Lab, version: str
) -> None:
    """Case 11."""
    alice, ben = lab.hs1.people(2)
    room = alice.new_room(room_version=version, invite=[ben.user_id])
    expect(ben.join(room))
    guests = [*lab.hs2.people(2), *lab.hs3.people(2)]
    content = {**levels(alice, room), "users": users_level(version, alice)}
    with ThreadPoolExecutor(12) as together:
        invited = [together.submit(ben.invite, room, guest) for guest in guests]
        written = [
            together.submit(alice.set_state, room, POWER_LEVELS, {**content, "kick": 50 + number})
            for number in range(8)
        ]
        for reply in (*invited, *written):
            expect(reply.result())
    assert [entry(alice, room, guest) for guest in guests] == [0] * 4
    for guest in guests:
        expect(accept(guest, room))
        assert power_levels_of_invitation(lab.hs1, room, guest.user_id)["users"][guest.user_id] == 0
    # The others may take long to put so many events at once in order: what counts is counted here.
    everybody = ids(alice, ben, *guests)
    assert eventually_everywhere(lab, lambda: joined(lab.hs1, room) == everybody)
    assert state_members(lab.hs1, room) == everybody
    can_invite_nobody(lab, guests[0], room)


@pytest.fixture(scope="module")
def identity_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IdentityServer]:
    with identity_server_in(tmp_path_factory.mktemp("identity")) as server:
        yield server


def invite_by_email(by: Person, room: str, identity_server: IdentityServer) -> Reply:
    body = {
        "medium": "email",
        "address": "rosa@example.com",
        "id_server": identity_server.address,
        "id_access_token": "token",
    }
    return by.call("POST", f"/rooms/{quote(room)}/invite", body)


def redeem(
    server: FederatingServer, room: str, by: Person, who: Person, identity_server: IdentityServer
) -> int:
    """Tell a server that one of its people is who was invited by an address; returns the status."""
    signed = identity_server.signed(who.user_id)
    invitation = {"sender": by.user_id, "mxid": who.user_id, "room_id": room, "signed": signed}
    url = f"https://{server.server_name}/_matrix/federation/v1/3pid/onbind"
    return httpx.post(url, json={"invites": [invitation]}, verify=False, timeout=30).status_code


@CREATORS
def test_an_invitation_by_email_is_not_turned_into_one_of_a_person_of_another_server(
    lab: Lab, identity_server: IdentityServer, version: str
) -> None:
    """Case 12."""
    alice, rosa = lab.hs1.person(), lab.hs2.person()
    room = alice.new_room(room_version=version)
    expect(invite_by_email(alice, room, identity_server))
    assert redeem(lab.hs2, room, alice, rosa, identity_server) >= 400
    assert rosa.user_id not in memberships(lab.hs1, room)
    assert settled(lab, room) == ids(alice)


@CREATORS
def test_what_a_server_in_the_group_makes_of_an_invitation_by_email_is_taken_back(
    lab: Lab, identity_server: IdentityServer, version: str
) -> None:
    """Case 12."""
    room, alice, rosa, tom = with_guests(lab, room_version=version)
    ruth = lab.hs2.person()
    expect(invite_by_email(alice, room, identity_server))
    sent = ("m.room.third_party_invite", TOKEN)
    assert eventually(lambda: rosa.state(room, *sent).ok)
    # That server makes the invitation in Alice's name, and asks nobody.
    assert redeem(lab.hs2, room, alice, ruth, identity_server) == 200
    assert withdrawn(lab, room, ruth)
    assert ruth.join(room).status == 403
    assert settled(lab, room) == ids(alice, rosa, tom)


# Without a moderator here


@CREATORS
def test_without_a_local_moderator_nobody_of_another_server_is_invited(
    lab: Lab, version: str
) -> None:
    """Case 13."""
    room, alice, rosa, tom = with_guests(lab, room_version=version)
    ben, carol = lab.hs1.people(2)
    lab.hs1.admit(room, alice, ben)
    expect(alice.leave(room))
    assert refused(ben.invite(room, lab.hs2.person()), "no_local_moderator")
    lab.hs1.admit(room, ben, carol)
    assert settled(lab, room) == ids(ben, carol, rosa, tom)


# Invitations whose answer becomes no


def withdrawn(lab: Lab, room: str, guest: Person) -> bool:
    """Whether an invitation is taken back, here and on the guest's server."""
    return eventually_everywhere(
        lab,
        lambda: (
            memberships(lab.hs1, room).get(guest.user_id) == "leave"
            and room not in invited_to(guest)
        ),
    )


@NEWEST
def test_at_the_code_limit_the_pending_invitation_of_a_stranger_is_withdrawn(
    rogue_lab: Lab, version: str
) -> None:
    """Case 8."""
    lab = rogue_lab
    room, people = lab.hs1.group(CODE_LIMIT - 1, room_version=version)
    alice, friend, tom = people[0], lab.hs1.person(), lab.hs3.person()
    alice.befriend(friend)
    expect(alice.invite(room, tom))
    assert eventually(lambda: room in invited_to(tom))
    expect(alice.invite(room, friend))
    expect(friend.join(room))
    assert withdrawn(lab, room, tom)
    assert try_remotely(tom, room, lab.hs1).status == 403
    assert settled(lab, room, among=[lab.hs1, lab.hs3]) == ids(*people, friend)


@NEWEST
def test_who_accepts_before_the_code_limit_stays(rogue_lab: Lab, version: str) -> None:
    """Case 8."""
    lab = rogue_lab
    room, people = lab.hs1.group(CODE_LIMIT - 1, room_version=version)
    alice, friend, tom = people[0], lab.hs1.person(), lab.hs3.person()
    alice.befriend(friend)
    expect(alice.invite(room, tom))
    expect(accept(tom, room))
    assert eventually(lambda: tom.user_id in alice.members(room))
    lab.hs1.admit(room, alice, friend)
    assert settled(lab, room, among=[lab.hs1, lab.hs3]) == ids(*people, friend, tom)


@NEWEST
def test_an_invitation_ends_with_the_membership_of_who_has_sent_it(lab: Lab, version: str) -> None:
    """Case 9."""
    room, alice, rosa, tom = with_guests(lab, room_version=version)
    ben, ruth = lab.hs1.person(), lab.hs2.person()
    lab.hs1.admit(room, alice, ben)
    expect(ben.invite(room, ruth))
    assert eventually(lambda: room in invited_to(ruth))
    expect(ben.leave(room))
    assert withdrawn(lab, room, ruth)
    assert eventually_everywhere(lab, lambda: ruth.join(room).status == 403)
    assert settled(lab, room) == ids(alice, rosa, tom)


@NEWEST
@pytest.mark.parametrize("end", ["alice", "tom"])
def test_an_invitation_among_friends_ends_with_the_friendship(
    rogue_lab: Lab, end: str, version: str
) -> None:
    """Case 9."""
    lab = rogue_lab
    room, people = lab.hs1.group(CODE_LIMIT, room_version=version)
    alice, tom = people[0], lab.hs3.person()
    chat = alice.start_direct_chat(tom)
    expect(accept(tom, chat))
    assert eventually(lambda: tom.user_id in alice.members(chat))
    expect(alice.invite(room, tom))
    assert eventually(lambda: room in invited_to(tom))
    expect((alice if end == "alice" else tom).leave(chat))
    assert withdrawn(lab, room, tom)
    assert settled(lab, room, among=[lab.hs1, lab.hs3]) == ids(*people)


# Servers that do not hear each other


@NEWEST
def test_who_joins_while_this_server_is_down_is_counted_once_on_its_return(
    lab: Lab, version: str
) -> None:
    """Case 6."""
    room, alice, rosa, tom = with_guests(lab, room_version=version)
    expect(alice.invite(room, ruth := lab.hs2.person()))
    assert eventually(lambda: room in invited_to(ruth))
    assert seats_left(alice, room) == CAP - 4
    lab.hs1.homeserver.stop()
    expect(ruth.join(room))
    lab.hs1.homeserver.start()
    assert settled(lab, room) == ids(alice, rosa, ruth, tom)
    assert seats_left(alice, room) == CAP - 4


@VERSIONS
def test_a_withdrawal_wins_against_a_join_on_a_server_that_has_not_heard_of_it(
    lab: Lab, version: str
) -> None:
    """Case 7."""
    room, alice, rosa, tom = with_guests(lab, room_version=version)
    expect(alice.invite(room, ruth := lab.hs2.person()))
    assert eventually(lambda: room in invited_to(ruth))
    assert eventually(lambda: memberships(lab.hs2, room).get(ruth.user_id) == "invite")
    lab.deafen(lab.hs2, to=lab.hs1)
    expect(alice.kick(room, ruth))
    expect(ruth.join(room))
    assert ruth.user_id in joined(lab.hs2, room)
    lab.heal(lab.hs1, lab.hs2)
    expect(alice.send(room, "All of us hear each other again."))
    assert settled(lab, room) == ids(alice, rosa, tom)
    assert seats_left(alice, room) == CAP - 3


@VERSIONS
def test_what_people_of_a_rogue_server_do_changes_nothing_here(
    rogue_lab: Lab, version: str
) -> None:
    """Case 10."""
    lab, honest = rogue_lab, [rogue_lab.hs1, rogue_lab.hs3]
    alice, rosa, tom = lab.hs1.person(), lab.hs2.person(), lab.hs3.person()
    room = alice.new_room(room_version=version)
    expect(alice.invite(room, rosa))
    expect(accept(rosa, room))
    assert eventually(lambda: rosa.user_id in alice.members(room))
    expect(alice.invite(room, tom))
    expect(accept(tom, room))
    assert agree(lab, room) == ids(alice, rosa, tom)

    victim, ruth = lab.hs2.people(2)
    expect(rosa.invite(room, victim))
    expect(victim.join(room))
    expect(ruth.join(room))
    content = levels(rosa, room)
    users = {**content["users"], rosa.user_id: 50, ruth.user_id: 50}
    expect(rosa.set_state(room, POWER_LEVELS, {**content, "users": users}))
    expect(rosa.set_state(room, "m.room.join_rules", {"join_rule": "public"}))
    assert len(joined(lab.hs2, room)) == 5
    for server in honest:
        for person in (victim, ruth):
            assert eventually_everywhere(lab, lambda s=server, p=person: rejects(s, room, p))  # type: ignore[misc]
    assert settled(lab, room, among=honest) == ids(alice, rosa, tom)

    sent = [person.send(room, "Do you hear me?") for person in (alice, rosa, tom, alice)]
    assert all(both_have(lab, honest, reply) for reply in (sent[0], sent[2], sent[3]))
    lab.hs1.homeserver.stop()
    lab.hs1.homeserver.start()
    expect(ruth.send(room, "I am in."))
    assert both_have(lab, honest, tom.send(room, "Who is there?"))
    assert settled(lab, room, among=honest) == ids(alice, rosa, tom)
    assert alice.state(room, "m.room.join_rules").body["join_rule"] == "invite"
    assert entry(alice, room, rosa) == 0


def rejects(server: FederatingServer, room: str, person: Person) -> bool:
    """Whether a server has what a person did, and rejected it."""
    events = events_of_type(server, room, "m.room.member", person.user_id)
    return any(event.rejected for event in events)


def both_have(lab: Lab, servers: Sequence[FederatingServer], reply: Reply) -> bool:
    """Whether an event arrives at these servers."""
    event_id = expect(reply).body["event_id"]
    sql = "SELECT 1 FROM events WHERE event_id = ? AND rejection_reason IS NULL"
    return eventually_everywhere(lab, lambda: all(s.query(sql, event_id) for s in servers))
