"""What people look at over HTTP: their groups; and of those that they may share, who is in them."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from synapse_capgroups.demo.person import Person, Reply, expect
from synapse_capgroups.limits.table import VIEWS
from tests.conftest import API, Server, refused
from tests.test_rule_5_codes import picture, upload
from tests.test_rule_15_forgetting import deactivate

pytestmark = pytest.mark.both_engines


def look(person: Person, path: str) -> Reply:
    return person.call("GET", f"{API}/{path}")


def pages(person: Person, path: str, key: str, limit: int) -> list[Any]:
    """All pages of a list, one after the other."""
    found: list[Any] = []
    after = ""
    while True:
        answer = expect(look(person, f"{path}?limit={limit}{after}")).body
        assert len(answer[key]) <= limit
        found += answer[key]
        if "next" not in answer:
            return found
        after = f"&from={quote(answer['next'])}"


def test_somebodys_groups_are_listed_in_pages_without_direct_chats(server: Server) -> None:
    person, other = server.people(2)
    rooms = {person.new_room(name=f"Group {n}"): f"Group {n}" for n in range(5)}
    person.befriend(other)
    expect(person.set_room_name_of_own(next(iter(rooms)), "Uncle Bob"))
    for limit in (1, 2, 5, 100):
        found = pages(person, "groups", "groups", limit)
        assert [group["room_id"] for group in found] == sorted(rooms)
    for group in found:
        own = expect(look(person, f"groups/{quote(group['room_id'])}")).body
        assert group == {"room_id": group["room_id"], "room_name": rooms[group["room_id"]], **own}
    assert [group["name"] for group in found].count("Uncle Bob") == 1


def test_members_are_told_with_how_they_came_and_how_many_friends_are_inside(
    server: Server,
) -> None:
    room, (marta, bob) = server.group(2)
    by_code = server.person()
    code = server.make_code(room, marta)
    expect(server.scan(by_code, code))
    bob.befriend(by_code)
    bob.befriend(server.person())  # Who is not in the group.
    expect(by_code.set_room_name_of_own(room, "Scanner"))

    found = pages(marta, f"groups/{quote(room)}/members", "members", 2)
    assert [person["user_id"] for person in found] == sorted(
        p.user_id for p in (marta, bob, by_code)
    )
    told = {person["user_id"]: person for person in found}
    assert {p: told[p]["friends"] for p in told} == {
        marta.user_id: 0, bob.user_id: 1, by_code.user_id: 1,
    }  # fmt: skip
    assert told[by_code.user_id]["name"] == "Scanner"
    came = told[by_code.user_id]["came"]
    assert (came["how"], came["by"], came["code_id"]) == ("code", marta.user_id, code["code_id"])
    assert (came["members"], came["mode"], came["by_friend"]) == (3, "open", False)
    assert told[bob.user_id]["came"]["how"] == "invite"
    assert told[marta.user_id]["came"] | {"admitted_at": 0} == {
        "how": "creator", "by": None, "by_friend": False, "mode": "open", "members": 1,
        "admitted_at": 0, "code_id": None,
    }  # fmt: skip


def test_who_comes_again_is_told_with_their_last_way_in(server: Server) -> None:
    room, (marta, bob) = server.group(2)
    expect(bob.leave(room))
    expect(server.scan(bob, server.make_code(room, marta)))
    found = pages(marta, f"groups/{quote(room)}/members", "members", 10)
    came = next(person["came"] for person in found if person["user_id"] == bob.user_id)
    assert came["how"] == "code"
    record = pages(marta, f"groups/{quote(room)}/admissions", "admissions", 1)
    ways = [(entry["user_id"], entry["came"]["how"]) for entry in record]
    assert ways == [
        (bob.user_id, "code"), (bob.user_id, "invite"), (marta.user_id, "creator"),
    ]  # fmt: skip


def test_pages_of_the_record_lose_nobody_who_came_in_the_same_moment(server: Server) -> None:
    room, (marta, *_) = server.group(3)
    server.query("UPDATE capgroups_admissions SET admitted_at = 5 WHERE room_id = ?", room)
    for limit in (1, 2, 3):
        record = pages(marta, f"groups/{quote(room)}/admissions", "admissions", limit)
        assert len({entry["user_id"] for entry in record}) == len(record) == 3


def test_growth_is_told_by_day_and_an_erased_account_has_no_name(server: Server) -> None:
    room, (marta, bob, eve) = server.group(3)
    day = 24 * 60 * 60 * 1000
    today = int(time.time() * 1000) // day * day
    sql = "UPDATE capgroups_admissions SET admitted_at = ? WHERE room_id = ? AND user_id = ?"
    server.query(sql, today - 3 * day + 5, room, marta.user_id)
    server.query(sql, today - day, room, bob.user_id)
    server.query(sql, today - day + 7, room, eve.user_id)
    expect(eve.leave(room))
    path = f"groups/{quote(room)}/growth"
    assert expect(look(marta, path)).body == {
        "days": [
            {"day": today - 3 * day, "came": 1, "are_in": 1, "members": 1},
            {"day": today - day, "came": 2, "are_in": 1, "members": 3},
        ]
    }
    server.query(sql, today - 400 * day, room, marta.user_id)
    assert len(expect(look(marta, path)).body["days"]) == 1
    deactivate(eve, None, erase=True)
    record = pages(marta, f"groups/{quote(room)}/admissions", "admissions", 10)
    assert [entry["user_id"] for entry in record] == [None, bob.user_id, marta.user_id]


@pytest.mark.parametrize("what", ["members", "admissions", "growth"])
def test_only_who_may_share_a_group_sees_who_is_in_it(server: Server, what: str) -> None:
    room, (_, member) = server.group(2)
    path = f"groups/{quote(room)}/{what}"
    assert refused(look(member, path), "not_entitled")
    stranger = look(server.person(), path)
    unknown = look(server.person(), f"groups/!nowhere:localhost/{what}")
    assert (stranger.status, stranger.body) == (unknown.status, unknown.body)
    assert stranger.status == 404
    expect(member.leave(room))
    assert look(member, path).status == 404


@pytest.mark.parametrize("from_", ["x", "5", "5 ", "99999999999999999999 @a:b", "%00", "%FF"])
def test_a_place_that_is_none_is_a_mistake_or_an_end(server: Server, from_: str) -> None:
    room, (marta,) = server.group(1)
    for what in (f"groups/{quote(room)}/admissions", f"groups/{quote(room)}/members", "groups"):
        assert look(marta, f"{what}?from={from_}").status in (200, 400)
    assert look(marta, f"groups/{quote(room)}/admissions?from=x").status == 400


def test_lists_have_a_limit(server: Server) -> None:
    person = server.person()
    answers = [look(person, "groups").status for _ in range(VIEWS.burst + 20)]
    assert set(answers) == {200, 429}
    # Counted together.
    together = [look(person, "me/requests").status for _ in range(VIEWS.burst)]
    assert 429 in together
    assert look(server.person(), "groups").ok


def test_members_see_a_groups_picture_and_nobody_else_does(server: Server) -> None:
    room, (marta, member) = server.group(2)
    path = f"groups/{quote(room)}/avatar"
    assert look(marta, path).status == 404
    avatar = {"url": upload(marta, picture("PNG", (200, 200)))}
    expect(marta.set_state(room, "m.room.avatar", avatar))
    small = expect(look(member, path)).picture
    assert small.startswith(b"\x89PNG")
    assert look(server.person(), path).status == 404


def remark(person: Person, other: str, name: Any) -> Reply:
    return person.call("PUT", f"{API}/me/remarks/{quote(other)}", {"name": name})


def test_what_somebody_calls_others_is_theirs_alone(server: Server) -> None:
    person, *others = server.people(4)
    named = {other.user_id: f"Name {n}" for n, other in enumerate(others)}
    named["@somebody:elsewhere.example"] = "A friend elsewhere"
    for other, name in named.items():
        expect(remark(person, other, f" {name} "))
    for limit in (1, 3, 4, 100):
        listed = pages(person, "me/remarks", "remarks", limit)
        assert [(one["user_id"], one["name"]) for one in listed] == sorted(named.items())
    assert pages(others[0], "me/remarks", "remarks", 100) == []
    expect(remark(person, others[0].user_id, ""))
    assert len(pages(person, "me/remarks", "remarks", 100)) == 3


def test_remarks_that_are_made_at_once_are_all_kept(server: Server) -> None:
    person = server.person()
    named = {f"@friend{n}:elsewhere.example": f"Friend {n}" for n in range(12)}
    with ThreadPoolExecutor(6) as pool:
        for reply in pool.map(lambda item: remark(person, *item), named.items()):
            expect(reply)
    listed = pages(person, "me/remarks", "remarks", 100)
    assert {one["user_id"]: one["name"] for one in listed} == named


def test_a_remark_that_cannot_be_kept_is_refused_and_loses_nothing(server: Server) -> None:
    person, other = server.people(2)
    expect(remark(person, other.user_id, "Bob"))
    for about, name, status in (
        ("@nobody:localhost", "Bob", 404),
        ("bob", "Bob", 400),
        ("@bob", "Bob", 400),
        (f"@{'x' * 300}:elsewhere.example", "Bob", 400),
        (other.user_id, "x" * 257, 400),
        (other.user_id, 5, 400),
    ):
        assert remark(person, about, name).status == status, (about, name)
    assert pages(person, "me/remarks", "remarks", 100) == [
        {"user_id": other.user_id, "name": "Bob"}
    ]
