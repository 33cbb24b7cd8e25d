"""Which homeserver a command calls, and with whose access token."""

import argparse
import os
import time
from collections.abc import Callable

from synapse_capgroups.client.connection import API, CallError, Homeserver

TOKEN, SERVER = "CAPGROUPS_TOKEN", "CAPGROUPS_SERVER"


def default_server() -> str | None:
    """The server that the environment names."""
    return os.environ.get(SERVER)


def add_server_argument(parser: argparse.ArgumentParser) -> None:
    """Describe where the server is named."""
    parser.add_argument(
        "--server",
        default=default_server(),
        help=f"the homeserver's address (default: {SERVER} in the environment)",
    )


def homeserver(
    arguments: argparse.Namespace,
    sleep: Callable[[float], None] = time.sleep,
    *,
    api: str = API,
) -> Homeserver:
    """The server that is called.

    The token is never an argument: everybody on the machine sees those.

    Args:
        api: what the path of each call begins with.

    Raises:
        CallError: the token or the server is missing, or cannot be one.
    """
    token = os.environ.get(TOKEN, "")
    if not token or not arguments.server:
        missing = f"the access token in {TOKEN}" if not token else f"--server or {SERVER}"
        raise CallError(f"Missing: {missing}.", unasked=True)
    return Homeserver(arguments.server, token, sleep, api=api)
