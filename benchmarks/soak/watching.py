"""The memory of each process, and the errors that it counts, at intervals."""

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence

import attrs
import httpx

from benchmarks.memory import proportional_set_size
from synapse_capgroups.demo.cluster import Cluster
from synapse_capgroups.demo.homeserver import Homeserver, scraped

MAIN = "main"


@attrs.frozen
class Sample:
    """What a process used at a moment.

    Attributes:
        at: seconds since the load began.
        megabytes: its proportional set size.
    """

    at: float
    process: str
    pid: int
    megabytes: float


class Watcher:
    """Looks at the processes of a cluster until it is told to stop."""

    def __init__(self, cluster: Cluster, interval: float) -> None:
        """
        Args:
            interval: seconds between two looks.
        """
        self._cluster = cluster
        self._interval = interval
        self._started = time.monotonic()
        self._errors: dict[int, float] = {}
        self.samples: list[Sample] = []

    def run(self, over: threading.Event) -> None:
        while True:
            self.look()
            if over.wait(self._interval):
                return

    def look(self) -> None:
        """Look once. A process that is being killed is passed over."""
        at = time.monotonic() - self._started
        for name, pid in self._processes():
            with contextlib.suppress(OSError, LookupError):
                self.samples.append(Sample(at, name, pid, proportional_set_size(pid)))
            with contextlib.suppress(httpx.HTTPError):
                self._errors[pid] = errors_in(self._metrics(name))

    @property
    def errors(self) -> float:
        """What all processes counted, those that were killed included, up to their last look."""
        return sum(self._errors.values())

    def _processes(self) -> Iterator[tuple[str, int]]:
        yield MAIN, self._cluster.process_id
        for worker in self._cluster.workers:
            if (pid := worker.process_id) is not None:
                yield worker.name, pid

    def _metrics(self, name: str) -> dict[str, float]:
        for worker in self._cluster.workers:
            if worker.name == name:
                return scraped(worker.http)
        return Homeserver.metrics(self._cluster)


def errors_in(metrics: dict[str, float]) -> float:
    """How many decisions broke, by a process's metrics."""
    return sum(
        value for series, value in metrics.items() if series.startswith("capgroups_errors_total")
    )


def growth(samples: Sequence[Sample]) -> float | None:
    """By how much one process grew, in MB an hour: the line that fits best. None of too few."""
    if len(samples) < 3:
        return None
    mean_at = sum(sample.at for sample in samples) / len(samples)
    mean = sum(sample.megabytes for sample in samples) / len(samples)
    spread = sum((sample.at - mean_at) ** 2 for sample in samples)
    if not spread:
        return None
    rise = sum((sample.at - mean_at) * (sample.megabytes - mean) for sample in samples)
    return 3600 * rise / spread
