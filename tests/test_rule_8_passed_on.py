"""Rule 8: a refusal that Synapse or another module made is passed on, and is no error of ours."""

from typing import Any

import pytest

from synapse_capgroups.demo.person import Person, expect
from tests.conftest import Server, Starter, refused
from tests.refusing_module import REASON, SENTENCE, beside, refuse
from tests.test_rule_8_refusals import errors

SMALL = {"cap": 6, "code_limit": 4}


def suspend(server: Server, person: Person, suspended: bool = True) -> None:
    admin = server.person(admin=True)
    path = f"/_synapse/admin/v1/suspend/{person.user_id}"
    expect(admin.call("PUT", path, {"suspend": suspended}))


def block_invitations(person: Person, action: str = "block") -> None:
    path = f"/user/{person.user_id}/account_data/m.invite_permission_config"
    expect(person.call("PUT", path, {"default_action": action}))


def nothing_of(server: Server, room: str, person: Person) -> bool:
    """Whether nothing is left of somebody's way to a group: no seat, no row, no invitation."""
    rows: list[Any] = []
    for table in ("capgroups_admissions", "capgroups_seats"):
        rows += server.query(
            f"SELECT * FROM {table} WHERE room_id = ? AND user_id = ?", room, person.user_id
        )
    rows += server.query("SELECT * FROM capgroups_code_uses WHERE user_id = ?", person.user_id)
    rows += server.query(
        "SELECT * FROM current_state_events WHERE type = 'm.room.member' AND state_key = ? "
        "AND membership IN ('join', 'invite')", person.user_id,
    )  # fmt: skip
    return rows == []


def test_a_code_of_a_suspended_sharer_brings_in_nobody_and_says_why(server: Server) -> None:
    room, people = server.group(1)
    code = server.make_code(room, people[0])
    person = server.person()
    suspend(server, people[0])
    before = errors(server)
    assert refused(server.scan(person, code), "suspended")
    assert errors(server) == before
    assert nothing_of(server, room, person)


@pytest.mark.newer_synapse
def test_who_blocks_invitations_hears_at_the_door_that_it_is_their_own_setting(
    server: Server,
) -> None:
    room, people = server.group(1)
    code = server.make_code(room, people[0], max_uses=1)
    person = server.person()
    block_invitations(person)
    before = errors(server)
    reply = server.scan(person, code)
    assert refused(reply, "invitations_blocked")
    assert "your settings" in reply.error
    assert errors(server) == before
    assert nothing_of(server, room, person)
    block_invitations(person, "allow")
    expect(server.scan(person, code))
    assert person.user_id in people[0].members(room)


@pytest.mark.parametrize("first", [False, True], ids=["after ours", "before ours"])
@pytest.mark.parametrize("what", ["invite", "join"])
def test_what_another_module_refuses_at_a_door_reaches_the_person_as_it_is(
    start: Starter, what: str, first: bool
) -> None:
    server = start(module=None, settings=beside(SMALL, first=first))
    room, people = server.group(1)
    code = server.make_code(room, people[0], max_uses=1)
    person = server.person()
    refuse(server, **{what: [person.user_id]})
    for _ in range(2):
        reply = server.scan(person, code)
        assert (reply.status, reply.body) == (
            403, {"errcode": "M_EXCLUSIVE", "error": SENTENCE, REASON: what},
        )  # fmt: skip
        assert nothing_of(server, room, person)
    assert errors(server) == 0
    assert "Traceback" not in server.homeserver.log.read_text()
    refuse(server)
    expect(server.scan(person, code))
    assert person.user_id in people[0].members(room)
    refuse(server, join=[people[0].user_id])  # who is in is not asked again
    assert people[0].send(room, "still here").ok


def test_an_invitation_that_stood_before_outlives_a_join_that_another_module_refused(
    start: Starter,
) -> None:
    server = start(module=None, settings=beside(SMALL))
    room, people = server.group(1)
    person = server.person()
    expect(people[0].invite(room, person))
    refuse(server, join=[person.user_id])
    assert server.scan(person, server.make_code(room, people[0])).error == SENTENCE
    refuse(server)
    expect(person.join(room))


def test_who_is_suspended_is_told_so_by_synapse_and_is_left_as_they_were(server: Server) -> None:
    room, people = server.group(1)
    code = server.make_code(room, people[0])
    person = server.person()
    expect(server.scan(person, code))
    expect(person.leave(room))
    suspend(server, person)
    reply = server.scan(person, code)  # still at the door
    assert (reply.status, reply.body["errcode"]) == (403, "M_USER_SUSPENDED")
    assert person.user_id not in people[0].members(room)
    invited = server.query(
        "SELECT 1 FROM current_state_events WHERE room_id = ? AND state_key = ? "
        "AND membership = 'invite'", room, person.user_id,
    )  # fmt: skip
    assert invited == []


def consent_settings(start: Starter) -> Server:
    server = start(module=SMALL, run=False)
    templates = server.homeserver.folder / "consent" / "en"
    templates.mkdir(parents=True)
    (templates / "1.0.html").write_text("Agree?")
    (templates / "success.html").write_text("Thanks.")
    return server


def test_who_has_not_consented_is_told_where_and_the_sharers_consent_is_nobody_elses(
    start: Starter,
) -> None:
    import yaml

    server = consent_settings(start)
    path = server.homeserver.folder / "homeserver.yaml"
    server.homeserver.start()
    room, people = server.group(1)
    code = server.make_code(room, people[0])
    person = server.person()
    server.homeserver.stop()
    settings = yaml.safe_load(path.read_text())
    settings["listeners"][0]["resources"][0]["names"].append("consent")
    settings["user_consent"] = {
        "template_dir": str(server.homeserver.folder / "consent"),
        "version": "1.0",
        "block_events_error": "Agree first: %(consent_uri)s",
    }
    path.write_text(yaml.safe_dump(settings))
    server.homeserver.start()
    reply = server.scan(person, code)
    assert (reply.status, reply.body["errcode"]) == (403, "M_CONSENT_NOT_GIVEN")
    assert person.name.lower() in reply.body["consent_uri"]
    assert errors(server) == 0
    assert nothing_of(server, room, person)
    server.query("UPDATE users SET consent_version = '1.0' WHERE name = ?", person.user_id)
    server.homeserver.stop()
    server.homeserver.start()
    # The sharer has shared before; who scans could not agree in their place.
    expect(server.scan(person, code))
