"""Tables of every older version are brought up to date, with what people have in them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import attrs
import pytest

from synapse_capgroups.demo.person import Person, expect
from synapse_capgroups.storage import schema
from tests.conftest import API, CAP, CODE_LIMIT, Server, Starter, eventually, refused
from tests.test_personal_codes import known

pytestmark = pytest.mark.both_engines

Rows = Mapping[str, list[dict[str, Any]]]


def tables(server: Server) -> list[str]:
    where = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE ?"
        if server.engine == "sqlite"
        else "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE ?"
    )
    return [name for (name,) in server.query(where, "capgroups_%")]


def columns(server: Server, table: str) -> list[str]:
    if server.engine == "sqlite":
        return [row[1] for row in server.query(f"PRAGMA table_info('{table}')")]
    order = "SELECT column_name FROM information_schema.columns WHERE table_name = ?"
    return [name for (name,) in server.query(order, table)]


def all_rows(server: Server) -> Rows:
    found = {}
    for table in tables(server):
        names = columns(server, table)
        rows = server.query(f"SELECT {', '.join(names)} FROM {table}")
        found[table] = [dict(zip(names, row, strict=True)) for row in rows]
    return found


def turn_back(server: Server, version: int) -> None:
    """Leave the tables of an older version, with the rows that it would have."""
    rows = all_rows(server)
    for table in rows:
        server.query(f"DROP TABLE {table}")
    server.query("CREATE TABLE capgroups_schema (version BIGINT NOT NULL)")
    server.query("INSERT INTO capgroups_schema VALUES (?)", version)
    for migration in schema.MIGRATIONS[:version]:
        for statement in migration:
            server.query(statement)
    # Seats are of the last minute, and no account was on record before version 3.
    for table in set(tables(server)) - {
        "capgroups_schema",
        "capgroups_accounts",
        "capgroups_seats",
    }:
        there = columns(server, table)
        for row in rows[table]:
            known = [name for name in row if name in there]
            server.query(
                f"INSERT INTO {table} ({', '.join(known)}) "
                f"VALUES ({', '.join('?' for _ in known)})",
                *(row[name] for name in known),
            )


@attrs.frozen
class Life:
    """What people have when their server is upgraded."""

    room: str
    creator: Person
    renamed: Person
    by_code: Person
    living: Mapping[str, Any]
    revoked: Mapping[str, Any]


def life(server: Server) -> Life:
    room, (creator, renamed) = server.group(2)
    living = server.make_code(room, creator, max_uses=3)
    revoked = server.make_code(room, creator)
    expect(creator.call("DELETE", f"{API}/groups/{quote(room)}/codes/{revoked['code_id']}"))
    by_code = server.person()
    expect(server.scan(by_code, living))
    name = {"displayname": "Uncle Bob"}
    expect(renamed.call("PUT", f"{API}/groups/{quote(room)}/name", name))
    return Life(room, creator, renamed, by_code, living, revoked)


@pytest.mark.parametrize("version", range(1, schema.SCHEMA_VERSION))
@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_what_people_have_outlives_an_upgrade_from_each_version(
    start: Starter, engine: str, version: int
) -> None:
    server = start(engine, module={"cap": CAP, "code_limit": CODE_LIMIT})
    chat = known(server)
    had = life(server)
    admissions = "SELECT room_id, user_id, how, inviter, admitted_at FROM capgroups_admissions"
    record = sorted(server.query(admissions))
    server.homeserver.stop()
    turn_back(server, version)

    server.homeserver.start()
    stands = "SELECT version FROM capgroups_schema"
    assert eventually(lambda: server.query(stands) == [(schema.SCHEMA_VERSION,)])
    assert sorted(server.query(admissions)) == record
    # The account has no record in the first versions, and is recognised in this start.
    made = "SELECT user_id FROM capgroups_accounts WHERE made_at > 0"
    assert eventually(lambda: server.query(made) == [("@groups:localhost",)])
    counted = "SELECT mode, COUNT(*) FROM capgroups_groups GROUP BY mode"
    kept = "SELECT mode, number FROM capgroups_group_counts"
    assert sorted(server.query(kept)) == sorted(server.query(counted)) != []

    if version >= 2:  # Before, there were no codes, names and chats.
        expect(server.scan(server.person(), had.living))
        # Its address went with the rooms of dead codes; the first sweep makes both anew.
        late = server.person()
        assert eventually(lambda: refused(server.scan(late, had.revoked), "code_revoked"))
        profile = f"/profile/{quote(had.renamed.user_id)}/displayname"
        expect(had.renamed.call("PUT", profile, {"displayname": "Robert"}))
        member = f"/rooms/{quote(had.room)}/state/m.room.member/{quote(had.renamed.user_id)}"
        assert expect(had.creator.call("GET", member)).body["displayname"] == "Uncle Bob"
        assert "help" in chat.ask("help")
    server.admit(had.room, had.creator, server.person(), as_friend=True)
