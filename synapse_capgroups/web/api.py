"""The HTTP API below /_synapse/client/capgroups/v1; described in docs/openapi.yaml."""

import re
from collections.abc import Awaitable, Callable, Mapping
from os import SEEK_END
from typing import Any
from urllib.parse import unquote

from synapse.module_api import (
    DirectServeJsonResource,
    JsonDict,
    ModuleApi,
    parse_json_object_from_request,
)
from synapse.module_api.errors import Codes as ErrorCodes
from synapse.module_api.errors import SynapseError

from synapse_capgroups.admission.gatekeeper import Gatekeeper
from synapse_capgroups.callbacks.answers import refusal_fields
from synapse_capgroups.codes.cards import Cards
from synapse_capgroups.codes.door_rooms import DoorRooms
from synapse_capgroups.codes.doors import CodeProblem, CodeRequestError, Doors
from synapse_capgroups.codes.life import CodeState
from synapse_capgroups.codes.personal import PersonalCodes
from synapse_capgroups.config import Config
from synapse_capgroups.groups.aliases import choose_name
from synapse_capgroups.groups.names import group_name, member_name
from synapse_capgroups.groups.scope import Group, Scope
from synapse_capgroups.limits.spending import RateLimits, too_many
from synapse_capgroups.limits.table import CALLS, PICTURES, PREVIEWS
from synapse_capgroups.limits.visitors import visitor
from synapse_capgroups.rules.text import is_text
from synapse_capgroups.rules.verdict import Reason, Refusal
from synapse_capgroups.storage.codes import Code, Codes, Page
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.forgetting import ERASED
from synapse_capgroups.web import paging
from synapse_capgroups.web.avatars import Avatars
from synapse_capgroups.web.glance import Glances
from synapse_capgroups.words import refusals as words

PREFIX = "/_synapse/client/capgroups/v1"

_LONGEST_BODY = 64 * 1024  # bytes

_MALFORMED = {
    CodeProblem.LIFETIME: "'lifetime_ms' must be a number from 1 to {longest}",
    CodeProblem.USES: "'max_uses' must be null or a number, 1 or more",
}

Handler = Callable[..., Awaitable[tuple[int, JsonDict] | None]]


class Api(DirectServeJsonResource):
    """Routes the calls by hand: their paths have a room ID in the middle."""

    isLeaf = True

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        scope: Scope,
        gatekeeper: Gatekeeper,
        doors: Doors,
        rooms: DoorRooms,
        personal: PersonalCodes,
        cards: Cards,
        limits: RateLimits,
        config: Config,
    ) -> None:
        super().__init__()
        self._api = api
        self._database = database
        self._scope = scope
        self._gatekeeper = gatekeeper
        self._doors = doors
        self._rooms = rooms
        self._personal = personal
        self._config = config
        self._avatars = Avatars(api)
        self._cards = cards
        self._glances = Glances()
        self._limits = limits
        room, code = "groups/([^/]+)", "codes/([^/]+)"
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = [
            ("POST", re.compile("codes/preview"), self._preview),
            ("GET", re.compile(room), self._group),
            ("POST", re.compile(f"{room}/codes"), self._make_code),
            ("GET", re.compile(f"{room}/codes"), self._list_codes),
            ("DELETE", re.compile(f"{room}/{code}"), self._revoke_code),
            ("GET", re.compile(rf"{room}/{code}/qr\.png"), self._png),
            ("GET", re.compile(rf"{room}/{code}/qr\.svg"), self._svg),
            ("PUT", re.compile(f"{room}/name"), self._name),
        ]

    async def _async_render_GET(self, request: Any) -> tuple[int, JsonDict] | None:
        return await self._route(request)

    async def _async_render_POST(self, request: Any) -> tuple[int, JsonDict] | None:
        return await self._route(request)

    async def _async_render_PUT(self, request: Any) -> tuple[int, JsonDict] | None:
        return await self._route(request)

    async def _async_render_DELETE(self, request: Any) -> tuple[int, JsonDict] | None:
        return await self._route(request)

    async def _route(self, request: Any) -> tuple[int, JsonDict] | None:
        request.setHeader(b"Cache-Control", b"no-store")
        path = request.path.decode("ascii", "replace").removeprefix(f"{PREFIX}/")
        method = request.method.decode("ascii").replace("HEAD", "GET")
        known = False
        for wanted, pattern, handler in self._routes:
            if match := pattern.fullmatch(path):
                known = True
                if wanted == method:
                    return await handler(request, *map(unquote, match.groups()))
        if known:
            raise SynapseError(405, "This cannot be done here.", ErrorCodes.UNRECOGNIZED)
        raise SynapseError(404, "There is nothing here.", ErrorCodes.UNRECOGNIZED)

    async def _preview(self, request: Any) -> tuple[int, JsonDict]:
        """For anybody who holds a code. Of an unknown one nothing is said but that."""
        now = self._api.get_current_time_msec()
        if not self._limits.allows(PREVIEWS, visitor(request)):
            raise too_many(PREVIEWS)
        secret = _body(request).get("secret")
        if not isinstance(secret, str) or not secret.isprintable():
            raise SynapseError(400, "'secret' must be a string", ErrorCodes.BAD_JSON)
        changes = self._doors.life.changes
        answer = self._glances.last(secret, now, changes)
        if answer is None:
            answer = await self._preview_of(secret)
            self._glances.remember(secret, now, changes, answer)
        return 200, answer

    async def _preview_of(self, secret: str) -> JsonDict:
        code = await self._database.run("preview", lambda txn: Codes.by_secret(txn, secret))
        if code is None:
            raise SynapseError(404, "There is no such join code.", ErrorCodes.NOT_FOUND)
        died_of, members = await self._doors.state(code)
        answer: JsonDict = {
            "state": died_of.value if died_of else "alive",
            "group": None if code.is_personal else await self._group_shown(code),
            "sharer": await self._sharer_shown(code),
            "expires_at": code.expires_at,
        }
        if not code.is_personal:
            answer |= {"code_limit": self._config.code_limit, "cap": self._config.cap}
        if died_of is not None:
            return answer | {"error": words.sentence(Refusal(died_of), words.JOINING)}
        if not code.is_personal:
            answer |= {"members": members}
        return answer | {"door": self._rooms.address(code.secret)}

    async def _group_shown(self, code: Code) -> JsonDict:
        return {
            "name": await group_name(self._api, code.room_id),
            "avatar": await self._avatars.of_group(code.room_id),
        }

    async def _sharer_shown(self, code: Code) -> str | None:
        if code.sharer == ERASED:
            return None
        if code.is_personal:
            return await self._personal.name(code.sharer)
        return await member_name(self._api, code.room_id, code.sharer)

    async def _group(self, request: Any, room_id: str) -> tuple[int, JsonDict]:
        group, user_id = await self._as_member(request, room_id)
        taken = await self._gatekeeper.seats_taken(group)
        limits = self._gatekeeper.limits
        return 200, {
            "mode": limits.mode(taken).value,
            "members": taken,
            "cap": limits.cap,
            "code_limit": limits.code_limit,
            "seats_left": max(0, limits.cap - taken),
            "name": (await self._member(group, user_id)).get("displayname"),
        }

    async def _make_code(self, request: Any, room_id: str) -> tuple[int, JsonDict]:
        group, user_id = await self._as_member(request, room_id)
        body = _body(request, allow_empty=True)
        try:
            code = await self._doors.make(
                group, user_id, body.get("lifetime_ms"), body.get("max_uses")
            )
        except CodeRequestError as e:
            raise self._refused(e) from e
        return 200, {
            "code_id": code.code_id,
            "url": self._doors.url(code.secret),
            "secret": code.secret,
            "expires_at": code.expires_at,
        }

    def _refused(self, error: CodeRequestError) -> SynapseError:
        if error.problem in _MALFORMED:
            text = _MALFORMED[error.problem].format(longest=self._config.codes.max_lifetime)
            return SynapseError(400, text, ErrorCodes.INVALID_PARAM)
        if error.problem is CodeProblem.SUSPENDED:
            # As Synapse refuses what suspended people cannot do.
            text = words.SHARING[Reason.SUSPENDED]
            return SynapseError(403, text, ErrorCodes.USER_ACCOUNT_SUSPENDED)
        return _forbidden(
            {
                CodeProblem.NOT_ENTITLED: Refusal(Reason.NOT_ENTITLED),
                CodeProblem.TOO_MANY: Refusal(Reason.TOO_MANY_CODES),
                CodeProblem.REPLACED: Refusal(Reason.CODE_REVOKED),
                CodeProblem.CLOSED: Refusal(
                    Reason.CODE_CLOSED, error.members, self._config.code_limit
                ),
            }[error.problem]
        )

    async def _list_codes(self, request: Any, room_id: str) -> tuple[int, JsonDict]:
        group, _ = await self._as_sharer(request, room_id)
        limit, before = paging.limit(request), paging.place(request)
        found = await self._doors.life.page(group, Page(limit + 1, before))
        answer: JsonDict = {"codes": [_described(state) for state in found[:limit]]}
        if len(found) > limit:
            last = found[limit - 1].code
            answer["next"] = paging.after(last.created_at, last.code_id)
        return 200, answer

    async def _revoke_code(self, request: Any, room_id: str, code_id: str) -> tuple[int, JsonDict]:
        group, user_id = await self._as_member(request, room_id)
        code = await self._code(group, code_id)
        if code.sharer != user_id:
            await self._require_share(group, user_id)
        await self._doors.revoke(code)
        return 200, {}

    async def _png(self, request: Any, room_id: str, code_id: str) -> None:
        code = await self._living_code(request, room_id, code_id)
        _send(request, b"image/png", await self._cards.png(code))

    async def _svg(self, request: Any, room_id: str, code_id: str) -> None:
        code = await self._living_code(request, room_id, code_id)
        _send(request, b"image/svg+xml", await self._cards.svg(code))

    async def _name(self, request: Any, room_id: str) -> tuple[int, JsonDict]:
        group, user_id = await self._as_member(request, room_id)
        name = _body(request).get("displayname")
        if not isinstance(name, str) or not is_text(name):
            raise SynapseError(400, "'displayname' must be a string of text", ErrorCodes.BAD_JSON)
        await choose_name(self._api, group.room_id, user_id, name)
        return 200, {}

    async def _as_member(self, request: Any, room_id: str) -> tuple[Group, str]:
        """The group and the caller, who is a member of it.

        An unknown room and one that the caller is not in answer alike.
        """
        requester = await self._api.get_user_by_req(request)
        user_id = requester.user.to_string()
        await self._limits.spend(CALLS, user_id)
        group = await self._scope.group(room_id) if room_id.isprintable() else None
        if group is None or not await self._gatekeeper.is_member(room_id, user_id):
            raise SynapseError(
                404, "There is no such group, or you are not in it.", ErrorCodes.NOT_FOUND
            )
        return group, user_id

    async def _as_sharer(self, request: Any, room_id: str) -> tuple[Group, str]:
        group, user_id = await self._as_member(request, room_id)
        await self._require_share(group, user_id)
        return group, user_id

    async def _require_share(self, group: Group, user_id: str) -> None:
        if not await self._doors.may_share(group, user_id):
            raise _forbidden(Refusal(Reason.NOT_ENTITLED))

    async def _code(self, group: Group, code_id: str) -> Code:
        code = None
        if code_id.isprintable():
            code = await self._database.run("code", lambda txn: Codes.by_id(txn, code_id))
        if code is None or code.room_id != group.room_id:
            raise SynapseError(404, "This group has no such join code.", ErrorCodes.NOT_FOUND)
        return code

    async def _living_code(self, request: Any, room_id: str, code_id: str) -> Code:
        group, user_id = await self._as_sharer(request, room_id)
        await self._limits.spend(PICTURES, user_id)
        code = await self._code(group, code_id)
        died_of, _ = await self._doors.state(code)
        if died_of is not None:
            raise SynapseError(
                404, words.sentence(Refusal(died_of), words.JOINING), ErrorCodes.NOT_FOUND,
                {"org.capgroups.reason": died_of.value},
            )  # fmt: skip
        return code

    async def _member(self, group: Group, user_id: str) -> Mapping[str, Any]:
        """The content of a member's `m.room.member`."""
        key = ("m.room.member", user_id)
        state = await self._api.get_room_state(group.room_id, [key])
        return state[key].content if key in state else {}


def _body(request: Any, *, allow_empty: bool = False) -> JsonDict:
    """The object in a request's body, which has a few fields: parsing takes far more than it does.

    Raises:
        SynapseError: it is none, or as large as Synapse lets an upload be.
    """
    size = request.content.seek(0, SEEK_END)
    request.content.seek(0)
    if size > _LONGEST_BODY:
        text = f"The body must not be larger than {_LONGEST_BODY} bytes."
        raise SynapseError(413, text, ErrorCodes.TOO_LARGE)
    return parse_json_object_from_request(request, allow_empty_body=allow_empty)


def _described(state: CodeState) -> JsonDict:
    code = state.code
    return {
        "code_id": code.code_id,
        "sharer": None if code.sharer == ERASED else code.sharer,
        "state": state.died_of.value if state.died_of else "alive",
        "created_at": code.created_at,
        "expires_at": code.expires_at,
        "uses": code.uses,
        "max_uses": code.max_uses,
    }


def _forbidden(refusal: Refusal) -> SynapseError:
    fields = refusal_fields(refusal, words.SHARING)
    return SynapseError(403, fields["error"], ErrorCodes.FORBIDDEN, fields)


def _send(request: Any, content_type: bytes, body: bytes) -> None:
    request.setResponseCode(200)
    request.setHeader(b"Content-Type", content_type)
    request.setHeader(b"Content-Length", str(len(body)).encode())
    request.setHeader(b"X-Content-Type-Options", b"nosniff")
    # As Synapse does for the answers in JSON: web clients live elsewhere.
    request.setHeader(b"Access-Control-Allow-Origin", b"*")
    request.write(body)
    request.finish()
