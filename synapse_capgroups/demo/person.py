"""Somebody with an account: the Matrix client-server API as plain calls over HTTP."""

import json
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import attrs
import httpx

_API = "/_synapse/client/capgroups/v1"


@attrs.frozen
class Reply:
    """What the server answered."""

    status: int
    body: dict[str, Any]

    picture: bytes = attrs.field(default=b"", repr=False)
    """The body where it is a picture."""

    @property
    def ok(self) -> bool:
        return self.status == 200

    @property
    def reason(self) -> str | None:
        """Why this module refused; None if it did not."""
        return self.body.get("org.capgroups.reason")

    @property
    def error(self) -> str:
        return str(self.body.get("error", ""))

    def __str__(self) -> str:
        return f"{self.status} {self.body}"


class UnexpectedReply(Exception):
    """A call that was made with `expect` answered something else than 200."""


class Person:
    """A user and their access token. Calls return a `Reply` and raise nothing."""

    def __init__(self, http: httpx.Client, user_id: str, token: str, password: str) -> None:
        self._http = http
        self._token = token
        self._headers = {"Authorization": f"Bearer {token}"}
        self.user_id = user_id
        self.password = password

    def __repr__(self) -> str:
        return self.user_id

    def by(self, http: httpx.Client) -> "Person":
        """The same person, calling by another way."""
        return Person(http, self.user_id, self._token, self.password)

    @property
    def name(self) -> str:
        return self.user_id[1:].split(":")[0].capitalize()

    def call(
        self, method: str, path: str, body: Any = None, *, content_type: str = "", **options: Any
    ) -> Reply:
        """One call below /_matrix/client/v3, or of the path as it is if it starts with /_."""
        headers = {**self._headers, "Content-Type": content_type} if content_type else self._headers
        if not path.startswith("/_"):
            path = f"/_matrix/client/v3{path}"
        if body is not None:
            options["content"] = json.dumps(body)  # In ASCII, so that any text can be sent.
        response = self._http.request(method, path, headers=headers, **options)
        if response.headers.get("Content-Type", "").startswith("image/"):
            return Reply(response.status_code, {}, response.content)
        try:
            parsed = response.json()
        except ValueError:
            parsed = {"error": response.text}
        return Reply(response.status_code, parsed if isinstance(parsed, dict) else {"": parsed})

    def create_room(self, **request: Any) -> Reply:
        return self.call("POST", "/createRoom", request)

    def new_room(self, **request: Any) -> str:
        """Create a room and return its ID."""
        return str(expect(self.create_room(**request)).body["room_id"])

    def join(self, room_id: str, body: Any = None) -> Reply:
        return self.call("POST", f"/join/{quote(room_id, safe='')}", {} if body is None else body)

    def invite(self, room_id: str, other: "Person | str") -> Reply:
        user_id = other.user_id if isinstance(other, Person) else other
        return self.call("POST", f"/rooms/{quote(room_id)}/invite", {"user_id": user_id})

    def leave(self, room_id: str) -> Reply:
        return self.call("POST", f"/rooms/{quote(room_id)}/leave", {})

    def kick(self, room_id: str, other: "Person") -> Reply:
        return self.call("POST", f"/rooms/{quote(room_id)}/kick", {"user_id": other.user_id})

    def ban(self, room_id: str, other: "Person") -> Reply:
        return self.call("POST", f"/rooms/{quote(room_id)}/ban", {"user_id": other.user_id})

    def send(self, room_id: str, text: str) -> Reply:
        return self.call(
            "PUT",
            f"/rooms/{quote(room_id)}/send/m.room.message/{secrets.token_hex(8)}",
            {"msgtype": "m.text", "body": text},
        )

    def set_state(
        self, room_id: str, event_type: str, content: Mapping[str, Any], state_key: str = ""
    ) -> Reply:
        path = f"/rooms/{quote(room_id)}/state/{event_type}/{quote(state_key)}"
        return self.call("PUT", path, dict(content))

    def state(self, room_id: str, event_type: str, state_key: str = "") -> Reply:
        return self.call("GET", f"/rooms/{quote(room_id)}/state/{event_type}/{quote(state_key)}")

    def set_room_name_of_own(self, room_id: str, displayname: str) -> Reply:
        """What Element's /myroomnick does."""
        content = {"membership": "join", "displayname": displayname}
        return self.set_state(room_id, "m.room.member", content, self.user_id)

    def list_in_directory(self, room_id: str, visibility: str) -> Reply:
        path = f"/directory/list/room/{quote(room_id, safe='')}"
        return self.call("PUT", path, {"visibility": visibility})

    def add_address(self, room_id: str, alias: str) -> Reply:
        return self.call("PUT", f"/directory/room/{quote(alias, safe='')}", {"room_id": room_id})

    def make_code(self, room_id: str, **limits: Any) -> Reply:
        return self.call("POST", f"{_API}/groups/{quote(room_id)}/codes", limits)

    def code_picture(self, room_id: str, code_id: str) -> Reply:
        return self.call("GET", f"{_API}/groups/{quote(room_id)}/codes/{code_id}/qr.png")

    def preview_code(self, secret: str) -> Reply:
        """What the join page asks when it is opened."""
        return self.call("POST", f"{_API}/codes/preview", {"secret": secret})

    def members(self, room_id: str) -> list[str]:
        """The Matrix IDs of a room's members, as one of them sees it."""
        reply = expect(self.call("GET", f"/rooms/{quote(room_id)}/joined_members"))
        return sorted(reply.body["joined"])

    def m_direct(self) -> dict[str, Any]:
        path = f"/user/{quote(self.user_id)}/account_data/m.direct"
        reply = self.call("GET", path)
        return reply.body if reply.ok else {}

    def set_m_direct(self, content: Any) -> Reply:
        return self.call("PUT", f"/user/{quote(self.user_id)}/account_data/m.direct", content)

    def start_direct_chat(self, other: "Person") -> str:
        """Create a direct chat and list it in `m.direct`, as clients do. The other still joins."""
        room_id = self.new_room(
            preset="trusted_private_chat", is_direct=True, invite=[other.user_id]
        )
        direct = self.m_direct()
        direct.setdefault(other.user_id, []).append(room_id)
        expect(self.set_m_direct(direct))
        return room_id

    def befriend(self, other: "Person") -> str:
        """Become friends: a direct chat that both have joined."""
        room_id = self.start_direct_chat(other)
        expect(other.join(room_id))
        return room_id


def expect(reply: Reply) -> Reply:
    """The reply, if it is a 200.

    Raises:
        UnexpectedReply: it is not.
    """
    if not reply.ok:
        raise UnexpectedReply(str(reply))
    return reply
