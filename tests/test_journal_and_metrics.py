"""The journal, the record of admissions, and the metrics."""

import json

import pytest

from synapse_capgroups.demo.person import expect
from tests.conftest import CODE_LIMIT, Server, Starter, eventually, refused


def test_every_admission_is_a_row(server: Server) -> None:
    room, people = server.group(CODE_LIMIT)
    friend = server.person()
    people[1].befriend(friend)
    expect(people[1].invite(room, friend))
    expect(friend.join(room))
    rows = server.query(
        "SELECT user_id, how, inviter, inviter_was_friend, mode, members_after "
        "FROM capgroups_admissions WHERE room_id = ? ORDER BY members_after",
        room,
    )
    creator = people[0].user_id
    assert rows == [
        (creator, "creator", None, False, "open", 1),
        *((p.user_id, "invite", creator, False, "open", i + 2) for i, p in enumerate(people[1:])),
        (friend.user_id, "invite", people[1].user_id, True, "friends", CODE_LIMIT + 1),
    ]


def test_a_name_change_a_repeated_join_and_a_refusal_are_no_admissions(server: Server) -> None:
    room, people = server.group(2)
    count = "SELECT COUNT(*) FROM capgroups_admissions WHERE room_id = ?"
    assert server.query(count, room) == [(2,)]
    expect(people[1].set_room_name_of_own(room, "Another"))
    expect(people[1].join(room))
    assert server.person().join(room).status == 403
    assert server.query(count, room) == [(2,)]


def test_a_creator_is_on_record_as_soon_as_the_group_exists(server: Server) -> None:
    creator = server.person()
    room = creator.new_room()
    rows = server.query("SELECT user_id, how FROM capgroups_admissions WHERE room_id = ?", room)
    assert rows == [(creator.user_id, "creator")]


def test_every_admission_and_refusal_is_one_line_of_json(server: Server) -> None:
    room, people = server.group(2)
    stranger = server.person()
    assert refused(stranger.join(room), "invite_required")
    lines = [(word, f) for word, f in server.homeserver.journal() if f.get("group") == room]
    assert lines == [
        (
            "admitted",
            {"group": room, "user": people[1].user_id, "how": "invite", "by": people[0].user_id,
             "friend": False, "mode": "open", "members": 2},
        ),
        (
            "refused",
            {"group": room, "user": stranger.user_id, "decision": "join",
             "reason": "invite_required"},
        ),
    ]  # fmt: skip


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85", "\r", "\x0b"])
def test_other_line_ends_do_not_break_a_journal_line_either(server: Server, end: str) -> None:
    room, people = server.group(CODE_LIMIT)
    forged = f"2026-01-01 00:00:00,000 synapse_capgroups.journal INFO POST-1 admitted {{}}{end}"
    people[0].invite(room, f"@x{end}{forged}:localhost")
    assert ("admitted", {}) not in server.homeserver.journal()
    assert all(line.isascii() for line in journal_lines(server))


def journal_lines(server: Server) -> list[str]:
    text = server.homeserver.log.read_bytes().decode()
    return [line for line in text.split("\n") if line[24:].startswith("synapse_capgroups.journal")]


def test_nobody_can_break_a_journal_line_in_two(server: Server) -> None:
    room, people = server.group(2)
    before = len(server.homeserver.journal())
    hostile = "@x\n2026 synapse_capgroups.journal INFO admitted {}:localhost"
    people[0].invite(room, hostile)
    people[0].create_room(visibility="public", name=hostile, invite=[hostile])
    people[0].set_state(room, "m.room.join_rules", {"join_rule": hostile})
    after = server.homeserver.journal()[before:]
    assert all(word == "refused" for word, _ in after)
    assert json.dumps(after)


def test_metrics_count_decisions_by_reason_and_tell_their_time(server: Server) -> None:
    def decisions(reason: str) -> float:
        series = f'capgroups_decisions_total{{decision="join",reason="{reason}"}}'
        return server.homeserver.metrics().get(series, 0)

    room, _ = server.group(1)
    before = decisions("invite_required"), decisions("allowed")
    server.person().join(room)
    assert decisions("invite_required") == before[0] + 1
    assert decisions("allowed") == before[1]
    server.group(2)
    assert decisions("allowed") == before[1] + 1
    timed = server.homeserver.metrics()['capgroups_decision_seconds_count{decision="join"}']
    assert timed >= sum(before) + 2


def test_metrics_count_groups_by_mode(start: Starter) -> None:
    server = start(module={"cap": 3, "code_limit": 2, "exempt": {"spaces": True}})
    server.group(1)
    server.person().new_room(creation_content={"type": "m.space"})
    room, people = server.group(2)
    friend = server.person()
    people[0].befriend(friend)  # A chat of two is not on record.
    server.group(2)
    expect(people[0].invite(room, friend))
    expect(friend.join(room))
    server.homeserver.stop()
    server.homeserver.start()

    def groups() -> dict[str, float]:
        return {
            series.split('"')[1]: value
            for series, value in server.homeserver.metrics().items()
            if series.startswith("capgroups_groups{")
        }

    assert eventually(lambda: groups() == {"open": 1, "friends": 1, "full": 1}), groups()
