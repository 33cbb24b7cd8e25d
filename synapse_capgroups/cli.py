"""The console script `capgroups`: one row for each command."""

import argparse
import contextlib
import sys
from collections.abc import Callable, Sequence

import attrs

from synapse_capgroups.client import assign, codes, concierge, forget
from synapse_capgroups.client.environment import TOKEN, add_server_argument


@attrs.frozen
class Command:
    """A command.

    Attributes:
        summary: what the list of commands says.
        description: what its own `--help` says first.
        epilog: an example, and what else stands at the end.
        add_arguments: describes its arguments.
        run: does it and returns the exit code. What it imports besides may be missing: Synapse, or
            what the demo needs.
        needs: the sentence for that.
    """

    name: str
    summary: str
    description: str
    epilog: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, argparse.ArgumentParser], int]
    needs: str = ""


IN_SYNAPSES_ENVIRONMENT = (
    "Run this in Synapse's own environment, where the module is or would be installed."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that was asked for and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="capgroups", description="Group chats for Synapse that keep themselves small."
    )
    with contextlib.suppress(ModuleNotFoundError):  # The extra `completion`.
        import shtab

        shtab.add_argument_to(parser, help="print a script with which your shell completes")
    parsers = parser.add_subparsers(dest="command", required=True, metavar="command")
    commands = {}
    for command in COMMANDS:
        own = parsers.add_parser(
            command.name,
            help=command.summary,
            description=command.description,
            epilog=command.epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(own)
        commands[command.name] = command, own
    arguments = parser.parse_args(argv)
    command, own = commands[arguments.command]
    try:
        return command.run(arguments, own)
    except ModuleNotFoundError as e:
        if not command.needs or (e.name or "").partition(".")[0] == __package__:
            raise
        print(f"{own.prog}: {e.name} is not installed here. {command.needs}", file=sys.stderr)
        return 2


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """For commands that read homeserver.yaml and the database."""
    parser.add_argument(
        "-c",
        dest="config",
        metavar="FILE",
        action="append",
        required=True,
        help="homeserver.yaml; again for further files, whose sections replace earlier ones",
    )
    parser.add_argument(
        "--timeout",
        type=count,
        metavar="SECONDS",
        default=300,
        help="how long PostgreSQL may take for a statement (default: 300)",
    )


def add_output_argument(parser: argparse.ArgumentParser) -> None:
    """For commands that print a table, or the same for programs."""
    parser.add_argument(
        "-o",
        dest="output",
        choices=("table", "json", "csv"),
        default="table",
        help="how to print it (default: table)",
    )


def count(text: str) -> int:
    """A number of rows, or of seconds."""
    if not text.isdecimal() or not 0 < int(text) <= 86_400:
        raise argparse.ArgumentTypeError("a whole number from 1 to 86400")
    return int(text)


def _add_check_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser)
    add_output_argument(parser)
    parser.add_argument(
        "--rows", type=count, default=20, help="how many rooms the table shows (default: 20)"
    )


def _check(arguments: argparse.Namespace, _: argparse.ArgumentParser) -> int:
    from synapse_capgroups.admin.check import run

    return run(arguments.config, arguments.output, rows=arguments.rows, timeout=arguments.timeout)


def _add_report_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "about",
        nargs="?",
        type=_about,
        metavar="@PERSON:SERVER | !ROOM",
        help="tell of this person or group alone, in detail",
    )
    add_config_arguments(parser)
    add_output_argument(parser)


def _about(text: str) -> str:
    if not text.isprintable() or not (text[:1] == "!" or (text[:1] == "@" and ":" in text)):
        raise argparse.ArgumentTypeError("a Matrix ID (@bob:example.com) or a room ID (!…)")
    return text


def _report(arguments: argparse.Namespace, _: argparse.ArgumentParser) -> int:
    from synapse_capgroups.admin.reporting import run

    return run(arguments.config, arguments.output, arguments.about, timeout=arguments.timeout)


def _add_adopt_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser)
    add_output_argument(parser)
    parser.add_argument(
        "--rows", type=count, default=20, help="how many rooms the table shows (default: 20)"
    )
    parser.add_argument(
        "--all", action="store_true", help="change what looks like announcements or lobbies, too"
    )
    parser.add_argument(
        "--apply", metavar="HASH", help="carry out the plan with this hash, or go on with it"
    )
    parser.add_argument("--undo-file", metavar="FILE", help="where --apply writes what leads back")
    parser.add_argument("--undo", metavar="FILE", help="take back what this file is about")
    parser.add_argument(
        "--pause",
        type=_pause,
        default=0.2,
        metavar="SECONDS",
        help="between two rooms (default: 0.2)",
    )
    add_server_argument(parser)


def _pause(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= 3600:
        raise argparse.ArgumentTypeError("a number from 0 to 3600")
    return seconds


def _adopt(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    if arguments.undo and (arguments.apply or arguments.undo_file):
        parser.error("--undo FILE goes alone: without --apply and --undo-file")
    if bool(arguments.apply) != bool(arguments.undo_file):
        parser.error("--apply HASH needs --undo-file FILE, and the other way round")

    from synapse_capgroups.admin.adopt import run

    return run(arguments)


def _add_remove_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser)
    parser.add_argument(
        "--apply", action="store_true", help="do it; without it, it is only said what would go"
    )
    add_server_argument(parser)


def _remove(arguments: argparse.Namespace, _: argparse.ArgumentParser) -> int:
    from synapse_capgroups.admin.remove import run

    return run(arguments)


def _add_demo_arguments(demo: argparse.ArgumentParser) -> None:
    demo.add_argument(
        "--check",
        action="store_true",
        help="end after the story, with 0 only if every step went as the rules say",
    )
    demo.add_argument("--cap", type=int, default=6, help="the most members (default: 6)")
    demo.add_argument(
        "--code-limit", type=int, default=4, help="from here on only friends (default: 4)"
    )
    demo.add_argument(
        "--port", type=int, default=0, help="where to listen on loopback (default: a free port)"
    )
    demo.add_argument(
        "--workers",
        type=int,
        default=0,
        help="so many Synapse workers beside the main process (default: none); needs PostgreSQL "
        "and Redis",
    )


def _demo(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    if not 0 <= arguments.workers <= 20:
        parser.error("--workers takes a number from 0 to 20")
    if not 4 <= arguments.code_limit <= arguments.cap - 2:
        parser.error("the story needs a --code-limit of 4 or more, and a --cap at least 2 above it")

    from synapse_capgroups.demo.show import run

    return run(
        arguments.cap,
        arguments.code_limit,
        check=arguments.check,
        port=arguments.port,
        workers=arguments.workers,
    )


COMMANDS = (
    Command(
        "check",
        "say what the module would mean on your server, before it is installed there",
        "Reads homeserver.yaml and the database, and says what the module depends on and\n"
        "which rooms break its rules. It writes nothing, and Synapse may run or not.",
        "example: capgroups check -c homeserver.yaml -o csv > rooms.csv\n\n"
        "exit codes: 0 nothing found, 1 rooms break a rule, or Synapse would not start\n"
        "with the module, 2 it could not look",
        _add_check_arguments,
        _check,
        IN_SYNAPSES_ENVIRONMENT,
    ),
    Command(
        "report",
        "say how the groups are doing, what a trial would have refused, and who is stored",
        "Reads the database and says how large groups are, how they grow, what a trial\n"
        "would have refused, what became of codes, who brought whom, and how many members\n"
        "have a friend in their group. It writes nothing, and Synapse may run or not.",
        "example: capgroups report -c /etc/matrix-synapse/homeserver.yaml\n"
        "example: capgroups report -c homeserver.yaml -o json @bob:example.com\n\n"
        "exit codes: 0 it was told, 2 it could not look",
        _add_report_arguments,
        _report,
        IN_SYNAPSES_ENVIRONMENT,
    ),
    Command(
        "adopt",
        "bring the rooms that break a rule to the rules, and take them back",
        "Shows what would be changed in the rooms that `capgroups check` finds, and what\n"
        "their owners would read. Nothing is done without --apply and the plan's hash.",
        "example: capgroups adopt -c homeserver.yaml --apply HASH --undo-file undo.jsonl\n\n"
        f"For --apply and --undo, {TOKEN} in the environment has the access\n"
        "token of a server admin. The same command goes on with what was interrupted.\n\n"
        "exit codes: 0 all done, or nothing to do; 1 a plan is shown, or rooms were left;\n"
        "2 it could not run",
        _add_adopt_arguments,
        _adopt,
        IN_SYNAPSES_ENVIRONMENT,
    ),
    Command(
        "assign",
        "put people into the groups of a series, by a table",
        "Shows who of a table would go into which group of a series, and who is left out\n"
        "and why. Nothing is done without --apply and the hash of the plan that was seen.",
        "example: capgroups assign people.csv --series tea --by city --size 20..40\n\n"
        f"The organiser's access token is read from {TOKEN} in the environment.",
        assign.add_arguments,
        lambda arguments, _: assign.run(arguments),
    ),
    Command(
        "forget",
        "remove what the module has stored of somebody",
        "Says how many rows of each table name an account, and removes them with --apply.\n"
        "A deactivated account disappears from every table. One in use loses its past.",
        "example: capgroups forget @bob:example.com\n\n"
        f"A server admin's access token is read from {TOKEN} in the environment.",
        forget.add_arguments,
        lambda arguments, _: forget.run(arguments),
    ),
    Command(
        "codes",
        "list or revoke the join codes of a person, a group or a series",
        "For the helpdesk: codes are named by their IDs, and their secrets are never\nshown.",
        "example: capgroups codes @bob:example.com\n"
        "example: capgroups codes '!aBcDeFg:example.com' --revoke-all\n"
        "example: capgroups codes --revoke 0b191d4dc8\n\n"
        f"A server admin's access token is read from {TOKEN} in the environment.",
        codes.add_arguments,
        codes.run,
    ),
    Command(
        "concierge",
        "write to the owners of all groups, or give the concierge another name",
        "The concierge writes a notice to each owner once, in their chat with it. Without\n"
        "--apply it is only said how many would get it. The same text is the same notice:\n"
        "who has got it does not get it again.",
        "example: capgroups concierge --notice notice.txt --apply\n"
        "         capgroups concierge --rename porter\n\n"
        f"A server admin's access token is read from {TOKEN} in the environment.",
        concierge.add_arguments,
        lambda arguments, _: concierge.run(arguments),
    ),
    Command(
        "remove",
        "take away what the module has left, once it is not loaded any more",
        "Take the module out of `modules` in homeserver.yaml and restart Synapse first.\n"
        "This says what would go: doors, chats, spaces, the account and the tables.\n"
        "Groups stay.",
        "example: capgroups remove -c /etc/matrix-synapse/homeserver.yaml --apply\n\n"
        f"With --apply, a server admin's access token is read from {TOKEN} in the\n"
        "environment. --server is where Synapse's Admin API answers (default:\n"
        "CAPGROUPS_SERVER in the environment, then `public_baseurl`). It can be\n"
        "interrupted and run again.",
        _add_remove_arguments,
        _remove,
        IN_SYNAPSES_ENVIRONMENT,
    ),
    Command(
        "demo",
        "run a real homeserver with this module and watch the rules work",
        "Starts a real Synapse on loopback in a temporary folder, with this module and\n"
        "small limits, tells the story of a group step by step, and stays up for you to\n"
        "try it with a client.",
        "example: capgroups demo --check",
        _add_demo_arguments,
        _demo,
        "Install what the demo needs with: pip install 'synapse-capgroups[demo]'",
    ),
)
