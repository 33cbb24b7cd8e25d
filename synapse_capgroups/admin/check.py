"""`capgroups check`: what the module would mean on a server, before it is ever loaded."""

import itertools
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version

from synapse_capgroups.admin import showing
from synapse_capgroups.admin.exits import FOUND, OK
from synapse_capgroups.admin.homeserver_yaml import ServerConfig
from synapse_capgroups.admin.opening import Opened
from synapse_capgroups.admin.reading import read_only
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
    return read_only(
        "check", paths, timeout, lambda server, database: _check(server, database, output, rows)
    )


def _check(server: ServerConfig, database: Opened, output: str, rows: int) -> int:
    out = sys.stdout
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
