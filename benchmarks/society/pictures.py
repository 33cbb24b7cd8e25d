"""The plots of docs/choosing-limits.md, as SVG that is the same for the same figures."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib import pyplot

from benchmarks.plots import INK, OTHER, OURS, STYLE, TARGET
from benchmarks.society.guesses import CAREFUL, DEFAULTS, WITHOUT

_COLOURS = {WITHOUT.name: OTHER, DEFAULTS.name: OURS, CAREFUL.name: TARGET}
_SHADES = ("#a6c8e0", "#6fa8d0", OURS, "#0d3f66", "#062033")

Found = Mapping[str, Any]


def draw(found: Found, folder: Path) -> list[tuple[str, str]]:
    """Draw the figures; returns file names and what can be seen there."""
    plots: list[tuple[str, str, Callable[[Found], None]]] = [
        (
            "society-friends.svg",
            "How many members have a friend in their group, and how many of the others they know, "
            "by the size of the group and by code limit",
            _friends,
        ),
        (
            "society-spammers.svg",
            "How many people one account of a spammer reaches, by setting",
            _spammers,
        ),
        (
            "society-guesses.svg",
            "How much that changes if other guesses are right",
            _guesses,
        ),
    ]
    for name, _, paint in plots:
        with pyplot.rc_context(STYLE):
            paint(found)
            pyplot.savefig(folder / name, bbox_inches="tight", metadata={"Date": None})
            pyplot.close()
    return [(name, text) for name, text, _ in plots]


def _friends(found: Found) -> None:
    """Lines by size, for each code limit."""
    figure = pyplot.figure(figsize=(8, 3.4))
    left, right = figure.subplots(1, 2)
    lines = _by_code_limit(found["settings"])
    labels = [_size(row) for row in found["settings"][0]["sizes"]]
    for number, setting in enumerate(lines):
        is_without = setting["options"] is None
        colour = OTHER if is_without else _SHADES[min(number - 1, len(_SHADES) - 1)]
        name = setting["name"] if is_without else f"code_limit {_code_limit(setting)}"
        name += " (default)" if setting["name"] == DEFAULTS.name else ""
        for axes, key in ((left, "with_friend"), (right, "known")):
            points = [
                (place, 100 * row[key])
                for place, row in enumerate(setting["sizes"])
                if row[key] is not None
            ]
            style = "--" if is_without else "-"
            axes.plot(*zip(*points, strict=True), style, marker="o", color=colour, label=name)
    left.set_ylabel("members with a friend in the group, %")
    left.set_ylim(0, 103)
    right.set_ylabel("other members who are friends, %")
    right.set_yscale("log")
    right.set_yticks([0.2, 0.5, 1, 2, 5, 10], ["0.2", "0.5", "1", "2", "5", "10"])
    right.minorticks_off()
    for axes in (left, right):
        axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
        axes.set_xlabel("members of the group")
    left.legend(frameon=False, fontsize=8, loc="lower right")
    figure.tight_layout()


def _by_code_limit(settings: Sequence[Found]) -> list[Found]:
    """Those that differ in nothing else, without the module first, then by the limit."""
    plain = [s for s in settings if s["options"] is not None and not s["options"].keys() & _MORE]
    without = [s for s in settings if s["options"] is None]
    return [*without, *sorted(plain, key=_code_limit, reverse=True)]


_MORE = frozenset({"friends", "cap"})


def _code_limit(setting: Found) -> int:
    return int(setting["options"].get("code_limit", 100))


def _size(row: Found) -> str:
    return f"{row['from']} to {row['to']:,}"


def _spammers(found: Found) -> None:
    """A bar for each setting, for both kinds."""
    settings = list(reversed(found["settings"]))
    figure = pyplot.figure(figsize=(8, 1 + 0.28 * len(settings)))
    kinds = (("intruders", "in groups of others"), ("recruiters", "in groups of their own"))
    for axes, (kind, where) in zip(figure.subplots(1, 2, sharey=True), kinds, strict=True):
        values = [setting[kind]["reached_per_account"] for setting in settings]
        colours = [_COLOURS.get(setting["name"], "#6fa8d0") for setting in settings]
        axes.barh(range(len(settings)), values, 0.7, color=colours)
        for row, value in enumerate(values):
            axes.annotate(f"{value:,.0f}", (value, row), (4, -3), textcoords="offset points")
        axes.set_yticks(range(len(settings)), [setting["name"] for setting in settings])
        axes.set_xlim(right=1.2 * max(values))
        axes.locator_params(axis="x", nbins=5)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.set_xlabel(f"people reached per account,\n{where}")
    figure.tight_layout()


def _guesses(found: Found) -> None:
    """A row for each variation, a dot for each setting."""
    variations = list(reversed(found["variations"]))
    figure = pyplot.figure(figsize=(8, 1.5 + 0.28 * len(variations)))
    panels = (
        ("with_friend", 100, "members of groups of 100 or more\nwith a friend there, %"),
        ("intruders", 1, "people reached per account,\nin groups of others"),
    )
    axes_of_all = figure.subplots(1, 2, sharey=True)
    for axes, (key, factor, what) in zip(axes_of_all, panels, strict=True):
        for name, colour in _COLOURS.items():
            points = [
                (factor * variation["settings"][name][key], row)
                for row, variation in enumerate(variations)
                if variation["settings"][name][key] is not None
            ]
            # A tiny town may have no large group.
            across, down = zip(*points, strict=True) if points else ((), ())
            axes.plot(across, down, "o", color=colour, label=name)
        for row in range(len(variations)):
            axes.axhline(row, color=INK, linewidth=0.2, zorder=0)
        axes.set_yticks(range(len(variations)), [variation["name"] for variation in variations])
        axes.set_xlabel(what)
        axes.set_xlim(left=0)
        axes.locator_params(axis="x", nbins=4)
        axes.xaxis.set_major_formatter("{x:,.0f}")
    axes_of_all[0].set_xlim(right=103)
    handles, labels = axes_of_all[0].get_legend_handles_labels()
    figure.tight_layout(rect=(0, 0, 1, 0.94))
    figure.legend(handles, labels, loc="upper center", ncols=3, frameon=False)
