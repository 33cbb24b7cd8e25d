"""Remote users at doors, and their joins of groups to which a door has invited them."""

from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.admission.decision import JoinDecision
from synapse_capgroups.admission.presence import Presence
from synapse_capgroups.codes.door_rooms import DoorRooms
from synapse_capgroups.codes.entry import Entry, is_kept_out
from synapse_capgroups.codes.judging import Judging
from synapse_capgroups.codes.outcomes import Outcomes
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.rules.verdict import Refusal
from synapse_capgroups.storage.code_invitations import CodeInvitations
from synapse_capgroups.storage.codes import Code, Codes
from synapse_capgroups.storage.database import Database


class Arrivals:
    """Waits for joins that other servers have sent."""

    def __init__(self, api: ModuleApi, presence: Presence) -> None:
        self._api = api
        self._presence = presence

    async def arrives(self, room_id: str, user_id: str) -> bool:
        """Wait until somebody whose join was just received is a member; False if that fails."""
        for _ in range(50):
            if await self._presence.is_member(room_id, user_id):
                return True
            await self._api.sleep(0.1)
        return False


class RemoteVisits:
    """Lets remote users in who have joined a door by their own server."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        entry: Entry,
        arrivals: Arrivals,
        rooms: DoorRooms,
    ) -> None:
        self._api = api
        self._database = database
        self._entry = entry
        self._arrivals = arrivals
        self._rooms = rooms

    def receive_soon(self, door: str, user_id: str) -> None:
        """Let somebody in, or take them out of the door, once they are in it."""
        self._api.run_as_background_process("capgroups_remote_visit", self._receive, door, user_id)

    async def _receive(self, door: str, user_id: str) -> None:
        code = await self._database.run("door", lambda txn: Codes.by_door(txn, door))
        if code is None or not await self._arrivals.arrives(door, user_id):
            return
        try:
            verdict = await self._entry.let_in(code, user_id)
        except SynapseError as e:
            await self._rooms.turn_away(door, user_id, e.msg)
            return
        if isinstance(verdict, Refusal) and is_kept_out(verdict):
            await self._rooms.turn_away(door, user_id, verdict)


class RemoteJoins:
    """Judges remote users who accept the invitation of a door."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        judging: Judging,
        arrivals: Arrivals,
        outcomes: Outcomes,
    ) -> None:
        self._api = api
        self._database = database
        self._judging = judging
        self._arrivals = arrivals
        self._outcomes = outcomes

    async def accept(self, group: Group, user_id: str) -> JoinDecision | None:
        """Decide the join of a remote user whom a door has invited; None if no door has."""
        if self._api.is_mine(user_id):
            return None

        def look(txn: LoggingTransaction) -> Code | None:
            code_id = CodeInvitations.code_of(txn, group.room_id, user_id)
            return Codes.by_id(txn, code_id) if code_id else None

        code = await self._database.run("accept", look)
        return None if code is None else await self._judging.decide(group, code, user_id)

    async def overhear(self, group: Group, user_id: str) -> None:
        """The same for a join that is made without this server's answer, and note its outcome."""
        decision = await self.accept(group, user_id)
        if decision is not None and decision.admission is not None:
            self._api.run_as_background_process(
                "capgroups_remote_join", self._settle, decision, group.room_id, user_id
            )

    async def _settle(self, decision: JoinDecision, room_id: str, user_id: str) -> None:
        joined = False
        try:
            joined = await self._arrivals.arrives(room_id, user_id)
        finally:
            # Also if it could not be seen: their seat would be held for ever. `settle` looks again.
            await self._outcomes.settle(decision, joined=joined)


class RemoteEntry:
    """Hears of joins that remote users make by their own server, which has members here already.

    That server asks nobody, so a refusal comes afterwards.
    """

    def __init__(self, scope: Scope, visits: RemoteVisits, joins: RemoteJoins) -> None:
        self._scope = scope
        self._visits = visits
        self._joins = joins

    async def overhear(self, room_id: str, user_id: str) -> None:
        """A remote user joins a room, if their event is accepted."""
        if await self._scope.is_concierges(room_id):
            self._visits.receive_soon(room_id, user_id)
        elif (group := await self._scope.group(room_id)) is not None:
            await self._joins.overhear(group, user_id)
