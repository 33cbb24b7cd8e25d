"""What a run has shown, as benchmarks/results/soak.md, and in short in docs/performance.md."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.report import PAGE, RESULTS, between
from benchmarks.soak.crowd import CAP, CODE_LIMIT, FILL
from benchmarks.soak.logs import reason_for
from benchmarks.soak.run import WORKERS, Outcome

BEGIN = "<!-- results: written by `python -m benchmarks soak` -->"
END = "<!-- end of results -->"
DOCUMENT = RESULTS / "soak.md"


def write(outcome: Outcome, command: str, date: str, out: Path) -> None:
    """Write both; `out` is as in `report.write`."""
    (out / RESULTS).mkdir(parents=True, exist_ok=True)
    (out / DOCUMENT).write_text("\n".join(document(outcome, command, date)) + "\n")
    text = " ".join(in_short(outcome, command, date)) + "\n"
    between(out / PAGE, "# Performance\n", BEGIN, END, text)


def in_short(outcome: Outcome, command: str, date: str) -> Iterator[str]:
    """The sentences that say what was run and what came of it."""
    yield (
        f"`{command}`, {date}: {outcome.seconds / 60:.0f} minutes, {outcome.deeds:,} deeds and "
        f"{outcome.answers.total:,} answers, {sum(outcome.kills.values())} kills, on the "
        f"{outcome.machine['processor']}."
    )
    wrong = [check.what for check in outcome.checks if not check.is_well]
    number = len(outcome.checks)
    if wrong:
        yield f"**{len(wrong)} of {number} checks failed**: {', '.join(wrong)}."
    else:
        yield (
            f"All {number} checks held, {outcome.settled_after:.0f} s after the load's end "
            f"(two sweeps had passed after {outcome.swept_after:.0f} s)."
        )
    grown = [one for one in outcome.memory if one.is_judged]
    if grown:
        yield (
            "In the second half of the load the processes that were not killed grew: "
            + ", ".join(
                f"{one.process} {one.grows:+.0f} MB an hour, from {one.first:.0f} to {one.last:.0f}"
                for one in grown
            )
            + " MB. What fills Synapse's own caches is in it."
        )
    else:
        yield "It was too short to say how fast memory grows."
    yield f"[All figures](../{DOCUMENT})."


def document(outcome: Outcome, command: str, date: str) -> Iterator[str]:
    """The lines of the page."""
    yield "# Soak"
    yield ""
    yield (
        f"Written by `{command}`, {date}. A mixed load of everything for "
        f"{outcome.seconds / 60:.1f} minutes on a main process and {WORKERS} workers with "
        f"PostgreSQL and Redis, in groups of at most {CAP} members with a code limit of "
        f"{CODE_LIMIT}, and series of groups of {FILL}. Workers are killed at random and started "
        "again, all but the last. After the load's end two sweeps pass, and everything is counted."
    )
    yield ""
    yield from _table(["machine", ""], outcome.machine.items())
    yield ""
    yield "## What must hold"
    yield ""
    yield (
        f"Two sweeps had passed {outcome.swept_after:.0f} s after the load's end; everything was "
        f"as below after {outcome.settled_after:.0f} s."
    )
    yield ""
    yield from _table(
        ["what", "must be", "found", ""],
        (
            [check.what, check.must, check.found, "" if check.is_well else "**WRONG**"]
            for check in outcome.checks
        ),
    )
    yield ""
    yield "## Memory"
    yield ""
    yield (
        "Proportional set size in the second half of the load, of the process of each name that "
        "lived longest in it. One that was started minutes ago fills its caches; its growth is "
        "told and not judged. What fills Synapse's own caches is in all of it."
    )
    yield ""
    yield from _table(
        ["process", "processes of this name", "minutes", "MB at first", "MB at last", "MB an hour"],
        (
            [
                one.process, str(one.lives), f"{one.seconds / 60:.1f}", f"{one.first:.0f}",
                f"{one.last:.0f}", "" if one.grows is None else f"{one.grows:+.0f}",
            ]
            for one in outcome.memory
        ),
    )  # fmt: skip
    yield ""
    yield "## What there is in the end"
    yield ""
    kills = ", ".join(f"{name} {number}" for name, number in outcome.kills.items())
    rows = {**outcome.state.counts, "kills": f"{sum(outcome.kills.values())}: {kills}"}
    yield from _table(["", ""], ((what, _number(value)) for what, value in rows.items()))
    yield ""
    yield "## Answers"
    yield ""
    yield (
        f"{outcome.deeds:,} deeds. A refusal has its reason; `no answer` was asked again: the "
        "worker had been killed."
    )
    yield ""
    yield from _table(
        ["asked", "answered"],
        (
            [what, ", ".join(f"{how}: {number:,}" for how, number in counts.most_common())]
            for what, counts in sorted(outcome.answers.counts.items())
        ),
    )
    yield from _listed("Answers of 500 and above, and deeds that broke", outcome.answers.faults)
    yield ""
    yield "## Logs"
    yield ""
    errors = outcome.errors
    if errors.tracebacks:
        yield from _table(
            ["traceback", "times", "expected, because", "first"],
            (
                [kind, f"{number:,}", reason_for(kind) or "**nothing explains it**",
                 f"`{_plain(errors.examples[kind])}`"]
                for kind, number in errors.tracebacks.most_common()
            ),
        )  # fmt: skip
    else:
        yield "No traceback in any log."
    yield from _listed("Errors that the module logged", errors.ours)


def _table(heads: list[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _listed(title: str, texts: Iterable[str]) -> Iterator[str]:
    lines = [f"* `{_plain(text)}`" for text in texts]
    if lines:
        yield from ("", f"{title}:", "", *lines)


def _plain(text: str) -> str:
    """Text for a cell of a table, between backticks."""
    return text.replace("|", "/").replace("`", "'").replace("\n", " ")


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
