"""The figures as society.json, plots, and tables in docs/choosing-limits.md."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from benchmarks.report import RESULTS, between

BEGIN = "<!-- results: written by `python -m benchmarks society` -->"
END = "<!-- end of results -->"
PAGE = Path("docs/choosing-limits.md")
DATA = RESULTS / "society.json"

Found = Mapping[str, Any]


@attrs.frozen
class Cost:
    """What a run took: the processor's seconds, and the most memory in MB."""

    command: str
    date: str
    seconds: float
    memory: float

    def sentence(self, asked: int) -> str:
        return (
            f"`{self.command}`, {self.date}: the rules were asked {asked:,} times; "
            f"{self.seconds:.0f} s of one processor, {self.memory:,.0f} MB at most."
        )


def write(found: dict[str, Any], cost: Cost, out: Path) -> None:
    """Write the data, the plots and the tables; `out` is as in `report.write`."""
    from benchmarks.society import command, pictures  # Matplotlib takes a second.

    folder = out / RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    (out / DATA).write_text(command.as_json(found))
    drawn = pictures.draw(found, folder)
    text = "\n".join(_markdown(found, drawn, cost)) + "\n"
    between(out / PAGE, "# Which limits should I choose?\n", BEGIN, END, text)


def _markdown(found: Found, drawn: list[tuple[str, str]], cost: Cost) -> Iterator[str]:
    friends, spammers, guesses = (f"![{text}](../{RESULTS / name})" for name, text in drawn)
    settings = found["settings"]
    yield "### Friends"
    yield ""
    yield friends
    yield ""
    yield from _friends(settings)
    yield ""
    yield "### What it costs members"
    yield ""
    yield from _members(settings)
    yield ""
    yield "### Spammers"
    yield ""
    yield spammers
    yield ""
    yield from _intruders(settings)
    yield ""
    yield from _recruiters(settings)
    yield ""
    yield "### Other guesses"
    yield ""
    yield guesses
    yield ""
    yield from _variations(found["variations"])
    yield ""
    yield (
        f"{found['people']:,} people, {found['groups']:,} groups, {found['days']} days, "
        f"{found['spammers_of_each_kind']} spammers of each kind. All figures are in "
        f"[{DATA.name}](../{DATA})."
    )
    yield ""
    yield cost.sentence(found["asked"])


def _table(heads: list[str], rows: Iterator[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"| --- |{' ---: |' * (len(heads) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _friends(settings: list[Found]) -> Iterator[str]:
    """Members with a friend in their group, by size; a row for each setting."""
    sizes = settings[0]["sizes"]
    heads = [f"{row['from']} to {row['to']:,}" for row in sizes]
    yield "Members who have a friend in their group, by its members, and who knew one on arrival:"
    yield ""
    arrivals = ["came to fewer than 100", "came to 100 or more"]
    yield from _table(
        ["setting", *heads, *arrivals],
        (
            [
                setting["name"],
                *(percent(row["with_friend"]) for row in setting["sizes"]),
                *(percent(setting["arrivals"][at]["knew_a_member"]) for at in ("small", "large")),
            ]
            for setting in settings
        ),
    )
    yield ""
    yield (
        "Other members who are a member's friends; and those who are friends or, inside the group, "
        "friends of friends:"
    )
    yield ""
    yield from _table(
        ["setting", *heads],
        (
            [
                setting["name"],
                *(f"{percent(row['known'])}; {percent(row['near'])}" for row in setting["sizes"]),
            ]
            for setting in settings
        ),
    )


def _members(settings: list[Found]) -> Iterator[str]:
    """What honest people notice."""
    yield "Invitations of friends, and what refused them at the first try:"
    yield ""
    reasons = ("full", "friends_only", "vouch_limit")
    heads = ["setting", *(f"`{reason}`" for reason in reasons), "members", "groups of 100 or more"]
    yield from _table(
        heads,
        (
            [
                setting["name"],
                *(percent(setting["invited_friends"]["refused"].get(r, 0)) for r in reasons),
                f"{setting['members']:,}",
                f"{setting['groups_of_100_or_more']:,}",
            ]
            for setting in settings
        ),
    )


def _intruders(settings: list[Found]) -> Iterator[str]:
    yield "Spammers who want into groups of others, for each account:"
    yield ""
    heads = ["setting", "people reached", "groups entered", "of them with 100 or more"]
    heads += ["days of all accounts in a group", "brought in one by another: mean, longest"]
    yield from _table(
        heads,
        (
            [
                setting["name"],
                f"{of['reached_per_account']:,.0f}",
                f"{of['groups_per_account']:.1f}",
                percent(of["into_large"]),
                "" if of["days_per_group"] is None else f"{of['days_per_group']:.0f}",
                "" if of["chain"] is None else f"{of['chain']:.1f}, {of['longest_chain']}",
            ]
            for setting in settings
            for of in [setting["intruders"]]
        ),
    )


def _recruiters(settings: list[Found]) -> Iterator[str]:
    yield "Spammers who fill a group of their own:"
    yield ""
    heads = ["setting", "people reached per account", "people at once in the group"]
    yield from _table(
        heads,
        (
            [
                setting["name"],
                f"{setting['recruiters']['reached_per_account']:,.0f}",
                f"{setting['recruiters']['audience'] or 0:,.0f}",
            ]
            for setting in settings
        ),
    )


def _variations(variations: list[Found]) -> Iterator[str]:
    """Key figures of each guess: without the module → defaults → careful."""
    names = list(variations[0]["settings"])
    yield f"Each cell has three figures: {' → '.join(names)}."
    yield ""
    heads = ["guess", "members of groups of 100 or more with a friend there"]
    heads += ["people who knew a member when they came to 100 or more"]
    heads += ["reached per account, groups of others", "reached per account, own groups"]

    def cell(variation: Found, key: str) -> str:
        values = [variation["settings"][name][key] for name in names]
        is_share = key in ("with_friend", "newcomers")
        texts = (
            percent(value) if is_share else f"{value:,.0f}" if value is not None else "none"
            for value in values
        )
        return " → ".join(texts)

    keys = ("with_friend", "newcomers", "intruders", "recruiters")
    yield from _table(heads, ([v["name"], *(cell(v, key) for key in keys)] for v in variations))


def percent(share: float | None) -> str:
    """A share as a percentage; small ones with a digit more."""
    if share is None:
        return "none"
    value = 100 * share
    return f"{value:.0f} %" if value >= 10 or value == 0 else f"{value:.1f} %"
