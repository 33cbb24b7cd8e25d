"""CPU seconds and latency of operations, on several servers in turn."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

import attrs

from benchmarks.results import Comparison, Spread, spread
from synapse_capgroups.demo.person import Reply, expect

_IDLE_SECONDS = 0.03
_IDLE_CPU = 0.001


class Measured(Protocol):
    """Something that uses a processor. Both in seconds since its start."""

    def cpu(self) -> float: ...

    def database_cpu(self) -> float: ...


S = TypeVar("S", bound=Measured)


def process_cpu(pid: int) -> float:
    """CPU seconds of a process, all its threads, those that ended included; to nanoseconds.

    /proc/<pid>/stat counts in steps of 10 ms, about half a message. The clock's number is how
    Linux writes `clock_getcpuclockid(pid)`, which Python does not have.
    """
    return time.clock_gettime((~pid << 3) | 2)


def settle(*servers: Measured, seconds: float = 5) -> None:
    """Wait until the servers have done what follows an answer. Gives up after some seconds."""

    def used() -> float:
        # A server that waits for its database, or for another server, is not done.
        return sum(server.cpu() + server.database_cpu() for server in servers)

    deadline = time.monotonic() + seconds
    before = used()
    while time.monotonic() < deadline:
        time.sleep(_IDLE_SECONDS)
        now = used()
        if now - before < _IDLE_CPU:
            return
        before = now


def wait_for(done: Callable[[], bool], *servers: Measured, seconds: float = 20) -> None:
    """Wait until something is done. It is asked only when the servers are idle.

    Raises:
        TimeoutError: it is not done in time.
    """
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"It was not done within {seconds:.0f} s.")
        settle(*servers)


@attrs.define
class Round:
    """What some operations took on one server, between unmeasured ones. Times are seconds."""

    operations: int = 0
    cpu: float = 0
    database_cpu: float = 0
    elapsed: float = 0
    """Until the last answer."""
    latencies: list[float] = attrs.field(factory=list)

    def measure(
        self,
        server: Measured,
        operation: Callable[[], object],
        times: int = 1,
        at_once: int = 1,
        others: Sequence[Measured] = (),
        done: Callable[[], bool] = lambda: True,
    ) -> None:
        """Run an operation, and what the server does in the background because of it.

        Args:
            operation: if it returns a `Reply`, that must be a 200.
            others: servers that take part. They are waited for, and not measured.
            done: whether all of it has come to pass; asked when the servers are idle.

        Raises:
            TimeoutError: it is not done in time.
        """

        def timed(_: int) -> float:
            started = time.perf_counter()
            answer = operation()
            if isinstance(answer, Reply):
                expect(answer)
            return time.perf_counter() - started

        settle(server, *others)
        cpu, database_cpu = server.cpu(), server.database_cpu()
        started = time.perf_counter()
        if at_once == 1:
            self.latencies.extend(map(timed, range(times)))
        else:
            with ThreadPoolExecutor(at_once) as pool:
                self.latencies.extend(pool.map(timed, range(times)))
        self.elapsed += time.perf_counter() - started
        settle(server, *others)
        wait_for(done, server, *others)
        self.cpu += server.cpu() - cpu
        self.database_cpu += server.database_cpu() - database_cpu
        self.operations += times


Work = Callable[[S, int], dict[str, Round]]
"""Does one round on a server, given the round's number; returns what it took, by operation."""


def in_turn(servers: Sequence[S], rounds: int, work: Work[S]) -> dict[str, list[list[Round]]]:
    """Let the servers do the same rounds, one at a time, each of them first equally often.

    One more round at the start warms up and is not counted.

    Returns:
        By operation, a list for each server, of its rounds.
    """
    found: dict[str, list[list[Round]]] = {}
    for number in range(-1, rounds):
        first = number % len(servers)
        for index in [*range(first, len(servers)), *range(first)]:
            for operation, took in work(servers[index], number + 1).items():
                if number >= 0:
                    found.setdefault(operation, [[] for _ in servers])[index].append(took)
    return found


def compare(
    name: str,
    subject: str,
    without: Sequence[Round],
    rounds: Sequence[Round],
    *,
    transactions: float | None = None,
    target: float | None = None,
) -> Comparison:
    """Rounds on one server against those beside them on the server without."""
    return Comparison(
        name,
        subject,
        cpu_without=_each(without, _cpu),
        cpu=_each(rounds, _cpu),
        cpu_ratio=_ratios(without, rounds, _cpu),
        total_ratio=_ratios(without, rounds, lambda r: _cpu(r) + _database_cpu(r)),
        latency_without=_each(without, _latency),
        latency=_each(rounds, _latency),
        latency_ratio=_ratios(without, rounds, _latency),
        transactions=transactions,
        target=target,
    )


def compare_each(
    name: str,
    subjects: Sequence[str],
    found: Sequence[Sequence[Round]],
    *,
    transactions: float | None = None,
    target: float | None = None,
) -> list[Comparison]:
    """Rounds on servers with a module each: against the server without, then the first one's
    against each other's, which is to cost the same.

    Args:
        subjects: what the servers with a module have, the one that is judged first.
        found: the rounds of the server without, then those of the others.
        transactions, target: of the first one with a module.
    """
    without, *modules = found
    (subject, ours), *others = zip(subjects, modules, strict=True)
    first = compare(name, subject, without, ours, transactions=transactions, target=target)
    return [
        first,
        *(compare(name, other, without, rounds) for other, rounds in others),
        *(
            compare(name, f"{subject}, against {other}", rounds, ours, target=1.0)
            for other, rounds in others
        ),
    ]


def _cpu(took: Round) -> float:
    return 1000 * took.cpu / took.operations


def _database_cpu(took: Round) -> float:
    return 1000 * took.database_cpu / took.operations


def _latency(took: Round) -> float:
    return 1000 * spread(took.latencies).median


def _each(rounds: Sequence[Round], value: Callable[[Round], float]) -> Spread:
    return spread(map(value, rounds))


def _ratios(
    without: Sequence[Round], rounds: Sequence[Round], value: Callable[[Round], float]
) -> Spread:
    return spread(value(b) / value(a) for a, b in zip(without, rounds, strict=True))
