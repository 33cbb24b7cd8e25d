"""`capgroups report`: how the groups of a server are doing, read from its database."""

import sys
import time
from collections.abc import Sequence
from typing import Any, TextIO

from synapse_capgroups.admin import printed_report
from synapse_capgroups.admin.check import standards
from synapse_capgroups.admin.exits import OK, CannotRunError
from synapse_capgroups.admin.homeserver_yaml import ServerConfig
from synapse_capgroups.admin.opening import Opened
from synapse_capgroups.admin.reading import read_only
from synapse_capgroups.report.details import of_group, of_person
from synapse_capgroups.report.gathering import Asked, Gathering
from synapse_capgroups.storage.schema import SCHEMA_VERSION, version_of

_ALL_ROWS = 2**31


def run(paths: Sequence[str], output: str, about: str | None, *, timeout: int) -> int:
    """Report on a server, a person or a group.

    Args:
        paths: of homeserver.yaml and further files, as Synapse's own `-c`.
        output: `table`, `json` or `csv`.
        about: a Matrix ID or a room ID; None for the server.
        timeout: seconds that PostgreSQL may take for a statement.

    Returns:
        The exit code.
    """

    def report(server: ServerConfig, database: Opened) -> int:
        asked = _asked(server, database)
        found = _of_server(database, asked) if about is None else _about(database, asked, about)
        _print(found, output, sys.stdout)
        return OK

    return read_only("report", paths, timeout, report)


def _asked(server: ServerConfig, database: Opened) -> Asked:
    has_record = database.has_table("capgroups_schema")
    if has_record:
        version = version_of(database.transaction)
        if version != SCHEMA_VERSION:
            raise CannotRunError(
                f"The module's tables have version {version}, and this version of it knows "
                f"{SCHEMA_VERSION}. Start Synapse once with the version that is installed here, or "
                "run this with the one that Synapse uses."
            )
    return Asked(
        standards=standards(server, database),
        min_age=server.module.friends.min_age,
        is_local=server.module.federation == "local",
        enforce=server.module.enforce,
        now=int(time.time() * 1000),
        has_record=has_record,
    )


def _of_server(database: Opened, asked: Asked) -> dict[str, Any]:
    gathering = Gathering(asked)
    for step in gathering.steps():
        step(database.transaction)
    return gathering.result()


def _about(database: Opened, asked: Asked, about: str) -> dict[str, Any]:
    if about.startswith("@"):
        return of_person(database.transaction, about, asked, _ALL_ROWS)
    found = of_group(database.transaction, about, asked)
    if found is None:
        raise CannotRunError(f"This server has no room {about} with anybody in it.")
    return found


def _print(found: dict[str, Any], output: str, out: TextIO) -> None:
    if output == "json":
        printed_report.as_json(found, out)
    elif output == "csv":
        printed_report.as_csv(found, out)
    else:
        printed_report.as_table(found, out)
