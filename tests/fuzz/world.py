"""What the fuzzer's people do on a real server, over HTTP, and what must hold after each step."""

import itertools
import re
from collections import deque
from collections.abc import Collection
from typing import Any
from urllib.parse import quote

from synapse_capgroups.demo.person import Person, Reply, expect
from tests.conftest import API, Server, eventually
from tests.fuzz.model import (
    CAP,
    CODE_LIMIT,
    MOST_LIVING_CODES,
    BrokenPromise,
    Code,
    Group,
    Model,
    Promise,
)

PEOPLE = 5
MOST_GROUPS = 2
CONCIERGE = "@groups:localhost"
SETTINGS = {"cap": CAP, "code_limit": CODE_LIMIT}

_SECRET = re.compile(r"join#([a-z2-7]{28})")
_numbers = itertools.count(1)


class World:
    """Five people on a server.

    `broken` has the promises that were found broken, with the calls that led there.

    Args:
        promises: which promises are checked; all if not given. What breaks another one is taken as
            it is, so that one fault does not hide the next.
    """

    def __init__(self, server: Server, promises: Collection[Promise] = tuple(Promise)) -> None:
        self._server = server
        self._promises = promises
        self._admin = _admin(server)
        self.people = server.people(PEOPLE)
        self.model = Model()
        self.chats: dict[int, str] = {}
        self.direct: dict[frozenset[int], tuple[int, str]] = {}
        self.restarts = 0
        self.broken: list[BrokenPromise] = []
        self._calls: deque[str] = deque(maxlen=60)

    @property
    def groups(self) -> list[Group]:
        return self.model.groups

    @property
    def codes(self) -> list[Code]:
        return self.model.codes

    def _check(self, promise: Promise, kept: bool, what: str) -> None:
        if not kept and promise in self._promises:
            # A walk over a live server cannot always be repeated, so what led here is kept.
            self.broken.append(BrokenPromise(promise, "\n".join([what, *self._calls])))
            raise self.broken[-1]

    def _call(self, person: int, method: str, path: str, body: Any = None) -> Reply:
        reply = self.people[person].call(method, path, body)
        if method != "GET":
            self._calls.append(f"{person}: {method} {path} {body} -> {reply.status}")
        return self._seen(reply, f"{method} {path}")

    def _seen(self, reply: Reply, what: str) -> Reply:
        self._check(Promise.NO_ERRORS, reply.status < 500, f"{what}: {reply}")
        return reply

    def _id(self, person: int) -> str:
        return self.people[person].user_id

    def _room(self, person: int, group: Group, action: str, **body: Any) -> Reply:
        return self._call(person, "POST", f"/rooms/{quote(group.room_id)}/{action}", body)

    # What people do.

    def create(self, by: int) -> None:
        name = f"Tea {next(_numbers):05}"
        reply = self._call(by, "POST", "/createRoom", {"preset": "private_chat", "name": name})
        if reply.ok:
            self.groups.append(Group(reply.body["room_id"], name, by, {by}))
        self._check(Promise.WELCOME, reply.ok or by in self.model.suspended, f"a creation: {reply}")

    def invite(self, by: int, person: int, group: int) -> None:
        to = self.groups[group]
        why_not = self.model.why_not_invite(to, by, person)
        reply = self._room(by, to, "invite", user_id=self._id(person))
        if reply.ok and to.invited.get(person) != by:  # Else Synapse names the event that there is.
            to.invited[person] = by
            self._check(Promise.ENTRY, why_not is None, f"invited although {why_not}")
        elif not reply.ok and not to.upgraded:
            self._check(Promise.WELCOME, why_not is not None, f"an invitation: {reply}")
            self._refused(reply, why_not, ("full", "friends_only"))

    def join(self, person: int, group: int) -> None:
        to = self.groups[group]
        why_not = self.model.why_not_join(to, person)
        reply = self._seen(self.people[person].join(to.room_id), "join")
        if reply.ok:
            self._check(Promise.ENTRY, why_not is None, f"joined although {why_not}")
            self.model.came(to, person)
        elif not to.upgraded and person not in to.unsure:
            self._check(Promise.WELCOME, why_not is not None, f"a join: {reply}")
            # Synapse itself refuses the banned.
            self._refused(reply, why_not, ("full", "friends_only"))

    def _refused(self, reply: Reply, why_not: str | None, ours: Collection[str]) -> None:
        if why_not in ours:
            told = reply.reason == why_not and reply.error.endswith(".")
            self._check(Promise.REFUSALS, told, f"{why_not} was told as {reply}")

    def leave(self, person: int, group: int) -> None:
        of = self.groups[group]
        if self._room(person, of, "leave").ok:
            self.model.went(of, person, removed=False)

    def kick(self, by: int, person: int, group: int) -> None:
        of = self.groups[group]
        if by != person and self._room(by, of, "kick", user_id=self._id(person)).ok:
            self.model.went(of, person, removed=True)

    def ban(self, by: int, person: int, group: int) -> None:
        of = self.groups[group]
        if by != person and self._room(by, of, "ban", user_id=self._id(person)).ok:
            self.model.went(of, person, removed=True)
            of.banned.add(person)

    def unban(self, by: int, person: int, group: int) -> None:
        of = self.groups[group]
        if self._room(by, of, "unban", user_id=self._id(person)).ok:
            of.banned.discard(person)
            of.unsure.add(person)

    def knock(self, person: int, group: int) -> None:
        """Knock; the group's creator lets people do so, if they are there."""
        to = self.groups[group]
        if not to.knocks and to.creator in to.members:
            rule = {"join_rule": "knock"}
            path = f"/rooms/{quote(to.room_id)}/state/m.room.join_rules"
            to.knocks = self._call(to.creator, "PUT", path, rule).ok
        if self._call(person, "POST", f"/knock/{quote(to.room_id)}", {}).ok:
            to.invited.pop(person, None)

    def upgrade(self, group: int) -> None:
        old = self.groups[group]
        reply = self._room(old.creator, old, "upgrade", new_version="12")
        if not reply.ok:
            return
        old.upgraded = True
        if any(group.room_id == reply.body["replacement_room"] for group in self.groups):
            return  # For five minutes Synapse repeats the answer about one room.
        new = Group(reply.body["replacement_room"], old.name, old.creator, {old.creator})
        new.knocks, new.banned, new.may_share = old.knocks, set(old.banned), set(old.may_share)
        self.groups.append(new)
        self.model.codes_die()

    def set_level(self, person: int, group: int, *, promote: bool) -> None:
        """The creator lets somebody share codes, or takes that from them."""
        of = self.groups[group]
        path = f"/rooms/{quote(of.room_id)}/state/m.room.power_levels"
        reply = self._call(of.creator, "GET", path)
        if not reply.ok or person == of.creator:
            return
        users = {**reply.body.get("users", {}), self._id(person): 50 if promote else 0}
        if not self._call(of.creator, "PUT", path, {**reply.body, "users": users}).ok:
            return
        if promote:
            of.may_share.add(person)
        else:
            of.may_share.discard(person)
        self.model.codes_die()

    def make_code(self, by: int, group: int, max_uses: int | None = None) -> None:
        of = self.groups[group]
        body = {} if max_uses is None else {"max_uses": max_uses}
        reply = self._call(by, "POST", f"{API}/groups/{quote(of.room_id)}/codes", body)
        self._made(reply.ok, str(reply), of, by)
        if reply.ok:
            new = Code(of, by, reply.body["secret"], reply.body["code_id"], max_uses)
            self.codes.append(new)
            self.model.codes_die()

    def _made(self, made: bool, answer: str, group: Group, by: int) -> None:
        may = group.shares(by) and group.mode == "open" and by not in self.model.suspended
        may = may and self.model.living_codes(by, group) < MOST_LIVING_CODES
        if made:
            self._check(Promise.ENTRY, may, f"{by} made a code of {group.name}")
        elif not group.upgraded:
            self._check(Promise.WELCOME, not may, f"no code was made: {answer}")

    def revoke(self, by: int, code: int) -> None:
        of = self.codes[code]
        path = f"{API}/groups/{quote(of.group.room_id)}/codes/{of.code_id}"
        if self._call(by, "DELETE", path).ok:
            of.dead = of.dead or "revoked"

    def preview(self, person: int, code: int) -> None:
        of = self.codes[code]

        def seen() -> Any:
            reply = self._call(person, "POST", f"{API}/codes/preview", {"secret": of.secret})
            return reply.body.get("state")

        # The page is told the same for a second.
        kept = eventually(lambda: (seen() == "alive") == (of.dead is None), 3)
        self._check(Promise.DEAD_SAYS_WHY, kept, f"the page says {seen()}, dead is {of.dead}")

    def scan(self, person: int, code: int, *, by_id: bool = False) -> None:
        """Join a code's door, by its address or, as somebody who was there, by its room ID."""
        of = self.codes[code]
        group = of.group
        was_in = person in group.members
        why_not = self.model.why_not_enter(of, person)
        address = of.door if by_id and of.door else f"#j-{of.secret}:localhost"
        reply = self._seen(self.people[person].join(address), "scan")
        is_in = self._id(person) in self._members(group.room_id)
        if reply.ok:
            of.door = reply.body["room_id"]
            of.at_door.add(person)
        if is_in and not was_in:
            if why_not is not None:
                self._check(why_not[0], False, f"{person} scanned although {why_not[1]}")
            of.used_by.add(person)
            self.model.came(group, person)
        elif not is_in:
            self._check(Promise.SCAN_ENDS, not reply.ok, f"{person} was let into the door alone")
            sure = person not in group.unsure and group.removed.get(person) is None
            self._check(Promise.WELCOME, not sure or why_not is not None, f"a scan: {reply}")
            told = reply.reason is not None and reply.error.endswith(".")
            told = told or reply.body.get("errcode") == "M_USER_SUSPENDED"
            promise = Promise.DEAD_SAYS_WHY if of.dead else Promise.SCAN_ENDS
            self._check(promise, told or bool(by_id), f"the refusal was {reply}")

    def leave_door(self, person: int, code: int) -> None:
        of = self.codes[code]
        if of.door and self._call(person, "POST", f"/rooms/{quote(of.door)}/leave", {}).ok:
            of.at_door.discard(person)

    # The concierge.

    def meet_concierge(self, person: int) -> None:
        """Accept the invitation that the concierge sends to who makes a group."""
        if person in self.chats or not any(group.creator == person for group in self.groups):
            return
        if person in self.model.suspended:
            return
        found: list[str] = []

        def invited() -> bool:
            found[:] = self._invitations(person)
            return bool(found)

        assert eventually(invited)
        room_id = found[0]
        if self._seen(self.people[person].join(room_id), "join").ok:
            self.chats[person] = room_id
            assert eventually(lambda: self._answers(person) != [])  # The greeting.

    def _invitations(self, person: int) -> list[str]:
        # Synapse remembers its answer to a first sync for a while, one for each filter.
        chosen = f'{{"room":{{"timeline":{{"limit":{next(_numbers) % 1000 + 1}}}}}}}'
        reply = expect(self._call(person, "GET", f"/sync?timeout=0&filter={chosen}"))
        rooms = reply.body.get("rooms", {}).get("invite", {})
        return [
            room
            for room, invited in rooms.items()
            if any(event["sender"] == CONCIERGE for event in invited["invite_state"]["events"])
        ]

    def _answers(self, person: int) -> list[str]:
        path = f"/rooms/{quote(self.chats[person])}/messages?dir=b&limit=100"
        chunk = self._call(person, "GET", path).body.get("chunk", [])
        return [
            str(event["content"].get("body"))
            for event in reversed(chunk)
            if event["sender"] == CONCIERGE
            and event["type"] == "m.room.message"
            and event["content"].get("msgtype") == "m.notice"
        ]

    def ask(self, person: int, text: str) -> str | None:
        """Write to the concierge; its answer."""
        before = len(self._answers(person))
        if not self.people[person].send(self.chats[person], text).ok:
            return None
        answered = eventually(lambda: len(self._answers(person)) > before, 30)
        self._check(Promise.ANSWERS, answered, f"no answer to {text!r}")
        return self._answers(person)[-1] if answered else None

    def ask_for_code(self, person: int, group: int) -> None:
        of = self.groups[group]
        answer = self.ask(person, f"code {of.name}")
        if answer is None or sum(other.name == of.name for other in self.groups) > 1:
            return
        found = _SECRET.search(answer)
        self._made(found is not None, answer, of, person)
        if found is not None:
            path = f"{API}/groups/{quote(of.room_id)}/codes"
            listed = self._call(person, "GET", path).body.get("codes", [])
            known = {code.code_id for code in self.codes}
            for made in listed:
                if made["code_id"] not in known and made["sharer"] == self._id(person):
                    self.codes.append(Code(of, person, found[1], made["code_id"]))
            self.model.codes_die()

    def invite_to_chat(self, person: int, other: int) -> None:
        """Somebody invites another into their room with the concierge, who then tries to join."""
        room_id = self.chats[person]
        path = f"/rooms/{quote(room_id)}/invite"
        reply = self._call(person, "POST", path, {"user_id": self._id(other)})
        self._check(Promise.CONCIERGE_ROOM, not reply.ok, f"{other} was invited to it")
        reply = self._seen(self.people[other].join(room_id), "join")
        self._check(Promise.CONCIERGE_ROOM, not reply.ok, f"{other} joined it")

    def invite_concierge(self, by: int, group: int) -> None:
        self._room(by, self.groups[group], "invite", user_id=CONCIERGE)

    # Friends, accounts, names.

    def befriend(self, a: int, b: int) -> None:
        pair = frozenset((a, b))
        if len(pair) != 2 or pair in self.model.friends or pair & self.model.suspended:
            return
        room_id = self.people[a].start_direct_chat(self.people[b])
        expect(self.people[b].join(room_id))
        self.direct[pair] = (b, room_id)
        self.model.friends.add(pair)

    def unfriend(self, a: int, b: int) -> None:
        pair = frozenset((a, b))
        if pair in self.model.friends:
            leaver, room_id = self.direct[pair]
            if self._call(leaver, "POST", f"/rooms/{quote(room_id)}/leave", {}).ok:
                self.model.friends.discard(pair)

    def suspend(self, person: int, *, suspended: bool) -> None:
        path = f"/_synapse/admin/v1/suspend/{quote(self._id(person))}"
        expect(self._admin.call("PUT", path, {"suspend": suspended}))
        (self.model.suspended.add if suspended else self.model.suspended.discard)(person)
        self.model.codes_die()

    def set_alias(self, person: int, group: int) -> None:
        of = self.groups[group]
        alias = f"Alias {next(_numbers)}"
        path = f"{API}/groups/{quote(of.room_id)}/name"
        if self._call(person, "PUT", path, {"displayname": alias}).ok and person in of.members:
            of.aliases[person] = alias

    def set_global_name(self, person: int) -> None:
        path = f"/profile/{quote(self._id(person))}/displayname"
        self._call(person, "PUT", path, {"displayname": f"Name {next(_numbers)}"})

    # Ways round.

    def add_address(self, person: int, room_id: str) -> None:
        """Give a group, a door or a room of the concierge's an address of one's own."""
        alias = f"#tea-{next(_numbers)}:localhost"
        reply = self._seen(self.people[person].add_address(room_id, alias), "address")
        self._check(Promise.ONE_ADDRESS, not reply.ok, f"{room_id} has an address more")
        found = self._call(person, "GET", f"/directory/room/{quote(alias, safe='')}")
        self._check(Promise.ONE_ADDRESS, not found.ok, f"{alias} leads to {room_id}")

    def claim_dead_address(self, person: int, code: int) -> None:
        """Take a dead code's address for another room, that is no group's."""
        of = self.codes[code]
        alias = f"#j-{of.secret}:localhost"
        group = next((group for group in self.groups if person in group.members), None)
        if of.dead and group is not None:
            reply = self._seen(self.people[person].add_address(group.room_id, alias), "address")
            self._check(Promise.ONE_ADDRESS, not reply.ok, "a dead code's address was claimed")

    def open_up(self, person: int, group: int, how: int) -> None:
        """Try to make a group public in one of the ways that there are."""
        room_id = self.groups[group].room_id
        state = (
            ("m.room.join_rules", {"join_rule": "public"}),
            ("m.room.history_visibility", {"history_visibility": "world_readable"}),
            ("m.room.guest_access", {"guest_access": "can_join"}),
        )
        if how < len(state):
            path = f"/rooms/{quote(room_id)}/state/{state[how][0]}"
            reply = self._call(person, "PUT", path, state[how][1])
        else:
            reply = self._seen(self.people[person].list_in_directory(room_id, "public"), "list")
        self._check(Promise.SECLUDED, not reply.ok, f"a group was opened up: {reply}")

    def restart(self) -> None:
        self.restarts += 1
        self._server.homeserver.stop()
        self._server.homeserver.start()

    # What must hold after each step.

    def check(self) -> None:
        """Look at each room as its people see it."""
        for group in self.groups:
            self._check_group(group)
        for person, room_id in self.chats.items():
            there = set(self._members(room_id))
            more = there - {CONCIERGE, self._id(person)}
            self._check(Promise.CONCIERGE_ROOM, not more, f"{more} are in a room of {person}")

    def _check_group(self, group: Group) -> None:
        names = self._names(group)
        expected = {self._id(person) for person in group.members}
        self._check(Promise.CAP, len(names) <= CAP, f"{len(names)} members")
        more, fewer = set(names) - expected, expected - set(names)
        self._check(Promise.ENTRY, not more, f"{more} are in {group.name}")
        self._check(Promise.WELCOME, not fewer, f"{fewer} are not in {group.name}")
        for person, alias in group.aliases.items():
            shown = names.get(self._id(person), alias)
            self._check(Promise.NAMES, shown == alias, f"{alias} became {shown}")
        # What another promise is asked about goes on from what is.
        for person in range(PEOPLE):
            if self._id(person) in more:
                self.model.came(group, person)
            elif self._id(person) in fewer:
                self.model.went(group, person, removed=False)

    def _names(self, group: Group) -> dict[str, str | None]:
        """Who is a member and what they are called there, as one of them sees it."""
        for person in sorted(group.members):
            reply = self._call(person, "GET", f"/rooms/{quote(group.room_id)}/joined_members")
            if reply.ok:
                joined = reply.body["joined"]
                return {user: shown.get("display_name") for user, shown in joined.items()}
        return dict.fromkeys(self._members(group.room_id))

    def _members(self, room_id: str) -> list[str]:
        """The same as the server's admin sees it."""
        path = f"/_synapse/admin/v1/rooms/{quote(room_id)}/members"
        reply = self._seen(self._admin.call("GET", path), path)
        return list(reply.body.get("members", []))


_admins: dict[str, Person] = {}


def _admin(server: Server) -> Person:
    """One admin for all worlds of a server."""
    url = server.homeserver.url
    if url not in _admins:
        _admins[url] = server.person(admin=True)
    return _admins[url]
