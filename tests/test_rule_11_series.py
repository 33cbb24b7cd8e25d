"""Rule 11: who runs a series, and what they can do with it."""

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import attrs
import pytest

from synapse_capgroups.demo.person import Person, Reply, expect
from tests.conftest import API, CAP, CODE_LIMIT, Clusters, Server, Starter, eventually, joined_rooms
from tests.test_concierge import ENGLISH, Chat, invitations
from tests.test_rule_15_forgetting import deactivate, rows_that_name

_names = itertools.count(1)
CONCIERGE = "@groups:localhost"


@attrs.frozen
class Run:
    """A series and the one who started it."""

    server: Server
    organiser: Person
    series_id: str
    name: str
    first: str

    def call(
        self, method: str, rest: str = "", body: Any = None, by: Person | None = None
    ) -> Reply:
        return (by or self.organiser).call(method, f"{API}/series/{self.series_id}{rest}", body)

    def get(self, rest: str = "") -> dict[str, Any]:
        return expect(self.call("GET", rest)).body

    def groups(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("/groups")["groups"]
        return found

    def take(self, room: str, by: Person | None = None) -> Reply:
        return self.call("POST", "/groups", {"room_id": room}, by)

    def name_helper(self, helper: Person, by: Person | None = None) -> Reply:
        return self.call("PUT", f"/helpers/{quote(helper.user_id)}", {}, by)

    def drop(self, helper: Person, by: Person | None = None) -> Reply:
        return self.call("DELETE", f"/helpers/{quote(helper.user_id)}", None, by)

    def helper(self) -> Person:
        """A helper who has joined the organisers' space."""
        person = self.server.person()
        expect(self.name_helper(person))
        expect(person.join(self.spaces()[0]))
        return person

    def spaces(self) -> list[str]:
        rows = self.server.query(
            "SELECT room_id FROM capgroups_series_spaces WHERE series_id = ? ORDER BY number",
            self.series_id,
        )
        return [room for (room,) in rows]

    def shown(self) -> list[str]:
        """The rooms that the organiser's spaces show."""
        found = []
        for space in self.spaces():
            state = expect(self.organiser.call("GET", f"/rooms/{quote(space)}/state")).body[""]
            found += [
                event["state_key"]
                for event in state
                if event["type"] == "m.space.child" and event["content"]
            ]
        return sorted(found)


def body_of(room: str, **others: Any) -> dict[str, Any]:
    return {"room_id": room, "name": f"tea{next(_names)}", "pattern": "Tea {n}", **others}


def start_series(server: Server, organiser: Person | None = None, **others: Any) -> Run:
    organiser = organiser or server.person()
    first = organiser.new_room(name="Tea 1")
    made = expect(organiser.call("POST", f"{API}/series", body_of(first, **others))).body
    run = Run(server, organiser, made["series_id"], made["name"], first)
    assert eventually(lambda: bool(run.spaces()) and run.spaces()[0] in joined_rooms(organiser))
    return run


def level(person: Person, by: Person, room: str) -> int:
    levels = expect(by.state(room, "m.room.power_levels")).body
    return int(levels["users"].get(person.user_id, levels.get("users_default", 0)))


def test_a_series_is_started_from_a_group_which_is_its_number_1(server: Server) -> None:
    run = start_series(server)
    seen = run.get()
    assert (seen["fill"], seen["max_groups"]) == (CODE_LIMIT, 20)
    assert seen["state"] == "running"
    assert not seen["is_helper"]
    assert run.groups() == [
        {
            "number": 1, "room_id": run.first, "name": "Tea 1", "people": 0,
            "places_left": CODE_LIMIT - 1, "is_member": True, "label": None,
        }
    ]  # fmt: skip
    listed = expect(run.organiser.call("GET", f"{API}/series")).body["series"]
    assert listed == [seen]


def test_only_members_who_may_make_codes_start_a_series(server: Server) -> None:
    room, (_, member) = server.group(2)
    refusal = member.call("POST", f"{API}/series", body_of(room))
    assert (refusal.status, refusal.reason) == (403, "not_entitled")
    assert server.person().call("POST", f"{API}/series", body_of(room)).status == 404
    assert server.person().call("POST", f"{API}/series", body_of("!unknown:x")).status == 404


def test_a_group_is_in_one_series_and_a_space_in_none(server: Server) -> None:
    run = start_series(server)
    again = run.organiser.call("POST", f"{API}/series", body_of(run.first))
    assert again.status == 403
    assert run.take(run.first).status == 403
    space = run.organiser.new_room(creation_content={"type": "m.space"})
    assert run.organiser.call("POST", f"{API}/series", body_of(space)).status == 403
    assert run.take(space).status == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""}, {"name": "two words"}, {"name": "x" * 41}, {"name": 5}, {"name": "a\0b"},
        {"name": "<b>"}, {"pattern": "Tea"}, {"pattern": "{n} and {n}"}, {"pattern": "a\n{n}"},
        {"pattern": "{n}" + "x" * 200}, {"pattern": None}, {"fill": 0}, {"fill": CODE_LIMIT + 1},
        {"fill": True}, {"fill": "5"}, {"max_groups": 0}, {"max_groups": 21},
        {"max_groups": 1.5}, {"name": "\ud800"},
    ],
    ids=repr,
)  # fmt: skip
def test_a_series_that_cannot_be_is_refused_with_a_sentence(
    server: Server, wrong: dict[str, Any]
) -> None:
    person = server.person()
    room = person.new_room()
    reply = person.call("POST", f"{API}/series", body_of(room, **wrong))
    assert reply.status == 400
    assert reply.error.endswith(".")
    run = start_series(server)
    if wrong != {"pattern": None}:  # It stays as it is.
        assert run.call("PATCH", "", wrong).status == 400


def test_an_organiser_calls_no_two_living_series_alike(server: Server) -> None:
    run = start_series(server, name="Tea")
    room = run.organiser.new_room()
    again = body_of(room, name="tEA")
    assert run.organiser.call("POST", f"{API}/series", again).status == 403
    other = start_series(server, run.organiser)
    assert other.call("PATCH", "", {"name": "TEA"}).status == 403
    expect(run.call("PATCH", "", {"name": "TEA"}))
    expect(run.call("DELETE"))
    expect(run.organiser.call("POST", f"{API}/series", again))


def test_settings_change_one_by_one(server: Server) -> None:
    run = start_series(server)
    before = run.get()
    change = {"fill": 2, "pattern": "Coffee {n}", "name": f"coffee{next(_names)}"}
    after = expect(run.call("PATCH", "", change)).body
    assert after == {**before, **change} == run.get()
    assert expect(run.call("PATCH", "", {"max_groups": 7})).body == {**after, "max_groups": 7}
    assert expect(run.call("PATCH", "", {"state": "paused"})).body["state"] == "paused"
    assert run.call("PATCH", "", {"state": "ended"}).status == 400
    assert expect(run.call("PATCH", "", {"state": "running"})).body["state"] == "running"


def test_an_ended_series_stays_ended_and_its_groups_stay(server: Server) -> None:
    run = start_series(server)
    expect(run.call("DELETE"))
    seen = run.get()
    assert seen["state"] == "ended"
    assert seen["ended_at"] <= time.time() * 1000
    other = run.organiser.new_room()
    for reply in (
        run.call("DELETE"), run.call("PATCH", "", {"state": "running"}), run.take(other),
        run.name_helper(server.person()), run.call("DELETE", "/groups/1"),
        run.call("POST", "/codes", {}),
    ):  # fmt: skip
        assert reply.status == 403
        assert reply.error.endswith(".")
    assert run.first in joined_rooms(run.organiser)


CALLS = [
    ("GET", "", None), ("PATCH", "", {"fill": 1}), ("DELETE", "", None), ("GET", "/groups", None),
    ("POST", "/groups", {"room_id": "!r"}), ("DELETE", "/groups/1", None),
    ("GET", "/helpers", None), ("PUT", "/helpers/@a:localhost", {}),
    ("DELETE", "/helpers/@a:localhost", None), ("GET", "/codes", None), ("POST", "/codes", {}),
    ("DELETE", "/codes/{code}", None), ("GET", "/codes/{code}/qr.png", None),
    ("GET", "/codes/{code}/qr.svg", None), ("GET", "/report", None), ("GET", "/twice", None),
    ("PATCH", "", {"organiser": "@a:localhost"}),
]  # fmt: skip


def test_a_series_is_unknown_to_all_but_its_organisers(server: Server) -> None:
    run = start_series(server)
    code = expect(run.call("POST", "/codes", {})).body["code_id"]
    member, stranger, admin = server.person(), server.person(), server.person(admin=True)
    server.admit(run.first, run.organiser, member)
    former = run.helper()
    expect(run.drop(former))
    before = run.get()
    unknown = Run(server, run.organiser, "s-0123456789abcdef", "", "")
    for method, rest, body in CALLS:
        path = rest.replace("{code}", code)
        nowhere = unknown.call(method, path, body)
        assert nowhere.status == 404
        for person in (member, stranger, former, admin):
            reply = run.call(method, path, body, person)
            assert (reply.status, reply.body) == (404, nowhere.body), (method, rest)
    assert run.get() == before
    for person in (member, stranger, former):
        assert expect(person.call("GET", f"{API}/series")).body == {"series": []}


def test_helpers_do_all_but_end_a_series_and_hand_it_over(server: Server) -> None:
    run = start_series(server)
    helper, other = run.helper(), run.helper()
    assert expect(run.call("GET", "", by=helper)).body["is_helper"]
    assert run.call("DELETE", by=helper).status == 403
    for heir in (helper, other):
        assert run.call("PATCH", "", {"organiser": heir.user_id}, helper).status == 403
    expect(run.call("PATCH", "", {"state": "paused", "fill": 2}, helper))
    expect(run.call("POST", "/codes", {}, helper))
    expect(run.name_helper(server.person(), helper))
    expect(run.drop(other, helper))
    assert run.get()["organiser"] == run.organiser.user_id


def test_a_helper_who_agrees_comes_into_all_groups_with_power_50(server: Server) -> None:
    run = start_series(server)
    expect(run.take(run.organiser.new_room(name="Old")))
    helper = server.person()
    assert expect(run.name_helper(helper)).body == {"without_power_in": []}
    rooms = [group["room_id"] for group in run.groups()]
    assert [level(helper, run.organiser, room) for room in rooms] == [50, 50]
    # Nobody is put anywhere before they agree.
    assert not set(rooms) & set(joined_rooms(helper))
    assert run.get("/helpers")["helpers"] == [{"user_id": helper.user_id, "has_agreed": False}]
    assert invitations(helper) == run.spaces()
    expect(helper.join(run.spaces()[0]))
    assert eventually(lambda: set(rooms) <= set(joined_rooms(helper)))
    assert run.get("/helpers")["helpers"] == [{"user_id": helper.user_id, "has_agreed": True}]
    later = run.organiser.new_room(name="Later")
    assert expect(run.take(later)).body == {"number": 3, "helpers_without_power": []}
    assert later in joined_rooms(helper)
    assert level(helper, run.organiser, later) == 50


def test_a_helper_comes_into_groups_that_are_made_later(server: Server) -> None:
    run = start_series(server, fill=1)
    helper = run.helper()
    code = expect(run.call("POST", "/codes", {})).body
    for person in server.people(2):
        expect(server.scan(person, code))
    second = run.groups()[1]["room_id"]
    assert eventually(lambda: second in joined_rooms(helper))
    assert level(helper, run.organiser, second) == 50
    assert eventually(lambda: second in run.shown())


def test_helpers_are_told_of_no_group_that_they_have_left(server: Server) -> None:
    run = start_series(server)
    helper = run.helper()
    assert eventually(lambda: run.first in joined_rooms(helper))
    expect(helper.leave(run.first))
    expect(run.take(run.organiser.new_room()))
    assert run.first not in joined_rooms(helper)


def test_a_helper_does_not_come_into_a_full_group(server: Server) -> None:
    run = start_series(server)
    while len(run.organiser.members(run.first)) < CAP:
        friend = server.person()
        server.admit(run.first, run.organiser, friend, as_friend=True)
    helper = run.helper()
    other = run.organiser.new_room()
    expect(run.take(other))
    assert other in joined_rooms(helper)
    assert len(run.organiser.members(run.first)) == CAP


def test_where_nobody_may_give_power_the_numbers_of_the_groups_are_told(server: Server) -> None:
    run = start_series(server)
    owner = server.person()
    weak = owner.new_room()
    server.admit(weak, owner, run.organiser)
    levels = expect(owner.state(weak, "m.room.power_levels")).body
    levels["users"] = {**levels.get("users", {}), run.organiser.user_id: 50}
    levels.setdefault("events", {})["m.room.power_levels"] = 100
    expect(owner.set_state(weak, "m.room.power_levels", levels))
    expect(run.take(weak))
    helper = server.person()
    assert expect(run.name_helper(helper)).body == {"without_power_in": [2]}
    assert level(helper, run.organiser, weak) < 50


def test_a_removed_helper_loses_power_codes_and_the_space(server: Server) -> None:
    run = start_series(server)
    helper = run.helper()
    assert eventually(lambda: run.first in joined_rooms(helper))
    code = expect(run.call("POST", "/codes", {}, helper)).body
    mine = expect(run.call("POST", "/codes", {})).body
    assert expect(run.drop(helper)).body == {"keeps_power_in": []}
    assert level(helper, run.organiser, run.first) < 50
    assert run.spaces()[0] not in joined_rooms(helper)
    assert run.first in joined_rooms(helper)  # A member like others.
    assert server.scan(server.person(), code).reason == "code_revoked"
    expect(server.scan(server.person(), mine))
    assert run.drop(helper).status == 404


def test_a_helper_removes_themselves(server: Server) -> None:
    run = start_series(server)
    helper = run.helper()
    expect(run.drop(helper, helper))
    assert run.get("/helpers")["helpers"] == []


def test_who_cannot_help_is_not_invited(server: Server) -> None:
    run = start_series(server)
    ignoring = server.person()
    path = f"/user/{quote(ignoring.user_id)}/account_data/m.ignored_user_list"
    expect(ignoring.call("PUT", path, {"ignored_users": {run.organiser.user_id: {}}}))
    for wrong in ("@nobody:localhost", "@a:elsewhere", CONCIERGE, run.organiser.user_id, "x\0"):
        reply = run.call("PUT", f"/helpers/{quote(wrong)}", {})
        assert reply.status == 400, wrong
    expect(run.name_helper(ignoring))
    assert invitations(ignoring) == []
    busy = server.person()
    expect(run.name_helper(busy))
    expect(run.name_helper(busy))
    assert run.name_helper(busy).status == 429


def test_a_series_is_handed_to_a_helper_who_has_agreed(server: Server) -> None:
    run = start_series(server)
    code = expect(run.call("POST", "/codes", {})).body
    asked, agreed, stranger = server.person(), run.helper(), server.person()
    expect(run.name_helper(asked))
    assert run.call("PATCH", "", {"organiser": asked.user_id}).status == 403
    assert run.call("PATCH", "", {"organiser": stranger.user_id}).status == 404
    seen = expect(run.call("PATCH", "", {"organiser": agreed.user_id})).body
    assert (seen["organiser"], seen["is_helper"]) == (agreed.user_id, True)
    # Posters outlive it, and the giver.
    expect(run.drop(run.organiser, agreed))
    assert run.call("GET").status == 404
    assert eventually(lambda: run.first in joined_rooms(agreed))
    expect(server.scan(server.person(), code))
    expect(run.call("DELETE", by=agreed))


def test_organisers_see_the_groups_as_a_space_and_members_see_none(server: Server) -> None:
    run = start_series(server)
    member = server.person()
    server.admit(run.first, run.organiser, member)
    assert eventually(lambda: run.shown() == [run.first])
    second = run.organiser.new_room()
    expect(run.take(second))
    assert run.shown() == sorted([run.first, second])
    expect(run.call("DELETE", "/groups/1"))
    assert eventually(lambda: run.shown() == [second])
    (space,) = run.spaces()
    assert not member.state(space, "m.room.name").ok
    assert not member.join(space).ok
    assert not run.organiser.invite(space, member).ok
    state = expect(member.call("GET", f"/rooms/{quote(run.first)}/state")).body[""]
    assert not [event for event in state if event["type"] == "m.space.parent"]


def test_a_renamed_series_renames_its_space(server: Server) -> None:
    run = start_series(server)
    name = f"coffee{next(_names)}"
    expect(run.call("PATCH", "", {"name": name}))

    def renamed() -> bool:
        state = run.organiser.state(run.spaces()[0], "m.room.name")
        return name in str(state.body.get("name"))

    assert eventually(renamed)


def test_groups_are_taken_in_by_members_who_may_share_them_and_let_go(server: Server) -> None:
    run = start_series(server, max_groups=2)
    helper = run.helper()
    foreign, (owner, _) = server.group(2)
    assert run.take(foreign).status == 404
    server.admit(foreign, owner, run.organiser)
    assert run.take(foreign).reason == "not_entitled"
    own = helper.new_room()
    assert expect(run.take(own, helper)).body["number"] == 2
    assert run.take(run.organiser.new_room()).status == 403  # It has all its groups.
    seen = {group["number"]: group["is_member"] for group in run.groups()}
    assert seen == {1: True, 2: False}
    assert expect(run.call("DELETE", "/groups/1")).body == {"helpers_keep_power": False}
    assert level(helper, run.organiser, run.first) < 50
    assert [group["number"] for group in run.groups()] == [2]
    for number in ("1", "0", "x", "99999999999"):
        assert run.call("DELETE", f"/groups/{number}").status == 404


def test_lists_of_groups_come_in_pages(server: Server) -> None:
    run = start_series(server)
    for _ in range(2):
        expect(run.take(run.organiser.new_room()))
    page = run.get("/groups?limit=2")
    assert [group["number"] for group in page["groups"]] == [1, 2]
    rest = run.get(f"/groups?limit=2&from={page['next']}")
    assert [group["number"] for group in rest["groups"]] == [3]
    assert "next" not in rest


def test_nothing_is_lost_when_the_organiser_leaves_a_group(server: Server) -> None:
    run = start_series(server)
    helper = run.helper()
    assert eventually(lambda: run.first in joined_rooms(helper))
    expect(run.organiser.leave(run.first))
    (group,) = run.groups()
    assert (group["number"], group["is_member"]) == (1, False)
    code = expect(run.call("POST", "/codes", {})).body
    newcomer = server.person()
    expect(server.scan(newcomer, code))
    assert run.first in joined_rooms(newcomer)


def test_a_suspended_organiser_changes_nothing(start: Starter) -> None:
    suspension = {"msc3823_account_suspension": True}
    server = start(module={}, settings={"experimental_features": suspension})
    run = start_series(server)
    admin = server.person(admin=True)
    path = f"/_synapse/admin/v1/suspend/{quote(run.organiser.user_id)}"
    expect(admin.call("PUT", path, {"suspend": True}))
    for reply in (run.call("PATCH", "", {"fill": 2}), run.call("DELETE"),
                  run.name_helper(server.person())):  # fmt: skip
        assert reply.status == 403
        assert reply.body["errcode"] == "M_USER_SUSPENDED"
    assert run.get()["state"] == "running"


def test_the_successor_of_an_upgraded_group_takes_its_place(server: Server) -> None:
    run = start_series(server, fill=2)
    helper = run.helper()
    assert eventually(lambda: run.first in joined_rooms(helper))
    body = {"new_version": "11"}
    reply = run.organiser.call("POST", f"/rooms/{quote(run.first)}/upgrade", body)
    successor = expect(reply).body["replacement_room"]
    assert eventually(lambda: run.groups()[0]["room_id"] == successor)
    assert eventually(lambda: run.shown() == [successor])
    assert eventually(lambda: successor in joined_rooms(helper))
    code = expect(run.call("POST", "/codes", {})).body
    people = server.people(3)
    for person in people:
        expect(server.scan(person, code))
    assert successor in joined_rooms(people[0])
    assert [group["people"] for group in run.groups()][:2] == [2, 1]


def test_a_deactivated_organiser_is_followed_by_a_helper_who_has_agreed(server: Server) -> None:
    run = start_series(server)
    expect(run.name_helper(server.person()))
    heir = run.helper()
    assert eventually(lambda: run.first in joined_rooms(heir))
    deactivate(run.organiser, None, erase=True)
    assert eventually(lambda: run.call("GET", by=heir).body.get("organiser") == heir.user_id)
    assert not expect(run.call("GET", by=heir)).body["is_helper"]
    assert expect(run.call("GET", "/helpers", by=heir)).body["helpers"] != []
    assert eventually(lambda: rows_that_name(server, run.organiser.user_id) == [])


def test_without_a_helper_a_deactivated_organisers_series_ends(server: Server) -> None:
    run = start_series(server)
    code = expect(run.call("POST", "/codes", {})).body
    expect(run.name_helper(server.person()))  # Who has not agreed.
    deactivate(run.organiser, None, erase=True)

    def state() -> list[tuple[Any, ...]]:
        return server.query(
            "SELECT state, organiser FROM capgroups_series WHERE series_id = ?", run.series_id
        )

    assert eventually(lambda: state() == [("ended", "an erased account")])
    assert server.scan(server.person(), code).reason == "code_revoked"
    assert rows_that_name(server, run.organiser.user_id) == []


def test_a_deactivated_helper_is_none_any_more(server: Server) -> None:
    run = start_series(server)
    helper = run.helper()
    # Who is being brought into a group meanwhile is on record there until the next sweep.
    assert eventually(lambda: run.first in joined_rooms(helper))
    deactivate(helper, None, erase=True)
    assert eventually(lambda: run.get("/helpers")["helpers"] == [])
    assert eventually(lambda: rows_that_name(server, helper.user_id) == [])


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
@pytest.mark.both_engines
def test_what_happened_while_nobody_listened_is_found_by_the_sweep(
    start: Starter, engine: str
) -> None:
    server = start(engine, module={"cap": CAP, "code_limit": CODE_LIMIT})
    run, ended, orphan = (start_series(server) for _ in range(3))
    second = run.organiser.new_room()
    expect(run.take(second))
    (space,), (gone,) = run.spaces(), ended.spaces()
    expect(ended.call("DELETE"))
    expect(run.call("DELETE", "/groups/1"))
    assert eventually(lambda: run.shown() == [second])
    admin = server.person(admin=True)
    server.homeserver.stop()
    # As killed processes leave it.
    server.query("UPDATE capgroups_series SET ended_at = 1 WHERE series_id = ?", ended.series_id)
    server.query("UPDATE users SET deactivated = 1 WHERE name = ?", orphan.organiser.user_id)
    server.query(
        """
        INSERT INTO capgroups_series_groups
            (series_id, number, room_id, begun_at, begun_after, is_full, label)
        VALUES (?, 5, ?, 1, 1, FALSE, NULL)
        """,
        run.series_id,
        run.first,
    )
    server.homeserver.start()
    assert eventually(lambda: run.shown() == sorted([run.first, second]), 30)
    assert run.spaces() == [space]  # It is no leftover.
    assert space in joined_rooms(run.organiser)
    assert eventually(lambda: rows_that_name(server, ended.series_id) == [], 30)
    assert eventually(lambda: gone not in joined_rooms(ended.organiser), 30)
    assert eventually(
        lambda: server.query(
            "SELECT state FROM capgroups_series WHERE series_id = ?", orphan.series_id
        ) == [("ended",)],
        30,
    )  # fmt: skip
    # A deleted room is in no series, and a model is found for the others.
    expect(admin.call("DELETE", f"/_synapse/admin/v2/rooms/{quote(run.first)}", {"purge": True}))
    assert eventually(
        lambda: not server.query("SELECT 1 FROM rooms WHERE room_id = ?", run.first), 30
    )
    server.homeserver.stop()
    server.homeserver.start()
    assert eventually(lambda: rows_that_name(server, run.first) == [], 30)
    assert [group["room_id"] for group in run.groups()] == [second]


@pytest.mark.both_engines
def test_a_report_counts_who_came_by_label_and_who_is_in_several_groups(server: Server) -> None:
    run = start_series(server, fill=2)
    poster = expect(run.call("POST", "/codes", {"label": "poster"})).body
    plain = expect(run.call("POST", "/codes", {})).body
    people = server.people(4)
    for person, code in zip(people, (poster, poster, poster, plain), strict=True):
        expect(server.scan(person, code))
    first, second = (group["room_id"] for group in run.groups()[:2])
    expect(people[1].leave(first))
    guest = server.person()
    server.admit(second, run.organiser, guest)
    report = run.get("/report")
    day = report["came"][0]["day"]
    assert day % 86_400_000 == 0
    assert sorted(
        (c["label"] or "", c["by_code"], c["came"], c["left"], c["are_in"]) for c in report["came"]
    ) == [("", False, 1, 0, 1), ("", True, 1, 0, 1), ("poster", True, 3, 1, 2)]
    assert report["groups"] >= 2
    assert report["members"] >= 6
    assert report["with_a_friend"] is None  # Too few to tell.
    assert run.get("/twice") == {"people": []}
    run.organiser.befriend(people[0])  # The second group has reached the code limit.
    expect(run.organiser.invite(second, people[0]))
    expect(people[0].join(second))
    assert run.get("/twice") == {"people": [{"user_id": people[0].user_id, "groups": [1, 2]}]}
    assert run.call("GET", "/report?days=0").status == 400
    assert run.call("GET", "/report?days=367").status == 400


def test_a_report_tells_how_many_have_a_friend_in_their_group(start: Starter) -> None:
    server = start(module={})
    run = start_series(server)
    people = server.people(9)
    for person in people:
        server.admit(run.first, run.organiser, person)
    people[0].befriend(people[1])
    # The second has not listed the chat.
    assert run.get("/report")["with_a_friend"] == 0.1


def test_organisers_ask_the_concierge(server: Server) -> None:
    person = server.person()
    room = person.new_room(name="Tea 1")
    chat = Chat(person)
    assert "series start" in chat.ask("series")
    assert "Write for instance" in chat.ask("series start")
    said = chat.ask('series start tea "Tea {n}" fill 2 max 3')
    assert "Tea 1 as its group 1" in said
    assert "take 2 people" in said
    assert chat.ask("series") == ENGLISH.say(
        "series_line", number=1, name="tea", groups=1, most=3, state="running"
    )
    assert chat.ask("series TEA").splitlines() == [
        "tea: 0 people in 1 of at most 3 groups, running",
        ENGLISH.say("series_group_filled", number=1, group="Tea 1", people=0, places=2),
    ]
    assert "paused" in chat.ask("series pause tea")
    assert "goes on" in chat.ask("series resume tea")
    assert "take 3 people" in chat.ask("series fill tea 3")
    picture, code = chat.say('series code tea 2d 20 uses label "at the station"', answers=2)
    assert picture["msgtype"] == "m.image"
    assert "for 20 people" in code["body"]
    assert server.query("SELECT label FROM capgroups_codes WHERE sharer = ?", person.user_id) == [
        ("at the station",)
    ]
    assert "Write for instance" in chat.ask("series code tea quickly")
    assert "64 characters" in chat.ask(f"series code tea label {'x' * 65}")
    assert "from 1 to" in chat.ask("series fill tea many")
    other = person.new_room(name="Coffee")
    assert chat.ask("series take tea coffee") == "Coffee is number 2 of tea."
    helper = server.person()
    assert helper.user_id in chat.ask(f"series helper tea {helper.user_id}")
    (space,) = invitations(helper)
    assert "agreed" in chat.ask(f"series hand tea {helper.user_id}")
    expect(helper.join(space))
    assert eventually(lambda: other in joined_rooms(helper))
    assert "no longer in tea" in chat.ask("series release tea 2")
    assert "no group with that number" in chat.ask("series release tea 2")
    assert "groups 1, members" in chat.ask("series report tea")
    assert "Nobody is in several" in chat.ask("twice tea")
    assert "belongs to" in chat.ask(f"series hand tea {helper.user_id}")
    assert "organiser" in chat.ask("series end tea")
    assert "None of your series" in chat.ask("series coffee")
    assert room in joined_rooms(person)


def test_a_series_can_be_called_like_a_command(server: Server) -> None:
    person = server.person()
    person.new_room(name="Tea 1")
    chat = Chat(person)
    chat.ask("series start pause Tea {n}")
    assert chat.ask("series pause").startswith("pause: 0 people")
    assert "pause is paused" in chat.ask("series pause pause")
    assert "has ended" in chat.ask("series end pause")
    assert "series start" in chat.ask("series")


def test_on_several_workers_a_group_starts_one_series_with_one_space(
    start_cluster: Clusters,
) -> None:
    server, cluster = start_cluster(module={}, workers=2)
    organiser = server.person()
    room = organiser.new_room(name="Tea 1")

    def start_on(worker: int) -> Reply:
        return cluster.on(organiser, worker % 2).call("POST", f"{API}/series", body_of(room))

    with ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(start_on, range(6)))
    (made,) = [reply.body for reply in replies if reply.ok]
    assert {reply.status for reply in replies} == {200, 403}
    run = Run(server, organiser, made["series_id"], made["name"], room)
    helpers = server.people(4)

    def name_on(number: int) -> Reply:
        return run.name_helper(helpers[number], cluster.on(organiser, number % 2))

    with ThreadPoolExecutor(4) as pool:
        for reply in pool.map(name_on, range(4)):
            expect(reply)
    (space,) = run.spaces()
    assert eventually(lambda: run.shown() == [room])
    assert [level(helper, organiser, room) for helper in helpers] == [50] * 4
    for number, helper in enumerate(helpers):
        expect(cluster.on(helper, number % 2).join(space))
    assert eventually(lambda: all(room in joined_rooms(helper) for helper in helpers), 30)
    made_by_concierge = server.query(
        "SELECT COUNT(*) FROM rooms WHERE creator = ? AND room_id IN "
        "(SELECT room_id FROM current_state_events WHERE type = 'm.space.child')",
        CONCIERGE,
    )
    assert made_by_concierge == [(1,)]
