"""Workers that are killed at random, as by a power cut, and started again."""

import random
import threading
import time
from collections.abc import Sequence

from synapse_capgroups.demo.cluster import Worker

_LIVES = (10.0, 50.0)
"""Seconds between two kills, at least and at most."""
_PATIENCE = 180  # Seconds until a worker must be up again.


class Killer:
    """Kills some workers in turn by dice, until it is told to stop."""

    def __init__(self, workers: Sequence[Worker], dice: random.Random) -> None:
        self._workers = workers
        self._dice = dice
        self.kills: dict[str, int] = {worker.name: 0 for worker in workers}

    def run(self, over: threading.Event) -> None:
        """Go on until the event; every worker is up then.

        Raises:
            TimeoutError: a worker did not come back.
        """
        while not over.wait(self._dice.uniform(*_LIVES)):
            worker = self._dice.choice(self._workers)
            worker.kill()
            self.kills[worker.name] += 1
            over.wait(self._dice.uniform(0, 3))  # Who starts it again needs a moment.
            worker.start()
            deadline = time.monotonic() + _PATIENCE
            while not worker.is_up():
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{worker.name} did not come back within {_PATIENCE} s.")
                time.sleep(0.2)
