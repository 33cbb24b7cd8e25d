"""What is done beside the requests: the schema at start, and some sweeping then and once
a minute.

The sweeping runs on the one process that Synapse runs its background tasks on.
"""

import logging
from collections.abc import Awaitable, Callable

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.codes.doors import Doors
from synapse_capgroups.concierge.account import ConciergeAccount
from synapse_capgroups.concierge.chat_care import ChatCare
from synapse_capgroups.inside.start import stop_the_start
from synapse_capgroups.people.forgetting import Forgetter
from synapse_capgroups.rules.joining import Mode
from synapse_capgroups.storage.database import Database, DatabaseTooNewError
from synapse_capgroups.storage.groups import Groups
from synapse_capgroups.storage.seats import Seats
from synapse_capgroups.telemetry import metrics

logger = logging.getLogger(__name__)

SWEEP_INTERVAL_MS = 60 * 1000
_LONGEST_WAIT = 60  # seconds


def start(
    api: ModuleApi,
    database: Database,
    doors: Doors,
    account: ConciergeAccount,
    chats: ChatCare,
    forgetter: Forgetter,
) -> None:
    """Make the tables, or end the process if they belong to a newer version of this module.

    Then make the concierge's account, and sweep: now and once a minute.
    """

    async def prepare() -> None:
        await _until_done(api, lambda: database.run("start", lambda txn: None))
        await _until_done(api, chats.remember_rooms)
        if api.should_run_background_tasks():
            await _until_done(api, account.prepare)
            await _until_done(api, chats.mend)
            await _until_done(api, doors.receive_unnoticed)
            await _until_done(api, sweep)  # What the last process left behind.

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
        await chats.sweep()

    api.run_as_background_process("capgroups_start", prepare)
    if api.should_run_background_tasks():
        api.looping_background_call(sweep, SWEEP_INTERVAL_MS, desc="capgroups_sweep")


async def _until_done(api: ModuleApi, step: Callable[[], Awaitable[None]]) -> None:
    """Take one step of the start, again and again until it succeeds.

    Until then joins are refused, or the concierge is deaf, or has no account; and a restart would
    be the only way out.
    """
    wait = 1
    while True:
        try:
            return await step()
        except DatabaseTooNewError as e:
            stop_the_start(str(e))
        except Exception:
            logger.exception("Could not start synapse-capgroups; trying again in %d s", wait)
        await api.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT)
