"""`capgroups check`: what the module would mean on a server, before it is ever loaded."""

import io
import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TextIO

from synapse_capgroups.admin import showing
from synapse_capgroups.admin.exits import CANNOT_RUN, FOUND, OK, CannotRunError
from synapse_capgroups.admin.homeserver_yaml import ServerConfig, read
from synapse_capgroups.admin.opening import Opened, opened
from synapse_capgroups.admin.server_facts import concierge_id, is_concierge, server_facts
from synapse_capgroups.admin.showing import Checked
from synapse_capgroups.groups.survey import Finding, Standards, Survey
from synapse_capgroups.storage.server_rooms import ServerRooms


def run(paths: Sequence[str], output: str, *, rows: int, timeout: int) -> int:
    """Check a server and print what was found.

    Args:
        paths: of homeserver.yaml and further files, as Synapse's own `-c`.
        output: `table`, `json` or `csv`.
        rows: how many groups the table shows.
        timeout: seconds that PostgreSQL may take for a statement.

    Returns:
        The exit code.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # Where the terminal has no UTF-8.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        server = read(paths)
        folder = Path(paths[-1]).absolute()
        folder = folder if folder.is_dir() else folder.parent
        with opened(main_database(server), folder, timeout=timeout) as database:
            return _check(server, database, output, rows, sys.stdout)
    except CannotRunError as e:
        print(f"capgroups check: {e}", file=sys.stderr)
        return CANNOT_RUN
    except BrokenPipeError:  # `| head` has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CANNOT_RUN


def _check(server: ServerConfig, database: Opened, output: str, rows: int, out: TextIO) -> int:
    facts = server_facts(server, database)
    server_rooms = (
        ServerRooms.all(database.transaction)
        if database.has_table("capgroups_server_rooms")
        else set()
    )
    survey = Survey(standards(server, database), database, server_rooms=server_rooms)
    if survey.reads_each_state:
        print("Synapse has no statistics of rooms: each state is read.", file=sys.stderr)
    checked = Checked(
        server.server_name,
        version("synapse-capgroups"),
        server.module.limits,
        facts,
        _begun(survey.findings(database.rooms(server.server_name))),
        survey.tally,
    )
    if output == "json":
        showing.as_json(checked, out)
    elif output == "csv":
        showing.as_csv(checked, out)
    else:
        showing.as_table(checked, out, rows)
    return FOUND if survey.tally.breaking or showing.is_a_stop(facts) else OK


def _begun(findings: Iterator[Finding]) -> Iterator[Finding]:
    """The same, with the first one found: what cannot be read is told before anything is shown."""
    first = list(itertools.islice(findings, 1))
    return itertools.chain(first, findings)


def standards(server: ServerConfig, database: Opened) -> Standards:
    """What the groups of a server are measured by."""
    notices = server.parsed.servernotices.server_notices_mxid
    return Standards(
        server_name=server.server_name,
        limits=server.module.limits,
        exempt=server.module.exempt,
        guests=bool(server.parsed.registration.allow_guest_access),
        # A trial is for seeing what would be.
        guarded=server.module.federation != "open",
        concierge=concierge_id(server) if is_concierge(server, database) else None,
        notices=str(notices) if notices else None,
    )


def main_database(server: ServerConfig) -> dict[str, object]:
    """Synapse's `database` section for what is read here."""
    for database in server.parsed.database.databases:
        if "main" in database.databases:
            return dict(database.config)
    raise CannotRunError("homeserver.yaml names no database for `main`.")
