"""Which rooms are direct chats: they leave no record (rule 15).

For friendship it matters who is in a room and who lists it (rule 3). For the record it is enough
that two people, or their clients, call it a direct chat, while it holds no more than these two.
"""

from collections.abc import Callable, Mapping
from typing import Any

from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.tables.account_data import AccountData
from synapse_capgroups.rules import seclusion
from synapse_capgroups.rules.friends import listed_rooms


def is_created_as_direct(request: Mapping[str, Any]) -> bool:
    """Whether a `createRoom` request is for a direct chat with one person."""
    invited = set(seclusion.invitees(request))
    return bool(request.get("is_direct")) and (
        len(invited) + seclusion.address_invitations(request) <= 1
    )


def is_joined_as_direct(
    txn: LoggingTransaction, is_mine: Callable[[str], bool], room_id: str, user_id: str, other: str
) -> bool:
    """Whether somebody who is about to join a room of another person's joins a direct chat."""
    if AccountData.is_invited_as_direct(txn, room_id, user_id):
        return True
    return is_listed(txn, is_mine, room_id, user_id, other)


def is_listed(
    txn: LoggingTransaction, is_mine: Callable[[str], bool], room_id: str, a: str, b: str
) -> bool:
    """Whether one of two people has a room among their direct chats with the other."""
    return any(
        is_mine(owner) and room_id in listed_rooms(AccountData.listed_as_direct(txn, owner, other))
        for owner, other in ((a, b), (b, a))
    )
