"""Events that no server makes: a room's real ones, changed at random and signed by a server's key.

What is wrong with them is for the others to find. They name events of any age, also made-up ones
that were rejected.
"""

import itertools
import json
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx
from signedjson.key import read_signing_keys
from signedjson.sign import sign_json
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.crypto.event_signing import add_hashes_and_signatures
from synapse.events import make_event_from_dict

from synapse_capgroups.demo.person import Person
from tests.federation.lab import FederatingServer

Pdu = dict[str, Any]

MEMBER = "m.room.member"
POWER_LEVELS = "m.room.power_levels"
_DEEPEST = 2**53 - 1
_KEPT = 200
"""So many forged events are remembered, for others to name them."""
_EVENTS = (
    "SELECT j.event_id, j.json FROM event_json j LEFT JOIN rejections r ON r.event_id = j.event_id"
    " WHERE j.room_id = ?"
)
_WAITING = "SELECT 1 FROM federation_inbound_events_staging WHERE room_id = ? LIMIT 1"


class Forger:
    """A server that makes up events in a room that one of its people is in."""

    def __init__(self, server: FederatingServer, room: str, version: str, insider: Person) -> None:
        """
        Args:
            version: of the room.
            insider: who is in the room. What they may do all the same is not among the events.
        """
        self._server = server
        self._room = room
        self._version = KNOWN_ROOM_VERSIONS[version]
        self._insider = insider.user_id
        with (server.homeserver.folder / "signing.key").open() as file:
            [self._key] = read_signing_keys(file)
        self._forged: dict[str, Pdu] = {}
        self._transactions = itertools.count(1)

    def known(self, to: FederatingServer, *, rejected: bool) -> dict[str, Pdu]:
        """The events of the room that another server has, by their IDs.

        Args:
            rejected: whether with those that it rejected. Whatever rests on one is rejected, too.
        """
        sql = _EVENTS if rejected else f"{_EVENTS} AND r.event_id IS NULL"
        return {event_id: json.loads(text) for event_id, text in to.query(sql, self._room)}

    def forge(self, known: Mapping[str, Pdu], people: Sequence[str]) -> Pdu:
        """Make up one event.

        Args:
            known: of which it names some; of those that nobody has seen, seldom one.
            people: who may be its sender, if they are of this server, or invited, or given power.
        """
        if random.random() < 0.05:
            known = {**known, **self._forged}
        base = dict(random.choice(list(known.values())))
        own = [user for user in people if self._server.has(user)]
        if not self._server.has(base["sender"]) or random.random() < 0.5:
            base["sender"] = random.choice([self._insider, self._insider, *own])
        if random.random() < 0.02:  # Whose key it has not.
            base["sender"] = random.choice(people)
        if random.random() < 0.9:
            base |= self._deed(base["sender"], people)
        if "state_key" not in base or random.random() < 0.05:
            base.pop("state_key", None)
        previous = min(len(known), random.choice((1, 1, 2, 5)))
        base["prev_events"] = random.sample(sorted(known), previous)
        base["auth_events"] = self._auth_events(base, known)
        depth = base["depth"]
        base["depth"] = random.choice((1, depth, min(depth + 1, _DEEPEST), 10_000, _DEEPEST))
        now = int(time.time() * 1000)
        sent = base["origin_server_ts"]
        base["origin_server_ts"] = random.choice((0, now, now, now + 10**9, sent))
        self._sign(base)
        self._forged[make_event_from_dict(base, self._version).event_id] = base
        while len(self._forged) > _KEPT:
            del self._forged[next(iter(self._forged))]
        return base

    def message_after(self, known: Mapping[str, Pdu], previous: str) -> Pdu:
        """A message of the insider's, after an event of any age and nothing that came later."""
        at = known[previous]
        base = {
            "type": "m.room.message", "sender": self._insider,
            "content": {"msgtype": "m.text", "body": "x"},
            "prev_events": [previous], "depth": at["depth"] + 1,
            "auth_events": [
                event_id
                for event_id, event in known.items()
                if (event["type"], event.get("state_key")) == (MEMBER, self._insider)
                and event["content"]["membership"] == "join"
            ] + [previous],
            "origin_server_ts": int(time.time() * 1000),
        }  # fmt: skip
        self._sign(base)
        return base

    def _sign(self, event: Pdu) -> None:
        event["room_id"] = self._room
        if self._is_named_by(event):
            del event["room_id"]
        for name in ("signatures", "hashes", "unsigned", "event_id"):
            event.pop(name, None)
        add_hashes_and_signatures(self._version, event, self._server.server_name, self._key)

    def _deed(self, sender: str, people: Sequence[str]) -> Pdu:
        who = random.choice(people)
        membership = random.choice(("invite", "invite", "join", "join", "knock", "ban", "leave"))
        # They may leave, but would be out of the room then, and nothing they say is heard.
        if who == sender == self._insider and membership in ("leave", "ban"):
            membership = "join"
        levels = {"users": {who: 100, sender: 100}, "users_default": 50, "invite": 0}
        created = {"creator": sender, "room_version": self._version.identifier}
        invited = {"display_name": "x", "key_validity_url": "https://x", "public_key": "x"}
        by_email = {"signed": {"mxid": who, "token": "x"}}
        deeds: list[tuple[str, str, Pdu]] = [
            (MEMBER, who, {"membership": membership}),
            (MEMBER, sender, {"membership": "join"}),
            (MEMBER, who, {"membership": "invite", "third_party_invite": by_email}),
            (MEMBER, who, {"membership": "join", "join_authorised_via_users_server": sender}),
            (POWER_LEVELS, "", levels),
            (POWER_LEVELS, "", {}),
            ("m.room.join_rules", "", {"join_rule": random.choice(("public", "knock", "odd"))}),
            ("m.room.history_visibility", "", {"history_visibility": "world_readable"}),
            ("m.room.guest_access", "", {"guest_access": "can_join"}),
            ("m.room.canonical_alias", "", {"alias": "#x:localhost"}),
            ("m.room.third_party_invite", "x", invited),
            ("m.room.create", "", created),
            ("m.room.server_acl", "", {"allow": [self._server.server_name]}),
            ("m.room.tombstone", "", {"body": "x", "replacement_room": "!x"}),
        ]
        kind, state_key, content = random.choice(deeds)
        return {"type": kind, "state_key": state_key, "content": content}

    def _is_named_by(self, event: Pdu) -> bool:
        """Whether a room has its ID from such an event, which then names none."""
        is_creation = (event["type"], event.get("state_key")) == ("m.room.create", "")
        return is_creation and self._version.msc4291_room_ids_as_hashes

    def _auth_events(self, event: Pdu, known: Mapping[str, Pdu]) -> list[str]:
        """Those that the event would need, of whichever age, and sometimes too few or others."""
        wanted = [
            ("m.room.create", ""), (POWER_LEVELS, ""), ("m.room.join_rules", ""),
            (MEMBER, event["sender"]), (MEMBER, event.get("state_key")),
        ]  # fmt: skip
        if self._version.msc4291_room_ids_as_hashes:
            del wanted[0]  # The room's ID names it.
        found = []
        for key in dict.fromkeys(wanted):
            fitting = [
                event_id
                for event_id, other in known.items()
                if (other["type"], other.get("state_key")) == key
            ]
            if fitting and random.random() < 0.9:
                found.append(random.choice(fitting))
        if random.random() < 0.1:
            found.append(random.choice(sorted(known)))
        return found

    def is_heard(self, by: FederatingServer) -> bool:
        """Whether another server has looked at all that it was sent. It drops what is too much."""
        return not by.query(_WAITING, self._room)

    def send(self, to: FederatingServer, pdus: Sequence[Pdu]) -> int:
        """Send events to another server as Synapse would, and return its answer's status."""
        path = f"/_matrix/federation/v1/send/{quote(f'forged{next(self._transactions)}')}"
        own, now = self._server.server_name, int(time.time() * 1000)
        content = {"origin": own, "origin_server_ts": now, "pdus": list(pdus), "edus": []}
        signed = sign_json(
            {
                "method": "PUT", "uri": path, "origin": own, "destination": to.server_name,
                "content": content,
            },
            own, self._key,
        )  # fmt: skip
        [(key, signature)] = signed["signatures"][own].items()
        header = (
            f'X-Matrix origin="{own}",destination="{to.server_name}",key="{key}",sig="{signature}"'
        )
        url = f"https://{to.server_name}{path}"
        authorization = {"Authorization": header}
        return httpx.put(
            url, json=content, headers=authorization, verify=False, timeout=60
        ).status_code
