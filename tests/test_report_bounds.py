"""A report reads in bounded steps, and its steps leave nothing out and count nothing twice."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from typing import Any

import pytest

from synapse_capgroups.admin.homeserver_yaml import read
from synapse_capgroups.admin.opening import Opened, opened
from synapse_capgroups.admin.reading import main_database
from synapse_capgroups.groups.survey import Standards
from synapse_capgroups.inside.tables.all_rooms import Room
from synapse_capgroups.report import census, friendships, gathering
from synapse_capgroups.report.census import Census
from synapse_capgroups.report.gathering import Asked, Gathering
from synapse_capgroups.rules.joining import Limits
from tests.conftest import Server, starter

pytestmark = pytest.mark.both_engines

LIMITS = Limits(30, 29)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> Iterator[Server]:
    with ExitStack() as stack:
        server = starter(request, stack)(request.param, module={"cap": 30, "code_limit": 29})
        people = server.people(7)
        for one, other in pairwise(people):
            one.befriend(other)
        for size in (3, 4, 5, 7):
            server_group(server, people[:size])
        # All of one moment, as a slice must not end within it.
        server.query("UPDATE capgroups_admissions SET admitted_at = admitted_at / 1000 * 1000")
        yield server


def server_group(server: Server, people: list[Any]) -> None:
    room = people[0].new_room()
    for person in people[1:]:
        server.admit(room, people[0], person)


def gathered(server: Server, most_rooms: int | None = None) -> tuple[dict[str, Any], int]:
    """A report, and how many steps it took."""
    path = str(server.homeserver.folder / "homeserver.yaml")
    standards = Standards("localhost", LIMITS, concierge="@groups:localhost")
    now = int(time.time() * 1000) // 86_400_000 * 86_400_000
    asked = Asked(standards, 0, True, True, now, most_rooms=most_rooms)
    with opened(main_database(read([path])), server.homeserver.folder, timeout=60) as database:
        return taken(database, Gathering(asked))


def taken(database: Opened, report: Gathering) -> tuple[dict[str, Any], int]:
    steps = 0
    for step in report.steps():
        step(database.transaction)
        steps += 1
    return report.result(), steps


def test_small_steps_find_what_large_ones_do(
    engine: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, few = gathered(engine)
    assert whole["groups"]["groups"] > 4
    assert whole["trees"]["largest"]
    monkeypatch.setattr(gathering, "PAGE", 2)
    monkeypatch.setattr(gathering, "_ENTRIES", 2)
    monkeypatch.setattr(gathering, "_MEMBERS_AT_ONCE", 1)
    sliced, many = gathered(engine)
    assert sliced == whole
    assert many > 2 * few


def test_what_is_not_looked_at_is_told(engine: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = gathered(engine)
    monkeypatch.setattr(gathering, "PAGE", 2)
    monkeypatch.setattr(gathering, "_ENTRIES", 1)
    monkeypatch.setattr(gathering, "_MOST_ENTRIES", 1)
    part, _ = gathered(engine, most_rooms=4)
    assert (whole["complete"], part["complete"]) == (True, False)
    assert part["groups"]["groups"] <= 4
    assert (whole["trees"]["complete"], part["trees"]["complete"]) == (True, False)


def test_a_group_that_is_too_large_is_not_asked_for_friends(
    engine: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(friendships, "MOST_MEMBERS", 4)
    (row,) = gathered(engine)[0]["friends"]
    assert (row["groups"], row["members"]) == (2, 7)  # Of 3 and 4, and not those of 5 and 7.


def test_a_list_of_chats_that_is_too_long_is_not_read(
    engine: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    (usual,) = gathered(engine)[0]["friends"]
    assert usual["with_a_friend"] > 0
    monkeypatch.setattr(friendships, "_LONGEST_LIST", 5)
    (row,) = gathered(engine)[0]["friends"]
    assert row["with_a_friend"] == 0


def test_of_what_one_member_lists_a_bounded_part_is_looked_at() -> None:
    members = frozenset(f"@{n}:localhost" for n in range(900))
    direct: dict[str, object] = {
        user: [f"!{user}{number}" for number in range(50)] for user in members
    }
    chats = list(friendships._chats("@0:localhost", direct, members, known=set()))
    assert len(chats) == 300
    assert "@0:localhost" not in {other for other, _ in chats}
    assert len(json.dumps(direct)) < friendships._LONGEST_LIST  # Longer lists are not read.
    assert not list(friendships._chats("@0:localhost", direct, members, known=members))


def rooms(sizes: list[int]) -> list[Room]:
    return [
        Room(f"!{n}", "10", "@a:b", False, False, False, None, None, None, None, False, m, m, 0)
        for n, m in enumerate(sizes)
    ]


def test_of_each_size_so_many_groups_are_looked_at_that_they_have_enough_members() -> None:
    counted = Census(LIMITS, federating=False)
    for room in rooms([5] * 3000 + [150] * 100 + [2] * 50 + [40]):
        counted._count(room)
    samples = {size.smallest: len(found) for size, found in counted.samples().items()}
    assert samples == {3: 400, 100: 14, 30: 1}
    assert all(len(heap) <= census._SAMPLED_GROUPS for heap in counted._samples.values())
    # Whatever the order in which the rooms come.
    other = Census(LIMITS, federating=False)
    for room in reversed(rooms([5] * 3000 + [150] * 100 + [2] * 50 + [40])):
        other._count(room)
    assert other.samples() == counted.samples()
