"""What the commands that read a homeserver's database have in common."""

import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from synapse_capgroups.admin.exits import CANNOT_RUN, CannotRunError
from synapse_capgroups.admin.homeserver_yaml import ServerConfig, read
from synapse_capgroups.admin.opening import Opened, opened


def read_only(
    command: str,
    paths: Sequence[str],
    timeout: int,
    work: Callable[[ServerConfig, Opened], int],
) -> int:
    """Read the configuration, open the database for reading, do the work and return its exit code.

    Args:
        command: what messages begin with.
        paths: of homeserver.yaml and further files, as Synapse's own `-c`.
        timeout: seconds that PostgreSQL may take for a statement.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # Where the terminal has no UTF-8.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        server = read(paths)
        with opened(main_database(server), folder_of(paths), timeout=timeout) as database:
            return work(server, database)
    except CannotRunError as e:
        print(f"capgroups {command}: {e}", file=sys.stderr)
        return CANNOT_RUN
    except BrokenPipeError:  # `| head` has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CANNOT_RUN


def folder_of(paths: Sequence[str]) -> Path:
    """The folder of the last file, where names of files begin that have no other."""
    folder = Path(paths[-1]).absolute()
    return folder if folder.is_dir() else folder.parent


def main_database(server: ServerConfig) -> dict[str, object]:
    """Synapse's `database` section for the tables that are read here.

    Raises:
        CannotRunError: there is none.
    """
    for database in server.parsed.database.databases:
        if "main" in database.databases:
            return dict(database.config)
    raise CannotRunError("homeserver.yaml names no database for `main`.")
