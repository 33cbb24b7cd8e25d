"""Finds what a code is dead of, and writes it down, inside a transaction (rule 5)."""

from synapse.module_api import LoggingTransaction

from synapse_capgroups.admission.code_history import was_broken
from synapse_capgroups.admission.places import may_share_series
from synapse_capgroups.config import Config
from synapse_capgroups.rules.codes import CodeFacts, cause_of_death
from synapse_capgroups.rules.joining import Mode
from synapse_capgroups.rules.verdict import Reason
from synapse_capgroups.storage.codes import Code, Sharer
from synapse_capgroups.storage.dead_codes import DeadCodes
from synapse_capgroups.storage.living_codes import CodeSlice
from synapse_capgroups.storage.seats import Seats

_EXPIRED_AT_ONCE = 5000


class CodeDeaths:
    """Knows what kills the codes of groups. In a trial no code dies by a limit."""

    def __init__(self, config: Config) -> None:
        self._enforce = config.enforce
        self._limits = config.limits

    def find(
        self,
        txn: LoggingTransaction,
        code: Code,
        sharer: Sharer,
        now: int,
        members: int,
        *,
        sharer_may_share: bool,
    ) -> Reason | None:
        """What a code is dead of, None if it lives. If it is found dead, that is written down.

        Args:
            members: of the group.
            sharer_may_share: whether the sharer has the power to make codes, if a member. Of a live
                code, this is looked up here.
        """
        if code.is_live:
            entitled = sharer.account.is_active and may_share_series(txn, code)
            members = 0  # A series goes on with its next group.
        else:
            # The sharer's history is read only if nothing else ends their right.
            entitled = sharer_may_share and _is_able(sharer) and not was_broken(txn, code, sharer)
        return self._write_down(txn, code, self._cause(code, sharer, entitled, now, members), now)

    def find_on_page(
        self,
        txn: LoggingTransaction,
        code: Code,
        sharer: Sharer,
        now: int,
        members: int,
        *,
        sharer_may_share: bool,
    ) -> Reason | None:
        """The same for a code of a list.

        The history of each sharer would make a page too slow, so only the sweep reads it.
        """
        if code.is_live:
            return self.find(txn, code, sharer, now, members, sharer_may_share=sharer_may_share)
        entitled = sharer_may_share and _is_able(sharer)
        return self._write_down(txn, code, self._cause(code, sharer, entitled, now, members), now)

    def _cause(
        self, code: Code, sharer: Sharer, entitled: bool, now: int, members: int
    ) -> Reason | None:
        facts = CodeFacts(
            code.expires_at,
            code.max_uses,
            code.uses,
            entitled,
            code.died_of,
            sharer.account.is_suspended,
        )
        members = members if self._enforce else 0
        return cause_of_death(facts, now=now, members=members, limits=self._limits)

    @staticmethod
    def _write_down(
        txn: LoggingTransaction, code: Code, died_of: Reason | None, now: int
    ) -> Reason | None:
        # The last use may still be under way, and fail.
        if code.died_of is None and died_of not in (None, Reason.CODE_USED_UP):
            DeadCodes.kill(txn, code.code_id, died_of, now)
        return died_of

    def close_if_reached(self, txn: LoggingTransaction, room_id: str, now: int) -> int:
        """Kill a group's codes if its members have reached the code limit; returns how many."""
        if not self._enforce or self._limits.mode(Seats.members(txn, room_id)) is Mode.OPEN:
            return 0
        return DeadCodes.kill_of_group(txn, room_id, Reason.CODE_CLOSED, now)


def _is_able(sharer: Sharer) -> bool:
    return sharer.account.is_active and sharer.is_member


def sweep_codes(txn: LoggingTransaction, part: CodeSlice, now: int) -> None:
    """Note which codes died by themselves.

    Args:
        part: which codes are looked at. Those that have expired are found without a look.
    """
    DeadCodes.note_expired(txn, now, _EXPIRED_AT_ONCE)
    DeadCodes.note_deaths(txn, part, now)
