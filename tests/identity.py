"""An identity server on loopback: the one part of the tests that is not real.

It knows no address, and keeps what it is given, as one does for people who have no account yet.
"""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import attrs
from signedjson.key import generate_signing_key, get_verify_key
from signedjson.sign import sign_json
from unpaddedbase64 import encode_base64

from synapse_capgroups.demo.loopback import certificate

TOKEN = "token"
"""What it calls each invitation. It gives each the same one."""


@attrs.frozen
class IdentityServer:
    """A running identity server.

    Attributes:
        address: where homeservers reach it by TLS.
    """

    address: str
    _key: Any

    def signed(self, user_id: str) -> dict[str, Any]:
        """What says that somebody is who was invited by an address."""
        return dict(sign_json({"mxid": user_id, "token": TOKEN}, self.address, self._key))


@contextmanager
def identity_server_in(folder: Path) -> Iterator[IdentityServer]:
    """Run an identity server, with its certificate in a folder."""
    key = generate_signing_key("0")
    public_key = encode_base64(get_verify_key(key).encode())
    with ExitStack() as stack:
        # By HTTP, since homeservers that do not know its certificate ask whether its key is valid.
        plain = _listen(stack, {"valid": True}, None)
        valid = {
            "public_key": public_key,
            "key_validity_url": f"http://127.0.0.1:{plain}/_matrix/identity/v2/pubkey/isvalid",
        }
        kept = {"token": TOKEN, "display_name": "a…@e…", "public_keys": [valid], **valid}
        yield IdentityServer(f"127.0.0.1:{_listen(stack, kept, folder)}", key)


def _listen(stack: ExitStack, kept: dict[str, Any], folder: Path | None) -> int:
    """Answer on a free port, by TLS if there is a folder for the certificate; returns the port."""

    class Answering(_Answering):
        other = kept

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    if folder is not None:
        paths = certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(paths["tls_certificate_path"], paths["tls_private_key_path"])
        listening.socket = context.wrap_socket(listening.socket, server_side=True)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    stack.callback(listening.server_close)
    stack.callback(thread.join)
    stack.callback(listening.shutdown)
    return int(listening.server_port)


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    other: dict[str, Any]

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.endswith("/hash_details"):
            body: dict[str, Any] = {"algorithms": ["sha256"], "lookup_pepper": "pepper"}
        elif self.path.endswith("/lookup"):
            body = {"mappings": {}}
        else:
            body = self.other
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = answer

    def log_message(self, *_: object) -> None:
        pass
