"""Records how joins that were allowed ended."""

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.attempts import release
from synapse_capgroups.admission.code_deaths import CodeDeaths
from synapse_capgroups.admission.decision import JoinDecision
from synapse_capgroups.admission.holds import Holds
from synapse_capgroups.config import Config
from synapse_capgroups.storage.code_invitations import CodeInvitations
from synapse_capgroups.storage.database import Database, lock_room
from synapse_capgroups.storage.dead_codes import DeadCodes
from synapse_capgroups.telemetry import journal


class Settling:
    """Frees the seats of joins that failed, and lets codes die by joins that succeeded."""

    def __init__(self, api: ModuleApi, database: Database, holds: Holds, config: Config) -> None:
        self._api = api
        self._database = database
        self._holds = holds
        self._deaths = CodeDeaths(config)

    def abandon(self, decision: JoinDecision) -> None:
        """Let the seat of a join expire by itself: nobody will report how the join ended."""
        if decision.hold is not None:
            self._holds.discard(decision.hold)

    async def settle(self, decision: JoinDecision, *, joined: bool) -> bool:
        """Record how a join that was allowed ended.

        If it failed, its seat is free at once and its admission off the record. If it succeeded,
        the codes that it has ended die: not earlier, or a join that fails would kill them.

        Returns:
            Whether codes died.
        """
        admission, hold = decision.admission, decision.hold
        if admission is None or hold is None:
            return False
        self._holds.discard(hold)
        room_id, user_id = admission.room_id, admission.user_id
        # A remote user who used a code was invited by it.
        was_invited = admission.code_id is not None and not self._api.is_mine(user_id)
        if joined and not decision.ends_codes and not was_invited:
            if decision.on_record:
                journal.admitted(admission)
            return False

        def end(txn: LoggingTransaction) -> tuple[bool, int]:
            if not joined:
                lock_room(txn, room_id)  # Another attempt of theirs may be deciding just now.
                # Something may have failed after the join was written.
                if release(txn, room_id, user_id, hold):
                    return False, 0
            now = self._api.get_current_time_msec()
            died = 0
            if admission.code_id is not None:
                died += DeadCodes.kill_if_used_up(txn, admission.code_id, now)
            died += self._deaths.close_if_reached(txn, room_id, now)
            if was_invited:
                CodeInvitations.remove(txn, room_id, user_id)
            return True, died

        came, died = await self._database.run("settle", end)
        if came and decision.on_record:
            journal.admitted(admission)
        return died > 0
