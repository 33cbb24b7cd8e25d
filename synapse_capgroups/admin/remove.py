"""`capgroups remove`: takes what the module has left on a server, once it is not loaded any more.

The tables go last, because they say which rooms are to go: whatever interrupts this, it can be run
again.
"""

import argparse
import sys
import time
from collections.abc import Callable

from synapse_capgroups.admin.belongings import Belongings, belongings
from synapse_capgroups.admin.dropping import drop_tables
from synapse_capgroups.admin.exits import CANNOT_RUN, FOUND, OK, CannotRunError
from synapse_capgroups.admin.homeserver_yaml import ServerConfig, read
from synapse_capgroups.admin.opening import Opened, opened
from synapse_capgroups.admin.reading import folder_of, main_database
from synapse_capgroups.admin.synapse_api import SynapseApi
from synapse_capgroups.client.connection import CallError
from synapse_capgroups.client.environment import homeserver
from synapse_capgroups.client.tables import table
from synapse_capgroups.client.terminal import note, show
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.storage.accounts import Accounts
from synapse_capgroups.storage.sweeps import Sweeps

_STOPPED = 130
_SWEPT_AGAIN = 130  # seconds, in which a module that is loaded anywhere sweeps, and says so
_TOLD_EACH = 50


def run(arguments: argparse.Namespace, sleep: Callable[[float], None] = time.sleep) -> int:
    """Say what would go, or let it go.

    Returns:
        The exit code.
    """
    try:
        server = read(arguments.config)
        if server.is_configured:
            raise CannotRunError(
                "The module is still in `modules` of homeserver.yaml. Take it out, restart Synapse "
                "with all its workers, and run this again."
            )
        found = _look(server, arguments)
        show(_told(server, found), raw=False)
        if not found.tables:
            return OK
        if not arguments.apply:
            note("\nNothing is done yet. --apply does it, and it cannot be undone.")
            return OK
        arguments.server = arguments.server or server.parsed.server.public_baseurl
        return _remove(server, found, arguments, sleep)
    except (CannotRunError, CallError) as e:
        print(f"capgroups remove: {e}", file=sys.stderr)
        return CANNOT_RUN
    except KeyboardInterrupt:
        note("Stopped. Run it again, and it goes on from here.")
        return _STOPPED


def _look(server: ServerConfig, arguments: argparse.Namespace) -> Belongings:
    folder = folder_of(arguments.config)
    with opened(main_database(server), folder, timeout=arguments.timeout) as database:
        return belongings(database)


def _told(server: ServerConfig, found: Belongings) -> str:
    if not found.tables:
        return f"The module has nothing on {server.server_name}."
    rows = [(f"rooms: {kind}", len(rooms)) for kind, rooms in found.rooms.items()]
    rows += [(f"account: {user_id}", 1) for user_id in found.accounts]
    filled = sum(1 for number in found.tables.values() if number)
    rows += [(f"tables, {filled} of them with rows", len(found.tables))]
    rows += [("rows in them", sum(found.tables.values()))]
    return "\n".join(
        [
            f"What the module has left on {server.server_name}",
            "",
            *table(rows, numbers=(1,)),
            "",
            f"All groups stay as they are; the module has met {found.groups}.",
        ]
    )


def _remove(
    server: ServerConfig,
    found: Belongings,
    arguments: argparse.Namespace,
    sleep: Callable[[float], None],
) -> int:
    synapse = SynapseApi(homeserver(arguments, sleep, api=""))
    synapse.check(server.server_name)
    stay = _delete_rooms(synapse, found.room_ids)
    if stay:
        note(
            f"{stay} rooms are still there, so the tables stay, which say that they are the "
            "module's. Run this again."
        )
        return FOUND
    for user_id in found.accounts:
        synapse.deactivate(user_id)
        note(f"{user_id} is deactivated and erased.")

    _wait_for_sweeps(found, sleep)

    def check(database: Opened) -> None:
        _check_that_all_is_gone(database, found)

    names = drop_tables(main_database(server), folder_of(arguments.config), check)
    note(f"{len(names)} tables are dropped. Nothing of the module is left.")
    return OK


def _delete_rooms(synapse: SynapseApi, room_ids: list[str]) -> int:
    """Delete rooms, and say how far it is; returns how many stay."""
    stay = 0
    for number, room_id in enumerate(room_ids, 1):
        if (why := synapse.delete_room(room_id)) is not None:
            note(f"{room_id}: {why}")
            stay += 1
        if number % _TOLD_EACH == 0 or number == len(room_ids):
            note(f"{number - stay} of {len(room_ids)} rooms are deleted.")
    return stay


def _wait_for_sweeps(found: Belongings, sleep: Callable[[float], None]) -> None:
    """Wait until a process that has the module yet, perhaps as a trial, has shown it."""
    if found.swept_at is None:
        return
    left = _SWEPT_AGAIN - (time.time() - found.swept_at / 1000)
    if left > 0:
        left = min(left, _SWEPT_AGAIN)
        note(f"Waiting {left:.0f} seconds, to be sure that no process runs the module any more.")
        sleep(left)


def _check_that_all_is_gone(database: Opened, found: Belongings) -> None:
    txn = database.transaction
    if Sweeps.last(txn) != found.swept_at:
        raise CannotRunError(
            "A process of Synapse still runs the module: it has used the tables meanwhile. Restart "
            "Synapse with all its workers, and run this again."
        )
    if Memberships.rooms_made_by(txn, list(Accounts.all(txn))):
        raise CannotRunError(
            "The server says that all rooms are deleted, and the database has some of them. Is "
            "this the database of that server? If so, run this again."
        )
