"""What is compared: servers without a module, with this one, and with those of others."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import attrs

PLAIN = "no module"
AGAIN = "no module, a second server"
OURS = "this module"
COUNTING = "a counting cap"


@attrs.frozen
class Subject:
    """A server to compare.

    Attributes:
        name: for tables.
        module: the configuration of this module; None if it is not loaded.
        settings: of homeserver.yaml, with the modules of others.
        package: what it needs from PyPI; empty if nothing.
    """

    name: str
    module: Mapping[str, Any] | None = None
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    package: str = ""

    @property
    def version(self) -> str | None:
        """Of its package; None if that is not installed."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return None

    @property
    def is_there(self) -> bool:
        return not self.package or self.version is not None


def subjects(cap: int, code_limit: int, endpoint: str) -> list[Subject]:
    """All there could be, a server without a module first.

    Args:
        endpoint: the address of `endpoint.running`.
    """
    return [
        Subject(PLAIN),
        Subject(AGAIN),
        Subject(OURS, {"cap": cap, "code_limit": code_limit}),
        _of_others(COUNTING, "benchmarks.peers.counting_cap.CountingCap", {"cap": cap}),
        _of_others(
            "synapse-http-antispam",
            "synapse_http_antispam.HTTPAntispam",
            {
                "base_url": endpoint,
                "authorization": "none",
                "enabled_callbacks": [
                    "check_event_for_spam",
                    "user_may_invite",
                    "user_may_join_room",
                ],
            },
            "synapse-http-antispam",
        ),
        _of_others(
            "synapse-room-access-rules",
            "room_access_rules.RoomAccessRules",
            {"id_server": "localhost"},
            "synapse-room-access-rules",
        ),
        _of_others(
            "synapse-invite-checker",
            "benchmarks.peers.invite_checker.InviteChecker",
            {
                # Nobody is asked there, see the shim.
                "federation_list_url": "http://127.0.0.1:9",
                "gematik_ca_baseurl": "http://127.0.0.1:9",
                "allowed_room_versions": ["10", "11", "12"],
                "room_scan_run_interval": "0",
            },
            "synapse-invite-checker",
        ),
    ]


def _of_others(name: str, module: str, config: dict[str, Any], package: str = "") -> Subject:
    settings = {"modules": [{"module": module, "config": config}]}
    return Subject(name, None, settings, package)
