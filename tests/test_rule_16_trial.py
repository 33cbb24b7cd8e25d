"""Rule 16: a trial (`enforce: false`) is silent: it differs in nothing from having no module."""

import json
import re
import time
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

import pytest

from synapse_capgroups.demo.person import Person, Reply, expect
from synapse_capgroups.storage.would_be import NO_ROOM
from tests.conftest import API, QUIET, Clusters, Server, Starter, eventually
from tests.test_rule_9_cost import at_rest, transactions
from tests.test_rule_15_forgetting import purge, restart

TRIAL = {"cap": 3, "code_limit": 2, "enforce": False}
SETTINGS = {
    "enable_registration": True,
    "enable_registration_without_verification": True,
    "auto_join_rooms": ["#lobby:localhost"],
    "user_directory": {"search_all_users": True},
    **{part: {"enabled": True} for part in QUIET},  # All that Synapse does.
}
BOTH = pytest.mark.parametrize("engine", ["sqlite", "postgres"])

Counted = tuple[str, str, str]
"""A reason, a decision and a room."""

NONSENSE: list[dict[str, Any]] = [
    {"name": 5},
    {"invite": "x"},
    {"power_level_content_override": "x"},
    {"initial_state": [{"type": "m.room.create", "content": {}}]},
    {"initial_state": [5]},
    {"preset": []},
    {"creation_content": 5},
    {"visibility": "odd"},
]

_ROOM = re.compile(r"![A-Za-z0-9_-]{10,}(:localhost)?")
_EVENT = re.compile(r"\$[A-Za-z0-9_-]{20,}")
_SECRET = re.compile(r"(syt|syr|s[0-9]|t[0-9]|m[0-9])[A-Za-z0-9_~.-]{12,}")
_NUMBER = re.compile(r"\b[0-9]{6,}\b")


class Recorder:
    """Makes requests and notes what is answered, without what is random."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.seen: list[tuple[str, Any]] = []

    def person(self, name: str, *, admin: bool = False) -> Person:
        return self.server.homeserver.register(name, admin=admin)

    def note(self, label: str, value: Any) -> None:
        text = json.dumps(value, sort_keys=True)
        for pattern, shown in ((_ROOM, "!"), (_EVENT, "$"), (_SECRET, "?"), (_NUMBER, "0")):
            text = pattern.sub(shown, text)
        self.seen.append((label, json.loads(text)))

    def did(self, label: str, reply: Reply) -> Reply:
        self.note(label, [reply.status, reply.body])
        return reply

    def room(self, label: str, person: Person, **request: Any) -> str:
        reply = self.did(f"create {label}", person.create_room(**request))
        room_id = str(reply.body["room_id"])
        self.state(label, person, room_id)
        return room_id

    def state(self, label: str, person: Person, room_id: str) -> None:
        """All of a room's state, as somebody sees it."""
        events = expect(person.call("GET", f"/rooms/{quote(room_id)}/state")).body[""]
        state = [[e["type"], e["state_key"], e["sender"], e["content"]] for e in events]
        self.note(f"state of {label}", sorted(state, key=json.dumps))


def rooms_seen(person: Person) -> Any:
    """How many rooms of which kind a client is shown, and who invites."""
    rooms = expect(person.call("GET", "/sync")).body.get("rooms", {})
    invited_by = sorted(
        event["sender"]
        for room in rooms.get("invite", {}).values()
        for event in room["invite_state"]["events"]
        if event["type"] == "m.room.member"
    )
    return {kind: len(found) for kind, found in rooms.items()}, invited_by


def walk(server: Server) -> list[tuple[str, Any]]:
    """Everything that this module has an opinion on, tried on one server."""
    to = Recorder(server)
    admin, alice = to.person("admin", admin=True), to.person("alice")
    people = [to.person(f"guest{number}") for number in range(5)]
    bob = people[0]

    register = {"auth": {"type": "m.login.dummy"}, "password": "a long password"}
    new = server.homeserver._http.post("/_matrix/client/v3/register", json=register).json()
    to.note("a name that nobody chose", re.sub("[0-9]+", "1", new["user_id"]))

    lobby = alice.call("GET", f"/directory/room/{quote('#lobby:localhost', safe='')}")
    to.did("the lobby", lobby)
    to.note("who is in it", alice.members(lobby.body["room_id"]))

    to.room("an ordinary room", alice, name="Tea")
    guests = {"type": "m.room.guest_access", "content": {"guest_access": "can_join"}}
    to.room("Element's", alice, preset="private_chat", initial_state=[guests])
    to.room("a space", alice, creation_content={"type": "m.space"}, visibility="public")
    to.room("an invited", alice, invite=[person.user_id for person in people], preset="public_chat")
    public = to.room(
        "a public room", alice, visibility="public", preset="public_chat", room_alias_name="open"
    )
    for body in NONSENSE:
        to.did(f"nonsense {body}", alice.create_room(**body))

    for person in people:  # Far beyond the cap.
        to.did("join", person.join("#open:localhost"))
    to.did("listed", alice.call("GET", f"/directory/list/room/{quote(public, safe='')}"))
    to.did("the directory", alice.call("GET", "/publicRooms"))
    to.did("another address", alice.add_address(public, "#second:localhost"))
    for event_type, content in (
        ("m.room.history_visibility", {"history_visibility": "world_readable"}),
        ("m.room.guest_access", {"guest_access": "can_join"}),
        ("m.room.canonical_alias", {"alias": "#open:localhost"}),
        ("m.room.join_rules", {"join_rule": "nonsense"}),
        ("m.room.join_rules", {"join_rule": "public"}),
    ):
        to.did(f"{event_type} {content}", alice.set_state(public, event_type, content))
    to.did("in another's name", alice.set_state(
        public, "m.room.member", {"membership": "join"}, people[1].user_id))  # fmt: skip
    closed = to.room("a closed room", alice)
    to.did("uninvited", bob.join(closed))
    to.did("in another's name", alice.set_state(
        closed, "m.room.member", {"membership": "join"}, bob.user_id))  # fmt: skip
    for person in people:
        to.did("invite", alice.invite(closed, person))
        to.did("join", person.join(closed, {"reason": "because"}))
    to.did("nobody's", bob.invite(closed, "@groups:localhost"))
    to.did("nobody's profile", bob.call("GET", "/profile/@groups:localhost"))
    to.did("members", alice.call("GET", f"/rooms/{quote(closed)}/joined_members"))

    to.did("a room name", bob.set_room_name_of_own(closed, "Alias"))
    strange = {"membership": "join", "displayname": 5}
    to.did("a name of a kind", bob.set_state(closed, "m.room.member", strange, bob.user_id))
    to.did("join again", bob.join(closed))
    expect(bob.call("PUT", f"/profile/{bob.user_id}/displayname", {"displayname": "Global"}))

    def name_in(room_id: str) -> Any:
        return bob.state(room_id, "m.room.member", bob.user_id).body["displayname"]

    eventually(lambda: name_in(closed) == name_in(public) == "Global", 5)
    to.state("it after the profile's change", alice, closed)

    wanted = {"search_term": "guest", "limit": 10}

    def found() -> Any:
        return alice.call("POST", "/user_directory/search", wanted).body["results"]

    eventually(lambda: len(found()) == len(people), 15)
    to.note("search", sorted(result["user_id"] for result in found()))

    direct = alice.befriend(bob)
    to.state("a direct chat", alice, direct)
    own = "/_synapse/client/capgroups"
    for path in (f"{API}/groups/{quote(closed)}", f"{own}/join", f"{own}/health"):
        to.did("a page or a call of the module", alice.call("GET", path))
    to.did("preview", alice.call("POST", f"{API}/codes/preview", {"secret": "x"}))

    upgrade = alice.call("POST", f"/rooms/{quote(public)}/upgrade", {"new_version": "11"})
    to.did("upgrade", upgrade)
    to.state("the successor", alice, upgrade.body["replacement_room"])
    room_admin = f"/_synapse/admin/v1/rooms/{quote(closed)}/make_room_admin"
    to.did("make_room_admin", admin.call("POST", room_admin, {}))
    delete = f"/_synapse/admin/v1/rooms/{quote(closed)}"
    reply = to.did("delete", admin.call("DELETE", delete, {"new_room_user_id": admin.user_id}))
    to.state("the notice", admin, reply.body["new_room_id"])

    time.sleep(1)  # A greeting would come in the background.
    accounts = expect(admin.call("GET", "/_synapse/admin/v2/users?guests=true")).body["users"]
    to.note("accounts", sorted(user["name"] for user in accounts if not user["name"][1].isdigit()))
    for person in (admin, alice, *people):
        to.note(f"what {person} is shown", rooms_seen(person))
    return to.seen


@BOTH
def test_a_trial_differs_in_nothing_from_a_server_without_the_module(
    start: Starter, engine: str
) -> None:
    plain = walk(start(engine, module=None, settings=SETTINGS))
    server = start(engine, module=TRIAL, settings=SETTINGS)
    trial = walk(server)
    assert [label for label, _ in trial] == [label for label, _ in plain]
    for seen, expected in zip(trial, plain, strict=True):
        assert seen == expected
    # It has watched all the same.
    lines = server.homeserver.journal()
    assert {"not_enforced", "admitted"} == {word for word, _ in lines}
    told = {facts["reason"] for word, facts in lines if word == "not_enforced"}
    assert {"not_listed", "no_public_rooms", "no_addresses", "full", "invite_required"} <= told
    counted = server.homeserver.metrics()
    assert counted['capgroups_decisions_total{decision="join",reason="full"}'] > 0
    assert "Could not" not in server.homeserver.log.read_text()
    # Of the room that was deleted, the sweep forgets what was counted.
    rooms = {NO_ROOM, *(room for (room,) in server.query("SELECT room_id FROM rooms"))}
    assert eventually(
        lambda: among(rooms, would_be(server)) == among(rooms, of_journal(server)), 40
    )


def would_be(server: Server) -> Counter[Counted]:
    """What is kept of what would have been refused, over all days."""
    rows = server.query("SELECT reason, decision, room_id, times FROM capgroups_would_be")
    counted: Counter[Counted] = Counter()
    for *what, times in rows:
        counted[what[0], what[1], what[2]] += times
    return counted


def among(rooms: set[str], counted: Mapping[Counted, int]) -> dict[Counted, int]:
    return {what: times for what, times in counted.items() if what[2] in rooms}


def of_journal(server: Server) -> Counter[Counted]:
    """The same by the journal."""
    lines = server.homeserver.journal()
    return Counter(
        (facts["reason"], facts["decision"], facts.get("group", NO_ROOM))
        for word, facts in lines
        if word == "not_enforced"
    )


@BOTH
def test_what_a_trial_would_have_refused_is_kept_for_ninety_days(
    start: Starter, engine: str
) -> None:
    server = start(engine, module=TRIAL)
    creator, stranger = server.people(2)
    room = creator.new_room(preset="public_chat")
    for _ in range(3):
        expect(stranger.join(room))
        expect(stranger.leave(room))
    joins = ("invite_required", "join", room)
    made = ("no_public_rooms", "creation", NO_ROOM)
    assert eventually(lambda: would_be(server).get(joins) == 3, 40)
    assert would_be(server)[made] == 1
    today = datetime.now(timezone.utc).date()
    days = {row[0] for row in server.query("SELECT day FROM capgroups_would_be")}
    assert days <= {str(today), str(today - timedelta(days=1))}

    for reason, age in (("invite_required", 91), ("no_public_rooms", 89)):
        server.query(
            "UPDATE capgroups_would_be SET day = ? WHERE reason = ?",
            str(today - timedelta(days=age)), reason,
        )  # fmt: skip
    restart(server)  # The first sweep is at the start.
    assert eventually(lambda: set(would_be(server)) == {made}, 30)
    expect(stranger.join(room))
    assert eventually(lambda: would_be(server).get(joins) == 1, 40)
    purge(server.person(admin=True), room)
    restart(server)
    assert eventually(lambda: set(would_be(server)) == {made}, 30)


def test_in_a_trial_a_message_causes_no_query(start: Starter) -> None:
    server = start(module=TRIAL)
    room, (creator, member) = server.group(2)
    stranger = server.person()
    creator.send(room, "to warm up")

    def quiet() -> bool:
        assert eventually(lambda: at_rest(server))
        before = transactions(server)
        for person in (creator, member):
            for _ in range(5):
                expect(person.send(room, "Hello"))
        return transactions(server) == before

    # The sweep, once a minute, may fall into one of them.
    assert any(quiet() for _ in range(3))
    before = transactions(server)
    # The count counts: that a stranger joins is decided, and noted.
    expect(creator.set_state(room, "m.room.join_rules", {"join_rule": "public"}))
    expect(stranger.join(room))
    assert transactions(server) > before


def test_each_worker_writes_what_it_has_counted(start_cluster: Clusters) -> None:
    server, cluster = start_cluster(module=TRIAL, workers=2)
    creator, stranger = server.people(2)
    room = creator.new_room(preset="public_chat")
    for worker in range(2):
        expect(cluster.on(stranger, worker).join(room))
        expect(cluster.on(stranger, worker).leave(room))
    counted = ("invite_required", "join", room)
    assert eventually(lambda: would_be(server).get(counted) == 2, 40)


def test_what_was_there_before_a_trial_stays_in_use(start: Starter) -> None:
    """Names that were chosen are in the rooms' own state, and codes still let people in."""
    server = start(module={"cap": 4, "code_limit": 3})
    room, people = server.group(2)
    expect(people[1].set_room_name_of_own(room, "Alias"))
    code = server.make_code(room, people[0])
    server.install_module(TRIAL)
    shown = people[0].state(room, "m.room.member", people[1].user_id).body["displayname"]
    assert shown == "Alias"
    newcomer = server.person()
    expect(server.scan(newcomer, code))
    assert newcomer.user_id in people[0].members(room)
