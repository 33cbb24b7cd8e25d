"""Creations and upgrades of rooms (rule 1), and what follows once they have succeeded.

`on_create_room` sees every creation, but no upgrade; `user_may_create_room` sees both, and decides
the upgrades. Both are asked early, and the room can still fail after them: what must happen only
for a room that exists is left to `when_done`.
"""

from functools import partial
from typing import Any

from synapse.module_api import NOT_SPAM, JsonDict, LoggingTransaction, ModuleApi

from synapse_capgroups.admission.direct_record import is_created_as_direct
from synapse_capgroups.callbacks.answers import Answer, Answers, raise_refusal
from synapse_capgroups.codes.life import Deaths
from synapse_capgroups.codes.links import is_like_a_code
from synapse_capgroups.concierge.chats import ConciergeChats
from synapse_capgroups.groups.creation import Creations, check_shape
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.inside.authority import acts_for_server
from synapse_capgroups.inside.endings import when_done
from synapse_capgroups.inside.shutdowns import makes_notice_room
from synapse_capgroups.inside.tables.directory import DirectoryTables
from synapse_capgroups.inside.upgrades import Upgrade, upgrade_under_way
from synapse_capgroups.rules import seclusion
from synapse_capgroups.rules.scope import about
from synapse_capgroups.rules.verdict import ALLOWED, Reason, Refusal, Verdict
from synapse_capgroups.series.tending import Tending
from synapse_capgroups.storage.approval import Approval
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.series import SeriesGroups
from synapse_capgroups.words.lookup import Audience


class Creating:
    """Decides creations."""

    def __init__(
        self,
        api: ModuleApi,
        answers: Answers,
        scope: Scope,
        creations: Creations,
        chats: ConciergeChats,
    ) -> None:
        self._api = api
        self._answers = answers
        self._scope = scope
        self._creations = creations
        self._chats = chats

    async def on_create_room(self, requester: Any, config: JsonDict, is_admin: bool) -> None:
        """Decide a creation, before anything of the room exists.

        Args:
            config: the body of `createRoom`, which may be changed here.

        Raises:
            SynapseError: the creation is refused.
        """
        creator = requester.user.to_string()
        name = config.get("room_alias_name")
        if self._answers.enforce and creator != self._scope.concierge and is_like_a_code(str(name)):
            refusal = Refusal(Reason.NO_ADDRESSES)
            raise_refusal(self._answers.refused(refusal, Audience.ADDRESSING_LIKE_A_CODE))
        if makes_notice_room(creator):
            when_done(self._notice_room_made)
            return
        by_server = is_admin or await acts_for_server(self._api, requester)
        address = seclusion.address(config, self._api.server_name) if by_server else None
        is_group = False

        async def decide() -> Verdict | None:
            nonlocal is_group
            kind = config.get("creation_content")
            is_group = await self._scope.would_be_group(creator, kind, address)
            if not is_group:
                return None
            if self._answers.enforce and not is_admin:
                check_shape(self._api, config)
            verdict = await self._creations.decide(creator, config, by_admin=is_admin)
            return about(kind, verdict)

        raise_refusal(await self._answers.give("creation", Audience.CREATING, decide, user=creator))
        if not is_group:
            return
        if self._answers.enforce:
            shaped = dict(self._creations.shaped(creator, config))  # It may be the same body.
            config.clear()
            config.update(shaped)
            config["initial_state"] = seclusion.closed_to_guests(config)
        if not is_created_as_direct(config):
            when_done(partial(self._record, creator))
        # Nobody is disturbed by the concierge because of a direct chat.
        if self._answers.enforce and not config.get("is_direct"):
            when_done(partial(self._greet, creator))

    async def _notice_room_made(self, succeeded: bool, room: tuple[str, Any, Any]) -> None:
        if succeeded:
            await self._scope.note_server_room(room[0])

    async def _record(self, creator: str, succeeded: bool, room: tuple[str, Any, Any]) -> None:
        if succeeded:
            await self._creations.record(room[0], creator)

    async def _greet(self, creator: str, succeeded: bool, room: tuple[str, Any, Any]) -> None:
        if succeeded:
            self._chats.greet_soon(creator, room[0])


class Successors:
    """Notes that a group has replaced a room."""

    def __init__(self, database: Database, deaths: Deaths, tending: Tending) -> None:
        self._database = database
        self._deaths = deaths
        self._tending = tending

    async def replaced(self, upgrade: Upgrade, succeeded: bool, _: Any) -> None:
        """Let its codes die (rule 5), but hand on its approval and its place in a series."""
        if not succeeded:
            return
        old, new = upgrade.old_room_id, upgrade.new_room_id

        def replace(txn: LoggingTransaction) -> str | None:
            Approval.hand_on(txn, old, new)
            SeriesGroups.replace_room(txn, old, new)
            part = SeriesGroups.of_room(txn, new)
            return part.series_id if part else None

        series_id = await self._database.run("replaced", replace)
        await self._deaths.replaced(old)
        if series_id is not None:
            self._tending.tend_soon(series_id)


class Upgrading:
    """Decides upgrades: the successor of a group is a group, too."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        answers: Answers,
        scope: Scope,
        successors: Successors,
    ) -> None:
        self._api = api
        self._database = database
        self._answers = answers
        self._scope = scope
        self._successors = successors

    async def user_may_create_room(self, creator: str, config: JsonDict) -> Answer:
        """Decide an upgrade. Other creations pass: `on_create_room` has decided them."""
        old = seclusion.predecessor(config)
        if old is None:
            return NOT_SPAM
        if await self._scope.is_concierges(old):
            # Only a server admin who gave themselves the power gets here. The successor would take
            # the door's address along.
            return self._answers.refused(Refusal(Reason.NO_ADDRESSES), Audience.ADDRESSING_A_DOOR)
        upgrade = upgrade_under_way.get()
        kind = config.get("creation_content")

        async def decide() -> Verdict | None:
            if not await self._scope.would_be_group(creator, kind):
                return None
            verdict = seclusion.decide_creation(config)
            if verdict == ALLOWED:
                verdict = await self._succession(old, upgrade)
            return about(kind, verdict)

        answer = await self._answers.give("creation", Audience.CREATING, decide, user=creator)
        if upgrade and answer == NOT_SPAM:
            when_done(partial(self._close_to_guests, creator, upgrade.new_room_id))
            when_done(partial(self._successors.replaced, upgrade))
        return answer

    async def _succession(self, old: str, upgrade: Upgrade | None) -> Verdict:
        """Decide whether a group may replace a room.

        The successor was made as the old room was then, which may have changed since: so both are
        looked for in the room directory.
        """
        rooms = [old, upgrade.new_room_id] if upgrade else [old]

        def look(txn: LoggingTransaction) -> Verdict:
            return seclusion.decide_succession(
                listed=any(DirectoryTables.is_listed(txn, room) for room in rooms),
                has_address=DirectoryTables.has_address(txn, old),
            )

        return await self._database.run("succession", look)

    async def _close_to_guests(self, creator: str, room_id: str, succeeded: bool, _: Any) -> None:
        """Close a successor to guests: Synapse opens it, unless the old room says otherwise."""
        key = (seclusion.GUEST_ACCESS, "")
        if not succeeded or not self._answers.enforce or await self._scope.group(room_id) is None:
            return
        now = (await self._api.get_room_state(room_id, [key])).get(key)
        if now and seclusion.decide_state(seclusion.GUEST_ACCESS, now.content) != ALLOWED:
            await self._api.create_and_send_event_into_room(
                {
                    "type": seclusion.GUEST_ACCESS,
                    "state_key": "",
                    "room_id": room_id,
                    "sender": creator,
                    "content": {"guest_access": "forbidden"},
                }
            )
