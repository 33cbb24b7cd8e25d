"""What the run has shown: each thing that must be so, whether it is, and what was found instead."""

from collections.abc import Iterator, Mapping, Sequence

import attrs

from benchmarks.soak.answers import Answers
from benchmarks.soak.logs import Errors
from benchmarks.soak.looking import LEFT_BEHIND, State, first
from benchmarks.soak.watching import Sample, growth

MOST_GROWTH = 100
"""MB an hour, in the second half of a run: a process that fills Synapse's own caches grows, too."""
LEFT_BY_A_KILL = 3
"""Rooms that a process can be making in one moment, more or less: the load does six things at once
on four workers, and greets people beside it."""
_JUDGED_FROM = 20 * 60
"""Seconds that a run must take for the growth of its second half to say something."""


@attrs.frozen
class Check:
    """Something that must be so.

    Attributes:
        found: what was found, in words; an empty string is as it must be.
    """

    what: str
    must: str
    found: str
    is_well: bool


@attrs.frozen
class Memory:
    """A process's memory in the second half of the run: the one that lived longest in it.

    Attributes:
        lives: how many processes of this name there were.
        grows: MB an hour; None if it was seen too seldom to say so.
        is_judged: whether it lived for so long that its growth means something.
    """

    process: str
    lives: int
    seconds: float
    first: float
    last: float
    grows: float | None
    is_judged: bool


def memories(samples: Sequence[Sample], seconds: float) -> list[Memory]:
    """The memory of each process, by its name."""
    found = []
    for name in sorted({sample.process for sample in samples}):
        its = [sample for sample in samples if sample.process == name]
        pids = {sample.pid for sample in its}
        late = [sample for sample in its if sample.at >= seconds / 2] or its
        longest = max(pids, key=lambda pid: sum(sample.pid == pid for sample in late))
        one = [sample for sample in late if sample.pid == longest]
        lived = one[-1].at - one[0].at
        grows = growth(one)
        long = seconds >= _JUDGED_FROM and lived >= seconds / 3
        found.append(
            Memory(
                name, len(pids), lived, one[0].megabytes, one[-1].megabytes, grows,
                is_judged=long and grows is not None,
            )
        )  # fmt: skip
    return found


def judge(
    state: State,
    counted: Mapping[str, float],
    answers: Answers,
    errors: Errors,
    counted_errors: float,
    memory: Sequence[Memory],
    kills: int,
) -> Iterator[Check]:
    """Everything that must be so.

    Args:
        counted: `capgroups_groups` by mode, as the server counted them.
        kills: how many processes were killed.
        counted_errors: `capgroups_errors_total` of all processes.
    """
    for what, offenders in state.offenders.items():
        found = f"{len(offenders)}: {first(offenders)}" if offenders else "0"
        yield Check(what, "0", found, not offenders)
    groups = state.counts["groups on record"]
    total = sum(counted.values())
    yield Check(
        "groups that the sweep counted", f"{groups:,}, as on record", f"{total:,.0f}",
        total == groups,
    )  # fmt: skip
    left, most = state.counts[LEFT_BEHIND], LEFT_BY_A_KILL * kills
    yield Check(LEFT_BEHIND, f"at most {most}: {LEFT_BY_A_KILL} a kill", f"{left}", left <= most)
    yield Check(
        "answers of 500 and above, and deeds that broke",
        "0",
        f"{answers.number_of_faults}",
        not answers.number_of_faults,
    )
    yield Check("`capgroups_errors_total`", "0", f"{counted_errors:.0f}", counted_errors == 0)
    yield Check("errors that the module logged", "0", f"{errors.ours.total()}", not errors.ours)
    yield Check(
        "kinds of tracebacks that nothing explains", "0", first(errors.unexpected) or "0",
        not errors.unexpected,
    )  # fmt: skip
    for one in memory:
        if one.is_judged and one.grows is not None:
            yield Check(
                f"growth of {one.process} in the second half",
                f"at most {MOST_GROWTH} MB an hour",
                f"{one.grows:+.0f} MB an hour",
                one.grows <= MOST_GROWTH,
            )
