"""Join codes and their doors (rule 5).

A code's door is an unlisted public room of the concierge's, empty but for one notice, whose address
`#j-<secret>:server` is the secret. Joining it proves who scans. Within the callback for that join
the person is invited to the group in the sharer's name and joined to it; then the door lets them
pass, or tells them why not. The group itself never stops being invitation-only.
"""

import contextlib
import logging
import re
import secrets
from base64 import b32encode
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TypeGuard

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups import inside
from synapse_capgroups.config import CodesConfig
from synapse_capgroups.gatekeeper import Gatekeeper, admitting
from synapse_capgroups.names import group_name
from synapse_capgroups.rules.codes import MAX_LIVING_CODES, may_share
from synapse_capgroups.rules.joining import Mode
from synapse_capgroups.rules.verdict import ALLOWED, Reason, Refusal, Verdict
from synapse_capgroups.scope import Group, Scope
from synapse_capgroups.storage.codes import Code, Codes, Visits
from synapse_capgroups.storage.database import Database

logger = logging.getLogger(__name__)

ADDRESS_IN_URL = re.compile(r"((?:#|%23)j-)[a-z2-7]{20,}", re.IGNORECASE)
"""How a door's address looks in the path of a request; the first group is what may be seen."""

_SECRET_BYTES = 17  # 136 bits
_MAKING_MS = 60 * 1000
_REMEMBER_DEAD_MS = 30 * 24 * 60 * 60 * 1000


class CodeProblem(Enum):
    """Why a code is not made."""

    NOT_ENTITLED = "not_entitled"
    LIFETIME = "lifetime"
    USES = "uses"
    CLOSED = "closed"
    TOO_MANY = "too_many"


class CodeRequestError(Exception):
    """A code was asked for that cannot be made.

    Attributes:
        members: how many members the group has, where the code limit is the problem.
    """

    def __init__(self, problem: CodeProblem, members: int | None = None) -> None:
        super().__init__(problem.value)
        self.problem = problem
        self.members = members


class Doors:
    """Makes codes, lets people in by them and clears up after dead ones."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        scope: Scope,
        gatekeeper: Gatekeeper,
        concierge: str,
        config: CodesConfig,
    ) -> None:
        self._api = api
        self._database = database
        self._scope = scope
        self._gatekeeper = gatekeeper
        self._concierge = concierge
        self._config = config

    def address(self, secret: str) -> str:
        """The address of a secret's door."""
        return f"#j-{secret}:{self._api.server_name}"

    def url(self, secret: str) -> str:
        """What a QR picture holds. The secret is in the fragment, which no server logs."""
        return f"{self._api.public_baseurl}_synapse/client/capgroups/join#{secret}"

    async def make(
        self, group: Group, sharer: str, lifetime: object = None, max_uses: object = None
    ) -> Code:
        """Make a code and its door.

        Args:
            sharer: a member of the group.
            lifetime: milliseconds; None is the server's default.
            max_uses: how many people may use it; None is the server's default.

        Raises:
            CodeRequestError: this cannot be.
        """
        if not await self.may_share(group, sharer):
            raise CodeRequestError(CodeProblem.NOT_ENTITLED)
        lifetime = self._config.lifetime if lifetime is None else lifetime
        if not _is_number(lifetime) or not 1 <= lifetime <= self._config.max_lifetime:
            raise CodeRequestError(CodeProblem.LIFETIME)
        max_uses = self._config.max_uses if max_uses is None else max_uses
        if max_uses is not None and not (_is_number(max_uses) and 1 <= max_uses < 2**31):
            raise CodeRequestError(CodeProblem.USES)
        taken = await self._gatekeeper.seats_taken(group)
        if self._gatekeeper.limits.mode(taken) is not Mode.OPEN:
            raise CodeRequestError(CodeProblem.CLOSED, taken)
        return await self._make(group, sharer, lifetime, max_uses)

    async def _make(self, group: Group, sharer: str, lifetime: int, max_uses: int | None) -> Code:
        now = self._api.get_current_time_msec()
        code = Code(
            code_id=secrets.token_hex(5),
            secret=_new_secret(),
            room_id=group.room_id,
            sharer=sharer,
            created_at=now,
            expires_at=now + lifetime,
            max_uses=max_uses,
        )

        def add(txn: LoggingTransaction) -> None:
            if Codes.count_living(txn, group.room_id, sharer) >= MAX_LIVING_CODES:
                raise CodeRequestError(CodeProblem.TOO_MANY)
            Codes.add(txn, code)

        await self._database.run("make_code", add)
        # The row comes first: should the process be killed now, the sweep finds the door by it.
        door = await inside.create_plain_room(
            self._api, self._concierge, await self._door_request(group, code)
        )
        await self._notice(door, group)
        await self._database.run("door", lambda txn: Codes.set_door(txn, code.code_id, door))
        return attrs.evolve(code, door=door)

    async def _door_request(self, group: Group, code: Code) -> dict[str, object]:
        name = await group_name(self._api, group.room_id)
        state = await self._api.get_room_state(group.room_id, [("m.room.avatar", "")])
        avatar = state.get(("m.room.avatar", ""))
        initial_state = [
            {"type": "m.room.guest_access", "content": {"guest_access": "forbidden"}},
            {"type": "m.room.history_visibility", "content": {"history_visibility": "shared"}},
        ]
        if avatar and isinstance(avatar.content.get("url"), str):
            content = {"url": avatar.content["url"]}
            initial_state.append({"type": "m.room.avatar", "content": content})
        return {
            "preset": "public_chat",
            "visibility": "private",
            "room_alias_name": f"j-{code.secret}",
            "name": f"Join {name}" if name else "Join a group",
            "topic": "Join this room and you are in the group. This room then goes by itself.",
            "initial_state": initial_state,
            # Nobody but the concierge writes, invites or changes anything here.
            "power_level_content_override": {
                "events_default": 100, "state_default": 100, "invite": 100, "kick": 100,
                "ban": 100, "redact": 100,
            },
            # A person of another server cannot be let in at this door yet, and would wait in vain.
            "creation_content": {"m.federate": False},
        }  # fmt: skip

    async def _notice(self, door: str, group: Group) -> None:
        link = f"https://matrix.to/#/{group.room_id}?via={self._api.server_name}"
        await self._api.create_and_send_event_into_room(
            {
                "type": "m.room.message",
                "room_id": door,
                "sender": self._concierge,
                "content": {
                    "msgtype": "m.notice",
                    "body": f"You are in. Open the group: {link}",
                    "format": "org.matrix.custom.html",
                    "formatted_body": f'You are in. Open <a href="{link}">the group</a>.',
                },
            }
        )

    async def enter(self, door: str, user_id: str) -> Verdict | None:
        """Somebody joins a room of the concierge's: let them into the group if it is a door.

        Returns:
            The verdict on the join of the door; None if it is no door.
        """

        def look(txn: LoggingTransaction) -> tuple[Code | None, bool]:
            standing = inside.SynapseTables.membership(txn, door, user_id)
            return Codes.by_door(txn, door), standing.membership == "join"

        code, is_here = await self._database.run("door", look)
        if is_here:
            # A change of name or avatar, which brings nobody back who has left the group meanwhile.
            return None
        group = await self._scope.group(code.room_id) if code else None
        if code is None or group is None or user_id == self._concierge:
            return None
        decision = await self._gatekeeper.entry(
            group,
            code.code_id,
            user_id,
            sharer_may_share=await self.may_share(group, code.sharer),
        )
        if isinstance(decision.verdict, Refusal):
            self.clear_up_soon()
            return decision.verdict
        if decision.admission:
            try:
                await self._bring_in(group, code.sharer, user_id)
            except Exception:
                await self._gatekeeper.settle(decision, joined=False)
                raise
            if await self._gatekeeper.settle(decision, joined=True):
                self.clear_up_soon()
        leave_at = self._api.get_current_time_msec() + self._config.door_stay
        await self._database.run("visit", lambda txn: Visits.note(txn, door, user_id, leave_at))
        return ALLOWED

    async def _bring_in(self, group: Group, sharer: str, user_id: str) -> None:
        token = admitting.set((group.room_id, user_id))
        try:
            await inside.set_membership(self._api, sharer, user_id, group.room_id, "invite")
            await inside.set_membership(self._api, user_id, user_id, group.room_id, "join")
        finally:
            admitting.reset(token)

    async def may_share(self, group: Group, user_id: str) -> bool:
        """Whether this person has the power to make codes for this group, if they are a member."""
        state = await self._api.get_room_state(
            group.room_id, [("m.room.create", ""), ("m.room.power_levels", "")]
        )
        created = state.get(("m.room.create", ""))
        levels = state.get(("m.room.power_levels", ""))
        creators: frozenset[str] = frozenset()
        if created and (levels is None or inside.has_creators_of_all_power(created)):
            more = created.content.get("additional_creators", ())
            creators = frozenset((created.sender, *more))
        return may_share(
            user_id, self._config.share_level, levels.content if levels else None, creators
        )

    async def state(self, code: Code) -> tuple[Reason | None, int]:
        """What a code is dead of, None if it lives; and how many members its group has."""
        group = await self._scope.group(code.room_id)
        entitled = group is not None and await self.may_share(group, code.sharer)

        def sharer_is_member(txn: LoggingTransaction) -> bool:
            standing = inside.SynapseTables.membership(txn, code.room_id, code.sharer)
            return standing.membership == "join"

        entitled = entitled and await self._database.run("sharer", sharer_is_member)
        return await self._gatekeeper.code_state(code, sharer_may_share=entitled)

    async def revoke(self, code: Code) -> None:
        """Kill a code. Its door answers 404 from now on."""
        now = self._api.get_current_time_msec()
        await self._database.run(
            "revoke", lambda txn: Codes.kill(txn, code.code_id, Reason.CODE_REVOKED, now)
        )
        await self._close(code)

    async def sweep(self) -> None:
        """Everything that time does to codes and doors. On one process only."""
        now = self._api.get_current_time_msec()

        def mind(txn: LoggingTransaction) -> list[Code]:
            Codes.sweep(txn, now, now - _REMEMBER_DEAD_MS)
            return Codes.without_door(txn, now - _MAKING_MS)

        await self._gatekeeper.close_codes()
        for code in await self._database.run("sweep_codes", mind):
            await self._each("abandoned code", lambda code=code: self._abandon(code))  # type: ignore[misc]
        await self._close_dead()
        due = await self._database.run("sweep_visits", lambda txn: Visits.due(txn, now))
        for door, user_id in due:
            await self._each(
                "visit",
                lambda door=door, user_id=user_id: self._take_out(door, user_id),  # type: ignore[misc]
            )

    def clear_up_soon(self) -> None:
        """Close the doors of dead codes, after the answer that is being given."""
        self._api.run_as_background_process("capgroups_doors", self._close_dead)

    async def _close_dead(self) -> None:
        for code in await self._database.run("sweep_doors", Codes.dead_with_open_door):
            await self._each("dead code", lambda code=code: self._close(code))  # type: ignore[misc]

    async def _close(self, code: Code) -> None:
        await inside.delete_address(self._api, self.address(code.secret))
        if code.door is not None:
            # It is told that this does nothing for a room that is being deleted; it is a 400.
            with contextlib.suppress(SynapseError):
                await self._api.delete_room(code.door)
        now = self._api.get_current_time_msec()
        await self._database.run("door", lambda txn: Codes.door_is_closed(txn, code.code_id, now))

    async def _abandon(self, code: Code) -> None:
        """Clear up after a process that was killed while it made a door."""
        try:
            door, _ = await self._api.lookup_room_alias(self.address(code.secret))
        except Exception:
            door = None
        await self.revoke(attrs.evolve(code, door=door))

    async def _take_out(self, door: str, user_id: str) -> None:
        def standing(txn: LoggingTransaction) -> str | None:
            return inside.SynapseTables.membership(txn, door, user_id).membership

        if await self._database.run("visitor", standing) == "join":
            await inside.set_membership(self._api, user_id, user_id, door, "leave")
            await inside.forget(self._api, user_id, door)
        await self._database.run("visit", lambda txn: Visits.end(txn, door, user_id))

    @staticmethod
    async def _each(what: str, work: Callable[[], Awaitable[None]]) -> None:
        """One that fails is tried again by the next sweep, and keeps none of the others waiting."""
        try:
            await work()
        except Exception:
            logger.exception("Could not clear up: %s", what)


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _new_secret() -> str:
    """Random text of 28 characters, a-z and 2-7, fit for an address and for the ear."""
    return b32encode(secrets.token_bytes(_SECRET_BYTES)).decode().rstrip("=").lower()
