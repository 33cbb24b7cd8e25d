"""`python -m benchmarks`: measure what the module costs and write docs/performance.md.

With `--beside`, servers with another checkout's module run beside those with this one's, and what
comes out is written to benchmarks/results/beside.md only.

`large_groups`, `peers` and `large` run only by their names. `python -m benchmarks society` is a
simulation, without servers, and `python -m benchmarks soak` a load for minutes or hours; both have
options of their own.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs

from benchmarks import (
    account,
    chats,
    checkouts,
    decisions,
    directory,
    large,
    large_groups,
    members,
    memory,
    messages,
    previews,
    remote,
    report,
    scans,
    series,
)
from benchmarks.machine import describe
from benchmarks.peers import comparing
from benchmarks.results import Figures, Results
from benchmarks.servers import Bench, bench
from benchmarks.sizes import BESIDE, FULL, QUICK, TINY, Sizes

BENCHMARKS: Mapping[str, Callable[[Bench, Sizes], Figures]] = {
    "messages": messages.run,
    "members": members.run,
    "remote": remote.run,
    "account": account.run,
    "directory": directory.run,
    "decisions": decisions.run,
    "series": series.run,
    "chats": chats.run,
    "memory": memory.run,
    "scans": scans.run,
    "previews": previews.run,
    "large_groups": large_groups.run,
    "peers": comparing.run,
    "large": large.run,
}
_ON_REQUEST = ("large_groups", "peers", "large")
"""Those that run only by their names: of a plain Synapse, beside modules of others, for hours."""
_BESIDE = ("messages", "members", "scans")
"""Those that can run another checkout's module beside this one's."""


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] == "society":
        from benchmarks.society import command  # Needs a graph library, which others do not.

        return command.main(arguments[1:])
    if arguments and arguments[0] == "soak":
        from benchmarks.soak import command as soak

        return soak.main(arguments[1:])
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="small and rough: for a first look")
    parser.add_argument("--tiny", action="store_true", help="only to see that it runs")
    parser.add_argument(
        "--beside",
        type=Path,
        metavar="checkout",
        help=f"also measure the module of another checkout, in {', '.join(_BESIDE)}",
    )
    parser.add_argument(
        "--scale", type=float, help="of the rows of `large`, as 0.01; 1 is 20,000,000 admissions"
    )
    parser.add_argument("--out", type=Path, default=Path(), help="where to write; the checkout")
    parser.add_argument(
        "--database",
        choices=("auto", "postgres", "sqlite"),
        default="auto",
        help="auto: PostgreSQL where it is installed",
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    possible = tuple(BENCHMARKS)
    modules = [checkouts.THIS]
    if options.beside:
        possible = _BESIDE
        try:
            modules.append(checkouts.beside(options.beside))
        except NotADirectoryError as e:
            parser.error(str(e))
    if unable := set(options.names) - set(possible):
        parser.error(f"not with --beside: {', '.join(sorted(unable))}")
    full = BESIDE if options.beside else FULL
    sizes = TINY if options.tiny else QUICK if options.quick else full
    if options.scale is not None:
        if not 0 < options.scale <= 1:
            parser.error("--scale is more than 0 and at most 1")
        sizes = attrs.evolve(sizes, scale=options.scale)
    usual = [name for name in possible if name not in _ON_REQUEST]
    names = [name for name in possible if name in (options.names or usual)]
    flags = [f"--{flag}" for flag in ("quick", "tiny") if getattr(options, flag)]
    flags += [f"--scale {options.scale:g}"] if options.scale is not None else []
    flags += ["--beside CHECKOUT"] if options.beside else []

    options.out.mkdir(parents=True, exist_ok=True)
    with bench(options.database, modules) as place:
        machine = describe(place.engine)
        earlier = None if options.beside else Results.read(options.out / report.DATA)
        found = earlier.figures if earlier else {}
        for name in names:
            print(f"{name} …", file=sys.stderr, flush=True)
            started = time.monotonic()
            try:
                figures = BENCHMARKS[name](place, sizes)
            except decisions.NeedsPostgres as e:
                print(e, file=sys.stderr)
                continue
            found[name] = attrs.evolve(
                figures,
                machine=machine,
                command=" ".join(["python -m benchmarks", name, *flags]),
                date=time.strftime("%Y-%m-%d"),
                seconds=time.monotonic() - started,
            )
            # Each time, so that one that breaks takes nothing with it.
            in_order = {name: found[name] for name in BENCHMARKS if name in found}
            results = Results(in_order)
            if options.beside:
                report.write_beside(results, modules, options.out)
            else:
                report.write(results, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
