"""What a command says: its answer on standard output, and what it has to tell beside."""

import sys

from synapse_capgroups.client.tables import printable


def show(text: str, *, raw: bool) -> None:
    """Print an answer.

    Args:
        raw: whether a file gets it as the server says it. A terminal never does: it could be told
            to do something by it.
    """
    print(text if raw and not sys.stdout.isatty() else printable(text))


def note(text: str) -> None:
    """Tell something that is no part of the answer."""
    print(printable(text), file=sys.stderr, flush=True)


def complain(sentence: str, code: int) -> int:
    """Tell what is wrong, and return the exit code."""
    note(sentence)
    return code
