"""The console script `capgroups`."""

import argparse
import sys

from synapse_capgroups.client.assign import add_arguments as add_assign_arguments
from synapse_capgroups.client.assign import run as run_assign


def main(argv: list[str] | None = None) -> int:
    """Run the command that was asked for and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="capgroups", description="Group chats for Synapse that keep themselves small."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser(
        "check",
        help="say what the module would mean on your server, before it is installed there",
        description=(
            "Reads homeserver.yaml and the database, and says what the module depends on and\n"
            "which rooms break its rules. It writes nothing, and Synapse may run or not."
        ),
        epilog=(
            "example: capgroups check -c /etc/matrix-synapse/homeserver.yaml -o csv > rooms.csv\n\n"
            "exit codes: 0 nothing found, 1 rooms break a rule, or Synapse would not start with\n"
            "the module, 2 it could not look"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_check_options(check)
    demo = commands.add_parser(
        "demo",
        help="run a real homeserver with this module and watch the rules work",
        description=(
            "Starts a real Synapse on loopback in a temporary folder, with this module and small "
            "limits, tells the story of a group step by step, and stays up for you to try it with "
            "a client."
        ),
        epilog="example: capgroups demo --check",
    )
    _add_demo_options(demo)
    assign = commands.add_parser(
        "assign",
        help="put people into the groups of a series, by a table",
        description=(
            "Shows who of a table would go into which group of a series, and who is left out and "
            "why. Nothing is done without --apply and the hash of the plan that was seen."
        ),
    )
    add_assign_arguments(assign)
    arguments = parser.parse_args(argv)
    if arguments.command == "check":
        return _check(arguments)
    if arguments.command == "assign":
        return run_assign(arguments)
    return _demo(arguments, demo)


def _add_check_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-c",
        dest="config",
        metavar="FILE",
        action="append",
        required=True,
        help="homeserver.yaml; again for further files, whose sections replace earlier ones",
    )
    parser.add_argument(
        "-o",
        dest="output",
        choices=("table", "json", "csv"),
        default="table",
        help="how to print it (default: table)",
    )
    parser.add_argument(
        "--rows", type=_count, default=20, help="how many rooms the table shows (default: 20)"
    )
    parser.add_argument(
        "--timeout",
        type=_count,
        metavar="SECONDS",
        default=300,
        help="how long PostgreSQL may take for a statement (default: 300)",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 86_400:
        raise argparse.ArgumentTypeError("a whole number from 1 to 86400")
    return int(text)


def _check(arguments: argparse.Namespace) -> int:
    try:
        from synapse_capgroups.admin.check import run
    except ModuleNotFoundError as e:
        print(
            f"capgroups check: {e.name} is not installed here. Run this in Synapse's own "
            "environment, where the module would be installed.",
            file=sys.stderr,
        )
        return 2
    return run(arguments.config, arguments.output, rows=arguments.rows, timeout=arguments.timeout)


def _add_demo_options(demo: argparse.ArgumentParser) -> None:
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

    try:
        from synapse_capgroups.demo.show import run
    except ModuleNotFoundError as e:
        print(
            f"The demo needs {e.name}, which is not installed. Install it with: "
            "pip install 'synapse-capgroups[demo]'",
            file=sys.stderr,
        )
        return 2
    return run(
        arguments.cap,
        arguments.code_limit,
        check=arguments.check,
        port=arguments.port,
        workers=arguments.workers,
    )
