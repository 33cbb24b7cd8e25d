"""Ends the requests that nobody has answered in time, and forgets the answers."""

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.rules.approval import REQUEST_LIFETIME_MS
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.notices import Notices
from synapse_capgroups.storage.requests import Request, Requests
from synapse_capgroups.telemetry import journal, metrics

_SLICE = 500


class Ending:
    """Swept once a minute."""

    def __init__(self, api: ModuleApi, database: Database) -> None:
        self._api = api
        self._database = database

    async def sweep(self) -> None:
        """End what is over. On one process only."""
        before = self._api.get_current_time_msec() - REQUEST_LIFETIME_MS

        def end(txn: LoggingTransaction) -> list[Request]:
            Requests.forget_answered(txn, before)
            old = Requests.waiting_since_before(txn, before, _SLICE)
            ended = [request for request in old if Requests.end(txn, request.number)]
            for room_id in {request.room_id for request in ended}:
                Notices.forget_if_nobody_waits(txn, room_id)
            return ended

        for request in await self._database.run("sweep_requests", end):
            metrics.REQUESTS.labels("ended").inc()
            journal.request_ended(request, "expired")
