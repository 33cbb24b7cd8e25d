"""Rule 5: when a code dies, and that nothing wakes it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import pytest
import yaml

from synapse_capgroups.demo.person import Person, expect
from tests.conftest import API, CODE_LIMIT, Server, Starter, eventually, refused


def set_level(room: str, by: Person, person: Person, level: int) -> None:
    levels = expect(by.state(room, "m.room.power_levels")).body
    levels["users"] = {**levels.get("users", {}), person.user_id: level}
    expect(by.set_state(room, "m.room.power_levels", levels))


def group_of_a_moderator(server: Server) -> tuple[str, Person, Person]:
    """A group, its creator and a moderator who may make codes."""
    room, (creator, moderator) = server.group(2)
    set_level(room, creator, moderator, 50)
    return room, creator, moderator


def state(server: Server, code: dict[str, object]) -> str:
    return str(expect(server.preview(code)).body["state"])


def on_record(server: Server, code: dict[str, object]) -> str | None:
    """What a code died of, as far as it is written down; nobody asks the module for it."""
    sql = "SELECT died_of FROM capgroups_codes WHERE code_id = ?"
    ((died_of,),) = server.query(sql, code["code_id"])
    return None if died_of is None else str(died_of)


# Removed from the group.


def test_a_removed_person_never_comes_back_by_an_older_code(server: Server) -> None:
    creator = server.person()
    room = creator.new_room(
        name="Knock",
        initial_state=[{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}],
    )
    code = server.make_code(room, creator)
    person = server.person()
    server.admit(room, creator, person)
    expect(creator.kick(room, person))
    expect(person.call("POST", f"/knock/{quote(room)}", {}))
    assert (
        expect(creator.state(room, "m.room.member", person.user_id)).body["membership"] == "knock"
    )
    assert refused(server.scan(person, code), "invite_required")
    expect(person.leave(room))  # takes the knock back
    assert refused(server.scan(person, code), "invite_required")
    assert person.user_id not in creator.members(room)


def test_one_who_was_banned_and_unbanned_does_not_come_back_by_an_older_code(
    server: Server,
) -> None:
    room, (creator, person) = server.group(2)
    code = server.make_code(room, creator)
    expect(creator.ban(room, person))
    expect(creator.call("POST", f"/rooms/{room}/unban", {"user_id": person.user_id}))
    expect(creator.invite(room, person))
    expect(person.leave(room))  # Declined: the latest event is their own.
    assert refused(server.scan(person, code), "invite_required")
    expect(server.scan(person, server.make_code(room, creator)))


def test_one_who_left_by_themselves_comes_back_by_an_older_code(server: Server) -> None:
    room, (creator, person) = server.group(2)
    code = server.make_code(room, creator)
    expect(person.leave(room))
    expect(server.scan(person, code))
    assert person.user_id in creator.members(room)


def test_whose_history_in_a_group_is_too_long_to_read_needs_an_invitation(server: Server) -> None:
    room, (creator, person) = server.group(2)
    code = server.make_code(room, creator)
    expect(person.leave(room))
    columns = (
        "room_id, user_id, sender, membership, display_name, avatar_url, event_stream_ordering"
    )
    for number in range(1001):
        server.query(
            f"INSERT INTO room_memberships (event_id, {columns}) "
            f"SELECT ?, {columns} FROM room_memberships WHERE room_id = ? AND user_id = ? LIMIT 1",
            f"$made-{number}-{room}", room, person.user_id,
        )  # fmt: skip
    assert refused(server.scan(person, code), "invite_required")
    server.query("DELETE FROM room_memberships WHERE event_id LIKE ?", f"$made-%-{room}")


# Once dead, always dead.


@pytest.mark.parametrize("removal", ["leave", "kick", "ban"])
def test_the_codes_of_a_sharer_who_is_out_are_dead_at_once_and_stay_so(
    server: Server, removal: str
) -> None:
    room, creator, moderator = group_of_a_moderator(server)
    code, kept = server.make_code(room, moderator), server.make_code(room, creator)
    if removal == "leave":
        expect(moderator.leave(room))
    else:
        expect(creator.call("POST", f"/rooms/{room}/{removal}", {"user_id": moderator.user_id}))
    assert eventually(lambda: on_record(server, code) == "code_revoked", 20)
    if removal == "ban":
        expect(creator.call("POST", f"/rooms/{room}/unban", {"user_id": moderator.user_id}))
    server.admit(room, creator, moderator)
    assert state(server, code) == "code_revoked"
    assert refused(server.scan(server.person(), code), "code_revoked")
    assert state(server, kept) == "alive"


UNHEARD = "UPDATE capgroups_codes SET died_of = NULL, died_at = NULL"


@pytest.mark.parametrize("made_by", ["this version", "an older version"])
def test_a_sharer_who_left_and_returned_while_nobody_looked_wakes_no_code(
    server: Server, made_by: str
) -> None:
    room, creator, moderator = group_of_a_moderator(server)
    code = server.make_code(room, moderator)
    # Somebody stands at the door, so that it stays there.
    door = expect(server.scan(server.person(), code)).body["room_id"]
    expect(moderator.leave(room))
    assert eventually(lambda: on_record(server, code) == "code_revoked", 20)
    server.admit(room, creator, moderator)
    # As if the module had been switched off meanwhile.
    older = ", after_stream_ordering = NULL" if made_by == "an older version" else ""
    server.query(f"{UNHEARD}{older} WHERE code_id = ?", code["code_id"])
    assert refused(server.person().join(door), "code_revoked")
    assert on_record(server, code) == "code_revoked"

    server.query(f"{UNHEARD} WHERE code_id = ?", code["code_id"])
    time.sleep(1)  # An answer about one code is repeated for a second.
    assert state(server, code) == "code_revoked"
    assert on_record(server, code) == "code_revoked"


def test_a_change_of_name_by_the_sharer_kills_no_code(server: Server) -> None:
    room, creator, moderator = group_of_a_moderator(server)
    code = server.make_code(room, moderator)
    expect(moderator.set_room_name_of_own(room, "Another"))
    expect(server.scan(server.person(), code))
    server.query(
        "UPDATE capgroups_codes SET after_stream_ordering = NULL WHERE code_id = ?", code["code_id"]
    )
    assert state(server, code) == "alive"
    assert len(creator.members(room)) == 3


def test_a_demotion_kills_at_once_and_a_promotion_wakes_nothing(server: Server) -> None:
    room, creator, moderator = group_of_a_moderator(server)
    code, kept = server.make_code(room, moderator), server.make_code(room, creator)
    set_level(room, creator, moderator, 0)
    set_level(room, creator, moderator, 50)
    assert eventually(lambda: on_record(server, code) == "code_revoked", 20)
    assert state(server, code) == "code_revoked"
    assert state(server, kept) == "alive"
    assert state(server, server.make_code(room, moderator)) == "alive"


def test_power_levels_that_are_refused_kill_nothing(server: Server) -> None:
    room, (creator, member) = server.group(2)
    code = server.make_code(room, creator)
    levels = expect(creator.state(room, "m.room.power_levels")).body
    assert member.set_state(room, "m.room.power_levels", {**levels, "invite": 200}).status == 403
    time.sleep(1)
    assert on_record(server, code) is None


def test_what_a_preview_finds_dead_is_written_down(server: Server) -> None:
    room, (creator,) = server.group(1)
    code = server.make_code(room, creator, lifetime_ms=1)
    assert state(server, code) == "code_expired"
    assert eventually(lambda: on_record(server, code) == "code_expired", 20)


@contextmanager
def module_switched_off(server: Server) -> Iterator[None]:
    server.homeserver.stop()
    path = server.homeserver.folder / "homeserver.yaml"
    configuration = path.read_text()
    path.write_text(yaml.safe_dump(yaml.safe_load(configuration) | {"modules": []}))
    server.homeserver.start()
    yield
    server.homeserver.stop()
    path.write_text(configuration)
    server.homeserver.start()


def test_a_demotion_while_nobody_looked_is_found_by_the_sweep(start: Starter) -> None:
    server = start(module={"cap": 6, "code_limit": CODE_LIMIT})
    room, creator, moderator = group_of_a_moderator(server)
    code = server.make_code(room, moderator)
    with module_switched_off(server):
        set_level(room, creator, moderator, 0)
    assert eventually(lambda: on_record(server, code) == "code_revoked", 20)


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_right_that_was_lost_and_given_back_while_nobody_looked_wakes_no_code(
    start: Starter, engine: str
) -> None:
    server = start(engine, module={"cap": 6, "code_limit": CODE_LIMIT})
    room, creator, moderator = group_of_a_moderator(server)
    code, kept = server.make_code(room, moderator), server.make_code(room, creator)
    replaced, (owner,) = server.group(1)
    left = server.make_code(replaced, owner)
    with module_switched_off(server):
        set_level(room, creator, moderator, 0)
        set_level(room, creator, moderator, 50)
        expect(
            owner.set_state(replaced, "m.room.tombstone", {"body": "", "replacement_room": room})
        )
        tombstone = {"body": "", "replacement_room": room}
        reply = expect(owner.set_state(replaced, "m.room.tombstone", tombstone))
        path = f"/rooms/{replaced}/redact/{quote(reply.body['event_id'], safe='')}/1"
        expect(owner.call("PUT", path, {}))
    for dead in (code, left):
        assert refused(server.scan(server.person(), dead), "code_revoked")
    assert expect(server.scan(server.person(), kept))
    assert state(server, server.make_code(room, moderator)) == "alive"


# Upgraded.


def test_codes_die_with_the_upgrade_of_their_group(server: Server) -> None:
    room, (creator, _) = server.group(2)
    code = server.make_code(room, creator)
    expect(creator.call("POST", f"/rooms/{room}/upgrade", {"new_version": "11"}))
    assert eventually(lambda: on_record(server, code) == "code_revoked", 20)
    assert refused(server.scan(server.person(), code), "code_revoked")
    reply = creator.call("POST", f"{API}/groups/{room}/codes", {})
    assert refused(reply, "code_revoked"), reply
    assert "replaced" in reply.error


def test_a_tombstone_alone_kills_codes_too(server: Server) -> None:
    room, (creator, _) = server.group(2)
    code = server.make_code(room, creator)
    other = creator.new_room()
    content = {"body": "moved", "replacement_room": other}
    expect(creator.set_state(room, "m.room.tombstone", content))
    assert eventually(lambda: on_record(server, code) == "code_revoked", 20)
    server.query(f"{UNHEARD} WHERE code_id = ?", code["code_id"])
    assert state(server, code) == "code_revoked"
    assert on_record(server, code) == "code_revoked"


# The sharer's account.


def suspend(server: Server, person: Person, *, suspended: bool = True) -> None:
    admin = server.person(admin=True)
    path = f"/_synapse/admin/v1/suspend/{person.user_id}"
    expect(admin.call("PUT", path, {"suspend": suspended}))


def shadow_ban(server: Server, person: Person) -> None:
    path = f"/_synapse/admin/v1/users/{person.user_id}/shadow_ban"
    expect(server.person(admin=True).call("POST", path, {}))


def lock(server: Server, person: Person) -> None:
    path = f"/_synapse/admin/v2/users/{person.user_id}"
    expect(server.person(admin=True).call("PUT", path, {"locked": True}))


def test_the_code_of_a_suspended_sharer_is_dead_and_stays_so(server: Server) -> None:
    room, _, moderator = group_of_a_moderator(server)
    code = server.make_code(room, moderator)
    suspend(server, moderator)
    assert state(server, code) == "suspended"
    reply = server.scan(server.person(), code)
    assert refused(reply, "suspended")
    assert "suspended" in reply.error
    suspend(server, moderator, suspended=False)
    assert on_record(server, code) == "suspended"
    assert refused(server.scan(server.person(), code), "suspended")


def test_a_suspension_that_is_taken_back_at_once_wakes_no_code(server: Server) -> None:
    room, _, moderator = group_of_a_moderator(server)
    code = server.make_code(room, moderator)
    suspend(server, moderator)
    suspend(server, moderator, suspended=False)
    assert refused(server.scan(server.person(), code), "suspended")


@pytest.mark.parametrize("punish", [shadow_ban, lock])
def test_the_code_of_a_shadow_banned_or_locked_sharer_reads_as_withdrawn(
    server: Server, punish: object
) -> None:
    room, _, moderator = group_of_a_moderator(server)
    code = server.make_code(room, moderator)
    punish(server, moderator)  # type: ignore[operator]
    assert refused(server.scan(server.person(), code), "code_revoked")
    assert state(server, code) == "code_revoked"


def test_suspended_people_cannot_make_codes_and_are_told_as_by_synapse(server: Server) -> None:
    room, (creator, _) = server.group(2)
    suspend(server, creator)
    reply = creator.call("POST", f"{API}/groups/{room}/codes", {})
    assert (reply.status, reply.body["errcode"]) == (403, "M_USER_SUSPENDED")
    assert "suspended" in reply.error
    assert server.query("SELECT * FROM capgroups_codes WHERE room_id = ?", room) == []


def test_shadow_banned_people_get_codes_that_let_nobody_in(server: Server) -> None:
    room, (creator, _) = server.group(2)
    shadow_ban(server, creator)
    code = server.make_code(room, creator)
    assert set(code) == {"code_id", "url", "secret", "expires_at"}
    assert state(server, code) == "code_revoked"
    assert eventually(lambda: refused(server.scan(server.person(), code), "code_revoked"))
    assert len(creator.members(room)) == 2


def test_the_sweep_finds_the_codes_of_suspended_sharers(start: Starter) -> None:
    server = start(module={"cap": 6, "code_limit": CODE_LIMIT})
    room, _, moderator = group_of_a_moderator(server)
    code = server.make_code(room, moderator)
    suspend(server, moderator)
    server.homeserver.stop()
    server.query(f"{UNHEARD} WHERE code_id = ?", code["code_id"])
    server.homeserver.start()
    assert eventually(lambda: on_record(server, code) == "suspended", 20)


# Lists.


def test_codes_are_listed_by_the_page_the_newest_first(server: Server) -> None:
    room, (creator, moderator) = server.group(2)
    set_level(room, creator, moderator, 50)
    made = [server.make_code(room, creator)["code_id"] for _ in range(7)]
    made += [server.make_code(room, moderator)["code_id"] for _ in range(4)]
    expect(moderator.leave(room))
    path = f"{API}/groups/{quote(room)}/codes"
    listed: list[dict[str, object]] = []
    page = expect(creator.call("GET", f"{path}?limit=4")).body
    pages = 1
    while True:
        assert len(page["codes"]) <= 4
        listed += page["codes"]
        if "next" not in page:
            break
        page = expect(creator.call("GET", f"{path}?limit=4&from={quote(page['next'])}")).body
        pages += 1
    assert [code["code_id"] for code in listed] == made[::-1] or sorted(
        str(code["code_id"]) for code in listed
    ) == sorted(made)
    assert (pages, len(listed)) == (3, 11)
    states = {code["code_id"]: code["state"] for code in listed}
    assert [states[code] for code in made] == ["alive"] * 7 + ["code_revoked"] * 4
    for wrong in ("limit=0", "limit=x", "from=x", "limit=1&from=%00", "from=1-"):
        reply = creator.call("GET", f"{path}?{wrong}")
        assert (reply.status, reply.body["errcode"]) == (400, "M_INVALID_PARAM"), wrong


def queries(server: Server) -> float:
    """How many transactions of the module the server has run."""
    return sum(
        value
        for series, value in server.homeserver.metrics().items()
        if series.startswith("synapse_storage_transaction_time_count_total{")
        and 'desc="capgroups_' in series
        and "sweep" not in series
    )


def test_a_long_list_of_codes_takes_no_more_queries_than_a_short_one(start: Starter) -> None:
    server = start(module={"cap": 6, "code_limit": CODE_LIMIT})
    room, (creator,) = server.group(1)
    path = f"{API}/groups/{quote(room)}/codes"
    asked = []
    for codes in (1, 19):
        for _ in range(codes):
            server.make_code(room, creator)
        before = queries(server)
        expect(creator.call("GET", path))
        asked.append(queries(server) - before)
    assert asked[0] == asked[1] <= 3
