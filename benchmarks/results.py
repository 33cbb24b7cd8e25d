"""What a run found: values that become JSON and come back from it."""

import json
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs


@attrs.frozen
class Spread:
    """The middle of some values and the quarters around it."""

    median: float
    low: float
    """A quarter of the values is below."""
    high: float
    """A quarter of the values is above."""
    values: int
    """How many there were."""


def spread(values: Iterable[float]) -> Spread:
    found = sorted(values)
    low = high = found[0]
    if len(found) > 1:
        low, _, high = statistics.quantiles(found, n=4, method="inclusive")
    return Spread(statistics.median(found), low, high, len(found))


def _spread(value: Spread | dict[str, Any]) -> Spread:
    return value if isinstance(value, Spread) else Spread(**value)


@attrs.frozen
class Comparison:
    """One operation on two servers.

    Ratios are those of the rounds: each round on one server against the round beside it on the
    server without the module.

    Attributes:
        name: the operation.
        subject: what the compared server has that the other has not.
        cpu, cpu_without: milliseconds of processor time of Synapse, per operation.
        cpu_ratio: of Synapse alone.
        total_ratio: of Synapse and its database together; the same on SQLite, which is inside.
        latency, latency_without: milliseconds from request to answer, of one operation.
        transactions: of this module's, per operation; None if nobody counted.
        target: the most that `cpu_ratio` should be; None if nobody said.
    """

    name: str
    subject: str
    cpu_without: Spread = attrs.field(converter=_spread)
    cpu: Spread = attrs.field(converter=_spread)
    cpu_ratio: Spread = attrs.field(converter=_spread)
    total_ratio: Spread = attrs.field(converter=_spread)
    latency_without: Spread = attrs.field(converter=_spread)
    latency: Spread = attrs.field(converter=_spread)
    latency_ratio: Spread = attrs.field(converter=_spread)
    transactions: float | None = None
    target: float | None = None


@attrs.frozen
class Reading:
    """A figure that is no ratio of two servers.

    Attributes:
        target: in words; empty if nobody said.
        scale: how much of something there was, such as groups; None if that does not matter.
    """

    name: str
    value: Spread = attrs.field(converter=_spread)
    unit: str
    target: str = ""
    scale: float | None = None


def _comparisons(values: Sequence[Any]) -> tuple[Comparison, ...]:
    return tuple(v if isinstance(v, Comparison) else Comparison(**v) for v in values)


def _readings(values: Sequence[Any]) -> tuple[Reading, ...]:
    return tuple(v if isinstance(v, Reading) else Reading(**v) for v in values)


@attrs.frozen
class Figures:
    """What one of the benchmarks found.

    Attributes:
        about: a sentence or two: what was done.
        scale: what the readings' scale counts.
        machine: what it is from.
        command: what makes it again.
        date: of the run, as 2026-12-31.
        seconds: how long it took.
        documents: pages of their own beside the report, by file name; not kept in JSON.
    """

    title: str
    about: str
    comparisons: tuple[Comparison, ...] = attrs.field(default=(), converter=_comparisons)
    readings: tuple[Reading, ...] = attrs.field(default=(), converter=_readings)
    scale: str = ""
    machine: dict[str, str] = attrs.field(factory=dict)
    command: str = ""
    date: str = ""
    seconds: float = 0
    documents: dict[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Results:
    """All figures by the benchmark's name."""

    figures: dict[str, Figures]

    def write(self, path: Path) -> None:
        found = attrs.asdict(self, filter=lambda field, _: field.name != "documents")
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Results | None":
        """What an earlier run wrote; None if there was none, or not as it is written today."""
        try:
            found = json.loads(path.read_text())
            figures = {name: Figures(**values) for name, values in found["figures"].items()}
            return cls(figures)
        except (OSError, ValueError, LookupError, TypeError):
            return None
