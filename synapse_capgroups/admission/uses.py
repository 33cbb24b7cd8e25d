"""Counts the uses of codes: on the record of uses, and in the code's own row."""

from synapse.module_api import LoggingTransaction

from synapse_capgroups.storage.code_uses import CodeUses
from synapse_capgroups.storage.codes import Codes


def count_use(txn: LoggingTransaction, code_id: str, user_id: str, now: int) -> int:
    """Count a person's entry, once however often they enter; returns the uses after it."""
    if CodeUses.add(txn, code_id, user_id, now):
        Codes.change_uses(txn, code_id, 1)
    return Codes.uses(txn, code_id)


def take_back_use_of_time(
    txn: LoggingTransaction, code_id: str, user_id: str, used_at: int
) -> None:
    """Stop counting a person's entry if it was counted at this moment."""
    if CodeUses.remove_of_time(txn, code_id, user_id, used_at):
        Codes.change_uses(txn, code_id, -1)
