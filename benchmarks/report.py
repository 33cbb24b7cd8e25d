"""Results as tables in docs/performance.md, between two markers; data and plots beside this.

What compares this module with that of another checkout is a page of its own.
"""

import re
from collections.abc import Iterable, Sequence
from os.path import relpath
from pathlib import Path

from benchmarks.checkouts import Checkout
from benchmarks.results import Comparison, Figures, Reading, Results, Spread

BEGIN = "<!-- results: written by `python -m benchmarks` -->"
END = "<!-- end of results -->"
PAGE = Path("docs/performance.md")
RESULTS = Path("benchmarks/results")
DATA = RESULTS / "performance.json"
BESIDE = RESULTS / "beside.md"


def write(results: Results, out: Path) -> None:
    """Write the data, the plots and the tables.

    Args:
        out: the root of a checkout, or a folder like it. If its page has no markers, they are
            appended.
    """
    from benchmarks import plots  # Matplotlib takes a second, and a test that only collects, too.

    folder = out / RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    results.write(out / DATA)
    drawn = plots.draw(results, folder)
    for figures in results.figures.values():
        for name, text in figures.documents.items():
            (folder / name).write_text(text)
    between(out / PAGE, "# Performance\n", BEGIN, END, markdown(results, drawn))


def between(page: Path, title: str, begin: str, end: str, text: str) -> None:
    """Write what stands between two markers of a page.

    Args:
        title: of the page, if it does not exist. If it has no markers, they are appended.
    """
    page.parent.mkdir(parents=True, exist_ok=True)
    found = page.read_text() if page.exists() else title
    if begin not in found:
        found += f"\n{begin}\n{end}\n"
    before, _, rest = found.partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n\n{text}\n{end}{after}")


def write_beside(results: Results, checkouts: Sequence[Checkout], out: Path) -> None:
    """Write the page on the modules of several checkouts, without data and plots.

    What an earlier run found of the same two stays, if this one did other things.
    """
    this, *_ = checkouts
    lines = [
        "# Beside the module of another checkout",
        "",
        "Written by `python -m benchmarks --beside CHECKOUT`. A server without the module and one "
        "with the module of each checkout run on copies of one database and do the same things in "
        "turn. How to read the tables is in [performance.md](../../docs/performance.md). In the "
        f'rows of "{this.subject}, against" another, what stands before the arrow is the other\'s.',
        "",
        "| module | commit |",
        "| --- | --- |",
        *(f"| {checkout.subject} | {checkout.commit()} |" for checkout in checkouts),
        "",
    ]
    head, sections = _parts("\n".join([*lines, *_results(results)]) + "\n")
    path = out / BESIDE
    path.parent.mkdir(parents=True, exist_ok=True)
    earlier_head, earlier = _parts(path.read_text() if path.exists() else "")
    if earlier_head == head:
        sections = earlier | sections
    path.write_text((head + "".join(sections.values())).rstrip("\n") + "\n")


def _parts(text: str) -> tuple[str, dict[str, str]]:
    """What stands before the first section of a page, and the sections by their first line."""
    head, *sections = re.split("(?m)^(?=### )", text)
    return head, {section.partition("\n")[0]: section.strip() + "\n\n" for section in sections}


def markdown(results: Results, drawn: Iterable[tuple[str, str]] = ()) -> str:
    """The part between the markers.

    Args:
        drawn: the plots: file name and what can be seen there.
    """
    lines = [f"The numbers behind the tables and plots are in [{DATA.name}]({_link(DATA)}).", ""]
    plots = [f"![{text}]({_link(RESULTS / name)})\n" for name, text in drawn]
    lines += _results(results, plots)
    return "\n".join(lines) + "\n"


def _results(results: Results, plots: Sequence[str] = ()) -> list[str]:
    """The machines, the plots, and a section for each benchmark."""
    machines: list[dict[str, str]] = []
    for figures in results.figures.values():
        if figures.machine not in machines:
            machines.append(figures.machine)
    names = [chr(ord("A") + number) for number, _ in enumerate(machines)]
    alone = len(machines) < 2
    lines = [
        f"| machine | {'' if alone else ' | '.join(names)} |",
        f"| --- |{' --- |' * len(machines)}",
    ]
    lines += [f"| {what} | {' | '.join(m[what] for m in machines)} |" for what in machines[0]]
    lines += ["", *plots]
    for figures in results.figures.values():
        where = "" if alone else f", machine {names[machines.index(figures.machine)]}"
        lines += [*_section(figures, where), ""]
    return lines[:-1]


def _link(path: Path) -> str:
    """The way from the page to a file; both are relative to the root."""
    return Path(relpath(path, PAGE.parent)).as_posix()


def _section(figures: Figures, where: str) -> list[str]:
    lines = [f"### {figures.title}", "", figures.about, ""]
    if figures.comparisons:
        lines += [
            "| operation | with | CPU without → with, ms | CPU, ratio | with the database's "
            "| latency, ratio | target |",
            "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
            *map(_comparison, figures.comparisons),
            "",
        ]
        lines += [
            f"Database transactions of the module for each {c.name}: {c.transactions:g}."
            for c in figures.comparisons
            if c.transactions is not None
        ]
    if figures.readings:
        if lines[-1]:
            lines.append("")
        lines += _by_scale(figures) if figures.scale else _readings(figures)
    if lines[-1]:
        lines.append("")
    seconds = f"{figures.seconds:.0f} s"
    return [*lines, f"`{figures.command}`, {figures.date}, {seconds}{where}."]


def _comparison(c: Comparison) -> str:
    target = "" if c.target is None else f"{c.target:.2f}"
    cells = (
        c.name,
        c.subject,
        f"{number(c.cpu_without.median)} → {number(c.cpu.median)}",
        _ratio(c.cpu_ratio),
        _ratio(c.total_ratio),
        _ratio(c.latency_ratio),
        target,
    )
    return f"| {' | '.join(cells)} |"


def _readings(figures: Figures) -> list[str]:
    lines = ["| | median (quartiles) | unit | target |", "| --- | ---: | --- | --- |"]
    rows = [(r.name, _value(r), r.unit, r.target) for r in figures.readings]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


def _by_scale(figures: Figures) -> list[str]:
    """A column for each size."""
    scales = sorted({r.scale or 0 for r in figures.readings})
    heads = [f"{scale:,.0f} {figures.scale}" for scale in scales]
    lines = [
        f"| median (quartiles) | {' | '.join(heads)} | unit | target |",
        f"| --- | {'---: | ' * len(heads)}--- | --- |",
    ]
    for name in dict.fromkeys(r.name for r in figures.readings):
        of = {r.scale: r for r in figures.readings if r.name == name}
        cells = [_value(of[scale]) if scale in of else "" for scale in scales]
        any_of = next(iter(of.values()))
        lines.append(f"| {' | '.join((name, *cells, any_of.unit, any_of.target))} |")
    return lines


def _value(r: Reading) -> str:
    value = number(r.value.median)
    if r.value.values > 1:
        value += f" ({number(r.value.low)} to {number(r.value.high)})"
    return value


def _ratio(value: Spread) -> str:
    return f"**{value.median:.2f}** ({value.low:.2f} to {value.high:.2f})"


def number(value: float) -> str:
    """With three digits or so."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
