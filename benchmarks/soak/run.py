"""The run: the load, the kills, the two sweeps after it, and what is there then."""

import random
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import attrs

from benchmarks.engines import PostgresEngine
from benchmarks.machine import describe
from benchmarks.servers import Bench
from benchmarks.soak.answers import Answers
from benchmarks.soak.crowd import CAP, CODE_LIMIT, MODULE, Crowd
from benchmarks.soak.killing import Killer
from benchmarks.soak.logs import Errors, errors_of
from benchmarks.soak.looking import State, look
from benchmarks.soak.verdict import Check, Memory, judge, memories
from benchmarks.soak.watching import Watcher
from synapse_capgroups.demo.cluster import Cluster
from synapse_capgroups.demo.homeserver import Homeserver

WORKERS = 4
"""The last of them is never killed, so that its memory says something."""
_PEOPLE = 40
_AT_ONCE = 6
_MOST_A_MINUTE = 2_000
"""Deeds: a bound for a fast machine."""
_PAUSE = 0.3  # Seconds at most, between two deeds of one thread.
_SWEEPS = 2
_SWEEP_PATIENCE = 600  # Seconds until two sweeps must have passed.
_SETTLING_PATIENCE = 300  # Seconds after that until everything must be as it must be.


@attrs.frozen
class Outcome:
    """What a run has shown. Times are seconds."""

    machine: dict[str, str]
    seconds: float
    swept_after: float
    settled_after: float
    kills: dict[str, int]
    deeds: int
    answers: Answers
    state: State
    errors: Errors
    memory: list[Memory]
    checks: list[Check]

    @property
    def is_well(self) -> bool:
        return all(check.is_well for check in self.checks)


class NotPossible(Exception):
    """This machine lacks what a cluster needs; the message says what."""


def run(bench: Bench, minutes: float, seed: int) -> Outcome:
    """Let everything happen for so long.

    Raises:
        NotPossible: there is no PostgreSQL or Redis here.
    """
    engine = bench.engine
    if not isinstance(engine, PostgresEngine) or not bench.has_clusters():
        raise NotPossible(
            "soak needs PostgreSQL and Redis: apt-get install postgresql redis-server"
        )
    world = bench.world(lambda server: None)
    with bench.cluster(world, MODULE, WORKERS) as (cluster, _):
        answers = Answers()
        crowd = Crowd(cluster, answers)
        crowd.begin(_PEOPLE)
        killer = Killer(cluster.workers[:-1], random.Random(seed))
        watcher = Watcher(cluster, interval=min(30.0, max(2.0, minutes / 2)))
        started = time.monotonic()
        deeds = _load(crowd, answers, killer, watcher, 60 * minutes, seed)
        ended = time.monotonic()
        connection = engine.connect(cluster.folder.name)
        cursor = connection.cursor()
        _say("The load is over; two sweeps …")
        swept_after = _two_sweeps(cursor)
        state = _settle(cursor, cluster)
        settled_after = time.monotonic() - ended
        watcher.look()
        connection.close()
        counted = _groups_by_mode(cluster)
        errors = _errors(cluster)
        memory = memories(
            [sample for sample in watcher.samples if sample.at <= ended - started], ended - started
        )
        checks = list(
            judge(
                state, counted, answers, errors, watcher.errors, memory, sum(killer.kills.values())
            )
        )
        return Outcome(
            describe(engine), ended - started, swept_after, settled_after, killer.kills, deeds,
            answers, state, errors, memory, checks,
        )  # fmt: skip


def _load(
    crowd: Crowd,
    answers: Answers,
    killer: Killer,
    watcher: Watcher,
    seconds: float,
    seed: int,
) -> int:
    """Let people act and workers be killed for so long; returns how many deeds were done.

    A worker that does not come back ends the load, and is raised.
    """
    over = threading.Event()
    deadline = time.monotonic() + seconds
    bound = threading.Semaphore(max(1, round(_MOST_A_MINUTE * seconds / 60)))
    deeds = [0] * _AT_ONCE

    def act(number: int) -> None:
        dice = random.Random(1000 * seed + number)
        while not over.is_set() and bound.acquire(blocking=False):
            try:
                crowd.act(dice)
            except Exception as e:  # One deed that breaks must not end hours of others.
                answers.fault(f"a deed broke: {e!r}")
            deeds[number] += 1
            over.wait(dice.uniform(0, _PAUSE))

    def guarded(work: Callable[[], None]) -> Callable[[], None]:
        def guard() -> None:
            try:
                work()
            except BaseException:
                over.set()
                raise

        return guard

    with ThreadPoolExecutor(_AT_ONCE + 2) as pool:
        work: list[Callable[[], None]] = [
            lambda: killer.run(over),
            lambda: watcher.run(over),
            *(lambda number=number: act(number) for number in range(_AT_ONCE)),
        ]
        running = [pool.submit(guarded(one)) for one in work]
        try:
            while not over.wait(min(10.0, max(0.01, deadline - time.monotonic()))):
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                _progress(f"{left / 60:5.1f} minutes left, {sum(deeds):,} deeds")
        finally:
            over.set()
        for one in running:
            one.result()
    return sum(deeds)


def _two_sweeps(cursor: Any) -> float:
    """Wait until two whole sweeps have passed; returns the seconds that it took.

    Raises:
        TimeoutError: they did not come.
    """
    started = time.monotonic()
    # What ends first may have begun before the load was over.
    seen = {_swept_at(cursor)}
    while len(seen) <= _SWEEPS + 1:
        if time.monotonic() > started + _SWEEP_PATIENCE:
            raise TimeoutError(f"No {_SWEEPS} sweeps ended within {_SWEEP_PATIENCE} s.")
        time.sleep(1)
        seen.add(_swept_at(cursor))
    return time.monotonic() - started


def _swept_at(cursor: Any) -> int | None:
    cursor.execute("SELECT swept_at FROM capgroups_schema")
    (at,) = cursor.fetchone()
    return None if at is None else int(at)


def _settle(cursor: Any, cluster: Cluster) -> State:
    """Look until everything is as it must be, or patience ends; returns what is there then.

    Synapse deletes rooms in the background, and lets a killed process's lock on one be for minutes.
    """
    deadline = time.monotonic() + _SETTLING_PATIENCE
    concierge = f"@groups:{cluster.server_name}"
    while True:
        state = look(cursor, CAP, CODE_LIMIT, concierge, int(1000 * time.time()) - 120_000)
        if state.is_clean or time.monotonic() > deadline:
            return state
        time.sleep(5)


def _groups_by_mode(cluster: Cluster) -> dict[str, float]:
    metrics = Homeserver.metrics(cluster)  # The main process's alone: the sweep is there.
    return {
        series: value for series, value in metrics.items() if series.startswith("capgroups_groups{")
    }


def _errors(cluster: Cluster) -> Errors:
    paths = [cluster.log, *(worker.log for worker in cluster.workers)]
    with ExitStack() as stack:
        there = [path for path in paths if path.exists()]
        return errors_of(stack.enter_context(path.open(errors="replace")) for path in there)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text}  ", end="", file=sys.stderr, flush=True)
