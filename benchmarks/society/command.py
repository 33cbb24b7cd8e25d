"""`python -m benchmarks society`: simulate what the rules do to people, and write the figures, the
plots and the tables of docs/choosing-limits.md.

The same seed gives the same benchmarks/results/society.json, to the byte. No server is started.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from benchmarks.society import page
from benchmarks.society.figures import key_figures, simulate
from benchmarks.society.guesses import FULL, OTHER_LUCK, QUICK, TINY, VARIED, Guesses, Size
from benchmarks.society.people import People, small_world


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks society", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small town: for a first look")
    parser.add_argument("--tiny", action="store_true", help="only to see that it runs")
    parser.add_argument("--seed", type=int, default=1, help="another one is another town")
    parser.add_argument("--out", type=Path, default=Path(), help="where to write; the checkout")
    options = parser.parse_args(arguments)
    size = TINY if options.tiny else QUICK if options.quick else FULL
    started = time.process_time()
    found = run(size, options.seed)
    flags = [f"--{flag}" for flag in ("quick", "tiny") if getattr(options, flag)]
    flags += [f"--seed {options.seed}"] if options.seed != 1 else []
    cost = page.Cost(
        " ".join(["python -m benchmarks society", *flags]),
        time.strftime("%Y-%m-%d"),
        time.process_time() - started,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    )
    page.write(found, cost, options.out)
    print(cost.sentence(found["asked"]))
    return 0


def run(size: Size, seed: int) -> dict[str, Any]:
    """All settings with the guesses as they are, and some settings with others.

    Returns:
        What becomes society.json.
    """
    guesses = Guesses()
    people = _people(size, guesses, seed)
    settings, asked = [], 0
    for setting in size.settings:
        _say(setting.name)
        found = simulate(people, guesses, setting, size, seed)
        asked += found.pop("asked")
        settings.append({"name": setting.name, "options": setting.options, **found})
    variations = []
    for name, changes, its_people in _worlds(size, guesses, people, seed):
        by_setting, varied = {}, attrs.evolve(guesses, **changes)
        luck = seed + 1 if name == OTHER_LUCK else seed
        for setting in VARIED:
            _say(f"{name}: {setting.name}")
            found = simulate(its_people, varied, setting, size, luck)
            asked += found.pop("asked")
            by_setting[setting.name] = key_figures(found)
        variations.append({"name": name, "guesses": changes, "settings": by_setting})
    return {
        "seed": seed,
        "people": size.people,
        "groups": size.groups,
        "days": size.days,
        "spammers_of_each_kind": size.operators,
        "guesses": attrs.asdict(guesses),
        "settings": settings,
        "variations": variations,
        "asked": asked,
    }


def as_json(found: dict[str, Any]) -> str:
    """The same text for the same figures."""
    return json.dumps(found, indent=1, sort_keys=True, allow_nan=False) + "\n"


def _people(size: Size, guesses: Guesses, seed: int) -> People:
    _say(f"{size.people:,} people with {guesses.friends} friends each")
    return small_world(size.people, guesses.friends, guesses.far, size.days, seed)


def _worlds(
    size: Size, guesses: Guesses, people: People, seed: int
) -> Iterator[tuple[str, dict[str, Any], People]]:
    """Each variation with its people. Only two worlds are in memory at a time."""
    for name, changes in size.variations.items():
        other = attrs.evolve(guesses, **changes)
        is_same = (other.friends, other.far) == (guesses.friends, guesses.far)
        yield name, dict(changes), people if is_same else _people(size, other, seed)


def _say(text: str) -> None:
    print(f"{text} …", file=sys.stderr, flush=True)
