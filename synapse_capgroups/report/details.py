"""One person or one group in detail."""

from typing import Any

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.groups.survey import Survey
from synapse_capgroups.inside.tables.account_data import AccountData
from synapse_capgroups.inside.tables.all_rooms import AllRooms
from synapse_capgroups.people.remarks import ACCOUNT_DATA_TYPE
from synapse_capgroups.report.gathering import DAYS, Asked, by_day
from synapse_capgroups.rules.scope import Kind
from synapse_capgroups.storage.admissions import DAY_MS
from synapse_capgroups.storage.approval import Approval
from synapse_capgroups.storage.report_counts import ReportCounts
from synapse_capgroups.storage.series import SeriesGroups
from synapse_capgroups.storage.server_rooms import ServerRooms
from synapse_capgroups.storage.stored_of_person import StoredOfPerson

_MOST_VOUCHERS = 10


def of_person(txn: LoggingTransaction, user_id: str, asked: Asked, most: int) -> dict[str, Any]:
    """All that the module stores of somebody, table by table.

    Args:
        most: how many rows of each table.
    """
    remarks = AccountData.content(txn, user_id, ACCOUNT_DATA_TYPE)
    stored = StoredOfPerson.of(txn, user_id, most) if asked.has_record else []
    return {
        "user_id": user_id,
        "at": asked.now,
        "tables": [attrs.asdict(found) for found in stored],
        "remarks": remarks,
    }


def of_group(txn: LoggingTransaction, room_id: str, asked: Asked) -> dict[str, Any] | None:
    """The facts of one group; None if this server has no such room, or nobody is in it."""
    standards = asked.standards
    room = AllRooms.one(txn, standards.server_name, room_id)
    if room is None:
        return None
    is_servers = asked.has_record and ServerRooms.has(txn, room_id)
    survey = Survey(standards, txn, server_rooms={room_id} if is_servers else ())
    kind = survey.kinds(txn, [room])[room_id]
    facts: dict[str, Any] = {
        "room_id": room_id,
        "at": asked.now,
        "name": AllRooms.names(txn, [room_id]).get(room_id),
        "kind": kind.value,
        "creator": room.creator or None,
        "version": room.version,
        "members": room.members,
        "remote": room.remote,
    }
    if kind is not Kind.GROUP:
        return facts
    found = survey.described(room)
    counted = asked.friends.counted(txn, room_id)
    facts |= {
        "mode": standards.limits.mode(room.members).value,
        "owner": found.owner,
        "breaches": [breach.value for breach in found.breaches],
        "last_activity": found.last_activity,
        "federates": bool(AllRooms.federating(txn, [room_id])),
        "with_a_friend": counted[0] if counted else None,
    }
    return {**facts, **_on_record(txn, room_id, asked)} if asked.has_record else facts


def _on_record(txn: LoggingTransaction, room_id: str, asked: Asked) -> dict[str, Any]:
    since = (asked.now // DAY_MS - DAYS + 1) * DAY_MS
    part = SeriesGroups.of_room(txn, room_id)
    return {
        "approval": Approval.is_on(txn, room_id),
        "series": part and part.series_id,
        "growth": by_day(ReportCounts.growth_of_group(txn, room_id, since)),
        "vouchers": ReportCounts.vouchers_of_group(txn, room_id, _MOST_VOUCHERS),
        "codes": ReportCounts.codes_of_group(txn, room_id, asked.now),
        "requests": ReportCounts.requests(txn, since, room_id),
        "invited": ReportCounts.remote_invitations(txn, room_id),
        "would_be": ReportCounts.would_be_of_group(txn, room_id),
    }
