"""`names.random_ids`: a new account's identifier tells nothing about its owner."""

import re

from synapse_capgroups.people.random_ids import pronounceable
from tests.conftest import Server, Starter

OPEN = {"enable_registration": True, "enable_registration_without_verification": True}


def registered(server: Server, **body: str) -> str:
    """Register as a client does, in two steps; the localpart that came of it."""
    http = server.homeserver._http
    first = http.post("/_matrix/client/v3/register", json={"password": "long enough", **body})
    auth = {"type": "m.login.dummy", "session": first.json()["session"]}
    reply = http.post(
        "/_matrix/client/v3/register", json={"password": "long enough", "auth": auth, **body}
    )
    assert reply.status_code == 200, reply.text
    return str(reply.json()["user_id"])[1:].split(":")[0]


def test_an_account_whose_owner_chose_no_name_gets_a_random_one(start: Starter) -> None:
    server = start(module={}, settings=OPEN)
    names = {registered(server) for _ in range(3)}
    assert len(names) == 3
    assert all(re.fullmatch("([bdfgklmnprstvz][aeiou]){5}", name) for name in names)


def test_a_chosen_name_stays(start: Starter) -> None:
    assert registered(start(module={}, settings=OPEN), username="marta") == "marta"


def test_it_can_be_switched_off(start: Starter) -> None:
    server = start(module={"names": {"random_ids": False}}, settings=OPEN)
    assert registered(server).isdecimal()  # Synapse's own way


def test_where_another_service_makes_the_accounts_it_is_said_at_start(start: Starter) -> None:
    mas = {
        "matrix_authentication_service": {
            "enabled": True, "endpoint": "http://127.0.0.1:1/", "secret": "s",
        },
        "password_config": {"enabled": False},
        "enable_registration": False,
        "allow_guest_access": False,
    }  # fmt: skip
    server = start(module={}, settings=mas)
    assert "names.random_ids has no effect" in server.homeserver.log.read_text()


def test_random_names_can_be_spoken() -> None:
    assert len({pronounceable() for _ in range(200)}) > 190
