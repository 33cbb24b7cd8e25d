"""Where a homeserver is several processes: PostgreSQL, Redis, the main process and workers."""

import contextlib
import itertools
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from benchmarks.soak.looking import look
from synapse_capgroups.demo.person import Person, Reply, expect
from tests.conftest import API, Clusters, Server, eventually, nothing_is_written, refused
from tests.slow_module import beside
from tests.test_concierge import Chat
from tests.test_rule_13_approval import answer, promote, turn, waiting

pytestmark = pytest.mark.long(0.5)

SMALL = {"cap": 6, "code_limit": 4}

WRITERS = pytest.mark.parametrize(
    "persisters", [0, 2], ids=["events written by main", "events written by two workers"]
)


def tries(call: Callable[[], Reply]) -> Reply:
    """Synapse's listening queue holds 50; what does not fit is tried again, as clients do."""
    for _ in range(100):
        with contextlib.suppress(httpx.TransportError):
            return call()
        time.sleep(0.1)
    raise AssertionError("no connection")


def invite_all(room: str, inviter: Person, people: list[Person]) -> None:
    with ThreadPoolExecutor(8) as pool:
        for reply in pool.map(lambda person: tries(lambda: inviter.invite(room, person)), people):
            expect(reply)


def all_at_once(people: list[Person], join: Callable[[Person], Reply]) -> list[Reply]:
    with ThreadPoolExecutor(len(people)) as pool:
        return list(pool.map(lambda person: tries(lambda: join(person)), people))


def most_members_ever(server: Server, room: str) -> int:
    """The most members that a room ever had, by replaying the changes of its current state.

    Not all join events: one that is written after the person left, elsewhere, changes nothing.
    """
    rows = server.query(
        "SELECT d.stream_id, d.state_key, m.membership FROM current_state_delta_stream AS d "
        "LEFT JOIN room_memberships AS m ON m.event_id = d.event_id "
        "WHERE d.room_id = ? AND d.type = 'm.room.member' ORDER BY d.stream_id",
        room,
    )
    present: set[str] = set()
    most = 0
    # What has the same place was written in one transaction.
    for _, changes in itertools.groupby(rows, key=lambda row: row[0]):
        for _, user_id, membership in changes:
            if membership == "join":
                present.add(user_id)
            else:
                present.discard(user_id)
        most = max(most, len(present))
    return most


def on_record(server: Server, room: str) -> list[str]:
    rows = server.query("SELECT user_id FROM capgroups_admissions WHERE room_id = ?", room)
    return sorted(user_id for (user_id,) in rows)


@WRITERS
def test_a_race_over_four_workers_ends_at_the_cap(start_cluster: Clusters, persisters: int) -> None:
    module = {"cap": 20, "code_limit": 20}
    server, _ = start_cluster(module=module, workers=4, persisters=persisters)
    creator, *crowd = server.people(61)
    for _ in range(2):
        room = creator.new_room()
        invite_all(room, creator, crowd)
        replies = all_at_once(crowd, lambda person, room=room: person.join(room))  # type: ignore[misc]
        assert sum(reply.ok for reply in replies) == 19
        assert all(reply.ok or refused(reply, "full") for reply in replies)
        assert len(creator.members(room)) == 20
        assert on_record(server, room) == creator.members(room)
    written_by = {name for (name,) in server.query("SELECT DISTINCT instance_name FROM events")}
    assert ("master" in written_by) == (persisters == 0)


def test_exactly_one_of_many_wins_the_last_place_below_the_code_limit(
    start_cluster: Clusters,
) -> None:
    server, _ = start_cluster(module=SMALL, workers=3)
    for _ in range(3):
        room, people = server.group(3)
        code = server.make_code(room, people[0])
        crowd = server.people(9)
        replies = all_at_once(crowd, lambda person, code=code: server.scan(person, code))  # type: ignore[misc]
        assert sum(reply.ok for reply in replies) == 1
        # Whoever is late finds no door any more.
        late = [r for r in replies if not r.ok]
        assert all(refused(r, "code_closed") or r.status == 404 for r in late), late
        assert len(people[0].members(room)) == 4


def test_a_code_made_on_one_worker_is_looked_at_used_and_revoked_on_others(
    start_cluster: Clusters,
) -> None:
    server, cluster = start_cluster(module=SMALL, workers=3)
    room, (creator,) = server.group(1)
    code = server.make_code(room, cluster.on(creator, 0))
    assert expect(server.preview(code)).body["state"] == "alive"
    expect(server.scan(cluster.on(server.person(), 1), code))
    path = f"{API}/groups/{quote(room)}/codes/{code['code_id']}"
    expect(cluster.on(creator, 2).call("DELETE", path))
    for worker in range(3):
        reply = server.scan(cluster.on(server.person(), worker), code)
        assert reply.status == 404 or refused(reply, "code_revoked")


def test_the_concierge_answers_once_whichever_worker_is_written_to(
    start_cluster: Clusters,
) -> None:
    server, cluster = start_cluster(module=SMALL, workers=3)
    person = server.person()
    person.new_room(name="Tea")

    def invited() -> list[str]:
        sync = expect(person.call("GET", f"/sync?timeout={next(different)}")).body
        return list(sync.get("rooms", {}).get("invite", {}))

    different = itertools.count(1)
    assert eventually(lambda: len(invited()) == 1)
    (chat,) = invited()
    expect(person.join(chat))

    def answers() -> list[str]:
        messages = expect(person.call("GET", f"/rooms/{chat}/messages?dir=b&limit=100")).body
        return [e["content"]["body"] for e in messages["chunk"]
                if e["type"] == "m.room.message" and "1. Tea" in e["content"]["body"]]  # fmt: skip

    for worker in range(3):
        # Whoever learned of the chat last may need a moment.
        assert eventually(
            lambda worker=worker: cluster.on(person, worker).send(chat, "groups").ok  # type: ignore[misc]
        )
        assert eventually(lambda worker=worker: len(answers()) == worker + 1)  # type: ignore[misc]
    time.sleep(1)
    assert len(answers()) == 3


def test_the_rules_of_seclusion_hold_on_every_worker(start_cluster: Clusters) -> None:
    server, cluster = start_cluster(module=SMALL, workers=2)
    room, (creator,) = server.group(1)
    for worker in range(2):
        here = cluster.on(creator, worker)
        assert refused(here.create_room(visibility="public"), "not_listed")
        reply = here.set_state(room, "m.room.join_rules", {"join_rule": "public"})
        assert refused(reply, "no_public_rooms")
    assert refused(creator.list_in_directory(room, "public"), "not_listed")
    assert refused(creator.add_address(room, "#x:localhost"), "no_addresses")


def transactions(http: httpx.Client) -> float:
    """How often one process has swept."""
    return sum(
        float(line.rpartition(" ")[2])
        for line in http.get("/_synapse/metrics").text.splitlines()
        if line.startswith("synapse_storage_transaction_time_count_total{")
        and 'desc="capgroups_sweep' in line
    )


def test_one_process_does_the_chores_and_another_can_take_over(start_cluster: Clusters) -> None:
    server, cluster = start_cluster(module=SMALL, workers=2, chores_on="worker2")
    room, (creator,) = server.group(1)
    assert eventually(lambda: transactions(cluster.workers[1].http) > 0)
    assert transactions(cluster.workers[0].http) == 0
    assert transactions(cluster._http) == 0
    # What is left to do while it is away is done when it is back.
    cluster.workers[1].kill()
    code = server.make_code(room, cluster.on(creator, 0))
    server.query("UPDATE capgroups_codes SET expires_at = 1")
    cluster.workers[1].start()
    assert eventually(cluster.workers[1].is_up, 30)
    died = "SELECT died_of FROM capgroups_codes WHERE code_id = ? AND door_closed_at IS NOT NULL"
    assert eventually(lambda: server.query(died, code["code_id"]) == [("code_expired",)])


def test_an_aliased_member_of_three_groups_changes_everything_ten_times(
    start_cluster: Clusters,
) -> None:
    server, cluster = start_cluster(module={**SMALL, "exempt": {"spaces": True}}, workers=2)
    creator, person = server.people(2)
    groups = [creator.new_room(name=f"Group {number}") for number in range(3)]
    plain = person.new_room(creation_content={"type": "m.space"})
    for number, room in enumerate(groups):
        server.admit(room, creator, person)
        alias = {"membership": "join", "displayname": f"Alias {number}", "avatar_url": "mxc://a/a"}
        here = cluster.on(person, number % 2)
        expect(here.set_state(room, "m.room.member", alias, person.user_id))

    def shown(room: str) -> list[tuple[str, str | None]]:
        chunk = expect(creator.call("GET", f"/rooms/{room}/messages?dir=b&limit=500")).body["chunk"]
        return [
            (event["content"].get("displayname"), event["content"].get("avatar_url"))
            for event in chunk
            if event["type"] == "m.room.member" and event["state_key"] == person.user_id
        ]

    def changed(here: Person, field: str, value: str) -> bool:
        path = f"/profile/{quote(person.user_id)}/{field}"
        return here.call("PUT", path, {field: value}).ok

    before = [shown(room) for room in groups]
    for number in range(10):
        here = cluster.on(person, number % 2)
        for field, value in (
            ("displayname", f"Global {number}"),
            ("avatar_url", f"mxc://g/{number}"),
        ):
            # Synapse by itself answers some with a 500 while its task for the last one runs.
            assert eventually(partial(changed, here, field, value))

    def follows() -> bool:
        own = expect(person.state(plain, "m.room.member", person.user_id)).body
        return (own.get("displayname"), own.get("avatar_url")) == ("Global 9", "mxc://g/9")

    assert eventually(follows, 30), "a room that is no group gets the last of all changes"
    time.sleep(1)
    assert [shown(room) for room in groups] == before
    assert [names[0] for names in before] == [(f"Alias {n}", "mxc://a/a") for n in range(3)]


def test_a_worker_killed_in_a_race_loses_no_seat_and_counts_nobody_twice(
    start_cluster: Clusters,
) -> None:
    server, cluster = start_cluster(module={"cap": 30, "code_limit": 30}, workers=3)
    creator, *crowd = server.people(60)
    room = creator.new_room()
    invite_all(room, creator, crowd)
    homes = itertools.cycle(range(3))
    crowd = [cluster.on(person, next(homes)) for person in crowd]

    def join(person: Person) -> Reply | None:
        try:
            return person.join(room)
        except httpx.TransportError:
            return None  # It was on the worker that is gone.

    with ThreadPoolExecutor(len(crowd)) as pool:
        replies = [pool.submit(join, person) for person in crowd]
        assert eventually(lambda: len(on_record(server, room)) >= 6)
        cluster.workers[2].kill()
    answered = [reply.result() for reply in replies]
    assert all(r is None or r.ok or refused(r, "full") for r in answered), answered
    assert len(creator.members(room)) <= 30

    # As if a minute had passed, and the sweep with it.
    server.query("UPDATE capgroups_seats SET expires_at = expires_at - 60000")
    for person in crowd:
        tries(lambda person=person: cluster.on(person, 0).join(room))  # type: ignore[misc]
    members = cluster.on(creator, 0).members(room)
    assert len(members) == 30
    cluster.stop()
    cluster.start()
    assert eventually(lambda: on_record(server, room) == members)


def test_of_two_moderators_on_two_workers_one_answers(start_cluster: Clusters) -> None:
    server, cluster = start_cluster(module={"cap": 30, "code_limit": 30}, workers=2)
    room, (creator, other) = server.group(2)
    promote(room, creator, other)
    code = server.make_code(room, creator)
    expect(turn(creator, room))
    chat = Chat(creator)
    people = server.people(8)
    moderators = cluster.on(creator, 0), cluster.on(other, 1)

    def scan(number: int) -> Reply:
        # Twice at once on two workers makes one request.
        return cluster.on(people[number // 2], number % 2).join(server.door(code))

    with ThreadPoolExecutor(16) as pool:
        scans = list(pool.map(lambda number: tries(lambda: scan(number)), range(16)))
    assert all(refused(reply, "awaiting_approval") for reply in scans), scans
    assert sorted(waiting(creator, room)) == sorted(person.user_id for person in people)

    def both(person: Person) -> list[Reply]:
        with ThreadPoolExecutor(2) as pool:
            yes = pool.submit(lambda: answer(moderators[0], room, person, approve=True))
            no = pool.submit(lambda: answer(moderators[1], room, person, approve=False))
        return [yes.result(), no.result()]

    agreed = set()
    for person in people:
        yes, no = both(person)
        assert sorted((yes.status, no.status)) == [200, 409], (yes, no)
        if yes.ok:
            agreed.add(person.user_id)
    assert set(creator.members(room)) == {creator.user_id, other.user_id} | agreed
    assert set(on_record(server, room)) == {creator.user_id, other.user_id} | agreed
    # However many asked on however many workers, there was one message in these minutes.
    assert eventually(lambda: len(chat.messages()) == 2)


def gone(leave: Callable[[], Reply]) -> bool:
    return leave().ok


@pytest.mark.parametrize("rounds", [3, pytest.param(12, marks=pytest.mark.full_size)])
def test_who_leaves_while_they_change_their_name_elsewhere_does_not_make_one_too_many(
    start_cluster: Clusters, rounds: int
) -> None:
    # The limit is the only subject: nobody needs a friend.
    server, cluster = start_cluster(module={"cap": 6, "code_limit": 6}, workers=2)
    creator, *others, leaver, late = server.people(7)
    for _ in range(rounds):
        room = creator.new_room()
        people = [creator, *others]
        invite_all(room, creator, [*others, leaver, late])
        for person in others:
            expect(person.join(room))
        expect(leaver.join(room))
        leave = partial(cluster.on(leaver, 0).leave, room)
        with ThreadPoolExecutor(3) as pool:
            # Two events of one person on two workers: Synapse may refuse one, and takes it then.
            left = pool.submit(eventually, partial(gone, leave))
            pool.submit(cluster.on(leaver, 1).set_room_name_of_own, room, "Alias")
            assert left.result()
            joins = [pool.submit(cluster.on(late, 0).join, room) for _ in range(2)]
        assert any(join.result().ok for join in joins) or len(people[0].members(room)) == 6
        # The name's event may come after the leave's; in the room's state the leave wins.
        assert leaver.user_id not in people[0].members(room)
        assert len(people[0].members(room)) <= 6
    # Nor is that a coming for the soak's count, and each coming is on record.
    with contextlib.closing(server.connection()) as connection:
        offenders = look(connection.cursor(), 6, 6, "@groups:localhost", 0).offenders
    assert offenders["people who are on record more or less often than they came"] == []


def test_a_join_that_fails_leaves_the_seat_to_the_same_persons_other_join(
    start_cluster: Clusters,
) -> None:
    server, cluster = start_cluster(module=SMALL, workers=3)
    room, people = server.group(5)
    joining, late = server.people(2)
    for friend in (joining, late):
        people[0].befriend(friend)
        expect(people[0].invite(room, friend))
    with ThreadPoolExecutor(2) as pool:
        with nothing_is_written(server, "room_memberships"):
            first = pool.submit(cluster.on(joining, 0).join, room)
            held = "SELECT 1 FROM capgroups_seats WHERE room_id = ? AND user_id = ?"
            assert eventually(lambda: server.query(held, room, joining.user_id) != [])
            too_large = cluster.on(joining, 1).join(room, {"reason": "x" * 70_000})
            assert too_large.status == 413
            third = pool.submit(cluster.on(late, 2).join, room)
            wait([third], timeout=5)
        assert first.result().ok
        assert refused(third.result(), "full")
    assert len(people[0].members(room)) == 6
    assert on_record(server, room) == people[0].members(room)


RACES = 5
LEAVERS = 99


@pytest.mark.full_size
@pytest.mark.parametrize(
    "cap",
    [pytest.param(100, marks=pytest.mark.long(7)), pytest.param(500, marks=pytest.mark.long(11))],
)
def test_a_thousand_at_once_over_four_workers_end_at_the_cap_each_time(
    start_cluster: Clusters, cap: int
) -> None:
    """Between two races some leave and are invited again; the others' invitations still stand."""
    server, _ = start_cluster(module={"cap": cap, "code_limit": cap}, workers=4)
    creator = server.person()
    with ThreadPoolExecutor(4) as pool:
        crowd = list(pool.map(lambda _: server.person(), range(1000)))
    room = creator.new_room()
    dice = random.Random(cap)
    invited = crowd
    for race in range(RACES):
        invite_all(room, creator, invited)
        replies = all_at_once(crowd, lambda person: person.join(room))
        assert [r for r in replies if not r.ok and not refused(r, "full")] == []
        inside = [person for person, reply in zip(crowd, replies, strict=True) if reply.ok]
        assert sorted(person.user_id for person in [creator, *inside]) == creator.members(room)
        assert len(inside) == cap - 1
        assert most_members_ever(server, room) == cap
        assert len(on_record(server, room)) == cap + race * LEAVERS
        invited = dice.sample(inside, LEAVERS)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda person: expect(tries(lambda: person.leave(room))), invited))


@pytest.mark.full_size
@WRITERS
def test_people_who_come_and_go_over_four_workers_never_pass_the_cap(
    start_cluster: Clusters, persisters: int
) -> None:
    module = {"cap": 50, "code_limit": 50}
    server, _ = start_cluster(module=module, workers=4, persisters=persisters)
    creator, *crowd = server.people(121)
    room = creator.new_room()
    invite_all(room, creator, crowd)
    dice = random.Random(5)
    stop = threading.Event()
    most = 0

    def watch() -> None:
        nonlocal most
        while not stop.is_set():
            most = max(most, len(creator.members(room)))
            time.sleep(0.2)

    def come_and_go(person: Person) -> list[Any]:
        strange = []
        for _ in range(4):
            reply = tries(lambda: person.join(room))
            if reply.ok and dice.random() < 0.7:
                expect(tries(lambda: person.leave(room)))
                tries(lambda: creator.invite(room, person))
            elif (
                not reply.ok
                and not refused(reply, "full")
                and not refused(reply, "invite_required")
            ):
                strange.append(reply)
        return strange

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with ThreadPoolExecutor(60) as pool:
            strange = list(itertools.chain(*pool.map(come_and_go, crowd)))
    finally:
        stop.set()
        watcher.join()
    assert strange == []
    assert most <= 50
    assert most_members_ever(server, room) <= 50
    # A free seat is found.
    members = creator.members(room)
    while len(members) < 50:
        newcomer = server.person()
        expect(creator.invite(room, newcomer))
        expect(newcomer.join(room))
        members = creator.members(room)
    late = server.person()
    assert refused(creator.invite(room, late), "full")


@pytest.mark.full_size
def test_the_seat_of_a_killed_worker_is_found_free_within_a_minute(start_cluster: Clusters) -> None:
    module = {"cap": 4, "code_limit": 4}
    server, cluster = start_cluster(module=module, workers=3, persisters=1)
    creator, *crowd = server.people(13)
    room = creator.new_room()
    invite_all(room, creator, crowd)
    homes = dict(zip(crowd, itertools.cycle(range(3)), strict=False))

    def join(person: Person) -> None:
        with contextlib.suppress(httpx.TransportError):  # It was on the worker that is gone.
            cluster.on(person, homes[person]).join(room)

    with ThreadPoolExecutor(len(crowd)) as pool:
        with nothing_is_written(server, "room_memberships"):
            for person in crowd:
                pool.submit(join, person)
            held = "SELECT COUNT(*) FROM capgroups_seats WHERE room_id = ?"
            assert eventually(lambda: server.query(held, room) == [(3,)])  # One on each worker.
            cluster.workers[0].kill()  # It was to write them.
            killed_at = time.monotonic()
        cluster.workers[0].start()
        assert eventually(cluster.workers[0].is_up, 30)
    here = cluster.on(creator, 1)
    assert len(here.members(room)) < 4

    while len(members := here.members(room)) < 4:
        assert time.monotonic() - killed_at < 60 + 5, "a free seat was not found"
        time.sleep(1)
        for person in crowd:
            # Who was on the worker that was killed has gone away.
            if person.user_id not in members and homes[person]:
                cluster.on(person, 2).join(room)
    # The sweep takes off the record who never came.
    assert eventually(lambda: on_record(server, room) == members, 70)
    assert most_members_ever(server, room) == 4


@pytest.mark.full_size
@pytest.mark.parametrize("seconds", [70, pytest.param(600, marks=pytest.mark.long(10))])
def test_a_join_that_is_held_up_for_minutes_keeps_its_seat_and_passes_no_limit(
    start_cluster: Clusters, seconds: int
) -> None:
    module = {"cap": 3, "code_limit": 3}
    server, cluster = start_cluster(
        module=module, workers=2, settings=beside(dict(module), seconds)
    )
    creator, friend, late = server.people(3)
    slow = server.homeserver.register("slow")
    room = creator.new_room()
    invite_all(room, creator, [slow, friend, late])
    held = "SELECT 1 FROM capgroups_seats WHERE room_id = ? AND user_id = ?"
    with ThreadPoolExecutor(1) as pool:
        join = f"/join/{quote(room)}"
        joining = pool.submit(cluster.on(slow, 0).call, "POST", join, {}, timeout=seconds + 60)
        assert eventually(lambda: server.query(held, room, slow.user_id) != [])
        expect(cluster.on(friend, 1).join(room))
        tried = 0
        while not joining.done():
            reply = cluster.on(late, 1).join(room)
            assert refused(reply, "full"), f"after {tried} tries: {reply}"
            assert on_record(server, room) == sorted(
                person.user_id for person in (creator, friend, slow)
            )
            tried += 1
            time.sleep(1)
        assert joining.result().ok
    assert tried >= seconds // 2  # All the while; a try takes a second and more.
    assert len(cluster.on(creator, 1).members(room)) == 3
    assert most_members_ever(server, room) == 3


def test_one_person_who_joins_on_two_workers_at_once_is_on_record_once(
    start_cluster: Clusters,
) -> None:
    server, cluster = start_cluster(module={"cap": 50, "code_limit": 50}, workers=2)
    creator, *crowd = server.people(13)
    for _ in range(3):
        room = creator.new_room()
        invite_all(room, creator, crowd)
        with ThreadPoolExecutor(2 * len(crowd)) as pool:
            joins = [
                pool.submit(cluster.on(person, worker).join, room)
                for person in crowd
                for worker in range(2)
            ]
        assert all(join.result().ok for join in joins)
        assert on_record(server, room) == cluster.on(creator, 0).members(room)


def test_a_room_is_adopted_once_and_taken_back_once_by_whichever_worker_is_asked(
    start_cluster: Clusters,
) -> None:
    server, cluster = start_cluster(module=SMALL, workers=2)
    admin = server.person(admin=True)
    room = admin.new_room()
    public, invite = {"join_rule": "public"}, {"join_rule": "invite"}
    expect(admin.set_state(room, "m.room.join_rules", public))  # Nobody asks about an admin's.
    server.query("UPDATE rooms SET is_public = TRUE WHERE room_id = ?", room)
    server.query(
        "INSERT INTO room_aliases (room_alias, room_id, creator) VALUES ('#old:localhost', ?, ?)",
        room, admin.user_id,
    )  # fmt: skip
    server.query("INSERT INTO room_alias_servers VALUES ('#old:localhost', 'localhost')")
    entry = {"creator": admin.user_id, "servers": ["localhost"]}
    body = {
        "server": "localhost",
        "steps": [
            {"what": "state", "name": "m.room.join_rules", "before": public, "after": invite},
            {"what": "listing", "name": "", "before": True, "after": False},
            {"what": "address", "name": "#old:localhost", "before": entry, "after": None},
        ],
        "notice": {"people": [admin.user_id], "text": "It changes."},
    }
    path = f"{API}/admin/groups/{quote(room, safe='')}/adopt"

    def everywhere(undo: bool) -> list[int]:
        def call(worker: int) -> Reply:
            return cluster.on(admin, worker).call("POST", path, {**body, "undo": undo})

        with ThreadPoolExecutor() as pool:
            replies = [expect(reply).body for reply in pool.map(call, [0, 1, 0, 1])]
        assert [len(reply["told"]) for reply in replies] == [
            bool(reply["changed"]) for reply in replies
        ]
        return sorted(reply["changed"] for reply in replies)

    def there(worker: int) -> tuple[Any, Any, int]:
        here = cluster.on(admin, worker)
        listed = server.query("SELECT is_public FROM rooms WHERE room_id = ?", room)[0][0]
        address = here.call("GET", "/directory/room/%23old%3Alocalhost")
        return here.state(room, "m.room.join_rules").body, listed, address.status

    assert everywhere(undo=False) == [0, 0, 0, 3]
    assert eventually(lambda: [there(n) for n in range(2)] == [(invite, False, 404)] * 2)
    assert everywhere(undo=True) == [0, 0, 0, 3]
    assert eventually(lambda: [there(n) for n in range(2)] == [(public, True, 200)] * 2)
