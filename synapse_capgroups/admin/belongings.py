"""What the module has on a server: rooms, accounts and tables. Groups are not among it."""

from collections.abc import Mapping

import attrs

from synapse_capgroups.admin.exits import CannotRunError
from synapse_capgroups.admin.opening import Opened
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.storage.accounts import Accounts
from synapse_capgroups.storage.chats import Chats
from synapse_capgroups.storage.codes import Codes
from synapse_capgroups.storage.dead_ends import DeadEndRooms
from synapse_capgroups.storage.groups import Groups
from synapse_capgroups.storage.schema import SCHEMA_VERSION, version_of
from synapse_capgroups.storage.series_spaces import SeriesSpaces
from synapse_capgroups.storage.sweeps import Sweeps

OTHERS = "others, which a killed process left"


@attrs.frozen
class Belongings:
    """What would go.

    Attributes:
        rooms: by kind, the IDs of the rooms that are there. All were made by `accounts`.
        accounts: the module's own, that are not deactivated.
        tables: by name, how many rows each has.
        groups: how many groups the module has met, which stay.
        swept_at: when the module has last looked after its tables.
    """

    rooms: Mapping[str, list[str]]
    accounts: list[str]
    tables: Mapping[str, int]
    groups: int = 0
    swept_at: int | None = None

    @property
    def room_ids(self) -> list[str]:
        """All rooms, the doors first: strangers can join them."""
        return [room_id for rooms in self.rooms.values() for room_id in rooms]


def belongings(database: Opened) -> Belongings:
    """Look for what the module has on a server.

    Raises:
        CannotRunError: another version of the module made the tables.
    """
    names = database.own_tables()
    if not names:
        return Belongings({}, [], {})
    _check_version(database, names)
    txn = database.transaction
    owners = {
        user_id: made_at or Users.is_support(txn, user_id)
        for user_id, made_at in Accounts.all(txn).items()
    }
    # Somebody took the name of one that the module was only about to make.
    ours = sorted(user_id for user_id, is_ours in owners.items() if is_ours)
    rest = set(Memberships.rooms_made_by(txn, ours))
    rooms = {}
    for kind, known in (
        ("doors of codes", Codes.doors(txn)),
        ("dead ends, where old codes lead", DeadEndRooms.rooms(txn)),
        ("organisers' spaces", SeriesSpaces.rooms(txn)),
        ("chats with the concierge", set(Chats.all_rooms(txn))),
        (OTHERS, set(rest)),
    ):
        rooms[kind] = sorted(rest & known)
        rest -= known
    return Belongings(
        rooms={kind: found for kind, found in rooms.items() if found},
        accounts=[user_id for user_id in ours if not Users.account(txn, user_id).is_gone],
        tables={name: _rows(database, name) for name in names},
        groups=Groups.count(txn),
        swept_at=Sweeps.last(txn),
    )


def _check_version(database: Opened, names: list[str]) -> None:
    version = version_of(database.transaction) if "capgroups_schema" in names else None
    if version == SCHEMA_VERSION:
        return
    raise CannotRunError(
        f"The tables of the module have version {version or 'none'}, and this version of "
        f"synapse-capgroups removes those of version {SCHEMA_VERSION}. Run this with the version "
        "that was used last, or start Synapse once more with this one."
    )


def _rows(database: Opened, name: str) -> int:
    database.execute(f"SELECT COUNT(*) FROM {name}")
    row = database.fetchone()
    return int(row[0]) if row else 0
