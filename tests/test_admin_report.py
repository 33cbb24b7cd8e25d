"""`capgroups report`: how groups are doing, counted here once more the slow and plain way."""

import csv
import io
import json
import random
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from synapse_capgroups.cli import main
from synapse_capgroups.demo.person import Person, Reply, expect
from synapse_capgroups.report.sizes import CLASSES, class_of
from synapse_capgroups.report.trees import Tree, Trees
from synapse_capgroups.report.trial_counts import day_of
from synapse_capgroups.storage.forgetting import ERASED
from synapse_capgroups.storage.report_counts import Brought
from synapse_capgroups.storage.schema import SCHEMA_VERSION
from tests.conftest import API, Server, eventually, starter
from tests.test_admin_check import fingerprints
from tests.test_rule_11_series import start_series
from tests.test_rule_13_approval import answer, turn
from tests.test_rule_15_forgetting import rows_that_name

pytestmark = [pytest.mark.both_engines, pytest.mark.long(0.5)]
on_postgres = pytest.mark.parametrize("engine", ["postgres"], indirect=True)

MODULE = {"cap": 30, "code_limit": 29}
_ELSEWHERE = "@rosa:elsewhere.org"
DAY_MS = 24 * 60 * 60 * 1000


def report(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What an admin types. In this process, where Synapse is imported already."""
    out, err = io.StringIO(), io.StringIO()
    path = str(server.homeserver.folder / "homeserver.yaml")
    with redirect_stdout(out), redirect_stderr(err):
        code = main(["report", "-c", path, *arguments])
    return subprocess.CompletedProcess([], code, out.getvalue(), err.getvalue())


def found(server: Server, *arguments: str) -> dict[str, Any]:
    done = report(server, "-o", "json", *arguments)
    assert done.returncode == 0, done.stderr
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


def steady(told: dict[str, Any]) -> dict[str, Any]:
    """What does not change from one moment to the next; a seat is of the last minute."""
    told = {**told, "at": 0}
    if "tables" in told:
        told["tables"] = [one for one in told["tables"] if one["table"] != "capgroups_seats"]
    return told


class World:
    """A homeserver with groups, friends, codes, requests and a series."""

    def __init__(self, server: Server) -> None:
        self.server = server
        chance = random.Random(14)
        self.people = server.people(12)
        self.admin = server.person(admin=True)
        self.groups: list[str] = []
        for pair in chance.sample(list(combinations(self.people, 2)), 14):
            pair[0].befriend(pair[1])
        for size in (3, 3, 4, 6, 9, 10):
            creator, *others = chance.sample(self.people, size)
            room = creator.new_room(name=f"Group of {size}")
            self.groups.append(room)
            for other in others:
                expect(creator.invite(room, other))
                expect(other.join(room))
        self._make_no_friends()
        self._make_codes()
        self._make_requests()
        self.series = start_series(server, self.people[0])
        self.remote = self.groups[0]
        server.query(
            "INSERT INTO current_state_events (event_id, room_id, type, state_key, membership) "
            "VALUES ('$rosa', ?, 'm.room.member', ?, 'join')",
            self.remote, _ELSEWHERE,
        )  # fmt: skip

    def _make_no_friends(self) -> None:
        """Rooms that look like direct chats, and make nobody a friend."""
        a, b, c = self.server.people(3)
        room = a.new_room(name="Nobody is friends")
        self.groups.append(room)
        for other in (b, c):
            expect(a.invite(room, other))
            expect(other.join(room))
        expect(b.leave(a.befriend(b)))
        crowded = b.befriend(c)
        expect(b.invite(crowded, a))  # A third one, who is only invited.
        listed = {c.user_id: [room, "!no:where", 5], b.user_id: "nonsense"}
        expect(a.call("PUT", f"/user/{a.user_id}/account_data/m.direct", listed))
        self.strangers = room

    def _make_codes(self) -> None:
        self.sharer = self.people[1]
        self.shared = self.sharer.new_room(name="Shared")
        used, _, revoked = (self.server.make_code(self.shared, self.sharer) for _ in range(3))
        self.newcomers = self.server.people(2)
        for newcomer in self.newcomers:
            expect(self.server.scan(newcomer, used))
        expect(self.sharer.call("DELETE", f"{API}/codes/{revoked['code_id']}"))

    def _make_requests(self) -> None:
        moderator = self.people[2]
        room = moderator.new_room(name="Asks")
        expect(turn(moderator, room))
        code = self.server.make_code(room, moderator)
        yes, no, waits = self.server.people(3)
        for person in (yes, no, waits):
            assert self.server.scan(person, code).reason == "awaiting_approval"
        expect(answer(moderator, room, yes, approve=True))
        expect(answer(moderator, room, no, approve=False))
        self.asks = room


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> Iterator[World]:
    with ExitStack() as stack:
        server = starter(request, stack)(request.param, module=MODULE)
        yield World(server)


class Plain:
    """What a report says, counted from whole tables without any index or bound."""

    def __init__(self, server: Server) -> None:
        self.there: dict[str, dict[str, str]] = defaultdict(dict)
        for room, user, membership in server.query(
            "SELECT room_id, state_key, membership FROM current_state_events "
            "WHERE type = 'm.room.member'"
        ):
            self.there[room][user] = membership
        self.direct = {
            user: json.loads(content)
            for user, content in server.query(
                "SELECT user_id, content FROM account_data WHERE account_data_type = 'm.direct'"
            )
        }
        creators = dict(server.query("SELECT room_id, creator FROM rooms"))
        self.groups = {
            room: self.joined(room)
            for room, creator in creators.items()
            if creator != "@groups:localhost" and self.joined(room)
        }

    def joined(self, room: str) -> set[str]:
        return {user for user, membership in self.there[room].items() if membership == "join"}

    def are_friends(self, a: str, b: str) -> bool:
        listed = [*self._listed(a, b), *self._listed(b, a)]
        return any(
            self.joined(room) == {a, b} and "invite" not in self.there[room].values()
            for room in listed
        )

    def _listed(self, a: str, b: str) -> list[str]:
        rooms = self.direct.get(a, {}).get(b, [])
        return [r for r in rooms if isinstance(r, str)] if isinstance(rooms, list) else []

    def with_a_friend(self, room: str) -> int:
        members = self.groups[room]
        return sum(any(self.are_friends(a, b) for b in members if b != a) for a in members)


SIZES = {(1, 1), (2, 2), (3, 9), (10, 29), (30, 99), (100, 199), (200, 500), (501, None)}


def test_the_classes_by_size_have_no_gaps() -> None:
    assert {(one.smallest, one.largest) for one in CLASSES} == SIZES
    for members in range(1, 700):
        one = class_of(members)
        assert one.smallest <= members <= (one.largest or members)


def test_groups_are_counted_by_size_and_mode(engine: World) -> None:
    groups = found(engine.server)["groups"]
    plain = Plain(engine.server)
    sizes = [len(members) for members in plain.groups.values()]
    assert groups["groups"] == len(sizes)
    assert groups["members"] == sum(sizes)
    assert groups["by_mode"]["open"] == {"groups": len(sizes), "members": sum(sizes)}
    assert groups["by_mode"]["full"] == {"groups": 0, "members": 0}
    assert groups["other_rooms"]["concierge"] >= 2
    for row in groups["by_size"]:
        inside = [n for n in sizes if row["smallest"] <= n <= (row["largest"] or n)]
        assert (row["groups"], row["members"]) == (len(inside), sum(inside))
    assert sum(row["groups"] for row in groups["by_size"]) == len(sizes)


def test_the_mode_follows_the_limits(engine: World, tmp_path: Path) -> None:
    more = tmp_path / "more.yaml"
    module = {"module": "synapse_capgroups.CapGroups", "config": {"cap": 6, "code_limit": 4}}
    more.write_text(yaml.safe_dump({"modules": [module]}))
    groups = found(engine.server, "-c", str(more))["groups"]
    sizes = [len(members) for members in Plain(engine.server).groups.values()]
    counts = {mode: tally["groups"] for mode, tally in groups["by_mode"].items()}
    assert counts == {
        "open": sum(n < 4 for n in sizes),
        "friends": sum(4 <= n < 6 for n in sizes),
        "full": sum(n >= 6 for n in sizes),
    }


def test_the_share_of_members_with_a_friend_is_that_of_a_plain_count(engine: World) -> None:
    rows = found(engine.server)["friends"]
    plain = Plain(engine.server)
    by_size: dict[tuple[int, int | None], list[str]] = defaultdict(list)
    for room, members in plain.groups.items():
        size = class_of(len(members))
        if len(members) >= 3:
            by_size[size.smallest, size.largest].append(room)
    assert {(row["smallest"], row["largest"]) for row in rows} == set(by_size)
    shares = set()
    for row in rows:
        rooms = by_size[row["smallest"], row["largest"]]
        assert row["groups"] == len(rooms)
        assert row["members"] == sum(len(plain.groups[room]) for room in rooms)
        assert row["with_a_friend"] == sum(plain.with_a_friend(room) for room in rooms)
        shares.add(row["share"])
    assert plain.with_a_friend(engine.strangers) == 0
    assert 0 < max(shares) < 1 or len(shares) > 1


def test_a_friendship_that_is_too_young_does_not_count(engine: World, tmp_path: Path) -> None:
    def with_a_friend(min_age: object) -> int:
        more = tmp_path / "more.yaml"
        config = {**MODULE, "friends": {"min_age": min_age}}
        module = {"module": "synapse_capgroups.CapGroups", "config": config}
        more.write_text(yaml.safe_dump({"modules": [module]}))
        rows = found(engine.server, "-c", str(more))["friends"]
        return sum(int(row["with_a_friend"]) for row in rows)

    usual = sum(int(row["with_a_friend"]) for row in found(engine.server)["friends"])
    assert with_a_friend("1d") == 0
    assert with_a_friend(1) == usual > 0


def test_growth_is_told_by_day_and_way_in(engine: World) -> None:
    growth = found(engine.server)["growth"]
    ways = Counter(how for (how,) in engine.server.query("SELECT how FROM capgroups_admissions"))
    assert sum(ways.values()) == sum(row["came"] for row in growth)
    for how in ("creator", "invite", "code", "approved"):
        assert sum(row[how] for row in growth) == ways[how] > 0
    engine.server.query(
        "UPDATE capgroups_admissions SET admitted_at = admitted_at - ? WHERE room_id = ?",
        3 * DAY_MS, engine.shared,
    )  # fmt: skip
    try:
        days = {row["day"]: row for row in found(engine.server)["growth"]}
        day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 3 * 24 * 60 * 60))
        assert (days[day]["code"], days[day]["came"]) == (2, 3)
    finally:
        engine.server.query(
            "UPDATE capgroups_admissions SET admitted_at = admitted_at + ? WHERE room_id = ?",
            3 * DAY_MS, engine.shared,
        )  # fmt: skip


def test_codes_and_requests_and_what_became_of_them_are_told(engine: World) -> None:
    told = found(engine.server)
    codes = {(row["opens"], row["became"]): row for row in told["codes"]}
    assert codes["group", "alive"]["codes"] == 3
    assert codes["group", "alive"]["uses"] == 3
    assert codes["group", "alive"]["never_used"] == 1
    assert codes["group", "code_revoked"]["never_used"] == 1
    assert told["requests"] == {"waiting": 1, "approved": 1, "not_approved": 1}
    assert told["series"] == [{"state": "running", "series": 1, "groups": 1}]
    assert told["remote"] == {"groups": 1, "people": 1, "invited": 0}
    assert told["federating"] is None
    engine.server.query(
        "UPDATE capgroups_codes SET expires_at = 5 WHERE died_of IS NULL AND uses = 0"
    )
    codes = {(row["opens"], row["became"]): row for row in found(engine.server)["codes"]}
    assert codes["group", "code_expired"]["never_used"] == 1


def test_in_local_mode_groups_that_others_can_be_in_are_listed(
    engine: World, tmp_path: Path
) -> None:
    more = tmp_path / "more.yaml"
    config = {**MODULE, "federation": "local"}
    module = {"module": "synapse_capgroups.CapGroups", "config": config}
    more.write_text(yaml.safe_dump({"modules": [module]}))
    told = found(engine.server, "-c", str(more))["federating"]
    assert told["groups"] == len(Plain(engine.server).groups)
    first = told["largest"][0]
    assert (first["room_id"], first["remote"]) == (engine.remote, 1)
    assert {row["remote"] for row in told["largest"][1:]} == {0}


def test_who_brought_most_people_in_is_told(engine: World) -> None:
    told = found(engine.server)["vouchers"]
    rows = engine.server.query(
        "SELECT inviter, room_id, code_id, inviter_was_friend FROM capgroups_admissions "
        "WHERE inviter IS NOT NULL"
    )
    brought = Counter(inviter for inviter, *_ in rows)
    assert [row["brought_in"] for row in told] == sorted(brought.values(), reverse=True)
    for row in told:
        own = [other for other in rows if other[0] == row["user_id"]]
        assert row["brought_in"] == len(own)
        assert row["groups"] == len({room for _, room, *_ in own})
        assert row["by_code"] == sum(code is not None for *_, code, _ in own)
        assert row["friends"] == sum(bool(friend) for *_, friend in own)


def test_the_largest_trees_are_those_of_a_plain_count(engine: World) -> None:
    rows = engine.server.query(
        "SELECT admitted_at, room_id, user_id, inviter FROM capgroups_admissions"
    )
    first = {user: inviter for _, _, user, inviter in sorted(rows, key=str, reverse=True)}
    children: dict[str, list[str]] = defaultdict(list)
    for user, inviter in first.items():
        if inviter is not None:
            children[inviter].append(user)

    def below(user: str) -> int:
        return sum(1 + below(child) for child in children[user])

    roots = [user for user, inviter in first.items() if inviter is None and children[user]]
    trees = found(engine.server)["trees"]
    assert trees["complete"]
    assert [tree["people"] for tree in trees["largest"]] == sorted(map(below, roots), reverse=True)
    for tree in trees["largest"]:
        assert tree["people"] == below(tree["user_id"])
        assert tree["directly"] == len(children[tree["user_id"]])


def grown(*entries: tuple[str, str | None]) -> list[Tree]:
    trees = Trees()
    trees.add(Brought("!r", user, inviter, n) for n, (user, inviter) in enumerate(entries))
    return trees.largest(10)


def test_a_tree_has_all_who_came_by_somebody_and_how_far_they_are() -> None:
    assert grown(("@a", None), ("@b", "@a"), ("@c", "@b"), ("@d", "@a"), ("@c", "@d")) == [
        Tree("@a", people=3, directly=2, depth=2)
    ]
    # Who made their first group alone is nobody's, whoever brings them into another.
    assert grown(("@a", None), ("@b", None), ("@b", "@a")) == []
    assert grown(("@b", "@a"), ("@d", "@c"), ("@e", "@d")) == [
        Tree("@c", people=2, directly=1, depth=2), Tree("@a", people=1, directly=1, depth=1),
    ]  # fmt: skip


def test_two_who_brought_in_each_other_are_one_tree() -> None:
    (tree,) = grown(("@a", "@b"), ("@b", "@a"), ("@c", "@b"))
    assert tree.people == 2
    assert grown(("@a", "@a")) == []


def test_erased_accounts_are_not_taken_for_one_person() -> None:
    assert grown(("@a", ERASED), (ERASED, "@a"), (ERASED, "@b"), ("@b", "@a")) == [
        Tree("@a", people=1, directly=1, depth=1)
    ]


def test_a_long_chain_is_no_trouble() -> None:
    chain = [(f"@{n + 1}", f"@{n}") for n in range(5000)]
    random.Random(1).shuffle(chain)
    assert grown(*chain) == [Tree("@0", people=5000, directly=1, depth=5000)]


def test_a_person_reads_all_that_is_stored_of_them(engine: World) -> None:
    for person in (engine.sharer, engine.people[0], engine.newcomers[0]):
        told = found(engine.server, person.user_id)
        rows = [row for stored in told["tables"] for row in stored["rows"]]
        assert rows
        assert not any(stored["more"] for stored in told["tables"])
        shown = {
            (stored["table"], json.dumps(row, sort_keys=True))
            for stored in told["tables"]
            for row in stored["rows"]
            if stored["table"] != "capgroups_seats"  # They are of the last minute.
        }
        named = rows_that_name(engine.server, person.user_id)
        assert Counter(table for table, _ in shown) == Counter(table for table, _ in named)
    assert "capgroups_codes" in {stored["table"] for stored in found(
        engine.server, engine.sharer.user_id)["tables"]}  # fmt: skip


def test_no_secret_is_told(engine: World) -> None:
    secrets = [secret for (secret,) in engine.server.query("SELECT secret FROM capgroups_codes")]
    for output in ("json", "csv", "table"):
        said = report(engine.server, "-o", output, engine.sharer.user_id).stdout
        assert "not shown" in said
        assert not any(secret in said for secret in secrets)


def test_of_a_stranger_nothing_is_stored(engine: World) -> None:
    told = found(engine.server, "@nobody:localhost")
    assert (told["tables"], told["remarks"]) == ([], {})
    assert "Nothing." in report(engine.server, "@nobody:localhost").stdout


def test_one_group_is_told_of_in_detail(engine: World) -> None:
    plain = Plain(engine.server)
    room = engine.groups[4]
    told = found(engine.server, room)
    assert (told["name"], told["kind"], told["mode"]) == ("Group of 9", "group", "open")
    assert told["members"] == 9
    assert told["owner"] == told["creator"]
    assert told["with_a_friend"] == plain.with_a_friend(room)
    assert told["breaches"] == []
    assert sum(row["came"] for row in told["growth"]) == 9
    assert told["vouchers"][0]["brought_in"] == 8
    shared = found(engine.server, engine.shared)
    assert {row["became"] for row in shared["codes"]} >= {"alive", "code_revoked"}
    asks = found(engine.server, engine.asks)
    assert asks["approval"] is True
    assert asks["requests"] == {"waiting": 1, "approved": 1, "not_approved": 1}
    assert found(engine.server, engine.series.first)["series"] == engine.series.series_id
    assert "Group of 9" in report(engine.server, room).stdout


def test_a_room_that_is_not_there_is_told(engine: World) -> None:
    done = report(engine.server, "!nowhere:localhost")
    assert done.returncode == 2
    assert "no room !nowhere:localhost" in done.stderr


@pytest.mark.parametrize("about", ["bob", "@bob", "#room:localhost", "@a\x1b:b"])
def test_what_is_neither_a_person_nor_a_room_is_told(about: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(["report", "-c", "homeserver.yaml", about])
    assert end.value.code == 2


def test_the_table_and_the_csv_say_the_same(engine: World) -> None:
    told = found(engine.server)
    table = report(engine.server).stdout
    assert (
        f"{told['groups']['groups']:,} groups with {told['groups']['members']:,} members" in table
    )
    assert "Members who have a friend in their group" in table
    assert max(map(len, table.splitlines())) <= 120
    rows = list(csv.DictReader(io.StringIO(report(engine.server, "-o", "csv").stdout)))
    values = {(row["section"], row["row"], row["field"]): row["value"] for row in rows}
    assert values["groups", "", "groups"] == str(told["groups"]["groups"])
    assert values["vouchers", "1", "user_id"] == "'" + told["vouchers"][0]["user_id"]
    assert values["friends", "1", "share"] == str(told["friends"][0]["share"])


def test_a_table_that_would_be_too_long_says_where_the_rest_is(engine: World) -> None:
    now = int(time.time() * 1000)
    days = [day_of(now - ago * DAY_MS) for ago in reversed(range(56))]
    for number, day in enumerate(days):
        engine.server.query(
            "INSERT INTO capgroups_would_be VALUES (?, 'full', 'join', '!r', ?)", day, number + 1
        )
    try:
        told = found(engine.server)["would_be"]
        assert [row["day"] for row in told["by_day"]] == days
        table = report(engine.server).stdout
        assert "… and 25 more: -o csv has them all" in table
        assert days[-1] in table
    finally:
        engine.server.query("DELETE FROM capgroups_would_be")


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    out = io.StringIO()
    with redirect_stderr(out):
        assert main(["report", "-c", str(tmp_path / "no.yaml")]) == 2
    assert out.getvalue().startswith("capgroups report: There is no file")


def test_nothing_is_written_and_the_server_need_not_run(engine: World) -> None:
    running = found(engine.server)
    engine.server.homeserver.stop()
    try:
        before = fingerprints(engine.server)
        stopped = found(engine.server)
        found(engine.server, engine.sharer.user_id)
        found(engine.server, engine.shared)
        assert fingerprints(engine.server) == before
    finally:
        engine.server.homeserver.start()
    assert steady(stopped) == steady(running)


@on_postgres
def test_a_role_that_may_only_select_is_enough(engine: World, tmp_path: Path) -> None:
    server = engine.server
    assert server._database is not None
    server.query("DROP ROLE IF EXISTS reporter")
    server.query("CREATE ROLE reporter LOGIN")
    server.query("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reporter")
    arguments = {**server._database["args"], "user": "reporter"}
    more = tmp_path / "more.yaml"
    more.write_text(yaml.safe_dump({"database": {**server._database, "args": arguments}}))
    try:
        for about in ((), (engine.sharer.user_id,), (engine.shared,)):
            for _ in range(3):  # A sweep may come between the two.
                told = steady(found(server, "-c", str(more), *about))
                others = steady(found(server, *about))
                if told == others:
                    break
            assert told == others
    finally:
        server.query("DROP OWNED BY reporter")


def test_tables_of_another_version_are_told(engine: World) -> None:
    engine.server.query("UPDATE capgroups_schema SET version = 4")
    try:
        done = report(engine.server)
    finally:
        engine.server.query("UPDATE capgroups_schema SET version = ?", SCHEMA_VERSION)
    assert done.returncode == 2
    assert done.stderr.startswith("capgroups report: The module's tables have version 4")


def test_a_server_that_never_had_the_module_is_told_of_its_groups(plain_server: Server) -> None:
    creator = plain_server.person()
    room = creator.new_room(name="Plain")
    told = found(plain_server)
    assert told["groups"]["groups"] >= 1
    assert "growth" not in told
    assert found(plain_server, room)["name"] == "Plain"
    assert found(plain_server, creator.user_id)["tables"] == []
    assert "The module has no tables here yet" in report(plain_server).stdout


def test_a_trial_is_told_of_as_one(request: pytest.FixtureRequest) -> None:
    with ExitStack() as stack:
        server = starter(request, stack)(module={**MODULE, "enforce": False})
        creator, stranger = server.people(2)
        room = creator.new_room(name="=Open", preset="public_chat")
        expect(stranger.join(room))
        count = "SELECT COUNT(*) FROM capgroups_would_be"
        assert eventually(lambda: server.query(count)[0][0] == 2, 40)
        told = found(server)
        assert told["enforced"] is False
        assert told["growth"][0]["unenforced"] == 1
        by_day = {(row["reason"], row["decision"]): row for row in told["would_be"]["by_day"]}
        assert by_day["invite_required", "join"]["times"] == 1
        assert by_day["invite_required", "join"]["rooms"] == 1
        assert by_day["no_public_rooms", "creation"]["rooms"] == 0
        assert told["would_be"]["by_room"] == [{"room_id": room, "times": 1, "name": "=Open"}]
        assert found(server, room)["would_be"][0]["reason"] == "invite_required"
        said = report(server).stdout
        assert "This is a trial" in said
        assert "What the trial would have refused" in said
        values = report(server, "-o", "csv").stdout
        assert "'=Open" in values
        admin = server.person(admin=True)
        assert asked(admin, "report").status == 404  # There is nothing to see (rule 16).


def asked(person: Person, path: str) -> Reply:
    return person.call("GET", f"{API}/admin/{path}")


def test_the_running_server_says_the_same_to_its_admins(engine: World) -> None:
    def agree(path: str, *about: str) -> bool:
        """A sweep between the two may change what one of them finds."""
        reply = expect(asked(engine.admin, path)).body
        return bool(steady(reply) == steady(found(engine.server, *about)))

    assert eventually(partial(agree, "report"))
    for path, about in (
        (f"people/{quote(engine.sharer.user_id)}/report", engine.sharer.user_id),
        (f"groups/{quote(engine.shared)}/report", engine.shared),
    ):
        assert eventually(partial(agree, path, about))
    lines = engine.server.homeserver.journal()
    asked_for = [facts.get("about") for word, facts in lines if word == "admin"]
    assert {None, engine.sharer.user_id, engine.shared} <= set(asked_for)


def test_nobody_else_is_told_anything(engine: World) -> None:
    member = engine.people[1]
    for path in (
        "report", f"people/{quote(member.user_id)}/report",
        f"groups/{quote(engine.shared)}/report", "breaches",
    ):  # fmt: skip
        reply = asked(member, path)
        assert (reply.status, reply.body) == (
            403, {"errcode": "M_FORBIDDEN", "error": "You are not a server admin"},
        )  # fmt: skip


def test_the_groups_that_break_a_rule_are_listed_in_pages(engine: World) -> None:
    """What a server admin opened, as the module does not ask about them."""
    room = engine.admin.new_room(name="Opened")
    levels = "m.room.history_visibility"
    expect(engine.admin.set_state(room, levels, {"history_visibility": "world_readable"}))
    rooms, after, pages = [], "", 0
    while True:
        page = expect(asked(engine.admin, f"breaches?from={quote(after)}")).body
        rooms += page["rooms"]
        pages += 1
        if "next" not in page:
            break
        after = page["next"]
    opened = {row["room_id"]: row for row in rooms}[room]
    assert opened["breaches"] == ["world_readable"]
    assert (opened["name"], opened["owner"]) == ("Opened", engine.admin.user_id)
