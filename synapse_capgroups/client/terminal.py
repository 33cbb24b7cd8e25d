"""What a command says: its answer on standard output, and what it has to tell beside."""

import shutil
import sys
import time

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


_TOLD_EVERY = 5.0  # Seconds.
_WIDEST = 40  # Characters of a bar.


class Progress:
    """How far a long work is: a bar on a terminal, and a line every five seconds in a log."""

    def __init__(self, number: int, what: str) -> None:
        """
        Args:
            number: of all that is to be done.
            what: its name in the plural.
        """
        self._number = number
        self._what = what
        self._told = time.monotonic()
        self._width = 0
        if sys.stderr.isatty():
            self._width = min(_WIDEST, max(0, shutil.get_terminal_size().columns - 40))

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._width:
            print(file=sys.stderr)  # What is told next begins a line of its own.

    def show(self, done: int) -> None:
        """Tell that so many are done."""
        said = f"{done:,} of {self._number:,} {self._what}"
        if self._width:
            filled = self._width * done // max(1, self._number)
            bar = "#" * filled + "." * (self._width - filled)
            print(f"\r[{bar}] {said}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self._told > _TOLD_EVERY:
            self._told = time.monotonic()
            note(said)
