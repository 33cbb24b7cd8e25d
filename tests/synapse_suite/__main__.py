"""`python -m tests.synapse_suite`: Synapse's own tests, with this module in every homeserver.

Without an option the module runs as a trial, and no test may fail that passes without it. With
`--enforce` it runs with its defaults, and exactly those tests fail that `expected.yaml` lists.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.synapse_suite.comparing import compare, expected
from tests.synapse_suite.running import run
from tests.synapse_suite.sdist import fetch

NEAREST = (
    "rest.client.test_rooms",
    "rest.client.test_register",
    "rest.admin.test_room",
    "handlers.test_room_member",
    "handlers.test_user_directory",
    "handlers.test_profile",
    "federation",
    "module_api",
)
"""The tests of what the module has to do with."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.synapse_suite", description=__doc__)
    parser.add_argument("tests", nargs="*", default=NEAREST, help="such as handlers.test_profile")
    parser.add_argument("--all", action="store_true", help="all of Synapse's tests: half an hour")
    parser.add_argument("--enforce", action="store_true", help="with the defaults, and no trial")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir()) / "synapse-suite",
        help="where Synapse's tests are kept; %(default)s",
    )
    parser.add_argument("--processes", type=int, default=2, help="%(default)s")
    options = parser.parse_args(arguments)
    names = ["tests"] if options.all else [f"tests.{name}" for name in options.tests]

    suite = fetch(options.cache)
    began = time.monotonic()
    module = {"enforce": options.enforce}
    loaded = run(suite, names, module, processes=options.processes)
    failed = [each.test for each in loaded if each.outcome == "failed"]
    plain = run(suite, failed, None, processes=options.processes)
    comparison = compare(loaded, plain, expected(enforce=options.enforce))
    print(comparison.report())
    print(f"in {time.monotonic() - began:.0f} s")
    return 0 if comparison.as_expected else 1


if __name__ == "__main__":
    sys.exit(main())
