"""People who do everything that people do, at random, until they are told to stop."""

import random
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import attrs

from benchmarks.soak.answers import Answers
from synapse_capgroups.demo.homeserver import Homeserver
from synapse_capgroups.demo.person import Person, Reply

API = "/_synapse/client/capgroups/v1"
CAP, CODE_LIMIT, FILL = 12, 8, 5
MODULE: Mapping[str, Any] = {
    "cap": CAP,
    "code_limit": CODE_LIMIT,
    "series": {"max_groups": 250},
    # Visitors are still at a door when it dies, and gone a minute later.
    "codes": {"door_stay": "1m"},
}
"""Small groups: all limits are met all the time."""

_MOST_PEOPLE = 300
_MOST_GROUPS = 60
"""So many are in use at a time; then the oldest is left to itself."""
_MOST_CODES = 80
_MOST_SERIES = 12
_SECONDS_OF_LIFE = (5, 30, 300, 604_800)
_QUESTIONS = ("help", "groups", "me", "who 1", "code 1", "codes 1", "code 1 1h 2 uses", "thanks")


@attrs.define
class _Group:
    room_id: str
    owner: Person
    members: list[Person]
    has_approval: bool = False


@attrs.frozen
class _Code:
    """A join code; it is revoked by its `path`. A live or a personal one has no `group`."""

    secret: str
    path: str
    sharer: Person
    group: _Group | None = None


@attrs.define
class _World:
    """What the crowd knows. It may be wrong: then the server refuses, which is counted."""

    people: list[Person] = attrs.field(factory=list)
    groups: list[_Group] = attrs.field(factory=list)
    codes: list[_Code] = attrs.field(factory=list)
    dead: list[_Code] = attrs.field(factory=list)
    series: list[tuple[str, Person]] = attrs.field(factory=list)
    live: list[_Code] = attrs.field(factory=list)
    chats: dict[str, str] = attrs.field(factory=dict)


class Crowd:
    """Does one thing after another on a server. Several threads may let it."""

    def __init__(self, server: Homeserver, answers: Answers) -> None:
        self._server = server
        self._answers = answers
        self._world = _World()
        self._lock = threading.Lock()
        self._numbers = iter(range(1_000_000_000))
        self.deeds: Mapping[Callable[[random.Random], None], int] = {
            self.arrive: 3,
            self.make_group: 4,
            self.invite_friend: 8,
            self.invite_stranger: 12,
            self.make_code: 8,
            self.scan: 30,
            self.scan_dead: 6,
            self.scan_live: 14,
            self.look_at_code: 10,
            self.revoke: 3,
            self.leave: 12,
            self.remove: 2,
            self.rename: 8,
            self.write: 40,
            self.ask_concierge: 10,
            self.start_series: 1,
            self.announce: 1,
            self.answer_requests: 4,
            self.meet_by_code: 2,
            self.look: 10,
        }

    def begin(self, people: int) -> None:
        """Let the first people come."""
        dice = random.Random(0)
        for _ in range(people):
            self.arrive(dice)
        for _ in range(4):
            self.make_group(dice)
        self.start_series(dice)

    def act(self, dice: random.Random) -> None:
        """Do one thing."""
        deeds = list(self.deeds)
        (deed,) = dice.choices(deeds, [self.deeds[deed] for deed in deeds])
        deed(dice)

    def arrive(self, dice: random.Random) -> None:
        if len(self._world.people) < _MOST_PEOPLE:
            self._someone_new()

    def make_group(self, dice: random.Random) -> None:
        owner = self._person(dice)
        number = self._number()
        reply = self._ask("make a group", lambda: owner.create_room(name=f"Group {number}"))
        if not reply.ok:
            return
        group = _Group(reply.body["room_id"], owner, [owner], dice.random() < 0.15)
        if group.has_approval:
            path = f"{API}/groups/{quote(group.room_id)}/approval"
            self._ask("turn approval on", lambda: owner.call("PUT", path, {"on": True}))
        with self._lock:
            self._world.groups.append(group)
            del self._world.groups[:-_MOST_GROUPS]

    def invite_friend(self, dice: random.Random) -> None:
        group, member = self._membership(dice)
        friend = self._person(dice)
        if friend.user_id == member.user_id:
            return
        made = self._ask(
            "start a direct chat",
            lambda: member.create_room(
                preset="trusted_private_chat", is_direct=True, invite=[friend.user_id]
            ),
        )
        if not made.ok:
            return
        chat = made.body["room_id"]

        def list_it() -> Reply:
            listed = member.m_direct()
            listed.setdefault(friend.user_id, []).append(chat)
            return member.set_m_direct(listed)

        self._ask("list a direct chat", list_it)
        self._ask("join a direct chat", lambda: friend.join(chat))
        self._bring(group, member, friend, "friend")

    def invite_stranger(self, dice: random.Random) -> None:
        group, member = self._membership(dice)
        self._bring(group, member, self._person(dice), "stranger")

    def make_code(self, dice: random.Random) -> None:
        group = self._group(dice)
        limits: dict[str, Any] = {"lifetime_ms": 1000 * dice.choice(_SECONDS_OF_LIFE)}
        if dice.random() < 0.4:
            limits["max_uses"] = dice.randint(1, 3)
        reply = self._ask("make a code", lambda: group.owner.make_code(group.room_id, **limits))
        if reply.ok:
            path = f"{API}/groups/{quote(group.room_id)}/codes/{reply.body['code_id']}"
            self._keep(_Code(reply.body["secret"], path, group.owner, group))

    def scan(self, dice: random.Random) -> None:
        if not (code := self._one(dice, self._world.codes)):
            return
        person = self._person(dice)
        reply = self._scan("scan a code", person, code)
        if reply.ok and code.group is not None:
            self._is_in(code.group, person)
        elif reply.status in (403, 404) and dice.random() < 0.5:
            self._is_dead(code)

    def scan_dead(self, dice: random.Random) -> None:
        if code := self._one(dice, self._world.dead):
            self._scan("scan a code that was revoked or refused before", self._person(dice), code)

    def scan_live(self, dice: random.Random) -> None:
        """Most of them are new here: who is in a group of the series stays there."""
        if not (code := self._one(dice, self._world.live)):
            return
        person = self._person(dice)
        if dice.random() < 0.3 and len(self._world.people) < _MOST_PEOPLE:
            person = self._someone_new()
        if dice.random() < 0.3:
            self._leave_series(dice, person)
        self._scan("scan a live code", person, code)

    def look_at_code(self, dice: random.Random) -> None:
        codes = self._world.dead if dice.random() < 0.3 else self._world.codes
        if code := self._one(dice, codes):
            person = self._person(dice)
            self._ask("look at a code", lambda: person.preview_code(code.secret))

    def revoke(self, dice: random.Random) -> None:
        if code := self._one(dice, self._world.codes):
            self._ask("revoke a code", lambda: code.sharer.call("DELETE", code.path))
            self._is_dead(code)

    def leave(self, dice: random.Random) -> None:
        group, member = self._membership(dice)
        if member.user_id != group.owner.user_id or dice.random() < 0.05:
            self._ask("leave", lambda: member.leave(group.room_id))
            self._is_out(group, member)

    def remove(self, dice: random.Random) -> None:
        group, member = self._membership(dice)
        if member.user_id != group.owner.user_id:
            self._ask("remove a member", lambda: group.owner.kick(group.room_id, member))
            self._is_out(group, member)

    def rename(self, dice: random.Random) -> None:
        group, member = self._membership(dice)
        name = f"Name {self._number()}"
        if dice.random() < 0.5:
            self._ask("rename", lambda: member.set_room_name_of_own(group.room_id, name))
            return
        path = f"{API}/groups/{quote(group.room_id)}/name"
        self._ask("rename", lambda: member.call("PUT", path, {"displayname": name}))

    def write(self, dice: random.Random) -> None:
        group, member = self._membership(dice)
        text = f"Message {self._number()}"
        self._ask("write a message", lambda: member.send(group.room_id, text))

    def ask_concierge(self, dice: random.Random) -> None:
        person = self._person(dice)
        chat = self._world.chats.get(person.user_id)
        if chat is None:
            concierge = f"@groups:{self._server.server_name}"
            reply = self._ask(
                "open a chat with the concierge",
                lambda: person.create_room(
                    preset="trusted_private_chat", is_direct=True, invite=[concierge]
                ),
            )
            if not reply.ok:
                return
            chat = self._world.chats[person.user_id] = str(reply.body["room_id"])
        question, room = dice.choice(_QUESTIONS), chat
        self._ask("ask the concierge", lambda: person.send(room, question))

    def start_series(self, dice: random.Random) -> None:
        if len(self._world.series) >= _MOST_SERIES:
            return
        organiser, number = self._someone_new(among_others=False), self._number()
        first = self._ask("make a group", lambda: organiser.create_room(name=f"Series {number} 1"))
        if not first.ok:
            return
        body = {
            "room_id": first.body["room_id"],
            "name": f"series{number}",
            "pattern": f"Series {number} {{n}}",
            "fill": FILL,
            "max_groups": 250,
        }
        made = self._ask("start a series", lambda: organiser.call("POST", f"{API}/series", body))
        if not made.ok:
            return
        series_id = made.body["series_id"]
        path = f"{API}/series/{series_id}/codes"
        code = self._ask("make a live code", lambda: organiser.call("POST", path, {}))
        with self._lock:
            self._world.series.append((series_id, organiser))
            if code.ok:
                self._world.live.append(_Code(code.body["secret"], "", organiser))

    def announce(self, dice: random.Random) -> None:
        if not (found := self._one(dice, self._world.series)):
            return
        series_id, organiser = found
        path = f"{API}/series/{series_id}/announcements"
        body = {"text": f"Announcement {self._number()}"}
        draft = self._ask("draft an announcement", lambda: organiser.call("POST", path, body))
        if draft.ok:
            confirm = f"{path}/{draft.body['announcement_id']}/confirm"
            self._ask("confirm an announcement", lambda: organiser.call("POST", confirm, {}))

    def answer_requests(self, dice: random.Random) -> None:
        waiting = [group for group in list(self._world.groups) if group.has_approval]
        if not (group := self._one(dice, waiting)):
            return
        path = f"{API}/groups/{quote(group.room_id)}/requests"
        found = self._ask("see who waits", lambda: group.owner.call("GET", path))
        for request in found.body.get("requests", []) if found.ok else []:
            one = f"{path}/{quote(request['user_id'])}"
            said = {"approve": dice.random() < 0.7}
            self._ask("answer a request", lambda: group.owner.call("POST", one, said))  # noqa: B023

    def meet_by_code(self, dice: random.Random) -> None:
        """Somebody shows a personal code, and somebody else scans it."""
        owner, person = self._person(dice), self._person(dice)
        reply = self._ask(
            "make a personal code", lambda: owner.call("POST", f"{API}/me/codes", {"max_uses": 1})
        )
        if reply.ok and owner.user_id != person.user_id:
            code = _Code(reply.body["secret"], "", owner)
            self._scan("scan a personal code", person, code)

    def look(self, dice: random.Random) -> None:
        group, member = self._membership(dice)
        paths = (
            "/sync?timeout=0",
            f"{API}/groups",
            f"{API}/groups/{quote(group.room_id)}",
            f"{API}/groups/{quote(group.room_id)}/members",
        )
        path = dice.choice(paths)
        self._ask("look at groups, members or /sync", lambda: member.call("GET", path))
        if dice.random() < 0.3:
            body = {"search_term": "person"}
            self._ask(
                "search for people", lambda: member.call("POST", "/user_directory/search", body)
            )

    def _ask(self, what: str, call: Callable[[], Reply]) -> Reply:
        return self._answers.ask(what, call)

    def _bring(self, group: _Group, member: Person, person: Person, kind: str) -> None:
        invited = self._ask(f"invite a {kind}", lambda: member.invite(group.room_id, person))
        if invited.ok and self._ask("join by invitation", lambda: person.join(group.room_id)).ok:
            self._is_in(group, person)

    def _scan(self, what: str, person: Person, code: _Code) -> Reply:
        return self._ask(what, lambda: person.join(f"#j-{code.secret}:{self._server.server_name}"))

    def _leave_series(self, dice: random.Random, person: Person) -> None:
        """They leave one of their other rooms: in a series, a place may become free by it."""
        rooms = self._ask("list rooms", lambda: person.call("GET", "/joined_rooms"))
        known = {group.room_id for group in list(self._world.groups)}
        known |= set(self._world.chats.copy().values())
        joined = set(rooms.body["joined_rooms"]) - known if rooms.ok else set()
        if joined:
            room = dice.choice(sorted(joined))
            self._ask("leave", lambda: person.leave(room))

    def _number(self) -> int:
        with self._lock:
            return next(self._numbers)

    def _someone_new(self, *, among_others: bool = True) -> Person:
        person = self._server.register(f"person{self._number()}")
        if among_others:
            with self._lock:
                self._world.people.append(person)
        return person

    @staticmethod
    def _one(dice: random.Random, those: list[Any]) -> Any:
        """One of them, the newest more often than others; None if there are none."""
        some = those[-5:] if dice.random() < 0.5 else list(those)
        return dice.choice(some) if some else None

    def _person(self, dice: random.Random) -> Person:
        return dice.choice(list(self._world.people))

    def _group(self, dice: random.Random) -> _Group:
        group: _Group = self._one(dice, self._world.groups)
        return group

    def _membership(self, dice: random.Random) -> tuple[_Group, Person]:
        group = self._group(dice)
        return group, dice.choice(list(group.members) or [group.owner])

    def _keep(self, code: _Code) -> None:
        with self._lock:
            self._world.codes.append(code)
            del self._world.codes[:-_MOST_CODES]

    def _is_dead(self, code: _Code) -> None:
        with self._lock:
            if code in self._world.codes:
                self._world.codes.remove(code)
            self._world.dead.append(code)
            del self._world.dead[:-_MOST_CODES]

    def _is_in(self, group: _Group, person: Person) -> None:
        with self._lock:
            group.members.append(person)

    def _is_out(self, group: _Group, person: Person) -> None:
        with self._lock:
            if person in group.members:
                group.members.remove(person)
