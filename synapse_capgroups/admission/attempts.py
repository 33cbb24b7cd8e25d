"""Forgets the attempts to join that failed: their seats, their admissions, their uses of codes.

Several attempts of one person share one admission. It stays on record for as long as one of them
may still succeed.
"""

from synapse.module_api import LoggingTransaction

from synapse_capgroups.admission.uses import take_back_use_of_time
from synapse_capgroups.storage.admissions import Admissions
from synapse_capgroups.storage.database import lock_room
from synapse_capgroups.storage.requests import Requests
from synapse_capgroups.storage.seats import Hold, Seats
from synapse_capgroups.storage.series import SeriesGroups


def release(txn: LoggingTransaction, room_id: str, user_id: str, hold: Hold) -> bool:
    """Free the seat of an attempt that failed, unless another attempt may still need it.

    Returns:
        False if the person has joined all the same.
    """
    found = Seats.of_hold(txn, room_id, user_id, hold)
    if found is None:
        return True  # Swept.
    admitted_at, has_joined = found
    if has_joined:
        return False
    Seats.release(txn, hold)
    SeriesGroups.may_have_place(txn, room_id)
    _strike_unless_shared(txn, room_id, user_id, admitted_at)
    return True


def forget_expired_of(txn: LoggingTransaction, room_id: str, user_id: str, now: int) -> None:
    """Forget a person's attempts whose processes are dead."""
    for admitted_at in Seats.remove_expired_of(txn, room_id, user_id, now):
        _strike_unless_shared(txn, room_id, user_id, admitted_at)
        SeriesGroups.may_have_place(txn, room_id)


def rooms_to_clear(txn: LoggingTransaction, now: int) -> list[str]:
    """Free the seats of joins that came; returns the rooms with attempts of dead processes."""
    Seats.remove_spent(txn, now)
    return Seats.rooms_of_expired(txn, now)


def forget_expired_in(txn: LoggingTransaction, room_id: str, now: int) -> None:
    """Forget all attempts in a room whose processes are dead.

    Under the room's lock: a new attempt may be taking over the admission of one that has just
    expired.
    """
    lock_room(txn, room_id)
    for user_id in Seats.with_expired(txn, room_id, now):
        forget_expired_of(txn, room_id, user_id, now)


def _strike_unless_shared(
    txn: LoggingTransaction, room_id: str, user_id: str, admitted_at: int
) -> None:
    """Take an admission off the record, unless another attempt of theirs stands for it."""
    if not Seats.any_attempt_of(txn, room_id, user_id, admitted_at):
        strike(txn, room_id, user_id, admitted_at)


def strike(txn: LoggingTransaction, room_id: str, user_id: str, admitted_at: int) -> None:
    """Take an admission off the record, and its use of a code: the join failed elsewhere.

    Whoever was agreed to waits again.
    """
    for code_id in Admissions.codes_of(txn, room_id, user_id, admitted_at):
        take_back_use_of_time(txn, code_id, user_id, admitted_at)
    Requests.reopen(txn, room_id, user_id, admitted_at)
    Admissions.strike(txn, room_id, user_id, admitted_at)
