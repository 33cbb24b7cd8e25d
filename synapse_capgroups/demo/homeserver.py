"""A real Synapse in a folder of its own, reachable on loopback only."""

import base64
import contextlib
import hashlib
import hmac
import json
import re
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml

from synapse_capgroups.demo import process
from synapse_capgroups.demo.person import Person
from synapse_capgroups.demo.process import Launch, Process

_LOTS = {"per_second": 10_000, "burst_count": 10_000}
_NO_RATE_LIMITS = {
    "rc_message": _LOTS,
    "rc_registration": _LOTS,
    "rc_login": {"address": _LOTS, "account": _LOTS, "failed_attempts": _LOTS},
    "rc_joins": {"local": _LOTS, "remote": _LOTS},
    "rc_joins_per_room": _LOTS,
    "rc_invites": {"per_room": _LOTS, "per_user": _LOTS, "per_issuer": _LOTS},
    "rc_room_creation": _LOTS,
}


_JOURNAL = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2} \S+ synapse_capgroups\.journal INFO \S+ (\w+) (\{.*\})"
)


_STEP = 0.05  # Seconds between two looks whether it is up.


class StartError(Exception):
    """Synapse did not start. `output` is what it printed."""

    def __init__(self, message: str, output: str) -> None:
        super().__init__(f"{message}\n{output}")
        self.output = output


class Homeserver:
    """Starts a Synapse process, makes accounts on it and ends it.

    Args:
        folder: where everything is kept: configuration, log, media and, with SQLite, the database.
        module: the `config` of this module; None runs Synapse without the module.
        database: Synapse's `database` section; SQLite in the folder if not given.
        settings: more of homeserver.yaml, added to or put in place of what is written here.
        launch: how its process is started, if not as all others are.
    """

    def __init__(
        self,
        folder: Path,
        module: Mapping[str, Any] | None,
        *,
        database: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        port: int = 0,
        launch: Launch | None = None,
    ) -> None:
        settings = settings or {}
        self.folder = folder
        self.server_name: str = settings.get("server_name", "localhost")
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "homeserver.log"
        self._output = folder / "output.txt"
        self._secret = secrets.token_hex(16)
        self._launch = launch
        self._process: Process | None = None
        self._http = httpx.Client(
            base_url=self.url, timeout=120, limits=httpx.Limits(max_connections=None)
        )
        folder.mkdir(parents=True, exist_ok=True)
        self._write(module, database, settings)

    def _write(
        self,
        module: Mapping[str, Any] | None,
        database: Mapping[str, Any] | None,
        settings: Mapping[str, Any],
    ) -> None:
        sqlite = {"name": "sqlite3", "args": {"database": str(self.folder / "homeserver.db")}}
        config: dict[str, Any] = {
            "server_name": self.server_name,
            "public_baseurl": f"{self.url}/",
            "pid_file": str(self.folder / "homeserver.pid"),
            "listeners": [listener(self.port, "client", "health", "metrics")],
            "enable_metrics": True,
            "database": database or sqlite,
            "log_config": str(self.folder / "log.yaml"),
            "media_store_path": str(self.folder / "media"),
            "signing_key_path": str(self.folder / "signing.key"),
            "registration_shared_secret": self._secret,
            "macaroon_secret_key": secrets.token_hex(16),
            "form_secret": secrets.token_hex(16),
            "trusted_key_servers": [],
            "report_stats": False,
            "bcrypt_rounds": 4,
            "allow_guest_access": True,
            "suppress_key_server_warning": True,
            # Synapse itself would let anybody publish any room: what is refused here is refused by
            # the module.
            "room_list_publication_rules": [{"action": "allow"}],
            **_NO_RATE_LIMITS,
        }
        if module is not None:
            config["modules"] = [{"module": "synapse_capgroups.CapGroups", "config": dict(module)}]
        config.update(settings)
        log = {
            "version": 1,
            "formatters": {
                "line": {"format": "%(asctime)s %(name)s %(levelname)s %(request)s %(message)s"}
            },
            "handlers": {
                "file": {
                    "class": "logging.FileHandler",
                    "formatter": "line",
                    "filename": str(self.log),
                }
            },
            "root": {"level": "INFO", "handlers": ["file"]},
            "disable_existing_loggers": False,
        }
        seed = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        self._keep("signing.key", f"ed25519 a_{secrets.token_hex(2)} {seed}\n")
        self._keep("log.yaml", yaml.safe_dump(log))
        (self.folder / "homeserver.yaml").write_text(yaml.safe_dump(config))

    def _keep(self, name: str, text: str) -> None:
        # A server that is started again in its old folder stays the same server.
        path = self.folder / name
        if not path.exists():
            path.write_text(text)

    def start(self, waiting: Callable[[], None] = lambda: None, timeout: float = 90) -> None:
        """Start Synapse and wait until it answers.

        Args:
            waiting: called some twenty times a second meanwhile.
            timeout: seconds.

        Raises:
            StartError: it ended or did not answer in time.
        """
        with self._output.open("wb") as output:
            self._process = (self._launch or process.launch)(
                "synapse.app.homeserver", ["-c", "homeserver.yaml"], self.folder, output
            )
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise StartError("Synapse ended while it started.", self.output())
            try:
                if self._http.get("/health", timeout=1).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            waiting()
            time.sleep(_STEP)
        self.kill()
        raise StartError(f"Synapse did not answer within {timeout:.0f} s.", self.output())

    def output(self) -> str:
        """What the process printed, and the end of its log."""
        log = self.log.read_text() if self.log.exists() else ""
        return self._output.read_text() + "".join(log.splitlines(keepends=True)[-30:])

    def stop(self) -> None:
        """End the process and wait for it."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process = None

    def kill(self) -> None:
        """End the process as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    @property
    def process_id(self) -> int:
        """Which process of this machine it is."""
        assert self._process is not None
        return self._process.pid

    def returncode(self, timeout: float) -> int:
        """Wait for the process to end by itself and return its exit code."""
        assert self._process is not None
        return self._process.wait(timeout)

    def register(self, localpart: str, *, password: str = "", admin: bool = False) -> Person:
        """Make an account, by the shared secret, and log in."""
        password = password or secrets.token_urlsafe(9)
        nonce = self._http.get("/_synapse/admin/v1/register").json()["nonce"]
        role = "admin" if admin else "notadmin"
        text = "\0".join((nonce, localpart, password, role)).encode()
        reply = self._http.post(
            "/_synapse/admin/v1/register",
            json={
                "nonce": nonce,
                "username": localpart,
                "password": password,
                "admin": admin,
                "mac": hmac.new(self._secret.encode(), text, hashlib.sha1).hexdigest(),
            },
        ).json()
        return Person(self._http, reply["user_id"], reply["access_token"], password)

    def register_guest(self) -> Person:
        reply = self._http.post("/_matrix/client/v3/register?kind=guest", json={}).json()
        return Person(self._http, reply["user_id"], reply["access_token"], "")

    def metrics(self) -> dict[str, float]:
        """What Prometheus would scrape: values by series, as in `name{label="value"}`."""
        return scraped(self._http)

    def journal(self) -> list[tuple[str, dict[str, Any]]]:
        """The module's journal lines so far: the word and its facts."""
        # By "\n" alone: in other log lines Synapse writes what users chose as it is.
        lines = self.log.read_bytes().decode().split("\n")
        return [
            (match[1], json.loads(match[2])) for line in lines if (match := _JOURNAL.match(line))
        ]


def scraped(http: httpx.Client) -> dict[str, float]:
    """The metrics of one process: values by series."""
    values = {}
    for line in http.get("/_synapse/metrics").text.splitlines():
        if not line.startswith("#"):
            series, _, value = line.rpartition(" ")
            values[series] = float(value)
    return values


def listener(port: int, *names: str) -> dict[str, Any]:
    """What Synapse's configuration says of a port on loopback and what is served there."""
    return {
        "port": port,
        "type": "http",
        "bind_addresses": ["127.0.0.1"],
        "resources": [{"names": list(names)}],
    }


_EPHEMERAL = 32_768


def free_port() -> int:
    """A port on which nobody listens now.

    Linux takes those of outgoing connections from above: one could take it away before the server
    that it is for has it, or while that is restarted.
    """
    while True:
        port = 11_000 + secrets.randbelow(_EPHEMERAL - 11_000)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port
