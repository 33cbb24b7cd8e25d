"""What happened in a group since a code of it was made, as its history tells."""

from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.tables.memberships import Membership
from synapse_capgroups.inside.tables.state_history import StateHistory
from synapse_capgroups.storage.codes import Code, Sharer


def was_broken(txn: LoggingTransaction, code: Code, sharer: Sharer) -> bool:
    """Whether the sharer was out of the group since they made the code, and is in it again.

    A history that is too long is not read: then the code died when the sharer left.
    """
    if sharer.changed_at <= (code.after_stream_ordering or 0):
        return False
    return bool(
        StateHistory.was_out_since(
            txn,
            code.room_id,
            code.sharer,
            place=code.after_stream_ordering,
            time=code.created_at,
            by_others=False,
        )
    )


def has_removed(
    txn: LoggingTransaction, room_id: str, code: Code, user_id: str, standing: Membership
) -> bool:
    """Whether somebody was removed from a group since the code was made that opens it.

    Args:
        standing: their membership now. A person whose history is too long to be read counts as
            removed: an invitation brings them in.
    """
    if standing.stream_ordering <= (code.after_stream_ordering or 0):
        return False
    removed = StateHistory.was_out_since(
        txn,
        room_id,
        user_id,
        place=code.after_stream_ordering,
        time=code.created_at,
        by_others=True,
    )
    return removed is not False
