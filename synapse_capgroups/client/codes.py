"""`capgroups codes`: the join codes of a person, a group or a series, and their end."""

import argparse
import json
from datetime import datetime, timezone
from typing import Any

from synapse_capgroups.client.connection import CallError, Homeserver
from synapse_capgroups.client.environment import add_server_argument, homeserver
from synapse_capgroups.client.tables import table
from synapse_capgroups.client.terminal import complain, note, show
from synapse_capgroups.rules.assignment.csv_text import csv_text

_COLUMNS = ("code_id", "kind", "opens", "sharer", "created_at", "expires_at", "uses", "state")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument(
        "of",
        nargs="?",
        metavar="@PERSON:SERVER | !ROOM | SERIES",
        help="list the codes that this person shares, or that open this group or series",
    )
    parser.add_argument(
        "--revoke",
        action="append",
        metavar="CODE",
        help="revoke the code with this ID; again for more",
    )
    parser.add_argument(
        "--revoke-all", action="store_true", help="revoke all living codes that would be listed"
    )
    add_server_argument(parser)
    parser.add_argument(
        "-o", dest="output", choices=("table", "json", "csv"), default="table",
        help="how to list them (default: table)",
    )  # fmt: skip


def run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """List or revoke. Returns 0, and 2 if it could not be done."""
    if bool(arguments.of) == bool(arguments.revoke):
        parser.error("name a person, a group or a series, or else a code with --revoke")
    if arguments.revoke_all and not arguments.of:
        parser.error("--revoke-all needs a person, a group or a series")
    try:
        server = homeserver(arguments)
        if arguments.revoke:
            for code_id in arguments.revoke:
                server.call("DELETE", "admin", "codes", code_id)
                note(f"{code_id} is revoked.")
        elif arguments.revoke_all:
            answer = server.call("POST", "admin", "codes", "of", arguments.of, "revoke")
            note(f"{answer['revoked']} codes are revoked.")
        else:
            _list(_all(server, arguments.of), arguments.output)
    except CallError as e:
        return complain(str(e), 2)
    except (KeyError, TypeError, AttributeError):
        return complain("The server's answer is not what was expected of it.", 2)
    return 0


def _all(server: Homeserver, of: str) -> list[dict[str, Any]]:
    codes: list[dict[str, Any]] = []
    after = ""
    while True:
        answer = server.call("GET", "admin", "codes", "of", of, after=after)
        codes += answer["codes"]
        after = answer.get("next", "")
        if not after:
            return codes


def _list(codes: list[dict[str, Any]], output: str) -> None:
    if output == "json":
        show(json.dumps({"codes": codes}, indent=2), raw=True)
    elif output == "csv":
        rows = [[str(code[name] or "") for name in _COLUMNS] for code in codes]
        show(csv_text([list(_COLUMNS), *rows]).rstrip("\r\n"), raw=True)
    elif not codes:
        show("No codes.", raw=False)
    else:
        head = ["code", "kind", "opens", "sharer", "made", "ends", "uses", "state"]
        show("\n".join(table([head, *map(_row, codes)], numbers=(6,))), raw=False)


def _row(code: dict[str, Any]) -> list[object]:
    most = "" if code["max_uses"] is None else f" of {code['max_uses']}"
    return [
        code["code_id"],
        code["kind"],
        code["opens"] or "-",
        code["sharer"] or "-",
        _day(code["created_at"]),
        _day(code["expires_at"]),
        f"{code['uses']}{most}",
        code["state"],
    ]


def _day(time: int) -> str:
    return datetime.fromtimestamp(time / 1000, timezone.utc).date().isoformat()
