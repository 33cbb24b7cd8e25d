"""Rule 5: join codes and their doors."""

import contextlib
import http.client
import json
import time
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor, wait
from io import BytesIO
from urllib.parse import quote, unquote

import httpx
import pytest
from PIL import Image

from synapse_capgroups.demo.person import Person, expect
from synapse_capgroups.words.lookup import Words
from tests.conftest import (
    API,
    CODE_LIMIT,
    Server,
    Starter,
    eventually,
    joined_rooms,
    nothing_is_written,
    refused,
)

HOUR = 60 * 60 * 1000


def resolves(server: Server, code: dict[str, object]) -> bool:
    """Whether a code's address leads to its door, and not to a dead end."""
    path = f"/directory/room/{quote(server.door(code), safe='')}"
    reply = server.person().call("GET", path)
    dead_ends = server.query("SELECT room_id FROM capgroups_dead_ends")
    return reply.ok and (reply.body["room_id"],) not in dead_ends


def set_level(room: str, by: Person, person: Person, level: int) -> None:
    levels = expect(by.state(room, "m.room.power_levels")).body
    levels["users"] = {**levels.get("users", {}), person.user_id: level}
    expect(by.set_state(room, "m.room.power_levels", levels))


def test_who_scans_a_code_is_in_the_group(server: Server) -> None:
    room, people = server.group(2)
    code = server.make_code(room, people[0])
    stranger = server.person()
    door = expect(server.scan(stranger, code)).body["room_id"]
    assert stranger.user_id in people[0].members(room)
    timeline = expect(people[0].call("GET", f"/rooms/{room}/messages?dir=b&limit=50")).body["chunk"]
    steps = [
        (event["sender"], event["content"]["membership"])
        for event in reversed(timeline)
        if event.get("state_key") == stranger.user_id
    ]
    assert steps == [(people[0].user_id, "invite"), (stranger.user_id, "join")]

    # The door reads as a doorway, and one notice is there at first sight.
    assert stranger.state(door, "m.room.name").body == {"name": "Join A group"}
    assert not stranger.state(door, "m.room.encryption").ok
    messages = expect(stranger.call("GET", f"/rooms/{door}/messages?dir=b&limit=50")).body["chunk"]
    (notice,) = [event for event in messages if event["type"] == "m.room.message"]
    link = f"https://matrix.to/#/{room}?via=localhost"
    assert notice["content"]["body"].startswith(
        "You are in A group. Open it in your list of chats."
    )
    assert notice["content"]["body"].endswith(f"\n{link}")
    assert f'<a href="{link}">A group</a>' in notice["content"]["formatted_body"]
    assert not stranger.state(door, "m.room.tombstone").ok  # Cinny would wait for ever.
    assert stranger.send(door, "anything").status == 403


def test_a_groups_name_is_text_in_the_doorways_notice(server: Server) -> None:
    creator = server.person()
    room = creator.new_room(name="<img src=x> {group} & <a href='https://evil.example'>tea</a>")
    door = expect(server.scan(server.person(), server.make_code(room, creator))).body["room_id"]
    events = server.query("SELECT json FROM event_json WHERE room_id = ?", door)
    contents = [json.loads(event)["content"] for (event,) in events]
    (notice,) = [content for content in contents if content.get("msgtype") == "m.notice"]
    assert notice["formatted_body"].count("<") == 2  # The link of the module's own.
    assert "&lt;img src=x&gt; {group} &amp; &lt;a href=" in notice["formatted_body"]
    assert "<img src=x> {group} & <a href=" in notice["body"]


def test_the_entry_is_on_record_with_the_code_the_sharer_who_and_when(server: Server) -> None:
    room, people = server.group(2)
    code = server.make_code(room, people[0])
    stranger = server.person()
    before = time.time() * 1000
    expect(server.scan(stranger, code))
    rows = server.query(
        "SELECT user_id, how, inviter, code_id, members_after, admitted_at "
        "FROM capgroups_admissions WHERE room_id = ? AND user_id = ?",
        room, stranger.user_id,
    )  # fmt: skip
    assert [row[:5] for row in rows] == [
        (stranger.user_id, "code", people[0].user_id, code["code_id"], 3)
    ]
    assert before - 1000 <= rows[0][5] <= time.time() * 1000 + 1000


def test_a_member_who_scans_gets_told_so_and_no_use_is_counted(server: Server) -> None:
    room, people = server.group(2)
    code = server.make_code(room, people[0], max_uses=1)
    door = expect(server.scan(people[1], code)).body["room_id"]
    assert people[1].state(door, "m.room.name").ok
    assert expect(server.preview(code)).body["state"] == "alive"
    expect(server.scan(server.person(), code))


def test_one_person_counts_once_however_often_they_tap(server: Server) -> None:
    room, people = server.group(1)
    code = server.make_code(room, people[0], max_uses=2)
    person = server.person()
    for _ in range(2):
        door = expect(server.scan(person, code)).body["room_id"]
        expect(person.leave(room))
        expect(person.leave(door))
    expect(server.scan(server.person(), code))
    assert refused(server.scan(server.person(), code), "code_used_up") or not resolves(server, code)


def test_who_left_the_group_is_not_brought_back_by_a_change_of_name(server: Server) -> None:
    room, people = server.group(1)
    person = server.person()
    door = expect(server.scan(person, server.make_code(room, people[0]))).body["room_id"]
    expect(person.leave(room))
    expect(person.set_room_name_of_own(door, "Another name"))
    assert person.user_id not in people[0].members(room)


@pytest.mark.parametrize(
    "query",
    ["", pytest.param("?org.matrix.msc4140.delay=100", marks=pytest.mark.newer_synapse)],
)
def test_who_knows_a_code_cannot_bring_in_somebody_else_by_it(server: Server, query: str) -> None:
    room, people = server.group(1)
    code = server.make_code(room, people[0], max_uses=2)
    eve, victim = server.people(2)
    door = expect(server.scan(eve, code)).body["room_id"]
    path = f"/rooms/{door}/state/m.room.member/{victim.user_id}{query}"
    assert eve.call("PUT", path, {"membership": "join"}).status == 403
    time.sleep(0.3)
    assert victim.user_id not in people[0].members(room)
    assert expect(server.preview(code)).body["state"] == "alive"


def test_a_code_dies_at_its_last_use(server: Server) -> None:
    room, people = server.group(1)
    code = server.make_code(room, people[0], max_uses=1)
    expect(server.scan(server.person(), code))
    assert expect(server.preview(code)).body["state"] == "code_used_up"
    assert eventually(lambda: not resolves(server, code))


def test_a_code_dies_when_it_expires(server: Server) -> None:
    room, people = server.group(1)
    code = server.make_code(room, people[0], lifetime_ms=4000)
    end = time.monotonic() + 4.1
    assert expect(server.preview(code)).body["state"] == "alive"
    time.sleep(max(0, end - time.monotonic()))
    assert refused(server.scan(server.person(), code), "code_expired")
    assert expect(server.preview(code)).body["state"] == "code_expired"
    assert eventually(lambda: not resolves(server, code))


def test_a_code_dies_when_it_is_revoked(server: Server) -> None:
    room, people = server.group(2)
    code = server.make_code(room, people[0])
    path = f"{API}/groups/{room}/codes/{code['code_id']}"
    assert people[1].call("DELETE", path).status == 403
    assert expect(people[0].call("DELETE", path)).body == {}
    assert not resolves(server, code)
    assert refused(server.scan(server.person(), code), "code_revoked")
    assert expect(server.preview(code)).body["state"] == "code_revoked"


def test_a_code_dies_when_its_sharer_leaves(server: Server) -> None:
    room, people = server.group(2)
    set_level(room, people[0], people[1], 50)
    code = server.make_code(room, people[1])
    expect(people[1].leave(room))
    assert refused(server.scan(server.person(), code), "code_revoked")
    assert expect(server.preview(code)).body["state"] == "code_revoked"


def test_a_code_dies_when_its_sharer_loses_the_right(server: Server) -> None:
    room, people = server.group(2)
    set_level(room, people[0], people[1], 50)
    code = server.make_code(room, people[1])
    set_level(room, people[0], people[1], 0)
    assert expect(server.preview(code)).body["state"] == "code_revoked"
    assert refused(server.scan(server.person(), code), "code_revoked")


def test_every_code_dies_when_the_group_reaches_the_code_limit(server: Server) -> None:
    room, people = server.group(CODE_LIMIT - 1)
    codes = [server.make_code(room, people[0]) for _ in range(2)]
    last = server.person()
    door = expect(server.scan(last, codes[0])).body["room_id"]
    assert len(people[0].members(room)) == CODE_LIMIT
    for code in codes:
        assert expect(server.preview(code)).body["state"] == "code_closed"
        assert eventually(lambda code=code: not resolves(server, code))  # type: ignore[misc]
    # The last one in still sees the door.
    assert door in joined_rooms(last)
    reply = people[0].call("POST", f"{API}/groups/{room}/codes", {})
    assert refused(reply, "code_closed")


def test_a_join_that_fails_kills_no_code(server: Server) -> None:
    room, people = server.group(CODE_LIMIT - 1)
    code = server.make_code(room, people[0])
    invited = server.person()
    expect(people[0].invite(room, invited))
    assert invited.join(room, {"reason": "x" * 70_000}).status == 413
    assert expect(server.preview(code)).body["state"] == "alive"
    expect(server.scan(server.person(), code))


def test_a_group_that_reached_the_limit_while_nobody_looked_has_no_living_codes(
    start: Starter,
) -> None:
    server = start(module={"cap": 6, "code_limit": 4})
    room, people = server.group(CODE_LIMIT - 1)
    code = server.make_code(room, people[0])
    server.admit(room, people[0], server.person())
    server.homeserver.kill()  # as if that had been before the codes were closed
    server.query("UPDATE capgroups_codes SET died_of = NULL, died_at = NULL, door_closed_at = NULL")
    server.homeserver.start()
    died = "SELECT died_of FROM capgroups_codes WHERE door_closed_at IS NOT NULL"
    assert eventually(lambda: server.query(died) == [("code_closed",)])
    assert expect(server.preview(code)).body["state"] == "code_closed"


def test_a_group_that_shrinks_does_not_wake_old_codes_and_can_have_new_ones(
    server: Server,
) -> None:
    room, people = server.group(CODE_LIMIT - 1)
    code = server.make_code(room, people[0])
    server.admit(room, people[0], last := server.person())  # by invitation
    expect(last.leave(room))
    assert expect(server.preview(code)).body["state"] == "code_closed"
    assert not server.scan(server.person(), code).ok
    expect(server.scan(server.person(), server.make_code(room, people[0])))


def test_someone_who_was_removed_cannot_come_back_by_an_older_code(server: Server) -> None:
    room, people = server.group(2)
    code = server.make_code(room, people[0])
    expect(people[0].kick(room, people[1]))
    assert refused(server.scan(people[1], code), "invite_required")
    newer = server.make_code(room, people[0])
    expect(people[1].leave(expect(server.scan(people[1], newer)).body["room_id"]))
    expect(people[0].ban(room, people[1]))
    assert refused(server.scan(people[1], newer), "banned")


def test_a_guest_is_refused_at_the_door(server: Server) -> None:
    room, people = server.group(1)
    code = server.make_code(room, people[0])
    assert server.scan(server.homeserver.register_guest(), code).status == 403


def test_only_who_has_the_level_makes_sees_and_fetches_codes(server: Server) -> None:
    room, people = server.group(2)
    code = server.make_code(room, people[0])
    base = f"{API}/groups/{room}/codes"
    for method, path in (
        ("POST", base), ("GET", base), ("GET", f"{base}/{code['code_id']}/qr.png"),
        ("GET", f"{base}/{code['code_id']}/qr.svg"), ("DELETE", f"{base}/{code['code_id']}"),
    ):  # fmt: skip
        reply = people[1].call(method, path, {} if method == "POST" else None)
        assert refused(reply, "not_entitled")
        stranger = server.person().call(method, path, {} if method == "POST" else None)
        unknown = server.person().call(method, path.replace("%21", "").replace(room, "!no:such"),
                                       {} if method == "POST" else None)  # fmt: skip
        assert stranger.status == unknown.status == 404
        assert stranger.body == unknown.body


def test_a_sharer_has_a_quota_of_living_codes(server: Server) -> None:
    room, people = server.group(1)
    for _ in range(20):
        server.make_code(room, people[0])
    reply = people[0].call("POST", f"{API}/groups/{room}/codes", {})
    assert refused(reply, "too_many_codes")


def test_a_race_does_not_pass_the_quota_of_living_codes(server: Server) -> None:
    room, people = server.group(1)
    for _ in range(17):
        server.make_code(room, people[0])
    path = f"{API}/groups/{room}/codes"
    with ThreadPoolExecutor(8) as pool:
        with nothing_is_written(server, "capgroups_codes"):
            replies = [pool.submit(people[0].call, "POST", path, {}) for _ in range(8)]
            wait(replies, timeout=1)  # All of them have counted by now, if nothing keeps them.
        answers = [reply.result() for reply in replies]
    assert sum(answer.ok for answer in answers) == 3
    assert all(answer.ok or refused(answer, "too_many_codes") for answer in answers)


def test_codes_are_listed_with_their_uses(server: Server) -> None:
    room, people = server.group(1)
    first = server.make_code(room, people[0], max_uses=1)
    second = server.make_code(room, people[0], lifetime_ms=HOUR)
    expect(server.scan(server.person(), first))
    listed = expect(people[0].call("GET", f"{API}/groups/{room}/codes")).body["codes"]
    states = {code["code_id"]: (code["state"], code["uses"]) for code in listed}
    assert states == {first["code_id"]: ("code_used_up", 1), second["code_id"]: ("alive", 0)}
    assert "secret" not in json.dumps(listed)
    assert first["secret"] not in json.dumps(listed)


def test_a_code_has_130_random_bits_or_more(server: Server) -> None:
    room, people = server.group(1)
    made = [server.make_code(room, people[0])["secret"] for _ in range(5)]
    assert len(set(made)) == 5
    assert all(len(secret) * 5 >= 130 and secret.isalnum() for secret in made)


def test_the_preview_tells_what_the_page_shows(server: Server) -> None:
    room, people = server.group(2)
    code = server.make_code(room, people[0])
    assert expect(server.preview(code)).body == {
        "state": "alive",
        "group": {"name": "A group", "topic": None, "avatar": None},
        "sharer": people[0].name.lower(),
        "members": 2,
        "cap": 6,
        "code_limit": CODE_LIMIT,
        "expires_at": code["expires_at"],
        "door": server.door(code),
        "approval": False,
    }


def test_the_preview_tells_the_beginning_of_the_topic_while_the_code_lives(server: Server) -> None:
    room, people = server.group(1)
    told = []
    for topic in ("Seeds and slugs", "", "W" * 5000, "<b>Tea</b>"):
        expect(people[0].set_state(room, "m.room.topic", {"topic": topic}))
        code = server.make_code(room, people[0])  # An answer about one is repeated for a second.
        told.append(expect(server.preview(code)).body["group"]["topic"])
    assert told == ["Seeds and slugs", None, "W" * 255 + "…", "<b>Tea</b>"]
    path = f"{API}/groups/{room}/codes/{code['code_id']}"
    expect(people[0].call("DELETE", path))
    assert expect(server.preview(code)).body["group"] == {
        "name": "A group", "topic": None, "avatar": None,
    }  # fmt: skip


def test_the_preview_shows_the_groups_avatar(server: Server) -> None:
    room, people = server.group(1)
    addresses = [
        upload(people[0], picture("JPEG", (640, 480))), upload(people[0], picture("PNG", (20, 9))),
        upload(people[0], b"no picture"), upload(people[0], picture("PNG", (6000, 6000))),
        "mxc://localhost/nothing", "mxc://elsewhere.example/a", "mxc://localhost/../../log.yaml", 5,
    ]  # fmt: skip
    shown = []
    for address in addresses:
        expect(people[0].set_state(room, "m.room.avatar", {"url": address}))
        code = server.make_code(room, people[0])  # An answer about one is repeated for a second.
        avatar = expect(server.preview(code)).body["group"]["avatar"]
        shown.append(avatar is not None)
        if avatar is not None:
            small = Image.open(BytesIO(b64decode(avatar.removeprefix("data:image/png;base64,"))))
            assert (small.format, small.size) == ("PNG", (96, 96))
            assert len(avatar) < 20_000
    assert shown == [True, True] + [False] * 6


def test_the_preview_shows_no_avatar_from_the_moment_it_is_in_quarantine(server: Server) -> None:
    room, people = server.group(1)
    uri = upload(people[0], picture("JPEG", (640, 480)))
    expect(people[0].set_state(room, "m.room.avatar", {"url": uri}))
    code = server.make_code(room, people[0])
    assert expect(server.preview(code)).body["group"]["avatar"] is not None
    path = f"/_synapse/admin/v1/media/quarantine/{uri.removeprefix('mxc://')}"
    expect(server.person(admin=True).call("POST", path, {}))
    other = server.make_code(room, people[0])  # An answer about one is repeated for a second.
    assert expect(server.preview(other)).body["group"]["avatar"] is None


def picture(form: str, size: tuple[int, int]) -> bytes:
    output = BytesIO()
    Image.new("RGB", size, "teal").save(output, form)
    return output.getvalue()


def upload(person: Person, content: bytes) -> str:
    reply = person.call(
        "POST", "/_matrix/media/v3/upload", content=content, content_type="image/png"
    )
    return str(expect(reply).body["content_uri"])


@pytest.mark.parametrize("secret", ["", "a" * 28, "x" * 10_000, "'--", "\u0000", "\ud800"])
def test_an_unknown_secret_is_unknown_and_nothing_else(server: Server, secret: str) -> None:
    reply = server.preview({"secret": secret})
    assert reply.status in (400, 404)
    assert set(reply.body) == {"errcode", "error"}


@pytest.mark.parametrize(
    "body",
    [{"lifetime_ms": 0}, {"lifetime_ms": "7d"}, {"lifetime_ms": True}, {"lifetime_ms": 10**15},
     {"lifetime_ms": 1.5}, {"max_uses": 0}, {"max_uses": "20"}, {"max_uses": -1}, {"max_uses": []}],
)  # fmt: skip
def test_a_code_with_impossible_limits_is_refused_with_what_is_accepted(
    server: Server, body: dict[str, object]
) -> None:
    room, people = server.group(1)
    reply = people[0].call("POST", f"{API}/groups/{room}/codes", body)
    assert reply.status == 400
    assert next(iter(body)) in reply.error


def test_the_group_and_its_modes_over_http(server: Server) -> None:
    room, people = server.group(2)
    path = f"{API}/groups/{quote(room, safe='')}"
    assert expect(people[1].call("GET", path)).body == {
        "mode": "open", "members": 2, "cap": 6, "code_limit": 4, "seats_left": 4,
        "name": people[1].name.lower(), "approval": False, "room_name": "A group",
    }  # fmt: skip
    member = {"membership": "join", "displayname": "x", "avatar_url": "mxc://localhost/per-room"}
    expect(people[1].set_state(room, "m.room.member", member, people[1].user_id))
    expect(people[1].call("PUT", f"{path}/name", {"displayname": "Somebody"}))
    now = expect(people[0].state(room, "m.room.member", people[1].user_id)).body
    assert now == {**member, "displayname": "Somebody"}
    assert expect(people[1].call("GET", path)).body["name"] == "Somebody"
    expect(people[1].call("PUT", f"{path}/name", {"displayname": ""}))
    assert expect(people[1].call("GET", path)).body["name"] == people[1].name.lower()
    assert server.person().call("GET", path).status == 404
    assert people[1].call("PUT", f"{path}/name", {"displayname": 5}).status == 400
    assert people[1].call("PATCH", path).status in (404, 405)
    assert server.homeserver._http.get(path).status_code == 401


def test_a_race_for_the_last_place_below_the_code_limit_has_one_winner(server: Server) -> None:
    room, people = server.group(CODE_LIMIT - 1)
    code = server.make_code(room, people[0])
    crowd = server.people(6)
    with ThreadPoolExecutor(len(crowd)) as pool:
        replies = list(pool.map(lambda person: server.scan(person, code), crowd))
    assert sum(reply.ok for reply in replies) == 1
    # Whoever is very late finds no door any more.
    assert all(r.ok or refused(r, "code_closed") or r.status == 404 for r in replies), replies
    assert len(people[0].members(room)) == CODE_LIMIT


def test_a_code_revoked_while_somebody_taps_lets_them_in_or_not_and_nothing_between(
    server: Server,
) -> None:
    room, people = server.group(1)
    for _ in range(3):
        code = server.make_code(room, people[0])
        person = server.person()
        path = f"{API}/groups/{room}/codes/{code['code_id']}"
        with ThreadPoolExecutor(2) as pool:
            scanned = pool.submit(server.scan, person, code)
            revoked = pool.submit(people[0].call, "DELETE", path)
        assert revoked.result().ok
        if scanned.result().ok:
            assert person.user_id in people[0].members(room)
            expect(person.leave(room))
        else:
            assert person.user_id not in people[0].members(room)


def test_people_are_taken_out_of_the_door_some_time_later_and_nothing_else_changes(
    start: Starter,
) -> None:
    server = start(module={"cap": 6, "code_limit": 4, "codes": {"door_stay": "1s"}})
    room, people = server.group(1)
    person = server.person()
    door = expect(server.scan(person, server.make_code(room, people[0]))).body["room_id"]
    assert joined_rooms(person) == sorted([door, room])
    time.sleep(1.1)
    server.homeserver.stop()
    server.homeserver.start()  # sweeps at once
    assert eventually(lambda: joined_rooms(person) == [room])
    assert eventually(lambda: server.query("SELECT * FROM capgroups_visits") == [])
    events = server.query("SELECT json FROM event_json WHERE room_id = ?", door)
    contents = [json.loads(event)["content"] for (event,) in events]
    (left,) = [content for content in contents if content.get("membership") == "leave"]
    assert left["reason"] == Words().say("door_left")


def test_the_room_of_a_dead_codes_door_goes_when_nobody_stands_in_it_any_more(
    start: Starter,
) -> None:
    server = start(module={"cap": 6, "code_limit": 4, "codes": {"door_stay": "1s"}})
    room, people = server.group(1)
    code = server.make_code(room, people[0], max_uses=1)
    person = server.person()
    door = expect(server.scan(person, code)).body["room_id"]
    exists = "SELECT room_id FROM rooms WHERE room_id = ?"
    for visitors_gone in (True, False):
        time.sleep(1.1)
        server.homeserver.stop()
        server.homeserver.start()  # sweeps at once
        if visitors_gone:
            assert eventually(lambda: joined_rooms(person) == [room])
            assert server.query(exists, door) == [(door,)]
        else:
            assert eventually(lambda: not server.query(exists, door))


def test_a_process_killed_while_it_made_a_door_leaves_no_living_code_behind(
    start: Starter,
) -> None:
    server = start(module={"cap": 6, "code_limit": 4})
    room, people = server.group(1)
    code = server.make_code(room, people[0])
    server.query("UPDATE capgroups_codes SET door = NULL, created_at = created_at - 120000")
    server.homeserver.kill()
    server.homeserver.start()
    assert eventually(lambda: server.preview(code).body.get("state") == "code_revoked")
    assert eventually(lambda: not resolves(server, code))


def test_a_process_killed_while_somebody_enters_leaves_nobody_in_between(start: Starter) -> None:
    server = start(module={"cap": 6, "code_limit": 4})
    room, people = server.group(1)
    code = server.make_code(room, people[0])
    person = server.person()
    held = "SELECT 1 FROM capgroups_seats WHERE user_id = ?"
    with ThreadPoolExecutor(1) as pool:
        scan = pool.submit(server.scan, person, code)
        assert eventually(lambda: bool(server.query(held, person.user_id)))
        server.homeserver.kill()  # the seat is reserved; whatever comes next is cut off
        with contextlib.suppress(httpx.TransportError):
            scan.result()
    server.homeserver.start()
    in_between = [joined for joined in joined_rooms(person) if joined != room]
    assert not in_between or room in joined_rooms(person)

    expect(server.scan(person, code))
    assert people[0].members(room).count(person.user_id) == 1
    recorded = "SELECT COUNT(*) FROM capgroups_admissions WHERE user_id = ?"
    assert server.query(recorded, person.user_id) == [(1,)]
    assert server.query("SELECT uses FROM capgroups_codes") == [(1,)]
    others = server.people(2)
    for other in others:
        expect(server.scan(other, code))  # no seat stayed taken: these two make it four


def test_no_secret_is_in_the_log(start: Starter) -> None:
    server = start(module={"cap": 6, "code_limit": 4})
    room, people = server.group(1)
    code = server.make_code(room, people[0])
    expect(server.preview(code))
    expect(people[0].call("GET", f"{API}/groups/{room}/codes/{code['code_id']}/qr.svg"))
    expect(server.scan(server.person(), code))
    expect(people[0].call("DELETE", f"{API}/groups/{room}/codes/{code['code_id']}"))
    server.scan(server.person(), code)
    log = server.homeserver.log.read_text()
    assert "qr.svg" in log
    assert code["secret"] not in log


def encodings(address: str) -> list[str]:
    """A door's address as a path of a request can have it."""
    secret = address[3:].split(":")[0]
    everything = "".join(f"%{ord(c):02x}" for c in address)
    return [
        quote(address),
        f"%23j%2d{secret}%3Alocalhost",
        f"%23%6A%2D{secret}:localhost",
        f"%23j-%{ord(secret[0]):X}{secret[1:]}:localhost",
        f"%23j-{secret[:9]}%{ord(secret[9]):x}{secret[10:]}:localhost",
        everything,
        everything.replace("%", "%25"),
        everything.replace("%", "%2525"),
        secret,
    ]


def test_no_secret_is_in_any_line_of_a_log_at_debug_however_its_address_is_written(
    start: Starter,
) -> None:
    server = start(module={}, run=False)
    path = server.homeserver.folder / "log.yaml"
    path.write_text(path.read_text().replace("level: INFO", "level: DEBUG"))
    server.homeserver.start()
    room, people = server.group(1)
    code = server.make_code(room, people[0])
    visitor = server.person()
    for written in encodings(server.door(code)):
        for method, where in (
            ("GET", "/_matrix/client/v3/directory/room/{}"),
            ("GET", "/_matrix/client/v1/room_summary/{}"),
            ("PUT", "/_matrix/client/v3/directory/room/{}"),
            ("POST", "/_matrix/client/v3/join/{}"),
            ("POST", "/_matrix/client/v3/knock/{}"),
            ("GET", "/_synapse/client/capgroups/v1/codes/{}"),
            ("BREW", "/nothing/{}?of={}"),
        ):
            connection = http.client.HTTPConnection("127.0.0.1", server.homeserver.port)
            headers = {
                "Authorization": f"Bearer {visitor._token}",
                "Referer": f"{server.homeserver.url}{where.format(written, written)}",
            }
            connection.request(method, where.format(written, written), "{}", headers)
            connection.getresponse().read()
            connection.close()
    expect(server.preview(code))
    expect(people[0].call("DELETE", f"{API}/groups/{room}/codes/{code['code_id']}"))
    server.homeserver.stop()  # Its log is whole then.
    log = server.homeserver.log.read_text()
    assert "[SQL values] {capgroups_preview-" in log
    assert "Received request: POST /_matrix/client/v3/join/%23j-<secret>" in log
    for _ in range(4):
        assert code["secret"] not in log.lower()
        log = unquote(log)


@pytest.mark.full_size
def test_ninety_people_scan_one_code_at_the_same_moment(start: Starter) -> None:
    server = start(module={})
    room, people = server.group(1)
    code = server.make_code(room, people[0])
    crowd = server.people(90)
    with ThreadPoolExecutor(45) as pool:
        scans = [pool.submit(server.scan, person, code) for person in crowd]
        assert people[0].send(room, "I can still write").ok
        replies = [scan.result() for scan in scans]
    assert [reply for reply in replies if not reply.ok] == []
    assert len(people[0].members(room)) == 91
    assert people[0].invite(room, server.person()).ok


def test_the_history_says_how_somebody_came_and_a_change_of_name_does_not(server: Server) -> None:
    room, (marta, *_) = server.group(2)
    expect(marta.call("PUT", f"/profile/{quote(marta.user_id)}/displayname", {"displayname": "M"}))
    expect(marta.set_room_name_of_own(room, "Marta"))
    person = server.person()
    expect(server.scan(person, server.make_code(room, marta)))
    expect(person.set_room_name_of_own(room, "Uncle Bob"))
    events = expect(marta.call("GET", f"/rooms/{quote(room)}/messages?dir=b&limit=50")).body[
        "chunk"
    ]
    told = [
        (event["content"]["membership"], event["content"].get("reason"))
        for event in reversed(events)
        if event["type"] == "m.room.member" and event["state_key"] == person.user_id
    ]
    why = Words().say("came_by_code_of", sharer="Marta")
    assert told == [("invite", why), ("join", why), ("join", None)]
