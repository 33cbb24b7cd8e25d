"""A PostgreSQL server of one's own, on loopback, from the system's packages."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from synapse_capgroups.demo.homeserver import free_port


def binaries() -> Path | None:
    """Where PostgreSQL's programs are; None if it is not installed."""
    # Debian keeps them out of PATH, a folder for each version.
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    if found:
        return found[0].parent
    in_path = shutil.which("initdb")
    return Path(in_path).parent if in_path else None


class Postgres:
    """Starts a server in an empty folder, makes databases and ends it."""

    def __init__(self, folder: Path) -> None:
        bin_folder = binaries()
        assert bin_folder is not None
        self._bin = bin_folder
        self._folder = folder
        self._data = folder / "data"
        self.port = free_port()
        # It refuses to run as root, as which containers run tests.
        self._as_user: list[str] = []
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
            self._as_user = ["runuser", "-u", "postgres", "--"]

    def start(self) -> None:
        self._call("initdb", "--auth=trust", "--username=synapse", "--encoding=UTF8",
                   "--locale=C", "-D", str(self._data))  # fmt: skip
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
            f"{self._folder} -c fsync=off -c full_page_writes=off -c max_connections=200"
        )
        try:
            self._call("pg_ctl", "-D", str(self._data), "-l", str(self._folder / "log"), "-w",
                       "-o", options, "start")  # fmt: skip
        except BaseException:
            # It may have started when Ctrl+C came.
            with contextlib.suppress(subprocess.CalledProcessError):
                self.stop()
            raise

    def stop(self) -> None:
        self._call("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop")

    def log(self) -> str:
        """What the server has logged so far."""
        return (self._folder / "log").read_text()

    def create_database(self, name: str, *, template: str = "template0") -> dict[str, Any]:
        """Make a database, empty or a copy, and return Synapse's `database` section for it."""
        import psycopg2  # Only those who run workers need it.

        connection = psycopg2.connect(**self.arguments("postgres"))
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(
                f"CREATE DATABASE {name} TEMPLATE {template} LC_COLLATE 'C' LC_CTYPE 'C'"
            )
        connection.close()
        return {"name": "psycopg2", "args": {**self.arguments(name), "cp_min": 2, "cp_max": 10}}

    def arguments(self, database: str) -> dict[str, Any]:
        return {
            "user": "synapse",
            "dbname": database,
            "host": "127.0.0.1",
            "port": self.port,
        }

    def _call(self, program: str, *arguments: str) -> None:
        command = [*self._as_user, str(self._bin / program), *arguments]
        # A server inherits its starter's output; a pipe would never end.
        with (self._folder.parent / "postgres-output.txt").open("ab") as output:
            subprocess.run(
                command, check=True, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd="/"
            )
