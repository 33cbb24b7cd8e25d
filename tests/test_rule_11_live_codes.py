"""Rule 11: a live code fills the groups of its series in order, and makes the next one."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import attrs
import pytest

from synapse_capgroups.demo.person import Person, Reply, expect
from tests.conftest import API, CODE_LIMIT, Server, Starter, eventually, joined_rooms, refused
from tests.refusing_module import beside, refuse

_names = itertools.count(1)


@attrs.frozen
class SeriesOfTest:
    """A series, its organiser and a live code of theirs."""

    server: Server
    organiser: Person
    series_id: str
    first: str
    code: dict[str, Any]

    @property
    def rooms(self) -> list[str]:
        """The rooms of its groups in their order; a group that is being made has none yet."""
        found = self.server.query(
            "SELECT room_id FROM capgroups_series_groups "
            "WHERE series_id = ? AND room_id IS NOT NULL ORDER BY number",
            self.series_id,
        )
        return [room for (room,) in found]

    def people(self) -> list[int]:
        """How many members each group has, the organiser not counted."""
        counted = []
        for room in self.rooms:
            ((members,),) = self.server.query(
                """
                SELECT COUNT(*) FROM current_state_events
                WHERE room_id = ? AND type = 'm.room.member' AND membership = 'join'
                AND state_key <> ?
                """,
                room,
                self.organiser.user_id,
            )
            counted.append(members)
        return counted

    def scan(self, person: Person) -> Reply:
        return self.server.scan(person, self.code)

    def new_code(self, by: Person | None = None, **body: Any) -> dict[str, Any]:
        who = by or self.organiser
        code = self.server.make_code(self.first, who, **body)
        self.server.query(
            "UPDATE capgroups_codes SET room_id = ? WHERE code_id = ?",
            self.series_id,
            code["code_id"],
        )
        return code

    def change(self, **body: Any) -> Reply:
        return self.organiser.call("PATCH", f"{API}/series/{self.series_id}", body)


def series_on(server: Server, *, fill: int, max_groups: int = 20, **room: Any) -> SeriesOfTest:
    organiser = server.person()
    first = organiser.new_room(name="Tea 1", **room)
    body = {
        "room_id": first,
        "name": f"tea{next(_names)}",
        "pattern": "Tea {n}",
        "fill": fill,
        "max_groups": max_groups,
    }
    series_id = expect(organiser.call("POST", f"{API}/series", body)).body["series_id"]
    path = f"{API}/series/{series_id}/codes"
    code = expect(organiser.call("POST", path, {})).body
    return SeriesOfTest(server, organiser, series_id, first, code)


def test_a_live_code_brings_each_person_into_the_first_group_with_a_place(server: Server) -> None:
    series = series_on(server, fill=2)
    people = server.people(5)
    for person in people:
        expect(series.scan(person))
    assert series.people()[:3] == [2, 2, 1]
    assert [room in joined_rooms(people[0]) for room in series.rooms[:2]] == [True, False]


def test_the_next_group_is_like_the_first(server: Server) -> None:
    levels = {"events": {"m.room.name": 100}, "users_default": 0}
    series = series_on(
        server, fill=1, topic="All about tea", power_level_content_override=levels,
        initial_state=[
            {"type": "m.room.avatar", "content": {"url": "mxc://localhost/tea"}},
            {"type": "m.room.history_visibility", "content": {"history_visibility": "invited"}},
            {"type": "m.room.join_rules", "content": {"join_rule": "knock"}},
        ],
    )  # fmt: skip
    for person in server.people(2):
        expect(series.scan(person))
    second = series.rooms[1]

    def state(room: str, kind: str) -> Any:
        return expect(series.organiser.state(room, kind)).body

    assert state(second, "m.room.name") == {"name": "Tea 2"}
    for kind in (
        "m.room.topic", "m.room.avatar", "m.room.history_visibility", "m.room.join_rules",
        "m.room.guest_access",
    ):  # fmt: skip
        assert state(second, kind) == state(series.first, kind), kind
    mine, theirs = state(second, "m.room.power_levels"), state(series.first, "m.room.power_levels")
    assert {k: v for k, v in mine.items() if k != "users"} == {
        k: v for k, v in theirs.items() if k != "users"
    }


def test_who_is_in_a_group_of_the_series_is_told_which(server: Server) -> None:
    series = series_on(server, fill=1)
    first, second = server.people(2)
    expect(series.scan(first))
    expect(series.scan(second))
    again = server.scan(first, series.new_code())
    assert refused(again, "already_in_series")
    assert "Tea 1" in again.error
    assert len(joined_rooms(first)) == len(joined_rooms(second))


def test_who_scans_twice_at_once_is_in_one_group(server: Server) -> None:
    series = series_on(server, fill=1)
    other = series.new_code()
    for person in server.people(3):
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(server.scan, [person] * 2, (series.code, other)))
        assert len(set(series.rooms) & set(joined_rooms(person))) == 1


def test_as_many_people_as_there_are_places_need_no_group_more(server: Server) -> None:
    series = series_on(server, fill=3)
    people = server.people(10)
    with ThreadPoolExecutor(10) as pool:
        replies = list(pool.map(series.scan, people))
    assert [reply.status for reply in replies] == [200] * 10, replies
    assert [n for n in series.people() if n] == [3, 3, 3, 1]
    inside = Counter(room for person in people for room in joined_rooms(person))
    assert sum(inside[room] for room in series.rooms) == 10


def test_a_group_that_another_module_is_against_is_counted_and_made_later(start: Starter) -> None:
    server = start(module=None, settings=beside({}))
    series = series_on(server, fill=1)
    refuse(server, create=[series.organiser.user_id])

    def counted(outcome: str) -> float:
        return server.homeserver.metrics().get(
            f'capgroups_series_groups_total{{outcome="{outcome}"}}', 0
        )

    first, second = server.people(2)
    expect(series.scan(first))
    assert eventually(lambda: counted("not_made") >= 1)
    assert not series.scan(second).ok
    assert counted("not_made") >= 2
    assert counted("made") == 0
    refuse(server)
    expect(series.scan(second))
    assert series.people()[:2] == [1, 1]
    assert counted("made") >= 1


def test_a_full_series_says_so(server: Server) -> None:
    series = series_on(server, fill=1, max_groups=2)
    for person in server.people(2):
        expect(series.scan(person))
    assert refused(series.scan(server.person()), "series_full")
    assert len(series.rooms) == 2
    seen = expect(server.preview(series.code)).body
    assert seen["state"] == "series_full"
    assert seen["error"].endswith(".")


def test_a_place_that_becomes_free_is_given_again_first_group_first(server: Server) -> None:
    series = series_on(server, fill=1, max_groups=3)
    people = server.people(3)
    for person in people:
        expect(series.scan(person))
    expect(people[0].leave(series.rooms[0]))
    newcomer = server.person()
    assert eventually(lambda: series.scan(newcomer).ok)
    assert series.rooms[0] in joined_rooms(newcomer)


def test_organisers_take_no_place(server: Server) -> None:
    series = series_on(server, fill=2)
    assert series.scan(series.organiser).ok
    for person in server.people(2):
        expect(series.scan(person))
    assert series.people()[0] == 2


def test_from_the_code_limit_on_nobody_comes_into_a_group_by_a_live_code(server: Server) -> None:
    series = series_on(server, fill=CODE_LIMIT)
    for person in server.people(CODE_LIMIT):
        expect(series.scan(person))
    # With the organiser, the first group has as many members as the code limit.
    assert series.people()[:2] == [CODE_LIMIT - 1, 1]


def test_who_was_removed_from_one_group_comes_into_no_other(server: Server) -> None:
    series = series_on(server, fill=1)
    kicked, banned = server.people(2)
    for person in (kicked, banned):
        expect(series.scan(person))
    expect(series.organiser.kick(series.rooms[0], kicked))
    expect(series.organiser.ban(series.rooms[1], banned))
    assert refused(series.scan(kicked), "invite_required")
    assert refused(series.scan(banned), "banned")
    assert not set(series.rooms) & set(joined_rooms(kicked) + joined_rooms(banned))


def test_the_page_tells_which_group_is_filled(server: Server) -> None:
    series = series_on(server, fill=2, max_groups=7)
    for person in server.people(3):
        expect(series.scan(person))
    seen = expect(server.preview(series.code)).body
    assert seen["state"] == "alive"
    assert seen["group"]["name"] == "Tea 2"
    assert seen["series"] == {
        "title": "Tea", "number": 2, "groups": 7, "people": 1, "places": 2,
    }  # fmt: skip


def test_a_live_code_outlives_the_groups_that_it_fills(server: Server) -> None:
    series = series_on(server, fill=1)
    other = series_on(server, fill=1)
    for person in server.people(3):
        expect(series.scan(person))
    assert len(other.rooms) == 1
    assert series.scan(server.person()).ok


def test_the_last_use_of_a_live_code_ends_it(server: Server) -> None:
    series = series_on(server, fill=1)
    code = series.new_code(max_uses=2)
    for person in server.people(2):
        expect(server.scan(person, code))
    assert refused(server.scan(server.person(), code), "code_used_up")


def ask(series: SeriesOfTest, person: Person) -> None:
    assert refused(series.scan(person), "awaiting_approval")


def answer(series: SeriesOfTest, by: Person, who: Person, *, approve: bool) -> Reply:
    path = f"{API}/groups/{quote(series.first)}/requests/{quote(who.user_id)}"
    return by.call("POST", path, {"approve": approve})


def series_with_approval(server: Server, **settings: Any) -> SeriesOfTest:
    series = series_on(server, **settings)
    path = f"{API}/groups/{quote(series.first)}/approval"
    expect(series.organiser.call("PUT", path, {"on": True}))
    return series


def test_whom_an_organiser_agrees_to_comes_into_the_group_that_is_filled_then(
    server: Server,
) -> None:
    series = series_with_approval(server, fill=1, max_groups=3)
    people = server.people(4)
    for person in people:
        ask(series, person)
    assert series.people() == [0], "who waits has no seat, and no group is made for them"
    for person in people[:3]:
        expect(answer(series, series.organiser, person, approve=True))
    assert series.people() == [1, 1, 1]
    assert refused(answer(series, series.organiser, people[3], approve=True), "series_full")
    # The groups that were made ask, too.
    expect(people[2].leave(series.rooms[2]))
    assert eventually(lambda: series.scan(server.person()).reason == "awaiting_approval")


def test_who_was_refused_by_one_group_is_refused_by_all_of_the_series(server: Server) -> None:
    series = series_with_approval(server, fill=1)
    refused_one, other = server.people(2)
    ask(series, refused_one)
    expect(answer(series, series.organiser, refused_one, approve=False))
    ask(series, other)
    expect(answer(series, series.organiser, other, approve=True))
    assert refused(series.scan(refused_one), "not_approved")


def test_another_moderator_agrees_to_newcomers_of_their_own_group(server: Server) -> None:
    series = series_with_approval(server, fill=1)
    moderator, newcomer = server.people(2)
    expect(series.organiser.invite(series.first, moderator))
    expect(moderator.join(series.first))
    levels = expect(series.organiser.state(series.first, "m.room.power_levels")).body
    users = {**levels["users"], moderator.user_id: 50}
    content = {**levels, "users": users}
    expect(series.organiser.set_state(series.first, "m.room.power_levels", content))
    # The moderator takes the one place, so the request waits in the next group, where they have no
    # say.
    ask(series, newcomer)
    assert answer(series, moderator, newcomer, approve=True).status == 404
    assert newcomer.user_id not in series.organiser.members(series.first)


Ending = Callable[[SeriesOfTest], Any]


def endings() -> Iterator[Any]:
    def revoke(series: SeriesOfTest) -> None:
        path = f"{API}/series/{series.series_id}/codes/{series.code['code_id']}"
        expect(series.organiser.call("DELETE", path))

    def expire(series: SeriesOfTest) -> None:
        series.server.query(
            "UPDATE capgroups_codes SET expires_at = 1 WHERE code_id = ?", series.code["code_id"]
        )

    def end(series: SeriesOfTest) -> None:
        expect(series.organiser.call("DELETE", f"{API}/series/{series.series_id}"))

    yield pytest.param(revoke, "code_revoked", id="revoked")
    yield pytest.param(expire, "code_expired", id="expired")
    yield pytest.param(end, "code_revoked", id="series ended")


@pytest.mark.parametrize(("ending", "reason"), list(endings()))
def test_a_live_code_dies_as_others_do(server: Server, ending: Ending, reason: str) -> None:
    series = series_on(server, fill=2)
    ending(series)
    assert refused(series.scan(server.person()), reason)
    assert expect(server.preview(series.code)).body["state"] == reason
    assert series.people() == [0]


def test_a_paused_series_says_so_and_goes_on_afterwards(server: Server) -> None:
    series = series_on(server, fill=1)
    expect(series.change(state="paused"))
    person = server.person()
    assert refused(series.scan(person), "series_paused")
    assert expect(server.preview(series.code)).body["state"] == "series_paused"
    expect(series.change(state="running"))
    expect(series.scan(person))


def test_a_place_that_became_free_unnoticed_is_found_by_the_sweep(start: Starter) -> None:
    server = start(module={"cap": 6, "code_limit": CODE_LIMIT})
    series = series_on(server, fill=1, max_groups=1)
    expect(series.scan(server.person()))
    assert refused(series.scan(server.person()), "series_full")
    # As if a process had been killed between a leave and what follows from it.
    server.homeserver.stop()
    server.query("UPDATE capgroups_series SET fill = 2")
    server.homeserver.start()
    assert eventually(lambda: series.scan(server.person()).ok, 20)
