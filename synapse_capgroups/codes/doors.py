"""Join codes and their doors (rule 5).

A code's door is an unlisted public room of the concierge's, empty but for one notice, whose address
`#j-<secret>:server` is the secret. Joining it proves who scans. Within the callback for that join
the person is invited to the group in the sharer's name and joined to it; then the door lets them
pass, or tells them why not. The group itself never stops being invitation-only.
"""

import contextlib
import logging
import secrets
from base64 import b32encode
from collections.abc import Mapping
from enum import Enum
from functools import partial
from typing import TypeGuard

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import Codes as ErrorCodes
from synapse.module_api.errors import SynapseError

from synapse_capgroups.admission.deciding import Deciding
from synapse_capgroups.admission.decision import JoinDecision, admitting
from synapse_capgroups.admission.presence import Presence
from synapse_capgroups.admission.settling import Settling
from synapse_capgroups.admission.ways import ByCode
from synapse_capgroups.codes.door_rooms import Doorplate, DoorRooms
from synapse_capgroups.codes.life import CodeLife
from synapse_capgroups.codes.personal import PersonalCodes
from synapse_capgroups.config import Config
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.inside.membership_changes import (
    MembershipChange,
    forget,
    is_asked_of_nobody,
    set_membership,
    withdraw,
)
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.limits.table import CODES, SCANS
from synapse_capgroups.rules.codes import MAX_LIVING_CODES
from synapse_capgroups.rules.joining import Mode
from synapse_capgroups.rules.names import Alias
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.rules.verdict import Reason, Refusal, Verdict
from synapse_capgroups.storage.codes import Code, Codes, Visits
from synapse_capgroups.storage.database import Database, lock_person
from synapse_capgroups.words.refusals import JOINING, sentence

logger = logging.getLogger(__name__)

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
    SUSPENDED = "suspended_sharer"
    REPLACED = "replaced"


class CodeRequestError(Exception):
    """A code was asked for that cannot be made.

    Attributes:
        members: how many members the group has, where the code limit is the problem.
    """

    def __init__(self, problem: CodeProblem, members: int | None = None) -> None:
        super().__init__(problem.value)
        self.problem = problem
        self.members = members


class _NotInvitedError(Exception):
    """Somebody at a door cannot be invited, for a reason that the module has words for."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


_WHY_NOT_INVITED = {
    # The sharer's account: of an invitation, Synapse asks about no other.
    ErrorCodes.USER_ACCOUNT_SUSPENDED.value: Reason.SUSPENDED,
    ErrorCodes.INVITE_BLOCKED.value: Reason.INVITATIONS_BLOCKED,
}


class Doors:
    """Makes codes, lets people in by them and clears up after dead ones."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        scope: Scope,
        deciding: Deciding,
        settling: Settling,
        presence: Presence,
        rooms: DoorRooms,
        personal: PersonalCodes,
        life: CodeLife,
        limits: RateLimits,
        concierge: str,
        config: Config,
    ) -> None:
        """
        Args:
            concierge: its Matrix ID. All doors are its rooms.
        """
        self._api = api
        self._database = database
        self._scope = scope
        self._deciding = deciding
        self._settling = settling
        self._presence = presence
        self._concierge = concierge
        self._rooms = rooms
        self._personal = personal
        self._limits = limits
        self._config = config.codes
        self._group_limits = config.limits
        self.life = life

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
            SynapseError: 429, it was asked for too often.
        """
        if await self.life.is_replaced(group):
            raise CodeRequestError(CodeProblem.REPLACED)
        if not await self.may_share(group, sharer):
            raise CodeRequestError(CodeProblem.NOT_ENTITLED)
        code = self._new(group.room_id, sharer, lifetime, max_uses)
        taken = await self._presence.seats_taken(group)
        if self._group_limits.mode(taken) is not Mode.OPEN:
            raise CodeRequestError(CodeProblem.CLOSED, taken)
        return await self._make(code, await self._rooms.of_group(group))

    async def make_personal(
        self, user_id: str, lifetime: object = None, max_uses: object = None
    ) -> Code:
        """Make a code that opens a direct chat with this local person, and its door.

        Raises:
            CodeRequestError: this cannot be.
        """
        code = self._new(user_id, user_id, lifetime, max_uses)
        plate = self._rooms.of_person(await self._personal.name(user_id))
        return await self._make(code, plate)

    def _new(self, opens: str, sharer: str, lifetime: object, max_uses: object) -> Code:
        lifetime = self._config.lifetime if lifetime is None else lifetime
        if not _is_number(lifetime) or not 1 <= lifetime <= self._config.max_lifetime:
            raise CodeRequestError(CodeProblem.LIFETIME)
        max_uses = self._config.max_uses if max_uses is None else max_uses
        if max_uses is not None and not (_is_number(max_uses) and 1 <= max_uses < 2**31):
            raise CodeRequestError(CodeProblem.USES)
        now = self._api.get_current_time_msec()
        return Code(
            code_id=secrets.token_hex(5),
            secret=_new_secret(),
            room_id=opens,
            sharer=sharer,
            created_at=now,
            expires_at=now + lifetime,
            max_uses=max_uses,
        )

    async def _make(self, code: Code, plate: Doorplate) -> Code:
        await self._limits.spend(CODES, code.sharer)

        def add(txn: LoggingTransaction) -> Code:
            lock_person(txn, code.sharer)  # Else two at once would both find a place free.
            account = Users.account(txn, code.sharer)
            if account.is_suspended:
                raise CodeRequestError(CodeProblem.SUSPENDED)
            # Whoever leaves later kills their codes; whoever has just left must leave none behind.
            if not code.is_personal and not Memberships.is_member(txn, code.room_id, code.sharer):
                raise CodeRequestError(CodeProblem.NOT_ENTITLED)
            if Codes.count_living(txn, code.room_id, code.sharer) >= MAX_LIVING_CODES:
                raise CodeRequestError(CodeProblem.TOO_MANY)
            made = code
            if account.is_shadow_banned:
                # Dead from birth, and looks like any other to the one who must not be told.
                died_at = code.created_at
                made = attrs.evolve(code, died_of=Reason.CODE_REVOKED, died_at=died_at)
            Codes.add(txn, made)
            return made

        made = await self._database.run("make_code", add)
        if made.died_of is not None:
            await self.life.revoke(made)
            return made
        # The row comes first: should the process be killed now, the sweep finds the door by it.
        door = await self._rooms.make(plate, code.secret)
        if await self._database.run("door", lambda txn: Codes.set_door(txn, code.code_id, door)):
            self.clear_up_soon()
        return attrs.evolve(code, door=door)

    async def enter(self, door: str, user_id: str, *, is_invited: bool) -> Verdict | None:
        """Somebody joins a room of the concierge's: let them into the group if it is a door.

        Returns:
            The verdict on the join of the door; None if it is no door.
        """
        code, is_here = await self._at(door, user_id)
        if is_here or user_id == self._concierge:
            return None  # `enter_unasked` has decided, or it is a change of name.
        if code is None:
            # The concierge invites people into its chats. What it has that is public is a door or a
            # dead end: one that is not known any more opens nothing.
            return None if is_invited else _LEADS_NOWHERE
        return await self._let_in(code, user_id)

    async def enter_unasked(self, change: MembershipChange) -> Verdict | None:
        """The same for the joins of a door that Synapse asks no callback about.

        These are a server admin's, and a repeated one: somebody who is at the door still scans
        again. A change of name or avatar is a join, too, but brings nobody back who has left the
        group meanwhile.
        """
        code, is_here = await self._at(change.room_id, change.target)
        if code is None:
            return None
        if is_here:
            if _is_change_of_profile(change):
                return None
            await self._limits.spend(SCANS, change.target)
        elif not await is_asked_of_nobody(self._api, change):
            return None
        return await self._let_in(code, change.target)

    async def _at(self, door: str, user_id: str) -> tuple[Code | None, bool]:
        """The code of a door, None if it is none, and whether somebody is at it already."""

        def look(txn: LoggingTransaction) -> tuple[Code | None, bool]:
            return Codes.by_door(txn, door), Memberships.is_member(txn, door, user_id)

        return await self._database.run("door", look)

    async def _let_in(self, code: Code, user_id: str) -> Verdict | None:
        """Decide for somebody at a code's door, and if they may, bring or invite them in.

        Returns:
            The verdict, None on the concierge itself. A refusal that is not `always` let them in:
            this is a trial.

        Raises:
            SynapseError: Synapse or another module is against it. Nothing is left of the attempt.
        """
        if code.door is None or user_id == self._concierge:
            return None
        try:
            if code.is_personal:
                verdict: Verdict | None = await self._personal.let_in(code, user_id)
                self.clear_up_soon()
            else:
                verdict = await self._into_group(code, user_id)
        except _NotInvitedError as e:
            verdict = Refusal(e.reason, always=True)
        if verdict is not None and not is_kept_out(verdict):
            await self._note_visit(code.door, user_id)
        return verdict

    async def _into_group(self, code: Code, user_id: str) -> Verdict | None:
        group = await self._scope.group(code.room_id)
        if group is None:  # It was deleted, or has become exempt.
            return _LEADS_NOWHERE
        local = self._api.is_mine(user_id)
        decision = await self._deciding.enter(
            group,
            user_id,
            ByCode(code, await self.may_share(group, code.sharer), invites=not local),
        )
        if is_kept_out(decision.verdict):
            self.clear_up_soon()
        elif decision.admission:
            try:
                await self._bring_in(group, code.sharer, user_id, decision.alias)
            except Exception:
                await self._settling.settle(decision, joined=False)
                raise
            if await self._settling.settle(decision, joined=True):
                self.clear_up_soon()
        elif not local and not await self._presence.is_member(group.room_id, user_id):
            # Only their own server can join them. They accept there, and `accept` judges them.
            await self._invite_remote(group, code.sharer, user_id)
        return decision.verdict

    async def _note_visit(self, door: str, user_id: str) -> None:
        self.life.changes += 1
        leave_at = self._api.get_current_time_msec() + self._config.door_stay
        await self._database.run("visit", lambda txn: Visits.note(txn, door, user_id, leave_at))

    async def receive_unnoticed(self) -> None:
        """Mind those who joined a door while the module was switched off, and still stand there.

        To be called once, at start. Scanning again would do nothing for them.
        """

        def look(txn: LoggingTransaction) -> list[tuple[str, str]]:
            return Visits.unnoticed(txn, self._concierge)

        for door, user_id in await self._database.run("unnoticed", look):
            await self.life.each("visitor", partial(self._receive, door, user_id))

    async def _receive(self, door: str, user_id: str) -> None:
        now = self._api.get_current_time_msec()

        def look(txn: LoggingTransaction) -> Code | None:
            # Due at once, until they are in: if they are refused or it fails, the next sweep takes
            # them out, and if they scan again, they are told why.
            Visits.note(txn, door, user_id, now)
            return Codes.by_door(txn, door)

        if (code := await self._database.run("door", look)) is not None:
            with contextlib.suppress(SynapseError):  # Somebody is against it: they are taken out.
                await self._let_in(code, user_id)

    async def overhear(self, room_id: str, user_id: str) -> None:
        """A person of another server joins by that server itself, which has members here already.

        It asks nobody, so a refusal comes afterwards.
        """
        if await self._scope.is_concierges(room_id):
            self._api.run_as_background_process(
                "capgroups_remote_visit", self._remote_visit, room_id, user_id
            )
        elif (group := await self._scope.group(room_id)) is not None:
            decision = await self.accept(group, user_id)
            if decision is not None and decision.admission is not None:
                self._api.run_as_background_process(
                    "capgroups_remote_join", self._remote_join, decision
                )

    async def _remote_visit(self, door: str, user_id: str) -> None:
        code = await self._database.run("door", lambda txn: Codes.by_door(txn, door))
        if code is None or not await self._arrives(door, user_id):
            return
        try:
            verdict = await self._let_in(code, user_id)
        except SynapseError as e:
            reason = e.msg
        else:
            if not isinstance(verdict, Refusal) or not is_kept_out(verdict):
                return
            reason = sentence(verdict, JOINING)
        await set_membership(self._api, self._concierge, user_id, door, "leave", {"reason": reason})

    async def _remote_join(self, decision: JoinDecision) -> None:
        admission = decision.admission
        assert admission is not None
        joined = False
        try:
            joined = await self._arrives(admission.room_id, admission.user_id)
        finally:
            # Also if it could not be seen: their seat would be held for ever. `settle` looks again.
            died = await self._settling.settle(decision, joined=joined)
        if died:
            await self.life.close_dead()

    async def _arrives(self, room_id: str, user_id: str) -> bool:
        """Wait until somebody whose join was just received is a member; False if that fails."""
        for _ in range(50):
            if await self._presence.is_member(room_id, user_id):
                return True
            await self._api.sleep(0.1)
        return False

    async def accept(self, group: Group, user_id: str) -> JoinDecision | None:
        """Decide the join of a person of another server whom a door has invited.

        Returns:
            None if no door has.
        """
        if self._api.is_mine(user_id):
            return None

        def look(txn: LoggingTransaction) -> Code | None:
            code_id = Codes.invited_by(txn, group.room_id, user_id)
            return Codes.by_id(txn, code_id) if code_id else None

        code = await self._database.run("accept", look)
        if code is None:
            return None
        return await self._deciding.enter(
            group, user_id, ByCode(code, await self.may_share(group, code.sharer))
        )

    async def _invite(
        self, group: Group, sharer: str, user_id: str, look: Mapping[str, object] | None = None
    ) -> None:
        """Invite somebody in the sharer's name.

        Raises:
            _NotInvitedError: for a reason that the module has words for.
            SynapseError: for another.
        """
        token = admitting.set((group.room_id, user_id))
        try:
            await set_membership(
                self._api, sharer, user_id, group.room_id, "invite", look, needs_consent=False
            )
        except SynapseError as e:
            if (reason := _WHY_NOT_INVITED.get(e.errcode)) is not None:
                raise _NotInvitedError(reason) from e
            raise
        finally:
            admitting.reset(token)

    async def _invite_remote(self, group: Group, sharer: str, user_id: str) -> None:
        was_invited = await self._presence.is_invited(group.room_id, user_id)
        try:
            await self._invite(group, sharer, user_id)
        except Exception:
            if not was_invited:

                def forget(txn: LoggingTransaction) -> None:
                    Codes.forget_invitation(txn, group.room_id, user_id)

                await self._database.run("uninvited", forget)
            raise

    async def _bring_in(self, group: Group, sharer: str, user_id: str, alias: Alias | None) -> None:
        # The invitation shows a name, too.
        look = attrs.asdict(alias) if alias else None
        was_invited = await self._presence.is_invited(group.room_id, user_id)
        await self._invite(group, sharer, user_id, look)
        token = admitting.set((group.room_id, user_id))
        try:
            await set_membership(self._api, user_id, user_id, group.room_id, "join", look)
        except Exception:
            # An invitation that stays would be a way in when the code is dead.
            if not was_invited and await self._presence.is_invited(group.room_id, user_id):
                await withdraw(self._api, user_id, group.room_id)
            raise
        finally:
            admitting.reset(token)

    async def may_share(self, group: Group, user_id: str) -> bool:
        """Whether this person has the power to make codes for this group, if they are a member."""
        return await self.life.may_share(group, user_id)

    async def state(self, code: Code) -> tuple[Reason | None, int]:
        """What a code is dead of, None if it lives; and how many members its group has."""
        return await self.life.state(code)

    async def revoke(self, code: Code) -> None:
        """Kill a code."""
        await self.life.revoke(code)

    async def sweep(self) -> None:
        """Everything that time does to codes and doors. On one process only."""
        # First the doors, then those who stand in them: other servers hear of somebody's leaving
        # only while there is a room.
        await self.life.sweep()
        now = self._api.get_current_time_msec()
        due = await self._database.run("sweep_visits", lambda txn: Visits.due(txn, now))
        for door, user_id in due:
            await self.life.each("visit", partial(self._take_out, door, user_id))

    def clear_up_soon(self) -> None:
        """Close the doors of dead codes, after the answer that is being given."""
        self.life.clear_up_soon()

    async def _take_out(self, door: str, user_id: str) -> None:
        if await self._presence.is_member(door, user_id):
            local = self._api.is_mine(user_id)
            leaver = user_id if local else self._concierge
            await set_membership(self._api, leaver, user_id, door, "leave")
            if local:
                await forget(self._api, user_id, door)
        await self._database.run("visit", lambda txn: Visits.end(txn, door, user_id))


_LEADS_NOWHERE = Refusal(Reason.CODE_REVOKED, always=True)


def is_kept_out(verdict: Verdict) -> bool:
    """Whether a verdict on somebody at a door keeps them out."""
    return isinstance(verdict, Refusal) and verdict.always


def _is_change_of_profile(change: MembershipChange) -> bool:
    """Whether a join of somebody who is in the room already is a change of name or avatar.

    Either a state event, which says its membership, or Synapse's task that brings a changed
    profile into all rooms, which no rate limit holds up.
    """
    content = change.content
    return not change.limited or (isinstance(content, Mapping) and "membership" in content)


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _new_secret() -> str:
    """Random text of 28 characters, a-z and 2-7, fit for an address and for the ear."""
    return b32encode(secrets.token_bytes(_SECRET_BYTES)).decode().rstrip("=").lower()
