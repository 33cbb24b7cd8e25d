"""What the server answered, counted by what was asked."""

import threading
import time
from collections import Counter
from collections.abc import Callable

import httpx

from synapse_capgroups.demo.person import Reply

NO_ANSWER = "no answer"
"""The process that was asked was killed, or not up."""

_TRIES = 20
_PAUSE = 0.25  # Seconds.
_KEPT = 50


class Answers:
    """Counts answers. Several threads may ask at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.counts: dict[str, Counter[str]] = {}
        self.faults: list[str] = []
        """Answers that say that something broke, and deeds that broke; the first of them, with the
        time of day."""
        self.number_of_faults = 0

    def ask(self, what: str, call: Callable[[], Reply]) -> Reply:
        """Make a call, and make it again where the process that was asked has died, as clients do.

        Args:
            what: what the answers are counted by.

        Returns:
            The answer; one with status 0 if there was none.
        """
        for _ in range(_TRIES):
            try:
                reply = call()
            except httpx.TransportError:
                self._count(what, NO_ANSWER)
                time.sleep(_PAUSE)
                continue
            self._count(what, outcome(reply))
            if reply.status >= 500:
                self.fault(f"{what}: {reply.status} {reply.error}")
            return reply
        return Reply(0, {"error": NO_ANSWER})

    def _count(self, what: str, how: str) -> None:
        with self._lock:
            self.counts.setdefault(what, Counter())[how] += 1

    def fault(self, text: str) -> None:
        """Keep something that may not be."""
        with self._lock:
            self.number_of_faults += 1
            if len(self.faults) < _KEPT:
                self.faults.append(f"{time.strftime('%H:%M:%S')} {text}")

    @property
    def total(self) -> int:
        """How many answers there were."""
        with self._lock:
            return sum(
                number
                for counts in self.counts.values()
                for how, number in counts.items()
                if how != NO_ANSWER
            )


def outcome(reply: Reply) -> str:
    """What an answer is counted as: its status, and the reason of a refusal of the module's."""
    return f"{reply.status} {reply.reason}" if reply.reason else str(reply.status)
