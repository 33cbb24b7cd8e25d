"""Random people try everything on a real server, and after each step every rule must hold.

The short walk belongs to the tests and is always the same; `--engines=both` makes it longer.
`CAPGROUPS_FUZZ_MINUTES=20` makes it as long as that, and different each time.
`CAPGROUPS_FUZZ_PROMISES` names those of `fuzz.model.Promise` that are checked, where only some are
of interest. `CAPGROUPS_FUZZ_SHRINK=1` looks for the shortest way to what was found, which takes
minutes.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import Flaky
from hypothesis.stateful import run_state_machine_as_test

from tests.conftest import Server, Starter, starter
from tests.fuzz.machine import machine
from tests.fuzz.model import Promise
from tests.fuzz.world import SETTINGS, World

MINUTES = float(os.environ.get("CAPGROUPS_FUZZ_MINUTES", "0"))
PROMISES = [Promise[name] for name in os.environ.get("CAPGROUPS_FUZZ_PROMISES", "").split()]
SHRINK = bool(os.environ.get("CAPGROUPS_FUZZ_SHRINK"))
PHASES = [Phase.generate, Phase.shrink] if SHRINK else [Phase.generate]
_WALKS = 10
_FIRST_WALKS = 4  # As many as are walked without `--engines=both`.
_STEPS = 40


@pytest.mark.long(1)
@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_no_rule_breaks_whatever_random_people_do(
    engine: str, start: Starter, request: pytest.FixtureRequest
) -> None:
    server = start(engine, module=SETTINGS)
    both = request.config.getoption("engines") == "both"

    def walk(examples: int, *, same: bool) -> None:
        walker = machine(server, PROMISES or list(Promise))
        try:
            run_state_machine_as_test(
                walker,
                settings=settings(
                    max_examples=examples,
                    stateful_step_count=_STEPS,
                    deadline=None,
                    derandomize=same,
                    database=None,
                    phases=PHASES,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        except Flaky:
            # The same steps can go another way on a live server. A fault stays one all the same.
            for world in walker.worlds:
                if world.broken:
                    raise world.broken[0] from None

    if not MINUTES:
        walk(_WALKS if both else _FIRST_WALKS, same=True)
    end = time.monotonic() + MINUTES * 60
    while time.monotonic() < end:
        walk(_WALKS, same=False)


Steps = list[Callable[[World], None]]

FOUND: dict[str, Steps] = {
    "somebody else is invited into a room of the concierge": [
        lambda world: world.create(0),
        lambda world: world.meet_concierge(0),
        lambda world: world.invite_to_chat(0, 1),
    ],
    "a removed person knocks and scans an older code": [
        lambda world: world.create(0),
        lambda world: world.make_code(0, 0),
        lambda world: world.scan(1, 0),
        lambda world: world.kick(0, 1, 0),
        lambda world: world.knock(1, 0),
        lambda world: world.leave_door(1, 0),
        lambda world: world.scan(1, 0),
    ],
    "a sharer is demoted and promoted again": [
        lambda world: world.create(0),
        lambda world: world.make_code(0, 0),
        lambda world: world.scan(1, 0),
        lambda world: world.set_level(1, 0, promote=True),
        lambda world: world.make_code(1, 0),
        lambda world: world.set_level(1, 0, promote=False),
        lambda world: world.preview(2, 1),
        lambda world: world.set_level(1, 0, promote=True),
        lambda world: world.scan(2, 1),
    ],
    "a sharer leaves and returns": [
        lambda world: world.create(0),
        lambda world: world.invite(0, 1, 0),
        lambda world: world.join(1, 0),
        lambda world: world.make_code(0, 0),
        lambda world: world.leave(0, 0),
        lambda world: world.invite(1, 0, 0),
        lambda world: world.join(0, 0),
        lambda world: world.scan(2, 0),
    ],
    "a sharer is suspended and that is taken back": [
        lambda world: world.create(0),
        lambda world: world.make_code(0, 0),
        lambda world: world.suspend(0, suspended=True),
        lambda world: world.suspend(0, suspended=False),
        lambda world: world.scan(1, 0),
    ],
    "somebody who left scans again while still at the door": [
        lambda world: world.create(0),
        lambda world: world.make_code(0, 0),
        lambda world: world.scan(1, 0),
        lambda world: world.leave(1, 0),
        lambda world: world.scan(1, 0),
    ],
    "somebody who was removed scans again while still at the door": [
        lambda world: world.create(0),
        lambda world: world.make_code(0, 0),
        lambda world: world.scan(1, 0),
        lambda world: world.kick(0, 1, 0),
        lambda world: world.scan(1, 0),
    ],
    "a code of a group that was upgraded": [
        lambda world: world.create(0),
        lambda world: world.make_code(0, 0),
        lambda world: world.upgrade(0),
        lambda world: world.scan(1, 0),
    ],
    "a door is given a second address": [
        lambda world: world.create(0),
        lambda world: world.make_code(0, 0),
        lambda world: world.scan(1, 0),
        lambda world: world.add_address(1, str(world.codes[0].door)),
    ],
}
"""What walks have found, as short as it gets."""


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def small(request: pytest.FixtureRequest) -> Iterator[Server]:
    with ExitStack() as stack:
        yield starter(request, stack)(request.param, module=SETTINGS)


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_once_holds_now(small: Server, name: str) -> None:
    world = World(small)
    for step in FOUND[name]:
        step(world)
        world.check()
