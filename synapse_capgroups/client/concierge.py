"""`capgroups concierge`: writes to all owners in its name, and says how to give it another."""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from synapse_capgroups.client.connection import CallError, Homeserver
from synapse_capgroups.client.environment import add_server_argument, homeserver
from synapse_capgroups.client.terminal import complain, note, show

_POLL = 2.0  # seconds
_LARGEST = 20_000  # bytes; the server says how long a text may be


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--notice",
        metavar="FILE|TEXT",
        help="write this to the owners of all groups: a file if there is one of that name",
    )
    what.add_argument(
        "--stop", metavar="NOTICE", help="send the notice with this ID to nobody more"
    )
    what.add_argument(
        "--rename",
        metavar="NAME",
        help="say whether the concierge can have this name, what that means, and how",
    )
    parser.add_argument(
        "--apply", action="store_true", help="send it; without it, it is only said to how many"
    )
    add_server_argument(parser)


def run(arguments: argparse.Namespace, sleep: Callable[[float], None] = time.sleep) -> int:
    """Write or stop. Returns 0, 1 if not everybody got it, and 2 if it could not be done."""
    try:
        server = homeserver(arguments, sleep)
        if arguments.stop:
            answer = server.call("POST", "admin", "notices", arguments.stop, "stop")
            note(f"{answer['stopped']} people do not get it.")
            return 0
        if arguments.rename:
            return _rename(server, arguments.rename)
        return _write(server, _text(arguments.notice), apply=arguments.apply)
    except CallError as e:
        return complain(str(e), 2)
    except (OSError, UnicodeDecodeError) as e:
        return complain(f"Cannot read {arguments.notice}: {e}", 2)
    except (KeyError, TypeError, AttributeError):
        return complain("The server's answer is not what was expected of it.", 2)
    except KeyboardInterrupt:
        return complain("You have stopped watching. The server goes on sending it.", 130)


def _rename(server: Homeserver, name: str) -> int:
    found = server.call("GET", "admin", "concierge", name)
    if not found["is_free"]:
        reason = "is the concierge" if found["now"] == found["then"] else "belongs to somebody"
        return complain(f"{found['then']} {reason}. Choose another name.", 2)
    show(
        f"{found['then']} is free. To move the concierge there:\n\n"
        f"1. Set `concierge: {name}` in the module's configuration in homeserver.yaml.\n"
        "2. Restart Synapse with all its workers.\n\n"
        f"At that start, {found['codes']} living codes die, {found['chats']} chats with the\n"
        f"concierge end, {found['spaces']} organisers' spaces are made anew, and {found['now']}\n"
        "is deactivated. Nothing in the groups changes. Afterwards, tell people of it with\n"
        "capgroups concierge --notice, which opens a chat with each owner.",
        raw=False,
    )
    return 0


def _text(said: str) -> str:
    is_file = len(said) < 1024 and "\n" not in said and Path(said).is_file()
    if not is_file:
        return said
    with Path(said).open("rb") as opened:
        return opened.read(_LARGEST).decode().strip()


def _write(server: Homeserver, text: str, *, apply: bool) -> int:
    body = {"text": text, "apply": apply}
    answer = server.call("POST", "admin", "notices", body=body)
    new, before = answer["recipients"], answer["before"]
    if not apply:
        show(text, raw=False)
        had = f" {before} have it already." if before else ""
        note(f"\n{new} people would get this.{had} Nothing is sent yet: --apply does it.")
        return 0
    notice_id = answer["notice_id"]
    note(f"The notice is {notice_id}. To stop it: capgroups concierge --stop {notice_id}")
    told = None
    while True:
        found = server.call("GET", "admin", "notices", notice_id)
        if found["due"] != told:
            told = found["due"]
            note(f"{found['sent']} sent, {told} to go")
        if not told:
            break
        server.sleep(_POLL)
    missed = found["failed"] + found["stopped"]
    if missed:
        note(f"{missed} people did not get it: they want no chat, or it was stopped.")
    return 1 if missed else 0
