"""Invitations of e-mail addresses (rule 2), with an identity server on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from synapse_capgroups.demo.homeserver import Homeserver
from synapse_capgroups.demo.person import Person, Reply, expect
from tests.conftest import CAP, CODE_LIMIT, Server, refused
from tests.identity import identity_server_in
from tests.test_rule_13_approval import turn


@pytest.fixture(scope="module")
def identity_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with identity_server_in(tmp_path_factory.mktemp("identity")) as server:
        yield server.address


@pytest.fixture(scope="module")
def mail_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("homeserver")
    settings = {
        "use_insecure_ssl_client_just_for_testing_do_not_use": True,
        "ip_range_blacklist": [],
        "rc_third_party_invite": {"per_second": 1000, "burst_count": 1000},
    }
    module = {"cap": CAP, "code_limit": CODE_LIMIT}
    homeserver = Homeserver(folder, module, settings=settings)
    homeserver.start()
    try:
        yield Server(homeserver, None)
    finally:
        homeserver.stop()


def invitation(identity_server: str) -> dict[str, str]:
    return {
        "medium": "email",
        "address": "someone@example.com",
        "id_server": identity_server,
        "id_access_token": "token",
    }


def invite(by: Person, room: str, identity_server: str) -> Reply:
    return by.call("POST", f"/rooms/{room}/invite", invitation(identity_server))


def test_below_the_code_limit_a_member_may_invite_an_address(
    mail_server: Server, identity_server: str
) -> None:
    room, people = mail_server.group(CODE_LIMIT - 1)
    expect(invite(people[1], room, identity_server))
    assert people[0].state(room, "m.room.third_party_invite", "token").ok


def test_where_moderators_are_asked_only_they_invite_an_address(
    mail_server: Server, identity_server: str
) -> None:
    room, (creator, member) = mail_server.group(2)
    expect(turn(creator, room))
    assert refused(invite(member, room, identity_server), "approval_required")
    expect(invite(creator, room, identity_server))


def test_from_the_code_limit_on_an_address_is_nobodys_friend(
    mail_server: Server, identity_server: str
) -> None:
    room, people = mail_server.group(CODE_LIMIT)
    assert refused(invite(people[0], room, identity_server), "friends_only")


def test_an_address_is_not_invited_to_a_full_group(
    mail_server: Server, identity_server: str
) -> None:
    room, people = mail_server.group(CAP)
    assert refused(invite(people[0], room, identity_server), "full")


def test_a_stranger_who_invites_an_address_learns_nothing(
    mail_server: Server, identity_server: str
) -> None:
    room, _ = mail_server.group(CAP)
    reply = invite(mail_server.person(), room, identity_server)
    assert reply.status == 403
    assert reply.reason is None


def test_a_direct_chat_with_an_address_can_be_created(
    mail_server: Server, identity_server: str
) -> None:
    creator = mail_server.person()
    expect(creator.create_room(is_direct=True, invite_3pid=[invitation(identity_server)]))


def test_addresses_count_among_those_a_creation_invites(
    mail_server: Server, identity_server: str
) -> None:
    creator = mail_server.person()
    reply = creator.create_room(invite_3pid=[invitation(identity_server)] * CAP)
    assert refused(reply, "full")
    assert mail_server.query("SELECT * FROM rooms WHERE creator = ?", creator.user_id) == []
