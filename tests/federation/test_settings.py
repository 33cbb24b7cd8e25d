"""The settings of `federation` beside `guarded`: `local` and `open`."""

from urllib.parse import quote

import pytest

from synapse_capgroups.demo.person import expect
from synapse_capgroups.words.lookup import Words
from tests.conftest import API, eventually, refused
from tests.federation.lab import Lab, Labs
from tests.federation.looking import joined
from tests.federation.people import accept, try_remotely
from tests.test_concierge import Chat

VERSIONS = pytest.mark.parametrize("version", ["10", "11", "12"])


@pytest.fixture(scope="module")
def local_lab(start_lab: Labs) -> Lab:
    return start_lab({"cap": 6, "code_limit": 4, "federation": "local"})


@pytest.fixture(scope="module")
def open_lab(start_lab: Labs) -> Lab:
    return start_lab({"cap": 6, "code_limit": 4, "federation": "open"})


@VERSIONS
def test_groups_of_a_server_for_its_own_people_never_leave_it(local_lab: Lab, version: str) -> None:
    alice, rosa = local_lab.hs1.person(), local_lab.hs2.person()
    room = alice.new_room(room_version=version)
    assert expect(alice.state(room, "m.room.create")).body["m.federate"] is False
    assert refused(alice.invite(room, rosa), "local_only")
    assert refused(alice.create_room(invite=[rosa.user_id], room_version=version), "local_only")
    bob = local_lab.hs1.person()
    expect(alice.invite(room, bob))
    expect(bob.join(room))


def test_a_code_of_a_server_for_its_own_people_refuses_others_with_the_reason(
    local_lab: Lab,
) -> None:
    hs1, hs2 = local_lab.hs1, local_lab.hs2
    alice, rosa = hs1.person(), hs2.person()
    room = alice.new_room()
    code = expect(alice.call("POST", f"{API}/groups/{quote(room)}/codes", {})).body
    reply = try_remotely(rosa, f"#j-{code['secret']}:{hs1.server_name}", hs1)
    assert refused(reply, "local_only")
    assert joined(hs1, room) == [alice.user_id]


def test_a_group_that_federates_already_keeps_working_when_the_server_turns_local(
    start_lab: Labs,
) -> None:
    lab = start_lab(None)
    alice, rosa = lab.hs1.person(), lab.hs2.person()
    room = alice.new_room()
    expect(alice.invite(room, rosa))
    expect(accept(rosa, room))
    lab.hs1.install_module({"federation": "local"})
    expect(rosa.send(room, "Still here."))
    expect(alice.send(room, "So am I."))
    assert refused(alice.invite(room, lab.hs2.person()), "local_only")
    for server in (lab.hs1, lab.hs2):
        assert joined(server, room) == sorted([alice.user_id, rosa.user_id])


def test_the_concierge_tells_an_owner_why_remote_members_invite_nobody(start_lab: Labs) -> None:
    lab = start_lab({"federation": "guarded"})
    alice, rosa = lab.hs1.person(), lab.hs2.person()
    room = alice.new_room(name="Tea")
    chat = Chat(alice)

    def told(language: str) -> bool:
        said = Words(language).say("remote_members", group="Tea")
        return chat.ask("who tea").split("\n")[-1] == said

    assert not told("en")
    expect(alice.invite(room, rosa))
    assert not told("en")
    expect(accept(rosa, room))
    assert eventually(lambda: rosa.user_id in joined(lab.hs1, room))
    assert told("en")
    for language in ("de", "zh-Hans"):
        lab.hs1.install_module({"language": language})
        assert told(language)
    # Where they can invite, nothing is to be explained.
    lab.hs1.install_module({"federation": "open"})
    assert not told("en")
    lab.hs1.install_module({"federation": "guarded"})
    expect(rosa.leave(room))
    assert eventually(lambda: rosa.user_id not in joined(lab.hs1, room))
    assert not told("en")


def test_where_federation_is_open_remote_members_invite_as_they_did(open_lab: Lab) -> None:
    lab = open_lab
    alice, rosa, _ = (server.person() for server in lab.servers)
    room = alice.new_room()
    levels = expect(alice.state(room, "m.room.power_levels")).body
    assert (levels["users_default"], levels["invite"]) == (0, 0)
    expect(alice.invite(room, rosa))
    expect(accept(rosa, room))
    ruth = lab.hs2.person()
    expect(rosa.invite(room, ruth))
    expect(accept(ruth, room))
    assert eventually(lambda: ruth.user_id in joined(lab.hs1, room))
    # An invitation takes no seat.
    for _ in range(4):
        alice.invite(room, lab.hs2.person())
    state = expect(alice.call("GET", f"{API}/groups/{quote(room)}")).body
    assert (state["members"], state["seats_left"]) == (3, 3)
