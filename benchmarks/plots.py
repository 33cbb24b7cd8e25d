"""The plots, as SVG that is the same for the same results."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarks.results import Comparison, Reading, Results

mpl.use("svg")
from matplotlib import pyplot

STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9,
    "svg.hashsalt": "capgroups",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "savefig.facecolor": "white",
    # Letters stay letters: small files, and text that can be found.
    "svg.fonttype": "none",
}
_OF_ANOTHER_KIND = re.compile("against|^remote|^beside")
INK, OURS, OTHER, TARGET = "#333333", "#1b6ca8", "#8a8a8a", "#c0392b"


def draw(results: Results, folder: Path) -> list[tuple[str, str]]:
    """Draw what there are results for; returns file names and what can be seen there."""
    comparisons = [c for f in results.figures.values() for c in f.comparisons]
    readings = [r for f in results.figures.values() for r in f.readings]
    plots: list[tuple[str, str, Callable[[Any], None], Sequence[Any]]] = [
        (
            "performance-ratios.svg",
            "Processor time of Synapse with the module, as a ratio to that without it",
            _ratios,
            # A scan is more than a join, and a remote invitation is two events: comparisons of
            # another kind, beside which nobody could tell 1.05 from 1.
            [
                c
                for c in comparisons
                if c.subject == "this module" and not _OF_ANOTHER_KIND.search(c.name)
            ],
        ),
        (
            "performance-messages.svg",
            "Processor time of a message without the module, with it, and with an empty "
            "check_event_allowed",
            _messages,
            [c for c in comparisons if c.name.startswith("message")],
        ),
        (
            "performance-decisions.svg",
            "Time of a decision as the database grows",
            _decisions,
            [r for r in readings if r.scale is not None and r.target],
        ),
    ]
    drawn = []
    for name, text, paint, values in plots:
        if values:
            with pyplot.rc_context(STYLE):
                paint(values)
                pyplot.savefig(folder / name, bbox_inches="tight", metadata={"Date": None})
                pyplot.close()
            drawn.append((name, text))
    return drawn


def _ratios(comparisons: Sequence[Comparison]) -> None:
    axes = pyplot.figure(figsize=(7, 0.8 + 0.3 * len(comparisons))).add_subplot()
    for row, c in enumerate(reversed(comparisons)):
        r = c.cpu_ratio
        axes.plot([r.low, r.high], [row, row], color=OURS, linewidth=3, alpha=0.4)
        axes.plot(r.median, row, "o", color=OURS)
        axes.annotate(f"{r.median:.2f}", (r.high, row), (6, -3), textcoords="offset points")
    axes.axvline(1, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(comparisons)), [c.name for c in reversed(comparisons)])
    axes.set_xlabel("processor time of Synapse, with the module ÷ without: median and quartiles")
    axes.set_xlim(left=min(0.9, *(c.cpu_ratio.low - 0.02 for c in comparisons)))


def _messages(comparisons: Sequence[Comparison]) -> None:
    names = list(dict.fromkeys(c.name for c in comparisons))
    axes = pyplot.figure(figsize=(7, 0.8 + 0.9 * len(names))).add_subplot()
    labels, row = [], 0.0
    for name in reversed(names):
        of = [c for c in comparisons if c.name == name]
        bars = [(c.subject, c.cpu, OURS if c.subject == "this module" else OTHER) for c in of]
        for subject, value, colour in [*reversed(bars), ("without", of[0].cpu_without, INK)]:
            axes.barh(row, value.median, 0.8, color=colour)
            axes.plot([value.low, value.high], [row, row], color="black", linewidth=1)
            axes.annotate(
                f"{value.median:.1f}", (value.high, row), (5, -3), textcoords="offset points"
            )
            labels.append((row, subject))
            row += 1
        axes.annotate(name, (0, row - 0.3), fontweight="bold", annotation_clip=False)
        row += 0.7
    axes.set_yticks([at for at, _ in labels], [text for _, text in labels])
    axes.set_xlabel("processor time of Synapse for one message, ms")


def _decisions(readings: Sequence[Reading]) -> None:
    axes = pyplot.figure(figsize=(7, 3)).add_subplot()
    sizes = sorted({r.scale or 0 for r in readings})
    for name in dict.fromkeys(r.name for r in readings):
        of = [r for r in readings if r.name == name]
        at = [sizes.index(r.scale or 0) for r in of]
        middle = [r.value.median for r in of]
        spread = (
            [r.value.median - r.value.low for r in of],
            [r.value.high - r.value.median for r in of],
        )
        axes.errorbar(at, middle, spread, marker="o", capsize=3, label=name)
    axes.axhline(2, color=TARGET, linewidth=0.8, linestyle="--", label="target")
    axes.set_xticks(range(len(sizes)), [f"{size:,.0f}" for size in sizes])
    axes.set_xlabel("groups in the database; admissions and direct chats grow with them")
    axes.set_ylabel("decision, ms")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.legend(frameon=False, fontsize=8)
