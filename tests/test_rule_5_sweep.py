"""Rule 5: what the sweep finds dead costs the same, however many codes live."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from synapse_capgroups.codes.closing import GIVE_UP_MS, LOOK_AGAIN_MS
from synapse_capgroups.demo.person import expect
from tests.conftest import API, Server, Starter, eventually
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


def undeletable_door(server: Server) -> tuple[str, str]:
    """A dead code, and its door, which Synapse has failed to delete.

    So it is on a server whose rooms are still being prepared for simplified sliding sync. Here none
    is but this one, and for as long as the test wants.
    """
    server.homeserver.stop()
    server.query("DELETE FROM background_updates")
    server.query("DELETE FROM sliding_sync_joined_rooms_to_recalculate")
    server.homeserver.start()
    room, people = server.group(1)
    code = server.make_code(room, people[0])
    ((code_id, door),) = server.query(
        "SELECT code_id, door FROM capgroups_codes WHERE code_id = ?", code["code_id"]
    )
    server.query("INSERT INTO sliding_sync_joined_rooms_to_recalculate (room_id) VALUES (?)", door)
    expect(people[0].call("DELETE", f"{API}/groups/{quote(room)}/codes/{code_id}"))
    failed = "SELECT status FROM scheduled_tasks WHERE resource_id = ?"
    assert eventually(lambda: server.query(failed, door) == [("failed",)])
    looked = "SELECT 1 FROM capgroups_codes WHERE code_id = ? AND look_at_door_at IS NOT NULL"
    assert eventually(lambda: server.query(looked, code_id) == [(1,)])
    return code_id, door


def clear_up(server: Server) -> None:
    """Let dead codes be cleared up, as after each code that is used up.

    By a restart it would be as good, but then Synapse prepares the rooms in which nobody is.
    """
    room, people = server.group(1)
    code = server.make_code(room, people[0], max_uses=1)
    expect(server.scan(server.person(), code))
    moved = "SELECT address_moved_at FROM capgroups_codes WHERE code_id = ?"
    assert eventually(lambda: server.query(moved, code["code_id"]) != [(None,)])


def look_at_once(server: Server, code_id: str, died_before: int = 0) -> None:
    """Let a dead code's door be looked at now."""
    server.query(
        "UPDATE capgroups_codes SET look_at_door_at = 1, died_at = died_at - ? WHERE code_id = ?",
        died_before, code_id,
    )  # fmt: skip
    clear_up(server)


def tries(server: Server, door: str) -> int:
    """How often Synapse was asked to delete a door."""
    sql = "SELECT COUNT(*) FROM scheduled_tasks WHERE resource_id = ?"
    return int(server.query(sql, door)[0][0])


def rooms_called(server: Server, door: str) -> int:
    return int(server.query("SELECT COUNT(*) FROM rooms WHERE room_id = ?", door)[0][0])


def test_a_door_that_synapse_could_not_delete_is_deleted_later(start: Starter) -> None:
    server = start(module={})
    code_id, door = undeletable_door(server)
    wait = "SELECT look_at_door_at - died_at FROM capgroups_codes WHERE code_id = ?"
    assert LOOK_AGAIN_MS <= server.query(wait, code_id)[0][0] < 2 * LOOK_AGAIN_MS
    clear_up(server)  # Before its time, the door is left alone.
    assert tries(server, door) == 1
    server.query("DELETE FROM sliding_sync_joined_rooms_to_recalculate WHERE room_id = ?", door)
    look_at_once(server, code_id)
    assert eventually(lambda: rooms_called(server, door) == 0)
    look_at_once(server, code_id)
    assert eventually(lambda: server.query(wait, code_id) == [(None,)])
    assert tries(server, door) == 2


def test_a_door_that_synapse_cannot_delete_is_given_up_after_a_day(start: Starter) -> None:
    server = start(module={})
    code_id, door = undeletable_door(server)
    half_a_day = GIVE_UP_MS // 2
    look_at_once(server, code_id, died_before=half_a_day)
    wait = "SELECT look_at_door_at - died_at FROM capgroups_codes WHERE code_id = ?"
    assert eventually(lambda: server.query(wait, code_id)[0][0] >= 2 * half_a_day)
    assert eventually(lambda: tries(server, door) == 2)
    look_at_once(server, code_id, died_before=half_a_day)
    assert eventually(lambda: server.query(wait, code_id) == [(None,)])
    assert (rooms_called(server, door), tries(server, door)) == (1, 2)
    assert f"Synapse could not delete {door}" in server.homeserver.log.read_text()
