"""`capgroups forget`: says what is stored of somebody, and forgets it."""

import argparse
import json
from typing import Any

from synapse_capgroups.client.connection import CallError
from synapse_capgroups.client.environment import add_server_argument, homeserver
from synapse_capgroups.client.tables import table
from synapse_capgroups.client.terminal import complain, note, show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("user", help="the Matrix ID, such as @bob:example.com")
    parser.add_argument(
        "--apply", action="store_true", help="do it; without it, it is only said what would go"
    )
    add_server_argument(parser)
    parser.add_argument(
        "-o", dest="output", choices=("table", "json"), default="table", help="default: table"
    )


def run(arguments: argparse.Namespace) -> int:
    """Forget, or say what would be forgotten. Returns 0, and 2 if it could not be done."""
    try:
        server = homeserver(arguments)
        path = ("admin", "people", arguments.user, "forget")
        answer = server.call("POST", *path, body={"apply": arguments.apply})
        if arguments.output == "json":
            show(json.dumps(answer, indent=2), raw=True)
        else:
            show(_told(answer), raw=False)
    except CallError as e:
        return complain(str(e), 2)
    except (KeyError, TypeError, AttributeError):
        return complain("The server's answer is not what was expected of it.", 2)
    if not arguments.apply and answer["removed"]:
        note("\nNothing is done yet. --apply does it, and it cannot be undone.")
    return 0


def _told(answer: dict[str, Any]) -> str:
    removed, kept = answer["removed"], answer["kept"]
    tables = sorted({*removed, *kept})
    lines = [f"{answer['user_id']}: {_standing(answer)}"]
    if not tables:
        return f"{lines[0]}\nNo table of the module names it."
    done = "removed" if answer["applied"] else "would go"
    rows = [[name, removed.get(name, 0), kept.get(name, 0)] for name in tables]
    total = ["together", sum(removed.values()), sum(kept.values())]
    lines += ["", *table([["rows that name it", done, "kept"], *rows, total], numbers=(1, 2))]
    if kept:
        lines += ["", "What is kept is needed as long as the account is in use."]
    return "\n".join(lines)


def _standing(answer: dict[str, Any]) -> str:
    return "the account is deactivated." if answer["deactivated"] else "the account is in use."
