"""Personal codes ("add me"): somebody who scans one gets a direct chat with its sharer.

The sharer accepts or not, in their client. Friendship begins when they do, so what a friendship
needs to count (`friends.min_age`, `friends.max_vouches_per_day`) holds for these as for any.
"""

import logging

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.contacts import Contacts
from synapse_capgroups.admission.uses import count_use, take_back_use_of_time
from synapse_capgroups.inside.creations import create_room
from synapse_capgroups.inside.tables.account_data import AccountData
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.limits.table import CHATS_BY_CODE, CHATS_WITH_ONE
from synapse_capgroups.people.direct_chats import list_direct_chat
from synapse_capgroups.rules.codes import CodeFacts, cause_of_personal_death
from synapse_capgroups.rules.friends import listed_rooms
from synapse_capgroups.rules.verdict import ALLOWED, Reason, Refusal, Verdict
from synapse_capgroups.storage.code_uses import CodeUses
from synapse_capgroups.storage.codes import Code, Codes, Page
from synapse_capgroups.storage.database import Database, lock_person
from synapse_capgroups.storage.dead_codes import DeadCodes

logger = logging.getLogger(__name__)


class PersonalCodes:
    """Opens direct chats for people at the doors of personal codes."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        contacts: Contacts,
        limits: RateLimits,
        *,
        enforce: bool,
    ) -> None:
        self._api = api
        self._database = database
        self._contacts = contacts
        self._limits = limits
        self._enforce = enforce

    async def state(self, code: Code) -> Reason | None:
        """What a personal code is dead of, None if it lives."""

        def look(txn: LoggingTransaction) -> Reason | None:
            current = Codes.by_id(txn, code.code_id)
            if current is None:
                return code.died_of or Reason.CODE_REVOKED
            died_of = self._died_of(txn, current)
            # The last use may still be under way, and fail.
            if current.died_of is None and died_of not in (None, Reason.CODE_USED_UP):
                now = self._api.get_current_time_msec()
                DeadCodes.kill(txn, code.code_id, died_of, now)
            return died_of

        return await self._database.run("code_state", look)

    async def let_in(self, code: Code, user_id: str) -> Verdict:
        """Decide for somebody at the door, and open the chat if they may.

        Raises:
            SynapseError: 429, too many chats were asked for; or Synapse or another module refuses
                the chat. The code is not used by that.
        """
        if user_id == code.sharer:
            return ALLOWED
        entitled = await self._contacts.creation(user_id)
        if isinstance(entitled, Refusal) and self._enforce:
            return attrs.evolve(entitled, always=True)
        if await self._has_chat(user_id, code.sharer):
            return ALLOWED
        now = self._api.get_current_time_msec()
        verdict = await self._use(code, user_id, now)
        if isinstance(verdict, Refusal):
            return attrs.evolve(verdict, always=True)
        try:
            await self._limits.spend(CHATS_BY_CODE, user_id)
            await self._limits.spend(CHATS_WITH_ONE, user_id, f"{user_id} {code.sharer}")
            await self._open_chat(user_id, code.sharer)
        except Exception:
            # Only this use: somebody who has left their chat may have come by the code before.
            await self._database.run(
                "unused", lambda txn: take_back_use_of_time(txn, code.code_id, user_id, now)
            )
            raise
        await self._database.run("used", lambda txn: self._end(txn, code, user_id, now))
        return entitled

    @staticmethod
    def _end(txn: LoggingTransaction, code: Code, user_id: str, now: int) -> None:
        # Another attempt of theirs may have been counted for both, and have failed.
        count_use(txn, code.code_id, user_id, now)
        DeadCodes.kill_if_used_up(txn, code.code_id, now)

    async def _use(self, code: Code, user_id: str, now: int) -> Verdict:
        """Count a use before its chat is opened: many people can be at the door."""

        def use(txn: LoggingTransaction) -> Verdict:
            # One at a time, so that nobody is let in beyond the last use.
            lock_person(txn, code.sharer)
            current = Codes.by_id(txn, code.code_id)
            if current is not None and CodeUses.has(txn, code.code_id, user_id):
                current = attrs.evolve(current, uses=current.uses - 1)  # Their own.
            died_of = self._died_of(txn, current) if current else Reason.CODE_REVOKED
            if died_of is None:
                count_use(txn, code.code_id, user_id, now)
                return ALLOWED
            if died_of is not Reason.CODE_USED_UP:  # The last use may be on its way, and fail.
                DeadCodes.kill(txn, code.code_id, died_of, now)
            return Refusal(died_of)

        return await self._database.run("personal", use)

    async def page(self, user_id: str, page: Page) -> list[tuple[Code, Reason | None]]:
        """A page of somebody's codes, the newest first, each with what it is dead of."""

        def look(txn: LoggingTransaction) -> list[tuple[Code, Reason | None]]:
            codes = [code for code, _ in Codes.page(txn, user_id, page)]
            return [(code, self._died_of(txn, code)) for code in codes]

        return await self._database.run("personal_codes", look)

    def _died_of(self, txn: LoggingTransaction, code: Code) -> Reason | None:
        account = Users.account(txn, code.sharer)
        facts = CodeFacts(
            code.expires_at,
            code.max_uses,
            code.uses,
            account.is_active,
            code.died_of,
            account.is_suspended,
        )
        return cause_of_personal_death(facts, now=self._api.get_current_time_msec())

    async def _has_chat(self, user_id: str, other: str) -> bool:
        """Whether somebody has a direct chat with another, or has asked for one."""

        def look(txn: LoggingTransaction) -> bool:
            rooms = listed_rooms(AccountData.listed_as_direct(txn, user_id, other))
            mine = Memberships.joined_by(txn, rooms, user_id)
            return any(
                Memberships.membership(txn, room, other).membership in ("join", "invite")
                for room in mine
            )

        return await self._database.run("chat", look)

    async def _open_chat(self, user_id: str, other: str) -> None:
        room_id = await create_room(
            self._api,
            user_id,
            {"preset": "trusted_private_chat", "is_direct": True, "invite": [other]},
        )
        try:
            # As their client would: without it, neither is the other's friend.
            await list_direct_chat(self._api, self._database, user_id, other, room_id)
        except Exception:
            logger.exception("Could not list a direct chat of %s", user_id)
