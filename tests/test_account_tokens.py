"""`codes.registration`: people without an account get one by the code that they hold."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from synapse_capgroups.demo.homeserver import StartError
from synapse_capgroups.demo.person import Person, Reply, expect
from synapse_capgroups.limits.table import ACCOUNTS_BY_CODES_A_DAY
from tests.conftest import API, CAP, CODE_LIMIT, Clusters, Server, Starter, eventually
from tests.test_concierge import ENGLISH, person_with_group
from tests.test_random_ids import OPEN

BY_TOKEN = {**OPEN, "registration_requires_token": True}
MODULE = {"cap": CAP, "code_limit": CODE_LIMIT, "codes": {"registration": True}}
ENGINES = pytest.mark.parametrize("engine", ["sqlite", "postgres"])
TOKENS = """
    SELECT uses_allowed, pending, completed, expiry_time FROM registration_tokens
    WHERE token = ?
"""


def carried(server: Server, code: Mapping[str, Any]) -> str | None:
    """The token that the page shows to somebody with this code."""
    return server.preview(code).body.get("registration_token")


def token_of(server: Server, code: Mapping[str, Any]) -> str:
    token = carried(server, code)
    assert token is not None
    return token


class Registration:
    """Somebody who makes an account as a client does, one stage after the other."""

    def __init__(self, server: Server) -> None:
        self._http = server.homeserver._http
        self._session = self._post({}).body["session"]

    def show(self, token: str) -> Reply:
        return self._post({"type": "m.login.registration_token", "token": token})

    def finish(self) -> Reply:
        return self._post({"type": "m.login.dummy"})

    def _post(self, auth: dict[str, Any]) -> Reply:
        body: dict[str, Any] = {"password": "long enough"}
        if auth:
            body["auth"] = {**auth, "session": self._session}
        response = self._http.post("/_matrix/client/v3/register", json=body)
        return Reply(response.status_code, response.json())


def register(server: Server, token: str) -> Person | None:
    """The new account; None if the token is good for none."""
    registration = Registration(server)
    shown = registration.show(token)
    if "m.login.registration_token" not in shown.body.get("completed", []):
        assert shown.body["errcode"] == "M_UNAUTHORIZED", shown
        return None
    made = expect(registration.finish()).body
    return Person(server.homeserver._http, made["user_id"], made["access_token"], "long enough")


@ENGINES
def test_an_account_is_made_by_the_code_and_comes_into_the_group_by_it(
    start: Starter, engine: str
) -> None:
    server = start(engine, module=MODULE, settings=BY_TOKEN)
    room, (marta,) = server.group(1)
    code = server.make_code(room, marta, max_uses=2)
    token = token_of(server, code)
    assert token != code["secret"]
    assert server.query(TOKENS, token) == [(2, 0, 0, code["expires_at"])]

    nils = register(server, token)
    assert nils is not None
    expect(server.scan(nils, code))
    assert nils.user_id in marta.members(room)

    assert token_of(server, code) == token
    assert register(server, token) is not None
    assert eventually(lambda: carried(server, code) is None)
    assert server.preview(code).body["state"] == "alive"
    assert register(server, token) is None
    assert register(server, code["secret"]) is None
    told = [json.dumps(body) for _, body in server.homeserver.journal()]
    assert token not in server.homeserver.log.read_text() + "".join(told)


@ENGINES
def test_a_token_is_good_for_no_more_than_the_code_can_bring(start: Starter, engine: str) -> None:
    server = start(engine, module=MODULE, settings=BY_TOKEN)
    room, people = server.group(2)
    places = CODE_LIMIT - 2
    unbounded = server.make_code(room, people[0])
    assert server.query(TOKENS, token_of(server, unbounded))[0][0] == places
    many = server.make_code(room, people[0], max_uses=1000)
    assert server.query(TOKENS, token_of(server, many))[0][0] == places


@ENGINES
def test_a_token_dies_with_its_code(start: Starter, engine: str) -> None:
    server = start(engine, module=MODULE, settings=BY_TOKEN)
    room, (marta, other) = server.group(2)
    expect(marta.set_state(room, "m.room.power_levels", levels(marta, room, other)))
    revoked = server.make_code(room, marta)
    left = server.make_code(room, other)
    brief = server.make_code(room, marta, lifetime_ms=3000)
    short = token_of(server, brief)
    others = [token_of(server, code) for code in (revoked, left)]

    expect(marta.call("DELETE", f"{API}/groups/{room}/codes/{revoked['code_id']}"))
    assert register(server, others[0]) is None
    assert carried(server, revoked) is None
    expect(other.leave(room))
    assert eventually(lambda: register(server, others[1]) is None)
    assert eventually(lambda: register(server, short) is None)

    full = server.make_code(room, marta)
    by_full = token_of(server, full)
    for _ in range(CODE_LIMIT - 1):
        expect(server.scan(server.person(), full))
    assert eventually(lambda: register(server, by_full) is None)
    assert server.preview(full).body["state"] == "code_closed"


def levels(marta: Person, room: str, other: Person) -> dict[str, Any]:
    found = expect(marta.state(room, "m.room.power_levels")).body
    return {**found, "users": {**found.get("users", {}), other.user_id: 50}}


@ENGINES
def test_whoever_has_begun_can_finish_and_nothing_is_kept(start: Starter, engine: str) -> None:
    server = start(engine, module=MODULE, settings=BY_TOKEN)
    room, (marta,) = server.group(1)
    code = server.make_code(room, marta)
    token = token_of(server, code)
    begun = Registration(server)
    begun.show(token)
    expect(marta.call("DELETE", f"{API}/groups/{room}/codes/{code['code_id']}"))
    assert begun.finish().ok
    assert register(server, token) is None

    # Some days later, by the sweep of a new process.
    server.homeserver.stop()
    server.query("UPDATE capgroups_codes SET registrations_ended_at = 1")
    server.homeserver.start()
    assert eventually(lambda: server.query(TOKENS, token) == [], 90)
    kept = "SELECT code_id FROM capgroups_codes WHERE registration_token IS NOT NULL"
    assert eventually(lambda: server.query(kept) == [])


def test_a_trial_ends_the_tokens_from_before(start: Starter) -> None:
    server = start(module=MODULE, settings=BY_TOKEN)
    room, (marta,) = server.group(1)
    token = token_of(server, server.make_code(room, marta))
    server.install_module({**MODULE, "enforce": False})
    assert eventually(lambda: register(server, token) is None, 90)


@ENGINES
def test_what_a_killed_process_did_not_end_the_sweep_ends(start: Starter, engine: str) -> None:
    server = start(engine, module=MODULE, settings=BY_TOKEN)
    room, (marta,) = server.group(1)
    token = token_of(server, server.make_code(room, marta))
    server.homeserver.kill()
    server.query("UPDATE capgroups_codes SET died_of = 'code_revoked', died_at = 5")
    server.homeserver.start()
    assert eventually(lambda: register(server, token) is None, 90)


@ENGINES
def test_switched_off_again_it_leaves_no_token_behind(start: Starter, engine: str) -> None:
    server = start(engine, module=MODULE, settings=BY_TOKEN)
    room, (marta,) = server.group(1)
    code = server.make_code(room, marta)
    token = token_of(server, code)
    server.install_module({**MODULE, "codes": {}})
    assert eventually(lambda: register(server, token) is None, 90)
    assert carried(server, code) is None
    assert server.preview(code).body["state"] == "alive"


@ENGINES
def test_nobodys_codes_allow_more_accounts_in_a_day_than_the_limit(
    start: Starter, engine: str
) -> None:
    module = {"cap": 500, "code_limit": 150, "codes": {"registration": True}}
    server = start(engine, module=module, settings=BY_TOKEN)
    room, (marta,) = server.group(1)
    codes = [server.make_code(room, marta) for _ in range(3)]
    allowed = [server.query(TOKENS, token_of(server, code))[0][0] for code in codes[:2]]
    assert allowed == [149, ACCOUNTS_BY_CODES_A_DAY - 149]
    assert carried(server, codes[2]) is None
    # A revoked code was one, too; another person has their own.
    for code in codes:
        expect(marta.call("DELETE", f"{API}/groups/{room}/codes/{code['code_id']}"))
    assert carried(server, server.make_code(room, marta)) is None
    other_room, (other,) = server.group(1)
    assert carried(server, server.make_code(other_room, other)) is not None


def test_of_a_code_made_on_one_worker_another_ends_the_token(start_cluster: Clusters) -> None:
    server, cluster = start_cluster(module=MODULE, settings=BY_TOKEN, workers=2)
    room, (marta,) = server.group(1)
    code = server.make_code(room, cluster.on(marta, 0))
    token = token_of(server, code)
    assert register(server, token) is not None
    path = f"{API}/groups/{room}/codes/{code['code_id']}"
    expect(cluster.on(marta, 1).call("DELETE", path))
    assert register(server, token) is None


def test_only_codes_of_groups_carry_one(start: Starter) -> None:
    server = start(module=MODULE, settings=BY_TOKEN)
    room, (marta,) = server.group(1)
    personal = expect(marta.call("POST", f"{API}/me/codes", {})).body
    assert carried(server, personal) is None
    series = expect(
        marta.call("POST", f"{API}/series", {"room_id": room, "name": "tea", "pattern": "Tea {n}"})
    ).body["series_id"]
    live = expect(marta.call("POST", f"{API}/series/{series}/codes", {})).body
    assert carried(server, live) is None
    assert server.query("SELECT COUNT(*) FROM registration_tokens") == [(0,)]


def test_by_default_there_are_none(start: Starter) -> None:
    server = start(module={}, settings=BY_TOKEN)
    room, (marta,) = server.group(1)
    assert carried(server, server.make_code(room, marta)) is None
    assert server.query("SELECT COUNT(*) FROM registration_tokens") == [(0,)]


def test_where_no_token_is_needed_it_does_nothing_and_says_so(start: Starter) -> None:
    server = start(module=MODULE, settings=OPEN)
    room, (marta,) = server.group(1)
    assert carried(server, server.make_code(room, marta)) is None
    assert "codes.registration has no effect" in server.homeserver.log.read_text()


def test_where_another_service_makes_the_accounts_the_server_does_not_start(
    start: Starter,
) -> None:
    mas = {
        "matrix_authentication_service": {
            "enabled": True, "endpoint": "http://127.0.0.1:1/", "secret": "s",
        },
        "password_config": {"enabled": False},
        "enable_registration": False,
        "allow_guest_access": False,
    }  # fmt: skip
    server = start(module=MODULE, settings=mas, run=False)
    with pytest.raises(StartError) as failed:
        server.homeserver.start()
    assert "Set codes.registration to false." in failed.value.output


def test_whoever_makes_a_code_is_told_that_it_makes_accounts(start: Starter) -> None:
    server = start(module=MODULE, settings=BY_TOKEN)
    chat, _ = person_with_group(server)
    _, said = chat.say("code", answers=2)
    assert str(said["body"]).splitlines()[-1] == ENGLISH.say("code_accounts")
