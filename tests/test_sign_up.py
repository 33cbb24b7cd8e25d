"""What the join page tells people who have no account, as Synapse's own configuration has it."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from synapse_capgroups.web.sign_up import is_own_element
from tests.conftest import Server, Starter, eventually
from tests.test_random_ids import OPEN

ELEMENT = {"codes": {"element_url": "https://element.example/"}}


def offered(server: Server) -> Any:
    page = server.homeserver._http.get("/_synapse/client/capgroups/join").text
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert data is not None
    return json.loads(data[1])["accounts"]


def test_where_nobody_can_register_one_asks(server: Server) -> None:
    assert offered(server) == {"way": "ask", "url": None, "token": False, "elsewhere": True}


def test_registration_is_in_any_app_or_in_the_servers_own_element(start: Starter) -> None:
    closed = {**OPEN, "federation_domain_whitelist": ["friends.example"]}
    assert offered(start(module={}, settings=closed)) == {
        "way": "app", "url": None, "token": False, "elsewhere": False,
    }  # fmt: skip
    settings = {**OPEN, "registration_requires_token": True}
    assert offered(start(module=ELEMENT, settings=settings)) == {
        "way": "page", "url": "https://element.example/#/register",
        "token": True, "elsewhere": True,
    }  # fmt: skip


def test_single_sign_on_is_a_sign_in(start: Starter) -> None:
    cas = {"cas_config": {"enabled": True, "server_url": "https://cas.example/"}}
    server = start(module=ELEMENT, settings=cas)
    assert offered(server)["url"] == "https://element.example/#/login"


def test_an_admin_can_name_a_page_or_none(start: Starter) -> None:
    page = "https://example.org/join?from=groups"
    server = start(module={"join_page": {"accounts": page}, "federation": "local"}, settings=OPEN)
    assert offered(server) == {"way": "page", "url": page, "token": False, "elsewhere": False}
    server = start(module={"join_page": {"accounts": "none"}}, settings=OPEN)
    assert offered(server)["way"] == "ask"


def test_an_authentication_service_has_a_page_of_its_own(start: Starter) -> None:
    with authentication_service() as endpoint:
        delegated = {
            "matrix_authentication_service": {
                "enabled": True, "endpoint": endpoint, "secret": "s",
            },
            "password_config": {"enabled": False},
            "enable_registration": False,
            "allow_guest_access": False,
        }  # fmt: skip
        server = start(module={}, settings=delegated)
        assert offered(server)["way"] in ("app", "page")  # It is asked for when somebody comes.
        assert eventually(lambda: offered(server)["way"] == "page")
        assert offered(server)["url"] == "https://account.example/register"


@contextmanager
def authentication_service() -> Iterator[str]:
    """Says who it is, as the Matrix Authentication Service does, and nothing else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            account = "https://account.example/"
            says = {"issuer": account, "account_management_uri": f"{account}account/"}
            body = json.dumps(says).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    service = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=service.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{service.server_port}/"
    finally:
        service.shutdown()
        thread.join()
        service.server_close()


def test_the_elements_of_everybody_are_not_the_servers_own() -> None:
    assert not is_own_element("https://app.element.io")
    assert not is_own_element("https://app.element.io/beta/")
    assert is_own_element("https://element.example")
