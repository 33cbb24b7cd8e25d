"""`/_synapse/client/capgroups/health`: tells a proxy or a monitor whether the module works here."""

import logging
from importlib.metadata import version
from typing import Any

from synapse.module_api import DirectServeJsonResource, JsonDict, ModuleApi

from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.schema import SCHEMA_VERSION
from synapse_capgroups.storage.sweeps import Sweeps

logger = logging.getLogger(__name__)

_FRESH_MS = 5000


class Health(DirectServeJsonResource):
    """Anybody can ask. The database is asked once in five seconds at most, and nobody waits for
    somebody else's question.
    """

    isLeaf = True

    def __init__(self, api: ModuleApi, database: Database) -> None:
        super().__init__()
        self._api = api
        self._database = database
        self._answer: tuple[int, JsonDict] = _broken("The module is starting.")
        self._fresh_until = 0

    async def _async_render_GET(self, request: Any) -> tuple[int, JsonDict]:
        request.setHeader(b"Cache-Control", b"no-store")
        now = self._api.get_current_time_msec()
        if now >= self._fresh_until:
            self._fresh_until = now + _FRESH_MS
            self._answer = await self._look()
        return self._answer

    async def _look(self) -> tuple[int, JsonDict]:
        try:
            swept_at = await self._database.look_up("health", Sweeps.last)
        except Exception:
            logger.exception("The module's tables cannot be read")
            return _broken("The module's tables cannot be read. Synapse's log says why.")
        facts = {"version": version("synapse-capgroups"), "schema": SCHEMA_VERSION}
        return 200, {**facts, "last_sweep_ts": swept_at}


def _broken(sentence: str) -> tuple[int, JsonDict]:
    return 503, {"errcode": "M_UNKNOWN", "error": sentence}
