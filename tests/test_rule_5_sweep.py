"""Rule 5: what the sweep finds dead costs the same, however many codes live."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from synapse_capgroups.demo.person import expect
from tests.conftest import Server, Starter, eventually
from tests.test_rule_5_life_of_codes import (
    group_of_a_moderator,
    module_switched_off,
    on_record,
    set_level,
)

ENGINES = pytest.mark.parametrize("engine", ["sqlite", "postgres"])


def restart(server: Server) -> None:
    """A start sweeps at once."""
    server.homeserver.stop()
    server.homeserver.start()


def transactions(server: Server, name: str) -> float:
    series = f'synapse_storage_transaction_time_count_total{{desc="capgroups_{name}"'
    metrics = server.homeserver.metrics()
    return sum(value for key, value in metrics.items() if key.startswith(series))


def judged(server: Server, code: dict[str, Any]) -> str | None:
    sql = "SELECT judged_marks FROM capgroups_codes WHERE code_id = ?"
    ((marks,),) = server.query(sql, code["code_id"])
    return None if marks is None else str(marks)


@pytest.mark.both_engines
@ENGINES
def test_a_code_is_judged_again_by_a_change_and_not_by_a_restart(
    start: Starter, engine: str
) -> None:
    server = start(engine, module={})
    room, creator, moderator = group_of_a_moderator(server)
    code = server.make_code(room, moderator)
    restart(server)
    assert eventually(lambda: judged(server, code) is not None)
    restart(server)
    assert eventually(lambda: transactions(server, "sweep_judged") > 0)
    assert transactions(server, "code_state") == 0

    with module_switched_off(server):
        set_level(room, creator, moderator, 0)
        set_level(room, creator, moderator, 50)
    assert eventually(lambda: on_record(server, code) == "code_revoked")


def test_a_code_is_judged_again_by_another_configuration(start: Starter) -> None:
    server = start(module={})
    room, creator, moderator = group_of_a_moderator(server)
    code, kept = server.make_code(room, moderator), server.make_code(room, creator)
    restart(server)
    assert eventually(lambda: judged(server, code) is not None)
    server.homeserver.stop()
    path: Path = server.homeserver.folder / "homeserver.yaml"
    configuration = yaml.safe_load(path.read_text())
    (module,) = configuration["modules"]
    module["config"] = {**module["config"], "codes": {"share_level": 100}}
    path.write_text(yaml.safe_dump(configuration))
    server.homeserver.start()
    assert eventually(lambda: on_record(server, code) == "code_revoked")
    assert on_record(server, kept) is None


def test_many_codes_that_changed_are_judged_by_one_sweep_after_the_other(start: Starter) -> None:
    server = start(module={})
    room, creator, moderator = group_of_a_moderator(server)
    code = server.make_code(room, moderator)
    columns = (
        "room_id, sharer, created_at, expires_at, uses, door_closed_at, address_moved_at, "
        "after_stream_ordering"
    )
    with module_switched_off(server):
        set_level(room, creator, moderator, 0)
        # Nothing is left of these to be cleared up.
        for number in range(250):
            server.query(
                f"INSERT INTO capgroups_codes (code_id, secret, door, {columns}) "
                "SELECT ?, ?, ?, room_id, sharer, created_at, expires_at, uses, 1, 1, "
                "after_stream_ordering FROM capgroups_codes WHERE code_id = ?",
                f"made-{number:03}", f"secret {number}", f"!door{number}", code["code_id"],
            )  # fmt: skip
    dead = "SELECT COUNT(*) FROM capgroups_codes WHERE died_of = 'code_revoked'"
    assert eventually(lambda: server.query(dead)[0][0] >= 100)
    restart(server)
    assert eventually(lambda: server.query(dead)[0][0] >= 200)
    restart(server)
    assert eventually(lambda: server.query(dead)[0][0] == 251)


def test_a_door_that_somebody_came_into_while_it_was_deleted_is_deleted_when_they_are_out(
    start: Starter,
) -> None:
    server = start(module={})
    room, people = server.group(1)
    visitor = server.person()
    code = server.make_code(room, people[0])
    door = expect(server.scan(visitor, code)).body["room_id"]
    # Synapse's task has failed: it does not delete a room in which somebody is.
    server.query(
        "UPDATE capgroups_codes SET died_of = 'code_expired', died_at = expires_at, "
        "address_moved_at = 1, door_closed_at = 1 WHERE code_id = ?",
        code["code_id"],
    )
    server.query("UPDATE capgroups_visits SET leave_at = 1")

    def none_of(table: str, column: str) -> bool:
        return not server.query(f"SELECT 1 FROM {table} WHERE {column} = ?", door)

    assert not none_of("rooms", "room_id")
    restart(server)
    assert eventually(lambda: none_of("capgroups_visits", "door"))
    restart(server)
    assert eventually(lambda: none_of("rooms", "room_id"))
