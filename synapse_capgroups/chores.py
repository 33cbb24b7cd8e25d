"""What is done beside the requests: the schema at start, and some sweeping then and once
a minute.

The sweeping runs on the one process that Synapse runs its background tasks on.
"""

import logging

from synapse.module_api import LoggingTransaction, ModuleApi, UserID

from synapse_capgroups import inside, metrics
from synapse_capgroups.concierge import Concierge
from synapse_capgroups.doors import Doors
from synapse_capgroups.forgetting import Forgetter
from synapse_capgroups.rules.joining import Mode
from synapse_capgroups.storage.database import Database, DatabaseTooNewError
from synapse_capgroups.storage.groups import Groups
from synapse_capgroups.storage.seats import Seats

logger = logging.getLogger(__name__)

SWEEP_INTERVAL_MS = 60 * 1000


def start(
    api: ModuleApi,
    database: Database,
    doors: Doors,
    concierge: Concierge,
    forgetter: Forgetter,
) -> None:
    """Make the tables, or end the process if they belong to a newer version of this module.

    Then make the concierge's account, and sweep: now and once a minute.
    """

    async def prepare() -> None:
        try:
            await database.run("start", lambda txn: None)
        except DatabaseTooNewError as e:
            inside.stop_the_start(str(e))
        except Exception:
            # The next transaction tries again; until one succeeds, joins are refused.
            logger.exception("Could not make the tables of synapse-capgroups")
            return
        await concierge.remember_rooms()
        if api.should_run_background_tasks():
            await make_account()
            await doors.receive_unnoticed()
            await sweep()  # What the last process left behind.

    async def make_account() -> None:
        def belongs_to_somebody(txn: LoggingTransaction) -> bool:
            return inside.SynapseTables.somebody_can_log_in(txn, concierge.user_id)

        if await database.run("account", belongs_to_somebody):
            # Rooms of the concierge are no groups, and its word is the server's.
            inside.stop_the_start(
                f"synapse-capgroups: the account {concierge.user_id} belongs to somebody. Choose "
                "another name for `concierge` in the module's configuration."
            )
        if await api.check_user_exists(concierge.user_id) is None:
            await api.register_user(UserID.from_string(concierge.user_id).localpart, "Groups")

    async def sweep() -> None:
        now = api.get_current_time_msec()
        # First, because by this codes die and there are fewer groups.
        await forgetter.sweep()

        def work(txn: LoggingTransaction) -> dict[Mode, int]:
            Seats.sweep(txn, now)
            return Groups.count_by_mode(txn)

        for mode, count in (await database.run("sweep", work)).items():
            metrics.GROUPS.labels(mode.value).set(count)
        await doors.sweep()

    api.run_as_background_process("capgroups_start", prepare)
    if api.should_run_background_tasks():
        api.looping_background_call(sweep, SWEEP_INTERVAL_MS, desc="capgroups_sweep")
