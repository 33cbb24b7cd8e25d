"""What the start of the server needs."""

import logging
import os
import sys
from typing import NoReturn

from synapse.logging.context import PreserveLoggingContext
from synapse.module_api import ModuleApi
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from synapse_capgroups.inside.transactions import T

logger = logging.getLogger(__name__)


def allows_per_room_profiles(api: ModuleApi) -> bool:
    """Whether Synapse lets anybody have a name of their own in a room."""
    return bool(api._hs.config.server.allow_per_room_profiles)


def stop_the_start(message: str) -> NoReturn:
    """End this process with a message, before it serves anybody by the wrong rules.

    A module is constructed before the database can be asked, and an exception in a background
    process stops nothing; Synapse itself ends a failed start in this way (`app/_base.py`).
    """
    logger.critical(message)
    sys.stderr.write(f"\n{'*' * 79}\n{message}\n{'*' * 79}\n")
    logging.shutdown()
    sys.stderr.flush()
    os._exit(1)


def tell(waiting: Deferred[T], outcome: T | Failure) -> None:
    """Let what waits for a result go on with it.

    It goes on in a logging context of its own, which must not be left in place of the caller's;
    the `ModuleApi` has the other half of this, `make_deferred_yieldable`, alone.
    """
    with PreserveLoggingContext():
        if not waiting.called:
            waiting.callback(outcome)
