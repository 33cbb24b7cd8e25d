"""Wrong input of the commands that read homeserver.yaml and the database, one like the other.

What only one of them can be given is in its own file.
"""

import ctypes
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg2
import pytest
import yaml

from synapse_capgroups.cli import main
from tests.conftest import Server, starter

pytestmark = pytest.mark.both_engines
on_postgres = pytest.mark.parametrize("engine", ["postgres"], indirect=True)
on_sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
COMMANDS = pytest.mark.parametrize("command", ["check", "report", "adopt", "remove"])

_CAPABILITIES_3 = 0x20080522
_PASS_OVER = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server that has had the module, and is stopped."""
    with ExitStack() as stack:
        server = starter(request, stack)(request.param, module={})
        server.person().new_room()  # The tables are there once something was decided.
        server.homeserver.stop()
        path = server.homeserver.folder / "homeserver.yaml"
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "modules": []}))
        yield server


@pytest.fixture
def cannot_run(capsys: pytest.CaptureFixture[str]) -> "CannotRun":
    return CannotRun(capsys)


class CannotRun:
    """Runs a command that cannot do its work, and sees that it says so in one sentence."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, sentence: str, command: str, *paths: Path) -> None:
        files = [part for path in paths for part in ("-c", str(path))]
        self._capsys.readouterr()
        code = main([command, *files])
        out, err = self._capsys.readouterr()
        assert (code, out) == (2, ""), err
        assert err.startswith(f"capgroups {command}: ")
        assert sentence in err
        assert "Traceback" not in err


def yaml_of(server: Server) -> Path:
    return server.homeserver.folder / "homeserver.yaml"


@contextmanager
def without_rights(path: Path) -> Iterator[None]:
    """Nobody may read a file or look into a folder, not even root.

    Root stays root: it must read Python's own files, wherever they are.
    """
    before = path.stat().st_mode
    path.chmod(0)
    try:
        with _as_others():
            yield
    finally:
        path.chmod(before)


@contextmanager
def _as_others() -> Iterator[None]:
    """This thread gives up to pass over the rights of files for a while (capabilities(7))."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_3, 0)
    before = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, before) == 0
    effective, *others = before
    assert libc.capset(header, (ctypes.c_uint32 * 6)(effective & ~_PASS_OVER, *others)) == 0
    try:
        yield
    finally:
        assert libc.capset(header, before) == 0


@COMMANDS
def test_a_file_that_is_not_there_is_told(
    tmp_path: Path, command: str, cannot_run: CannotRun
) -> None:
    cannot_run("There is no file", command, tmp_path / "no.yaml")


@COMMANDS
@on_sqlite
def test_files_and_folders_of_somebody_else_are_told(
    engine: Server, tmp_path: Path, command: str, cannot_run: CannotRun
) -> None:
    """As whoever runs a command with another account than Synapse has."""
    mine = yaml_of(engine)
    main([command, "-c", str(mine)])  # Afterwards, nothing is to be imported.
    with without_rights(mine):
        cannot_run("Run this as the user that runs Synapse", command, mine)
    with without_rights(mine.parent):
        cannot_run("Run this as the user that runs Synapse", command, mine)
    database = mine.parent / "homeserver.db"
    # The database alone is Synapse's, in a folder of its own.
    copied = tmp_path / "homeserver.yaml"
    copied.write_text(mine.read_text())
    for path in (database, mine.parent):
        with without_rights(path):
            cannot_run(f"Cannot read the database {database}: Permission", command, copied)


@COMMANDS
def test_a_database_of_another_synapse_is_told(
    engine: Server, command: str, cannot_run: CannotRun
) -> None:
    [(compatible,)] = engine.query("SELECT compat_version FROM schema_compat_version")
    engine.query("UPDATE schema_compat_version SET compat_version = 9999")
    try:
        cannot_run("A newer Synapse has used this database", command, yaml_of(engine))
    finally:
        engine.query("UPDATE schema_compat_version SET compat_version = ?", compatible)


@pytest.mark.parametrize("command", ["report", "remove"])
def test_tables_of_another_version_of_the_module_are_told(
    engine: Server, command: str, cannot_run: CannotRun
) -> None:
    [(version,)] = engine.query("SELECT version FROM capgroups_schema")
    for other in (1, version + 1):
        engine.query("UPDATE capgroups_schema SET version = ?", other)
        try:
            cannot_run(f"have version {other}", command, yaml_of(engine))
        finally:
            engine.query("UPDATE capgroups_schema SET version = ?", version)


@COMMANDS
@on_postgres
def test_a_migration_that_runs_is_told(engine: Server, command: str, cannot_run: CannotRun) -> None:
    """Of Synapse's tables or of the module's: nobody can read beside it."""
    assert engine._database is not None
    arguments = {key: value for key, value in engine._database["args"].items() if key[:3] != "cp_"}
    with closing(psycopg2.connect(**arguments)) as migration:
        migration.cursor().execute(
            "LOCK TABLE rooms, capgroups_accounts, capgroups_schema IN ACCESS EXCLUSIVE MODE"
        )
        cannot_run("Try again in some minutes", command, yaml_of(engine))


@COMMANDS
@on_postgres
def test_a_role_without_rights_is_told(
    engine: Server, command: str, cannot_run: CannotRun, tmp_path: Path
) -> None:
    assert engine._database is not None
    engine.query("CREATE ROLE wrong_input LOGIN")
    arguments = {**engine._database["args"], "user": "wrong_input"}
    more = tmp_path / "more.yaml"
    more.write_text(yaml.safe_dump({"database": {**engine._database, "args": arguments}}))
    try:
        cannot_run("GRANT SELECT ON ALL TABLES", command, yaml_of(engine), more)
    finally:
        engine.query("DROP ROLE wrong_input")


@COMMANDS
@on_postgres
def test_a_role_that_may_only_select_is_enough_to_look(
    engine: Server, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert engine._database is not None
    engine.query("CREATE ROLE only_looks LOGIN")
    engine.query("GRANT SELECT ON ALL TABLES IN SCHEMA public TO only_looks")
    arguments = {**engine._database["args"], "user": "only_looks"}
    more = tmp_path / "more.yaml"
    more.write_text(yaml.safe_dump({"database": {**engine._database, "args": arguments}}))
    try:
        assert main([command, "-c", str(yaml_of(engine))]) in (0, 1)
        everything = capsys.readouterr().out
        assert main([command, "-c", str(yaml_of(engine)), "-c", str(more)]) in (0, 1)
        assert capsys.readouterr().out == everything != ""
    finally:
        engine.query("DROP OWNED BY only_looks")
        engine.query("DROP ROLE only_looks")
