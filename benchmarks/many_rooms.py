"""`python -m benchmarks.many_rooms`: how long `capgroups check` takes on a server of many rooms.

`--command adopt` measures the plan of `capgroups adopt` instead, and `--command report` measures
`capgroups report`, with five entries on record for each room, of the last year.

A homeserver makes its tables and ends. Then SQL fills them: of each hundred rooms, 60 are direct
chats, 30 have 5 members, 9 have 12, and one has 30; one in ten thousand has 600. 5 are public and
listed with an address, one is readable from outside, and in 10 there is somebody from another
server, all of which break rules. Of the rooms in which nothing can be found, the contents of events
are left out: `check` does not read them.
"""

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from hashlib import md5
from pathlib import Path
from typing import Any

import psycopg2

from synapse_capgroups.demo.homeserver import Homeserver
from synapse_capgroups.demo.postgres import Postgres

_SERIES = {
    "postgres": "WITH series AS (SELECT generate_series(1, {rooms}) AS i)",
    "sqlite": "WITH RECURSIVE series (i) AS "
    "(SELECT 1 UNION ALL SELECT i + 1 FROM series WHERE i < {rooms})",
}
_ROOM = "'!' || md5('room' || i) || substr(md5('more' || i), 1, 11)"
_OWNER = "'@user' || (i % 200000) || ':localhost'"
_SIZE = """
    CASE WHEN i % 10000 = 0 THEN 600 WHEN i % 100 = 0 THEN 30 WHEN i % 100 < 10 THEN 12
        WHEN i % 100 < 40 THEN 5 ELSE 2 END
"""
_LISTED, _READABLE, _REMOTE = "i % 20 = 1", "i % 100 = 7", "i % 10 = 3"
_JOIN_RULE = f"CASE WHEN {_LISTED} THEN 'public' ELSE 'invite' END"
_VISIBILITY = f"CASE WHEN {_READABLE} THEN 'world_readable' ELSE 'shared' END"
# Of the rooms that `check` looks at, among them those above the code limit.
_LOOKED_AT = f"({_LISTED} OR {_READABLE} OR {_REMOTE} OR i % 10000 = 0)"
_CONTENTS: Mapping[str, str] = {
    "m.room.create": """'{"room_version": "10"}'""",
    "m.room.power_levels": f"""
        '{{"users": {{"' || {_OWNER} || '": 100}}, "users_default": 0, "invite": 0, "ban": 50,'
        || '"kick": 50, "redact": 50, "state_default": 50, "events_default": 0, "events": {{'
        || '"m.room.name": 50, "m.room.power_levels": 100, "m.room.encryption": 100}}}}'
    """,
    "m.room.join_rules": f"""'{{"join_rule": "' || {_JOIN_RULE} || '"}}'""",
    "m.room.history_visibility": f"""'{{"history_visibility": "' || {_VISIBILITY} || '"}}'""",
    "m.room.guest_access": """'{"guest_access": "can_join"}'""",
    "m.room.name": """'{"name": "Room ' || i || '"}'""",
}


def _event(kind: str) -> str:
    return f"'$' || md5('{kind}' || i) || substr(md5('more' || i), 1, 11)"


def _json(kind: str, content: str) -> str:
    return f"""
        '{{"type": "{kind}", "state_key": "", "room_id": "' || {_ROOM} || '", "sender": "'
        || {_OWNER} || '", "origin_server_ts": 1790000000000, "depth": 5, "hashes": {{"sha256": "'
        || md5('hash' || i) || '"}}, "auth_events": ["' || md5('auth' || i) || '"], "content": '
        || {content} || '}}'
    """


def _members(places: str) -> str:
    return f"""
        INSERT INTO current_state_events (event_id, room_id, type, state_key, membership)
        SELECT '$' || md5(i || 'member' || n) || substr(md5('more' || i), 1, 11), {_ROOM},
            'm.room.member',
            CASE WHEN n = 2 AND {_REMOTE} THEN '@user' || i || ':elsewhere.org'
                ELSE '@user' || ((i + n - 1) % 200000) || ':localhost' END,
            'join'
        FROM series JOIN places ON n <= {_SIZE} AND {places}
    """


def statements() -> list[str]:
    """What fills Synapse's tables; `series` has a row for each room, by its number `i`."""
    filled = [
        f"INSERT INTO rooms (room_id, is_public, creator, room_version) "
        f"SELECT {_ROOM}, {_LISTED}, {_OWNER}, '10' FROM series",
        "INSERT INTO users (name, creation_ts, admin, is_guest, deactivated) "
        "SELECT '@user' || i || ':localhost', 1, 0, 0, 0 FROM series WHERE i < 200000",
        f"""
        INSERT INTO room_stats_state
            (room_id, name, join_rules, history_visibility, guest_access)
        SELECT {_ROOM}, 'Room ' || i, {_JOIN_RULE}, {_VISIBILITY}, 'can_join' FROM series
        """,
        f"INSERT INTO room_aliases (room_alias, room_id) "
        f"SELECT '#room' || i || ':localhost', {_ROOM} FROM series WHERE {_LISTED}",
        *(_members(places) for places in ("n <= 12", "n > 12 AND i % 100 = 0")),
        f"""
        INSERT INTO events (event_id, room_id, type, depth, processed, outlier,
            topological_ordering, stream_ordering, origin_server_ts, received_ts, sender,
            contains_url)
        SELECT {_event("m.room.name")}, {_ROOM}, 'm.room.name', 5, TRUE, FALSE, 5,
            1000000 + i, 1790000000000, 1790000000000, {_OWNER}, FALSE
        FROM series WHERE {_LOOKED_AT}
        """,
    ]
    for kind, content in _CONTENTS.items():
        filled += [
            f"INSERT INTO current_state_events (event_id, room_id, type, state_key) "
            f"SELECT {_event(kind)}, {_ROOM}, '{kind}', '' FROM series",
            f"INSERT INTO event_json (event_id, room_id, internal_metadata, json) "
            f"SELECT {_event(kind)}, {_ROOM}, '{{}}', {_json(kind, content)} "
            f"FROM series WHERE {_LOOKED_AT}",
        ]
    return filled


def fill(connection: Any, engine: str, rooms: int) -> None:
    """Fill the tables of a homeserver that has ended."""
    cursor = connection.cursor()
    indexes = _drop_indexes(cursor) if engine == "postgres" else []
    cursor.execute("DELETE FROM background_updates")
    cursor.execute("CREATE TEMPORARY TABLE places (n BIGINT PRIMARY KEY)")
    for n in range(1, 601):
        cursor.execute(f"INSERT INTO places VALUES ({n})")
    cursor.execute("ANALYZE places")
    series = _SERIES[engine].format(rooms=rooms)
    for statement in statements():
        insert, _, select = statement.partition("SELECT")
        begun = time.monotonic()
        cursor.execute(f"{insert} {series} SELECT {select}")
        connection.commit()
        print(f"{time.monotonic() - begun:6.1f} s  {' '.join(insert.split())[:70]}", flush=True)
    for statement in indexes:
        cursor.execute(statement)
    connection.commit()
    cursor.close()


def record(connection: Any, engine: str, rooms: int) -> None:
    """Fill the record of a module that was there for a year."""
    entries, year = 5 * rooms, 365 * 24 * 60 * 60 * 1000
    begin = int(time.time() * 1000) - year
    connection.cursor().execute(
        f"""
        INSERT INTO capgroups_admissions
            (room_id, user_id, how, inviter, inviter_was_friend, mode, members_after, admitted_at)
        {_SERIES[engine].format(rooms=entries)}
        SELECT {_ROOM}, '@user' || i || ':localhost', 'invite', '@user' || (i / 3) || ':localhost',
            FALSE, 'open', 2, {begin} + i * CAST({year // entries} AS BIGINT)
        FROM series
        """
    )
    connection.commit()


def _drop_indexes(cursor: Any) -> list[str]:
    """Drop what would be filled row by row, and return what makes it anew."""
    cursor.execute("SET maintenance_work_mem = '256MB'")
    statements = []
    for table in ("current_state_events", "event_json", "rooms", "room_stats_state"):
        cursor.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
            f"WHERE conrelid = '{table}'::regclass AND contype IN ('p', 'u')"
        )
        for name, definition in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name} CASCADE")
            statements.append(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
        cursor.execute(f"SELECT indexname, indexdef FROM pg_indexes WHERE tablename = '{table}'")
        for name, definition in cursor.fetchall():
            cursor.execute(f"DROP INDEX {name}")
            statements.append(definition)
    return statements


def measure(yaml: Path, output: str, postmaster: int | None = None, name: str = "check") -> str:
    """Run a command and say how long it took and how much memory.

    Args:
        postmaster: the process of PostgreSQL's whose children serve it.
        name: `check`, `adopt` or `report`.
    """
    command = [sys.executable, "-m", "synapse_capgroups", name, "-c", str(yaml), "-o", output]
    load, served = os.getloadavg()[0], _children_cpu(postmaster)
    begun = time.monotonic()
    with (yaml.parent / f"{name}.{output}").open("wb") as out:
        process = subprocess.Popen(command, stdout=out)
        memory, pid = 0, 0
        while not pid:
            # `ru_maxrss` would count this process, from which that one was forked.
            memory = max(memory, _memory(process.pid))
            time.sleep(0.05)
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
    seconds = time.monotonic() - begun
    time.sleep(1)  # PostgreSQL's process ends a moment later.
    cpu = usage.ru_utime + usage.ru_stime
    return (
        f"{output}: {seconds:.1f} s, {cpu:.1f} s of CPU in the process, "
        f"{_children_cpu(postmaster) - served:.1f} s in PostgreSQL, "
        f"{memory / 1024:.0f} MB, exit code {os.waitstatus_to_exitcode(status)}, "
        f"load {load:.1f} before and {os.getloadavg()[0]:.1f} after"
    )


def _memory(pid: int) -> int:
    """The most memory that a process had so far, in kB; 0 if it has ended."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def _children_cpu(pid: int | None) -> float:
    """CPU seconds of all children of a process that have ended."""
    if pid is None:
        return 0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_rooms", description=__doc__)
    parser.add_argument("engine", choices=("postgres", "sqlite"))
    parser.add_argument("--rooms", type=int, default=1_000_000)
    parser.add_argument("--command", choices=("check", "adopt", "report"), default="check")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="capgroups-many-") as folder:
        Path(folder).chmod(0o755)
        postgres, database = None, None
        if options.engine == "postgres":
            (home := Path(folder) / "postgres").mkdir()
            postgres = Postgres(home)
            postgres.start()
            database = postgres.create_database("many")
        # A trial makes the module's tables, and nothing else.
        module = {"enforce": False} if options.command == "report" else None
        try:
            homeserver = Homeserver(
                Path(folder) / "server", module, database=database,
                settings={"allow_guest_access": False},
            )  # fmt: skip
            homeserver.start()
            if module:
                time.sleep(10)  # The tables are made in the background.
            homeserver.stop()
            path = homeserver.folder / "homeserver.db"
            connection = (
                psycopg2.connect(**postgres.arguments("many"))
                if postgres
                else sqlite3.connect(path)
            )
            with closing(connection):
                if isinstance(connection, sqlite3.Connection):
                    connection.create_function("md5", 1, _md5, deterministic=True)
                    connection.execute("PRAGMA synchronous = OFF")
                    # In a log of its own, so much in one transaction would take hours.
                    connection.execute("PRAGMA journal_mode = OFF")
                    connection.execute("PRAGMA cache_size = -4000000")
                fill(connection, options.engine, options.rooms)
                if module:
                    record(connection, options.engine, options.rooms)
                if isinstance(connection, sqlite3.Connection):
                    connection.execute("ANALYZE")
                    connection.execute("PRAGMA journal_mode = WAL")
            if postgres:
                with closing(psycopg2.connect(**postgres.arguments("many"))) as connection:
                    connection.autocommit = True
                    connection.cursor().execute("VACUUM (ANALYZE)")
            pid_file = Path(folder) / "postgres" / "data" / "postmaster.pid"
            postmaster = int(pid_file.read_text().split()[0]) if postgres else None
            for output in ("table", "csv", "json"):
                yaml = homeserver.folder / "homeserver.yaml"
                print(measure(yaml, output, postmaster, options.command), flush=True)
            print((homeserver.folder / f"{options.command}.table").read_text())
        finally:
            if postgres:
                postgres.stop()
    return 0


def _md5(value: str) -> str:
    return md5(value.encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
