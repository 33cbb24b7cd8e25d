"""`python -m benchmarks soak`: a mixed load of everything on a cluster, with workers that are
killed at random; then memory, seats, rows and doors must be what they must be.

Writes benchmarks/results/soak.md and the lines on it in docs/performance.md. The exit code is 1 if
something is not as it must be, 2 if it cannot run here. PostgreSQL, Redis and the homeserver run on
loopback, in a folder that is removed.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.servers import bench
from benchmarks.soak import page
from benchmarks.soak.run import NotPossible, run


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="how long the load is; 60")
    parser.add_argument("--seed", type=int, default=1, help="other dice")
    parser.add_argument("--out", type=Path, default=Path(), help="where to write; the checkout")
    options = parser.parse_args(arguments)
    if not 0 < options.minutes <= 24 * 60:
        parser.error("--minutes is more than 0 and at most a day")
    with bench("auto") as place:
        try:
            outcome = run(place, options.minutes, options.seed)
        except NotPossible as e:
            print(e, file=sys.stderr)
            return 2
    flags = [f"--minutes {options.minutes:g}"]
    flags += [f"--seed {options.seed}"] if options.seed != 1 else []
    command = " ".join(["python -m benchmarks soak", *flags])
    date = time.strftime("%Y-%m-%d")
    page.write(outcome, command, date, options.out)
    for sentence in page.in_short(outcome, command, date):
        print(sentence)
    for check in outcome.checks:
        if not check.is_well:
            print(f"WRONG: {check.what} must be {check.must}, found {check.found}")
    return 0 if outcome.is_well else 1
