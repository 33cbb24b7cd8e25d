"""Whoever scans a code is invited and joined in one step, which looks as two steps look."""

from pathlib import Path
from typing import Any

import pytest

from synapse_capgroups.demo.person import Person, expect
from synapse_capgroups.inside import probe
from tests.conftest import Server, Starter, eventually

MODULE = {"cap": 6, "code_limit": 4, "names": {"keep": True}}
OURS = {"module": "synapse_capgroups.CapGroups", "config": MODULE}
LISTENING = {"module": "benchmarks.empty_check_event_allowed.Module", "config": {}}

OTHER_SYNAPSE = """
from synapse.handlers.message import EventCreationHandler as Handler
original = Handler.handle_new_client_event
def changed(self, *args, **kwargs):
    return original(self, *args, **kwargs)
Handler.handle_new_client_event = changed
class Module:
    def __init__(self, config, api): pass
"""


def steps(server: Server, room: str, person: Person) -> int:
    """By how many steps somebody's membership of a room came to be what it is."""
    ((count,),) = server.query(
        "SELECT COUNT(*) FROM current_state_delta_stream WHERE room_id = ? AND state_key = ?",
        room, person.user_id,
    )  # fmt: skip
    return int(count)


def labelled(value: Any, names: dict[str, str]) -> Any:
    """The same without what differs from server to server: IDs, times, signatures."""
    if isinstance(value, dict):
        skipped = ("event_id", "origin_server_ts", "age", "hashes", "signatures", "replaces_state",
                   "prev_batch", "transaction_id")  # fmt: skip
        return {
            names.get(key, key): labelled(item, names)
            for key, item in value.items()
            if key not in skipped
        }
    if isinstance(value, list):
        return [labelled(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


def sync(person: Person, since: str = "", limit: int = 20) -> dict[str, Any]:
    """Synapse remembers its answer for a while, one for each limit of the timeline."""
    asked = f'/sync?timeout=0&filter={{"room":{{"timeline":{{"limit":{limit}}}}}}}'
    return dict(expect(person.call("GET", asked + (since and f"&since={since}"))).body)


def room_in(answer: dict[str, Any], room: str) -> Any:
    """What a client makes of it: older Synapses repeat events of the timeline before it."""
    told = answer["rooms"]["join"][room]
    events = {event["event_id"] for event in told["timeline"]["events"]}
    told["state"]["events"] = [
        event for event in told["state"]["events"] if event["event_id"] not in events
    ]
    return told


def called(person: Person) -> str:
    return person.user_id[1:].partition(":")[0]


def story(server: Server) -> tuple[int, dict[str, Any]]:
    """Somebody scans, leaves and scans again: how many steps, and what everybody sees of it."""
    room, people = server.group(2)
    sharer, member = people
    expect(sharer.set_room_name_of_own(room, "Owner"))
    person = server.person()
    expect(person.call("PUT", f"/profile/{person.user_id}/displayname", {"displayname": "Ada"}))
    names = {
        room: "ROOM", sharer.user_id: "SHARER", member.user_id: "MEMBER", person.user_id: "PERSON",
        called(sharer): "SHARER'S NAME", called(member): "MEMBER'S NAME",
    }  # fmt: skip
    code = server.make_code(room, sharer)
    since, since_of_member = sync(person)["next_batch"], sync(member)["next_batch"]
    expect(server.scan(person, code))
    count = steps(server, room, person)
    seen: dict[str, Any] = {
        "person": room_in(sync(person, since), room),
        "person anew": room_in(sync(person, limit=30), room),
        "member": room_in(sync(member, since_of_member), room),
        "member's members": sorted(names[user] for user in member.members(room)),
    }
    expect(person.leave(room))
    expect(server.scan(person, code))  # Still at the door.
    expect(member.send(room, "Hello"))
    path = f"/rooms/{room}/messages?dir=b&limit=100"
    seen["history"] = expect(member.call("GET", path)).body["chunk"]
    seen["history of the person"] = expect(person.call("GET", path)).body["chunk"]
    rows = server.query(
        "SELECT e.depth, m.membership, m.display_name FROM events AS e "
        "JOIN room_memberships AS m USING (event_id) "
        "WHERE e.room_id = ? AND m.user_id = ? ORDER BY e.stream_ordering", room, person.user_id,
    )  # fmt: skip
    seen["memberships"] = [(depth - rows[0][0], *row) for depth, *row in rows]
    edges = server.query("SELECT COUNT(*) FROM event_forward_extremities WHERE room_id = ?", room)
    seen["ends"] = edges
    return count, dict(labelled(seen, names))


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_one_step_leaves_what_two_steps_leave(start: Starter, engine: str) -> None:
    one, seen = story(start(engine, module=None, settings={"modules": [OURS]}))
    two, expected = story(start(engine, module=None, settings={"modules": [OURS, LISTENING]}))
    assert (one, two) == (1, 2)
    for what, value in expected.items():
        assert seen[what] == value, what
    assert [row[1] for row in seen["memberships"]] == ["invite", "join", "leave", "invite", "join"]


@pytest.mark.parametrize("version", ["9", "10", "11", "12"])
def test_it_is_one_step_in_each_room_version(server: Server, version: str) -> None:
    room, people = server.group(1, room_version=version)
    person = server.person()
    expect(server.scan(person, server.make_code(room, people[0])))
    assert steps(server, room, person) == 1
    assert expect(person.send(room, "I am in"))


def test_who_is_invited_already_is_joined_in_synapses_own_way(server: Server) -> None:
    room, people = server.group(1)
    person = server.person()
    expect(people[0].invite(room, person))
    expect(server.scan(person, server.make_code(room, people[0])))
    assert steps(server, room, person) == 3
    assert person.user_id in people[0].members(room)


def test_a_banned_person_is_refused_and_stays_banned(server: Server) -> None:
    room, people = server.group(1)
    code = server.make_code(room, people[0])
    person = server.person()
    expect(people[0].ban(room, person))
    assert server.scan(person, code).status == 403
    ((membership,),) = server.query(
        "SELECT membership FROM current_state_events WHERE room_id = ? AND state_key = ?",
        room, person.user_id,
    )  # fmt: skip
    assert membership == "ban"


def test_a_synapse_without_what_a_batch_needs_makes_two_steps(
    start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other_synapse.py").write_text(OTHER_SYNAPSE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    modules = [{"module": "other_synapse.Module", "config": {}}, OURS]
    count, seen = story(start(module=None, settings={"modules": modules}))
    assert count == 2
    assert [row[1] for row in seen["memberships"]] == ["invite", "join", "leave", "invite", "join"]


def test_many_who_scan_leave_no_long_chain_of_states(start: Starter) -> None:
    """Synapse keeps the chain short for single events, and not for its own batches."""
    server = start(module={"cap": 80, "code_limit": 70})
    room, people = server.group(1)
    code = server.make_code(room, people[0])
    for person in server.people(55):
        expect(server.scan(person, code))
    rows = server.query(
        "SELECT e.state_group, e.prev_state_group FROM state_group_edges AS e "
        "JOIN state_groups AS g ON g.id = e.state_group WHERE g.room_id = ?", room,
    )  # fmt: skip
    before: dict[int, int] = dict(rows)
    longest = 0
    for group in before:
        hops, at = 0, group
        while at in before:
            at, hops = before[at], hops + 1
        longest = max(longest, hops)
    assert longest <= 100
    assert eventually(lambda: len(people[0].members(room)) == 56)


def test_this_synapse_has_what_a_batch_needs() -> None:
    assert [probe.problem(row) for row in probe.BATCH_REQUIREMENTS] == [None] * len(
        probe.BATCH_REQUIREMENTS
    )
