"""Rule 12: an announcement reaches each group once."""

import itertools
import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from synapse_capgroups.concierge.lines import commands
from synapse_capgroups.concierge.parsing import AnnouncementWish, announcement_wish
from synapse_capgroups.concierge.understanding import Understood
from synapse_capgroups.demo.person import Person, Reply, expect
from synapse_capgroups.rules.announcements import (
    MARKER,
    AnnouncementError,
    AnnouncementProblem,
    Copy,
    may_notify,
    message,
)
from synapse_capgroups.words.lookup import Words
from tests.conftest import API, Clusters, Server, Starter, eventually
from tests.test_concierge import Chat

ENGLISH = Words()
ENGINES = pytest.mark.parametrize("engine", ["sqlite", "postgres"])
LATER_MS = 10 * 1000
_series = itertools.count(1)


class Series:
    """A series whose rows the test writes itself, with groups that the organiser makes."""

    def __init__(self, server: Server, organiser: Person, groups: int = 2, **room: Any) -> None:
        self.server = server
        self.organiser = organiser
        self.name = f"tea{next(_series)}"
        self.key = f"s-{self.name}"
        self.rooms: list[str] = []
        # A server makes the tables when it begins to answer.
        expect(organiser.call("GET", f"{API}/series"))
        server.query(
            "INSERT INTO capgroups_series (series_id, organiser, name, pattern, fill, max_groups, "
            "model, state, created_at) VALUES (?, ?, ?, 'Tea {n}', 3, 100, '!none', 'running', 1)",
            self.key, organiser.user_id, self.name,
        )  # fmt: skip
        for _ in range(groups):
            self.add(organiser.new_room(name="Tea", **room))

    def add(self, room: str | None) -> int:
        number = len(self.rooms) + 1
        self.rooms.append(room or "")
        self.server.query(
            "INSERT INTO capgroups_series_groups (series_id, number, room_id, begun_at, "
            "begun_after, is_full) VALUES (?, ?, ?, 1, 1, FALSE)",
            self.key, number, room,
        )  # fmt: skip
        return number

    def help_by(self, person: Person) -> None:
        self.server.query(
            "INSERT INTO capgroups_series_helpers (series_id, user_id) VALUES (?, ?)",
            self.key, person.user_id,
        )  # fmt: skip

    def call(
        self, method: str, below: str = "", body: Any = None, *, by: Person | None = None
    ) -> Reply:
        path = f"{API}/series/{self.key}/announcements{below}"
        return (by or self.organiser).call(method, path, body)

    def draft(
        self, text: str = "Hello", *, by: Person | None = None, **more: Any
    ) -> dict[str, Any]:
        return expect(self.call("POST", "", {"text": text, **more}, by=by)).body

    def announce(self, text: str = "Hello", *, by: Person | None = None, **more: Any) -> str:
        key = str(self.draft(text, by=by, **more)["announcement_id"])
        expect(self.call("POST", f"/{key}/confirm", by=by))
        return key

    def announced(self, text: str = "Hello", *, by: Person | None = None, **more: Any) -> str:
        key = self.announce(text, by=by, **more)
        assert self.is_done(key)
        return key

    def is_done(self, key: str, seconds: float = 30) -> bool:
        # Not by its calls, which have a limit.
        state = "SELECT state FROM capgroups_announcements WHERE announcement_id = ?"
        return eventually(lambda: self.server.query(state, key) == [("done",)], seconds)

    def get(self, key: str, below: str = "") -> dict[str, Any]:
        return expect(self.call("GET", f"/{key}{below}")).body

    def unsend(self, key: str) -> None:
        """As if no copy had been sent, for what happens between a confirmation and that."""
        self.server.query(
            "UPDATE capgroups_outbox SET state = 'failed', reason = 'broken', event_id = NULL, "
            "revision = 0 WHERE announcement_id = ?", key,
        )  # fmt: skip

    def failures(self, key: str) -> dict[int, str]:
        return {row["number"]: row["reason"] for row in self.get(key)["incomplete"]}


def messages(server: Server, room: str) -> list[dict[str, Any]]:
    """The events of a room that are copies or edits, the oldest first, redacted ones too."""
    rows = server.query(
        "SELECT j.json FROM event_json AS j JOIN events AS e ON e.event_id = j.event_id "
        "WHERE e.room_id = ? AND e.type = 'm.room.message' ORDER BY e.stream_ordering",
        room,
    )
    events = [json.loads(text) for (text,) in rows]
    return [event for event in events if MARKER in event["content"]]


def texts(server: Server, room: str) -> list[str]:
    return [event["content"]["body"] for event in messages(server, room)]


@pytest.fixture
def series(server: Server) -> Series:
    return Series(server, server.person(), 3)


# What is sent, and in whose name.


def test_an_announcement_appears_once_in_each_group_in_the_organisers_name(
    server: Server, series: Series
) -> None:
    member = server.person()
    server.admit(series.rooms[1], series.organiser, member)
    preview = series.draft("The picnic is on Sunday")
    assert (preview["groups"], preview["people"], preview["encrypted_groups"]) == (3, 1, 0)
    assert [texts(server, room) for room in series.rooms] == [[], [], []]
    key = preview["announcement_id"]
    expect(series.call("POST", f"/{key}/confirm"))
    assert series.is_done(key)
    for room in series.rooms:
        (event,) = messages(server, room)
        assert event["sender"] == series.organiser.user_id
        assert event["content"]["body"] == "The picnic is on Sunday"
        assert event["content"]["m.mentions"] == {}
    markers = {
        event["content"][MARKER] for room in series.rooms for event in messages(server, room)
    }
    assert len(markers) == 3
    assert not any(key in marker for marker in markers)
    found = series.get(key)
    assert (found["groups"], found["reached"], found["waiting"]) == (3, 3, 0)
    assert found["incomplete"] == []
    assert found["content"] == {"msgtype": "m.text", "body": "The picnic is on Sunday"}


def test_confirming_twice_sends_once(server: Server, series: Series) -> None:
    key = series.draft()["announcement_id"]
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda _: series.call("POST", f"/{key}/confirm"), range(4)))
    assert [reply.status for reply in replies] == [200] * 4
    assert series.is_done(key)
    expect(series.call("POST", f"/{key}/confirm"))
    assert [texts(server, room) for room in series.rooms] == [["Hello"]] * 3


def test_a_dropped_draft_and_one_of_an_hour_ago_cannot_be_confirmed(
    server: Server, series: Series
) -> None:
    key = series.draft()["announcement_id"]
    expect(series.call("DELETE", f"/{key}"))
    assert series.call("POST", f"/{key}/confirm").status == 404
    first = series.draft()["announcement_id"]
    second = series.draft("Other")["announcement_id"]
    assert series.call("POST", f"/{first}/confirm").status == 404
    server.query(
        "UPDATE capgroups_announcements SET created_at = created_at - 3600001 "
        "WHERE announcement_id = ?", second,
    )  # fmt: skip
    assert series.call("POST", f"/{second}/confirm").status == 404
    assert [texts(server, room) for room in series.rooms] == [[], [], []]


def test_a_group_that_is_made_later_or_meanwhile_gets_no_old_announcement(
    server: Server, series: Series
) -> None:
    number = series.add(None)
    key = series.announced()
    assert series.get(key)["groups"] == 3
    room = series.organiser.new_room(name="Tea 4")
    server.query(
        "UPDATE capgroups_series_groups SET room_id = ? WHERE series_id = ? AND number = ?",
        room, series.key, number,
    )  # fmt: skip
    expect(series.call("PUT", f"/{key}", {"text": "Later"}))
    assert series.is_done(key)
    assert texts(server, room) == []


def test_it_is_marked_as_unencrypted_in_an_encrypted_group(server: Server) -> None:
    encrypted = {"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
    series = Series(server, server.person(), 1)
    series.add(series.organiser.new_room(name="Secret tea", initial_state=[encrypted]))
    preview = series.draft("Hello")
    assert preview["encrypted_groups"] == 1
    expect(series.call("POST", f"/{preview['announcement_id']}/confirm"))
    assert series.is_done(preview["announcement_id"])
    plain, secret = series.rooms
    assert texts(server, plain) == ["Hello"]
    assert texts(server, secret) == [f"{ENGLISH.say('announcement_unencrypted')}\n\nHello"]


# What cannot be delivered.


def test_what_the_author_may_not_do_at_that_time_is_listed_with_the_reason(
    server: Server,
) -> None:
    owner, author = server.people(2)
    series = Series(server, owner, 4)
    series.help_by(author)
    levels = expect(owner.state(series.rooms[0], "m.room.power_levels")).body
    for room in series.rooms:
        server.admit(room, owner, author)
    key = series.draft(by=author)["announcement_id"]
    expect(author.leave(series.rooms[0]))
    expect(owner.ban(series.rooms[1], author))
    expect(
        owner.set_state(series.rooms[2], "m.room.power_levels", {**levels, "events_default": 50})
    )
    expect(series.call("POST", f"/{key}/confirm", by=author))
    assert series.is_done(key)
    assert series.failures(key) == {1: "not_member", 2: "not_member", 3: "no_power"}
    assert [len(texts(server, room)) for room in series.rooms] == [0, 0, 0, 1]
    assert series.get(key)["reached"] == 1

    server.admit(series.rooms[0], owner, author)
    expect(owner.set_state(series.rooms[2], "m.room.power_levels", levels))
    expect(series.call("POST", f"/{key}/retry"))  # by another organiser
    assert series.is_done(key)
    assert series.failures(key) == {2: "not_member"}
    assert [len(texts(server, room)) for room in series.rooms] == [1, 0, 1, 1]
    assert {e["sender"] for room in series.rooms for e in messages(server, room)} == {
        author.user_id
    }


def test_a_group_that_was_let_go_meanwhile_gets_nothing(server: Server, series: Series) -> None:
    key = series.draft()["announcement_id"]
    expect(series.call("POST", f"/{key}/confirm"))
    assert series.is_done(key)
    server.query("DELETE FROM capgroups_series_groups WHERE room_id = ?", series.rooms[0])
    expect(series.call("PUT", f"/{key}", {"text": "Other"}))
    assert series.is_done(key)
    assert series.failures(key) == {1: "not_in_series"}
    assert texts(server, series.rooms[0]) == ["Hello"]


@pytest.mark.parametrize(
    ("deed", "reason"),
    [("suspend", "suspended"), ("shadow_ban", "refused"), ("deactivate", None)],
)
def test_nothing_is_sent_for_an_account_that_may_not_write(
    server: Server, series: Series, deed: str, reason: str | None
) -> None:
    admin, helper = server.person(admin=True), server.person()
    series.help_by(helper)
    key = series.announced()
    series.unsend(key)
    user = quote(series.organiser.user_id)
    if deed == "suspend":
        path = f"/_synapse/admin/v1/suspend/{user}"
        expect(admin.call("PUT", path, {"suspend": True}))
    elif deed == "shadow_ban":
        expect(admin.call("POST", f"/_synapse/admin/v1/users/{user}/shadow_ban", {}))
    else:
        expect(admin.call("POST", f"/_synapse/admin/v1/deactivate/{user}", {"erase": False}))
    reply = series.call("POST", f"/{key}/retry", by=helper)
    if reason is None:  # What they announced is forgotten with them.
        assert reply.status == 404
        assert server.query("SELECT * FROM capgroups_outbox WHERE announcement_id = ?", key) == []
        return
    expect(reply)

    def progress() -> dict[str, Any]:
        return expect(series.call("GET", f"/{key}", by=helper)).body

    assert eventually(lambda: progress()["state"] == "done")
    assert {row["reason"] for row in progress()["incomplete"]} == {reason}
    assert [texts(server, room) for room in series.rooms] == [["Hello"]] * 3
    if deed == "suspend":
        reply = series.call("POST", "", {"text": "More"})
        assert (reply.status, reply.body["errcode"]) == (403, "M_USER_SUSPENDED")


def test_a_former_helper_sends_nothing_more(server: Server, series: Series) -> None:
    helper = server.person()
    series.help_by(helper)
    for room in series.rooms:
        server.admit(room, series.organiser, helper)
    key = series.announced(by=helper)
    server.query("DELETE FROM capgroups_series_helpers WHERE user_id = ?", helper.user_id)
    series.unsend(key)
    expect(series.call("POST", f"/{key}/retry"))
    assert series.is_done(key)
    assert set(series.failures(key).values()) == {"not_organiser"}
    assert [len(texts(server, room)) for room in series.rooms] == [1, 1, 1]


# Mentions and pins.


def test_everybody_is_notified_where_the_author_has_the_power_and_only_if_asked(
    server: Server,
) -> None:
    owner, author = server.people(2)
    series = Series(server, owner, 2)
    series.help_by(author)
    for room in series.rooms:
        server.admit(room, owner, author)
    levels = expect(owner.state(series.rooms[0], "m.room.power_levels")).body
    users = {**levels.get("users", {}), author.user_id: 50}
    expect(owner.set_state(series.rooms[0], "m.room.power_levels", {**levels, "users": users}))
    key = series.announced("Hear me", by=author, mention_room=True)
    said = [messages(server, room)[0]["content"]["m.mentions"] for room in series.rooms]
    assert said == [{"room": True}, {}]
    found = series.get(key)
    assert found["reached"] == 2
    assert [(row["number"], row["beside"]) for row in found["incomplete"]] == [
        (2, ["not_notified"])
    ]
    series.announced("@room is only a word", by=author)
    assert messages(server, series.rooms[0])[1]["content"]["m.mentions"] == {}


def test_a_pin_keeps_what_is_pinned_and_one_that_fails_is_no_failed_delivery(
    server: Server,
) -> None:
    owner, author = server.people(2)
    series = Series(server, owner, 2)
    series.help_by(author)
    for room in series.rooms:
        server.admit(room, owner, author)
    levels = expect(owner.state(series.rooms[0], "m.room.power_levels")).body
    users = {**levels.get("users", {}), author.user_id: 50}
    expect(owner.set_state(series.rooms[0], "m.room.power_levels", {**levels, "users": users}))
    expect(owner.set_state(series.rooms[0], "m.room.pinned_events", {"pinned": ["$before"]}))
    key = series.announced("Rules", by=author, pin=True)
    (event,) = messages(server, series.rooms[0])
    (event_id,) = server.query(
        "SELECT event_id FROM capgroups_outbox WHERE announcement_id = ? AND number = 1", key
    )[0]
    pinned = expect(owner.state(series.rooms[0], "m.room.pinned_events")).body["pinned"]
    assert pinned == ["$before", event_id]
    assert event["content"]["body"] == "Rules"
    found = series.get(key)
    assert found["reached"] == 2
    assert [(row["number"], row["beside"]) for row in found["incomplete"]] == [(2, ["not_pinned"])]
    expect(series.call("DELETE", f"/{key}", by=author))
    assert series.is_done(key)
    pinned = expect(owner.state(series.rooms[0], "m.room.pinned_events")).body["pinned"]
    assert pinned == ["$before"]


# Edits and deletions.


def test_an_edit_reaches_all_copies(server: Server, series: Series) -> None:
    key = series.announced("Sunday")
    expect(series.call("PUT", f"/{key}", {"text": "Monday"}))
    assert series.is_done(key)
    for room in series.rooms:
        first, edit = messages(server, room)
        assert edit["content"]["m.new_content"]["body"] == "Monday"
        event_id = edit["content"]["m.relates_to"]["event_id"]
        seen = expect(
            series.organiser.call("GET", f"/rooms/{quote(room)}/event/{quote(event_id)}")
        ).body
        assert seen["content"][MARKER] == first["content"][MARKER]
        assert seen["unsigned"]["m.relations"]["m.replace"]["content"]["body"] == "* Monday"
    assert series.get(key)["edits"] == 1
    for number in range(2, 11):
        expect(series.call("PUT", f"/{key}", {"text": str(number)}))
    reply = series.call("PUT", f"/{key}", {"text": "once more"})
    assert (reply.status, reply.reason) == (403, "announcement_too_many_edits")
    assert series.is_done(key)
    assert all(
        messages(server, room)[-1]["content"]["m.new_content"]["body"] == "10"
        for room in series.rooms
    )


def test_a_deletion_reaches_all_copies_and_their_edits(server: Server, series: Series) -> None:
    helper = server.person()
    series.help_by(helper)
    key = series.announced("Sunday")
    expect(series.call("PUT", f"/{key}", {"text": "Monday"}))
    assert series.is_done(key)
    expect(series.call("DELETE", f"/{key}"))
    assert series.is_done(key)
    assert series.get(key)["reached"] == 3
    for room in series.rooms:
        path = f"/rooms/{quote(room)}/messages?dir=b&limit=50"
        seen = expect(series.organiser.call("GET", path)).body["chunk"]
        assert "Sunday" not in str(seen)
        assert "Monday" not in str(seen)
    assert series.get(key)["content"] is None
    assert "Monday" not in str(server.query("SELECT * FROM capgroups_announcements"))
    reply = series.call("PUT", f"/{key}", {"text": "Tuesday"})
    assert (reply.status, reply.reason) == (403, "announcement_deleted")


def test_another_organiser_deletes_and_does_not_edit(server: Server, series: Series) -> None:
    helper = server.person()
    series.help_by(helper)
    for room in series.rooms[:2]:
        server.admit(room, series.organiser, helper)
    key = series.announced("Sunday", by=helper)
    reply = series.call("PUT", f"/{key}", {"text": "Monday"})
    assert (reply.status, reply.reason) == (403, "announcement_not_author")
    expect(series.call("DELETE", f"/{key}"))
    assert series.is_done(key)
    senders = {
        sender
        for room in series.rooms
        for (sender,) in server.query(
            "SELECT sender FROM events WHERE room_id = ? AND type = 'm.room.redaction'", room
        )
    }
    assert senders == {series.organiser.user_id}


# Who may.


CALLS = [
    ("POST", "", {"text": "Hi"}), ("GET", "", None), ("GET", "/{key}", None),
    ("POST", "/{key}/confirm", None), ("PUT", "/{key}", {"text": "Hi"}),
    ("DELETE", "/{key}", None), ("POST", "/{key}/retry", None),
]  # fmt: skip


@pytest.mark.parametrize(("method", "below", "body"), CALLS)
def test_nobody_else_learns_or_does_anything(
    server: Server, series: Series, method: str, below: str, body: Any
) -> None:
    stranger, member, former, other = server.people(4)
    for person in (member, former):
        server.admit(series.rooms[0], series.organiser, person)
    series.help_by(former)
    server.query("DELETE FROM capgroups_series_helpers WHERE user_id = ?", former.user_id)
    others = Series(server, other, 1)
    key = series.announced()
    before = server.query("SELECT * FROM capgroups_outbox ORDER BY announcement_id, number")
    unknown = Series(server, server.person(), 0)
    unknown.key = "s-unknown"
    for person in (stranger, member, former, other):
        mine = series.call(method, below.format(key=key), body, by=person)
        none = unknown.call(method, below.format(key=key), body, by=person)
        assert (mine.status, mine.body) == (404, none.body)
    if below:
        # By way of a series of one's own.
        reply = others.call(method, below.format(key=key), body)
        assert reply.status == 404
        assert reply.error == ENGLISH.say("announcement_unknown")
    assert server.query("SELECT * FROM capgroups_outbox ORDER BY announcement_id, number") == before
    assert "Hi" not in str(server.query("SELECT content FROM capgroups_announcements"))


def test_nobody_confirms_or_drops_the_draft_of_another(server: Server, series: Series) -> None:
    helper = server.person()
    series.help_by(helper)
    key = series.draft(by=helper)["announcement_id"]
    for method, below in (("POST", "/confirm"), ("DELETE", ""), ("GET", ""), ("POST", "/retry")):
        assert series.call(method, f"/{key}{below}").status == 404
    expect(series.call("DELETE", f"/{key}", by=helper))


def test_no_more_than_four_a_day_in_a_series_however_many_confirm_at_once(
    server: Server, series: Series
) -> None:
    helper = server.person()
    series.help_by(helper)
    for _ in range(3):
        series.announced()
    drafts = [(person, series.draft(by=person)["announcement_id"])
              for person in (series.organiser, helper)]  # fmt: skip
    with ThreadPoolExecutor(2) as pool:
        replies = list(
            pool.map(lambda draft: series.call("POST", f"/{draft[1]}/confirm", by=draft[0]), drafts)
        )
    assert sorted(reply.status for reply in replies) == [200, 429]
    reply = series.call("POST", "", {"text": "Hi"})
    assert (reply.status, reply.reason) == (429, "announcement_too_many")
    assert "4" in reply.error
    server.query("UPDATE capgroups_announcements SET confirmed_at = confirmed_at - 86400001 "
                 "WHERE series_id = ?", series.key)  # fmt: skip
    assert series.draft()["left_today"] == 4


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"text": "x" * 20_000}, 413),
        ({"text": "x" * 64 * 1024}, 413),
        ({"text": "\u0416" * 9_000}, 413),
        ({"text": "  \n "}, 400),
        ({"text": 5}, 400),
        ({}, 400),
        ({"text": "a\0b"}, 400),
        ({"text": "\ud800"}, 400),
        ({"text": "Hi", "pin": "yes"}, 400),
        ({"content": {"msgtype": "m.text"}}, 400),
        ({"content": {"msgtype": "m.notice", "body": "Hi"}}, 400),
        ({"content": {"msgtype": {}, "body": "Hi"}}, 400),
        ({"content": {"msgtype": ["m.text"], "body": "Hi"}}, 400),
        ({"content": {"msgtype": "m.image", "body": "a.png", "file": {"url": "mxc://a/b"}}}, 400),
        ({"content": {"msgtype": "m.image", "body": "a.png", "url": "https://a/b"}}, 400),
        ({"content": {"msgtype": "m.image", "body": "a", "url": "mxc://a/b", "info": {"w": 1.5}}},
         400),
        ({"content": {"msgtype": "m.image", "body": "a", "url": "mxc://a/b",
                      "info": {"w": 2**60}}}, 400),
        ({"content": []}, 400),
    ],
)  # fmt: skip
def test_what_cannot_be_announced_is_refused_when_it_is_drafted(
    server: Server, series: Series, body: Any, status: int
) -> None:
    reply = series.call("POST", "", body)
    assert reply.status == status, reply
    assert server.query(
        "SELECT * FROM capgroups_announcements WHERE series_id = ?", series.key
    ) == []  # fmt: skip


def test_the_longest_announcement_fits_into_an_event_and_so_does_its_edit(
    server: Server, series: Series
) -> None:
    longest = 16_000 - len('{"body":"","msgtype":"m.text"}')
    key = series.announced("x" * longest)
    expect(series.call("PUT", f"/{key}", {"text": "y" * longest}))
    assert series.is_done(key)
    assert series.get(key)["reached"] == 3


def test_an_ended_series_and_one_without_groups_cannot_announce(server: Server) -> None:
    empty = Series(server, server.person(), 0)
    reply = empty.call("POST", "", {"text": "Hi"})
    assert (reply.status, reply.reason) == (403, "announcement_no_groups")
    ended = Series(server, server.person(), 1)
    key = ended.draft()["announcement_id"]
    server.query("UPDATE capgroups_series SET state = 'ended' WHERE series_id = ?", ended.key)
    for reply in (ended.call("POST", "", {"text": "Hi"}), ended.call("POST", f"/{key}/confirm")):
        assert (reply.status, reply.reason) == (403, "announcement_series_ended")


def test_lists_are_paged(server: Server, series: Series) -> None:
    keys = [series.announced(str(n)) for n in range(3)]
    first = expect(series.call("GET", "?limit=2")).body
    assert [a["announcement_id"] for a in first["announcements"]] == keys[:0:-1]
    second = expect(series.call("GET", f"?limit=2&from={first['next']}")).body
    assert [a["announcement_id"] for a in second["announcements"]] == keys[:1]
    assert "next" not in second
    expect(series.organiser.leave(series.rooms[0]))
    expect(series.organiser.leave(series.rooms[2]))
    key = series.announced("again")
    page = series.get(key, "?limit=1")
    assert [row["number"] for row in page["incomplete"]] == [1]
    page = series.get(key, f"?limit=1&from={page['next']}")
    assert [row["number"] for row in page["incomplete"]] == [3]
    assert "next" not in page


# Crashes.


def copies(server: Server, rooms: list[str]) -> list[int]:
    return [len(messages(server, room)) for room in rooms]


def wait_for_copies(server: Server, series: Series, number: int) -> None:
    """Until so many rows are sent, by looking at the outbox."""
    assert eventually(
        lambda: (
            server.query(
                "SELECT COUNT(*) FROM capgroups_outbox AS o JOIN capgroups_announcements AS a "
                "ON a.announcement_id = o.announcement_id WHERE a.series_id = ? AND o.revision > 0",
                series.key,
            )[0][0]
            >= number
        ),
        60,
    )


def test_each_group_has_it_once_although_the_process_is_killed_again_and_again(
    start: Starter, engine: str
) -> None:
    interrupted(start, engine, groups=12, kills=3)


@pytest.mark.before_release
def test_fifty_groups_have_it_once_although_the_process_is_killed_ten_times(
    start: Starter, engine: str
) -> None:
    interrupted(start, engine, groups=50, kills=10)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" in metafunc.fixturenames:
        metafunc.parametrize("engine", ["sqlite", "postgres"])


def interrupted(start: Starter, engine: str, *, groups: int, kills: int) -> None:
    server = start(engine, module={})
    series = Series(server, server.person(), groups)
    rows = sorted(random.sample(range(1, groups), kills))
    key = series.announce("Once")
    for row in rows:
        wait_for_copies(server, series, row)
        server.homeserver.kill()
        server.homeserver.start()
    assert series.is_done(key, 120)
    assert copies(server, series.rooms) == [1] * groups
    assert series.get(key)["reached"] == groups


@pytest.mark.parametrize("sent", [True, False], ids=["sent", "not sent"])
def test_a_row_that_was_begun_is_looked_for_before_it_is_sent(
    server: Server, series: Series, sent: bool
) -> None:
    """As a process leaves it that is killed before it notes what became of an event."""
    key = series.announced()
    if sent:
        server.query(
            "UPDATE capgroups_outbox SET state = 'sending', event_id = NULL, revision = 0 "
            "WHERE announcement_id = ? AND number = 2", key,
        )  # fmt: skip
    else:
        # Of another marker: what was sent is not this.
        server.query(
            "UPDATE capgroups_outbox SET state = 'sending', event_id = NULL, revision = 0, "
            "marker = 'other' WHERE announcement_id = ? AND number = 2", key,
        )  # fmt: skip
    server.query("UPDATE capgroups_outbox SET begun_at = begun_at - ?", LATER_MS)
    expect(series.call("POST", f"/{key}/retry"))
    assert series.is_done(key)
    assert copies(server, series.rooms) == [1, 1 if sent else 2, 1]
    assert series.get(key)["reached"] == 3


def test_where_too_much_was_said_since_it_is_not_sent_twice(server: Server, series: Series) -> None:
    key = series.announced()
    # Far below all places that there are, where nothing but this looks.
    place = -1_000_000 * next(_series)
    events = ", ".join(
        f"('$made-up-{place}-{n}', 'm.made.up', '{series.rooms[0]}', {place + n}, 1, 1, ?, ?, "
        f"'@a:b', 1, 1)"
        for n in range(2001)
    )
    server.query(
        "INSERT INTO events (event_id, type, room_id, stream_ordering, topological_ordering, "
        f"depth, processed, outlier, sender, received_ts, origin_server_ts) VALUES {events}",
        *(True, False) * 2001,
    )
    server.query(
        "UPDATE capgroups_outbox SET state = 'sending', event_id = NULL, revision = 0, "
        "begun_at = begun_at - ?, sent_after = ? WHERE announcement_id = ? AND number = 1",
        LATER_MS, place - 1, key,
    )  # fmt: skip
    expect(series.call("POST", f"/{key}/retry"))
    assert series.is_done(key)
    assert series.failures(key) == {1: "unknown"}
    expect(series.call("POST", f"/{key}/retry"))
    assert series.is_done(key)
    assert series.failures(key) == {1: "unknown"}
    assert copies(server, series.rooms) == [1, 1, 1]


# The concierge.


def chat(server: Server, groups: int = 2) -> tuple[Chat, Series]:
    person = server.person()
    series = Series(server, person, 1)
    talk = Chat(person)
    while len(series.rooms) < groups:
        series.add(person.new_room(name="Tea"))
    return talk, series


def test_an_organiser_announces_in_the_chat_and_is_told_how_it_went(server: Server) -> None:
    talk, series = chat(server)
    expect(talk.person.leave(series.rooms[1]))
    shown = talk.ask(f"announce {series.name} pin @room Hello\nall\n\nof you")
    assert "Hello\nall\n\nof you" in shown
    assert ENGLISH.say("announce_pins") in shown
    assert ENGLISH.say("announce_notifies") in shown
    assert ENGLISH.say("announce_without_you", groups=1) in shown
    assert copies(server, series.rooms) == [0, 0]
    begun, told = (answer["body"] for answer in talk.say("yes", 2))
    assert begun == ENGLISH.say("announce_begun")
    assert ENGLISH.say("announce_delivered_to", series=series.name, reached=1, total=2) in told
    why = ENGLISH.say("undelivered_not_member")
    assert ENGLISH.say("announce_not_to", group="Tea 2", why=why) in told
    assert texts(server, series.rooms[0]) == ["Hello\nall\n\nof you"]
    assert "1 of 2" in talk.ask(f"announce list {series.name}")
    assert talk.ask("yes") == ENGLISH.say("nothing_to_confirm")

    assert "1 of 2" in talk.say(f"announce edit {series.name} Other", 2)[1]["body"]
    assert messages(server, series.rooms[0])[1]["content"]["m.new_content"]["body"] == "Other"
    assert "1 of 2" in talk.say(f"announce retry {series.name}", 2)[1]["body"]
    assert "deleted" in talk.say(f"announce delete {series.name}", 2)[1]["body"]


def test_no_drops_the_draft_of_the_chat_and_yes_does_not_confirm_one_made_elsewhere(
    server: Server,
) -> None:
    talk, series = chat(server, 1)
    talk.ask(f"announce {series.name} Hello")
    assert talk.ask("no") == ENGLISH.say("announce_dropped")
    assert talk.ask("yes") == ENGLISH.say("nothing_to_confirm")
    series.draft()
    assert talk.ask("yes") == ENGLISH.say("nothing_to_confirm")
    assert copies(server, series.rooms) == [0]


def test_a_picture_is_announced_as_it_was_forwarded(server: Server) -> None:
    talk, series = chat(server, 1)
    picture = {"msgtype": "m.image", "body": "tea.png", "url": "mxc://localhost/abc",
               "info": {"w": 1, "h": 2, "mimetype": "image/png"}}  # fmt: skip

    def send(content: dict[str, Any]) -> str:
        before = len(talk.messages())
        path = f"/rooms/{quote(talk.room)}/send/m.room.message/{time.monotonic_ns()}"
        expect(talk.person.call("PUT", path, content))
        assert eventually(lambda: len(talk.messages()) > before)
        return str(talk.messages()[-1]["body"])

    assert send(picture) == ENGLISH.say("text_only")
    assert talk.ask(f"announce {series.name}") == ENGLISH.say("announce_waits")
    encrypted = {"msgtype": "m.image", "body": "a", "file": {"url": "mxc://localhost/abc"}}
    assert send(encrypted) == ENGLISH.say("announce_encrypted_file")
    assert "tea.png" in send(picture)
    talk.say("yes", 2)
    assert eventually(lambda: len(messages(server, series.rooms[0])) == 1)
    (event,) = messages(server, series.rooms[0])
    assert {k: event["content"][k] for k in picture} == picture

    # By a reply to what was sent before.
    path = f"/rooms/{quote(talk.room)}/send/m.room.message/{time.monotonic_ns()}"
    html = {"msgtype": "m.text", "body": "Tea", "format": "org.matrix.custom.html",
            "formatted_body": "<b>Tea</b>"}  # fmt: skip
    before = len(talk.messages())
    event_id = expect(talk.person.call("PUT", path, html)).body["event_id"]
    assert eventually(lambda: len(talk.messages()) > before)  # It is no command.
    shown = send({"msgtype": "m.text", "body": f"> quoted\n\nannounce {series.name}",
                  "m.relates_to": {"m.in_reply_to": {"event_id": event_id}}})  # fmt: skip
    assert "Tea" in shown
    talk.say("yes", 2)
    assert eventually(lambda: len(messages(server, series.rooms[0])) == 2)
    assert messages(server, series.rooms[0])[1]["content"]["formatted_body"] == "<b>Tea</b>"


def test_what_is_not_understood_or_not_theirs_is_answered(server: Server) -> None:
    talk, series = chat(server, 1)
    for said in ("announce", "announce delete", "announce edit", f"announce {series.name}x"):
        assert talk.ask(said) in (
            ENGLISH.say("announce_how"), ENGLISH.say("no_such_series", said=f"{series.name}x")
        )  # fmt: skip
    for deed in ("retry", "list", "delete"):
        key = ENGLISH.say("no_such_series", said="nothing")
        assert talk.ask(f"announce {deed} nothing") == key
        assert talk.ask(f"announce {deed} {series.name}") == ENGLISH.say("no_announcement")
    assert talk.ask("yes 1234") != ENGLISH.say("nothing_to_confirm")  # That is about requests.


# Forgetting.


def test_announcements_are_forgotten_with_the_account_the_group_and_time(
    start: Starter, engine: str
) -> None:
    server = start(engine, module={})
    admin = server.person(admin=True)
    author, other = server.people(2)
    series, others = Series(server, author, 1), Series(server, other, 2)
    series.announced("The author's words")
    old, young = others.announced("An old one"), others.announced("A young one")
    server.query(
        "UPDATE capgroups_announcements SET confirmed_at = 1 WHERE announcement_id = ?", old
    )
    expect(admin.call("DELETE", f"/_synapse/admin/v1/rooms/{quote(others.rooms[0])}", {}))
    expect(admin.call("POST", f"/_synapse/admin/v1/deactivate/{quote(author.user_id)}",
                      {"erase": True}))  # fmt: skip
    server.homeserver.stop()
    server.homeserver.start()

    def left() -> str:
        return str(
            server.query("SELECT * FROM capgroups_announcements")
            + server.query("SELECT * FROM capgroups_outbox")
        )

    assert eventually(lambda: others.rooms[0] not in left() and old not in left())
    assert author.user_id not in left()
    assert "author's" not in left()
    assert young in left()
    assert others.rooms[1] in left()
    log = server.homeserver.log.read_text()
    assert "A young one" not in log
    assert '"what": "confirmed"' in log


# Rules without a server.


def test_a_message_is_taken_apart_with_its_switches_and_its_lines() -> None:
    assert announcement_wish("tea  @room PIN Hello\n all") == AnnouncementWish(
        "tea", "Hello\n all", True, True
    )
    assert announcement_wish("tea pinning it") == AnnouncementWish("tea", "pinning it")
    assert announcement_wish("") == AnnouncementWish("", "")
    assert commands("help\nAnnounce tea a\n> b\n\nhelp") == [
        Understood("help", ""), Understood("announce", "tea a\n> b\n\nhelp"),
    ]  # fmt: skip


def test_an_edit_replaces_and_notifies_nobody_again() -> None:
    content = message({"msgtype": "m.text", "body": "Hi", "m.mentions": {"room": True}, "x": 1})
    assert content == {"msgtype": "m.text", "body": "Hi"}
    edit = Copy(content, "m.2", True, "Not encrypted.").edit_of("$first")
    assert edit["m.relates_to"] == {"rel_type": "m.replace", "event_id": "$first"}
    assert edit["m.new_content"]["body"] == "Not encrypted.\n\nHi"
    assert edit["m.mentions"] == {}
    assert edit[MARKER] == "m.2"


def test_a_picture_in_an_encrypted_group_has_the_mark_as_its_caption() -> None:
    content = message({"msgtype": "m.image", "body": "a.png", "url": "mxc://a/b"})
    event = Copy(content, "m", False, "Not encrypted.").event()
    assert (event["filename"], event["body"]) == ("a.png", "Not encrypted.")
    content = message({"msgtype": "m.image", "body": "Look", "filename": "a.png",
                       "url": "mxc://a/b"})  # fmt: skip
    event = Copy(content, "m", False, "Not encrypted.").event()
    assert (event["filename"], event["body"]) == ("a.png", "Not encrypted.\n\nLook")


def test_deep_content_is_no_way_to_keep_a_server_busy() -> None:
    deep: Any = {}
    for _ in range(10_000):
        deep = {"a": deep}
    with pytest.raises(AnnouncementError) as caught:
        message({"msgtype": "m.image", "body": "a", "url": "mxc://a/b", "info": deep})
    assert caught.value.problem is AnnouncementProblem.MALFORMED


@pytest.mark.parametrize(
    ("levels", "allowed"),
    [
        ({}, False),
        (None, False),
        ({"users": {"@a:b": 50}}, True),
        ({"users": {"@a:b": "50"}}, True),
        ({"users": {"@a:b": 49}}, False),
        ({"users_default": 50}, True),
        ({"notifications": {"room": 0}}, True),
        ({"notifications": {"room": 100}, "users": {"@a:b": 50}}, False),
        ({"notifications": [], "users": []}, False),
    ],
)
def test_who_may_notify_everybody(levels: object, allowed: bool) -> None:
    assert may_notify("@a:b", levels, frozenset()) is allowed
    assert may_notify("@a:b", levels, frozenset({"@a:b"}))


# Several processes.


@pytest.mark.long(0.5)
def test_a_worker_takes_the_confirmation_and_another_process_sends_at_once(
    start_cluster: Clusters,
) -> None:
    server, _ = start_cluster(module={}, workers=2, chores_on="worker2")
    series = Series(server, server.person(), 8)
    began = time.monotonic()
    keys = [series.announce("Once") for _ in range(3)]
    assert all(series.is_done(key, 20) for key in keys)
    assert time.monotonic() - began < 20  # Without being called, it comes once a minute.
    assert copies(server, series.rooms) == [3] * 8


@pytest.mark.long(2)
@pytest.mark.before_release
def test_a_killed_worker_sends_nothing_twice_although_another_process_writes_the_events(
    start_cluster: Clusters,
) -> None:
    server, cluster = start_cluster(module={}, workers=3, chores_on="worker3", persisters=1)
    series = Series(server, server.person(), 20)
    key = series.announce("Once")
    wait_for_copies(server, series, 7)
    cluster.workers[2].kill()
    cluster.workers[2].start()
    assert eventually(cluster.workers[2].is_up, 60)
    assert series.is_done(key, 150)
    assert copies(server, series.rooms) == [1] * 20
