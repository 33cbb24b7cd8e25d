"""The benchmarks run, and their report has its shape. No time is asserted."""

import json
import re
import time
from pathlib import Path
from xml.etree import ElementTree

import attrs
import pytest

from benchmarks import query_plans, report
from benchmarks.__main__ import main
from benchmarks.checkouts import HERE, Checkout
from benchmarks.measuring import Round, compare, in_turn
from benchmarks.results import Figures, Reading, Results, spread
from synapse_capgroups.demo.person import expect
from tests.conftest import API, Starter


def test_a_benchmark_writes_tables_plots_and_data_and_keeps_the_text_around_them(
    tmp_path: Path,
) -> None:
    page = tmp_path / report.PAGE
    page.parent.mkdir()
    page.write_text(f"# Title\n\nBefore.\n\n{report.BEGIN}\nold\n{report.END}\n\nAfter.\n")
    assert main(["members", "--tiny", "--database", "sqlite", "--out", str(tmp_path)]) == 0

    text = page.read_text()
    assert text.startswith("# Title\n\nBefore.\n")
    assert text.endswith(f"{report.END}\n\nAfter.\n")
    assert "old" not in text
    assert "| join into a group of 2 (open) | this module |" in text
    assert "`python -m benchmarks members --tiny`" in text
    assert "SQLite" in text
    svg = "{http://www.w3.org/2000/svg}svg"
    assert (
        ElementTree.parse(tmp_path / report.RESULTS / "performance-ratios.svg").getroot().tag == svg
    )
    assert "](../benchmarks/results/performance-ratios.svg)" in text

    found = json.loads((tmp_path / report.DATA).read_text())
    comparisons = found["figures"]["members"]["comparisons"]
    assert len(comparisons) == 5, "joins and invitations in two groups, and a name change"
    for comparison in comparisons:
        assert comparison["cpu"]["median"] > 0
        assert comparison["cpu_ratio"]["low"] <= comparison["cpu_ratio"]["high"]


MODULE_OF_ANOTHER_CHECKOUT = """
class CapGroups:
    def __init__(self, config, api):
        open({marker!r}, "w").close()

    @staticmethod
    def parse_config(config):
        return config
"""


def test_beside_the_module_of_another_checkout_both_are_compared_with_none_and_with_each_other(
    tmp_path: Path,
) -> None:
    package, marker = tmp_path / "other" / "synapse_capgroups", tmp_path / "has run"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(MODULE_OF_ANOTHER_CHECKOUT.format(marker=str(marker)))
    arguments = ["--tiny", "--database", "sqlite", "--out", str(tmp_path)]
    beside = [*arguments, "--beside", str(package.parent)]
    assert main(["members", *beside]) == 0
    assert marker.exists()
    text = (tmp_path / report.BESIDE).read_text()
    for subject in ("this module", "the other module", "this module, against the other module"):
        assert text.count(f"| {subject} | ") >= 5, "each operation"
    assert "| the other module | no commit |" in text
    assert not (tmp_path / report.PAGE).exists()
    assert not (tmp_path / report.DATA).exists()

    for unable in (["memory", *beside], ["members", *arguments, "--beside", str(tmp_path)]):
        with pytest.raises(SystemExit):
            main(unable)


def test_people_of_a_real_second_server_are_invited_and_join(tmp_path: Path) -> None:
    assert main(["remote", "--tiny", "--database", "sqlite", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / report.DATA).read_text())
    names = [comparison["name"] for comparison in found["figures"]["remote"]["comparisons"]]
    assert names == [
        "remote invitation into a group of 2, all local",
        "remote invitation into a group with 2 of that server",
        "remote join into a group of 2, all local",
        "remote join into a group with 2 of that server",
    ]


@pytest.mark.before_release
def test_a_large_server_is_made_and_everything_on_it_measured(tmp_path: Path) -> None:
    assert main(["large", "--tiny", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / report.DATA).read_text())["figures"]["large"]
    measured = {reading["name"] for reading in found["readings"]}
    assert {"the decision of a join", "a scan", "a preview", "its transactions"} <= measured
    (reached,) = [r for r in found["readings"] if r["name"] == "groups that have it"]
    assert reached["value"]["median"] == 3


def test_data_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    took = Round(operations=1, cpu=1, latencies=[1])
    figures = Figures(
        "Title",
        "About.",
        [compare("work", "more", [took], [took], transactions=0, target=1)],
        [Reading("size", spread([1, 2]), "MB", "at most 20 MB", scale=10)],
        scale="groups",
        machine={"database": "SQLite"},
        documents={"page.md": "not in the data"},
    )
    path = tmp_path / report.DATA.name
    Results({"work": figures}).write(path)
    read = Results.read(path)
    assert read == Results({"work": attrs.evolve(figures, documents={})})
    path.write_text('{"figures": {"work": {"of another": "version"}}}')
    assert Results.read(path) is None


def test_what_was_found_beside_the_same_checkout_stays_and_of_another_does_not(
    tmp_path: Path,
) -> None:
    def write(title: str, other: Path) -> str:
        figures = Figures(title, "", readings=[Reading("size", spread([1]), "MB")])
        checkouts = [Checkout(HERE, "this module"), Checkout(other, str(other))]
        report.write_beside(Results({title: figures}), checkouts, tmp_path)
        return (tmp_path / report.BESIDE).read_text()

    write("Messages", tmp_path)
    both = write("Members", tmp_path)
    assert "### Messages" in both
    assert "### Members" in both
    assert write("Members", tmp_path) == both
    assert "### Messages" not in write("Members", tmp_path / "elsewhere")


def test_figures_of_several_machines_say_which_one_they_are_from() -> None:
    def figures(title: str, processor: str) -> Figures:
        reading = Reading("size", spread([1]), "MB")
        return Figures(title, "", readings=[reading], machine={"processor": processor})

    here, there = figures("Here", "fast"), figures("There", "slow")
    text = report.markdown(Results({"here": here, "there": there}))
    assert "| processor | fast | slow |" in text
    here_part, _, there_part = text.partition("### There")
    assert "machine A" in here_part
    assert "machine B" in there_part
    assert "machine A" not in report.markdown(Results({"here": here}))


class Clock:
    """A server whose operations take as long as it says."""

    def __init__(self, cost: float) -> None:
        self.cost = cost
        self.used = 0.0

    def cpu(self) -> float:
        return self.used

    def database_cpu(self) -> float:
        return self.used / 2

    def work(self) -> None:
        self.used += self.cost


def test_servers_take_turns_and_are_compared_round_by_round() -> None:
    order: list[Clock] = []

    def work(server: Clock, number: int) -> dict[str, Round]:
        order.append(server)
        took = Round()
        took.measure(server, server.work, times=2)
        return {"work": took}

    a, b = Clock(1), Clock(3)
    found = in_turn([a, b], 2, work)["work"]
    assert order[2:] == [a, b, b, a], "after the round that warms up"
    comparison = compare("work", "more", *found)
    assert comparison.cpu_without.median == 1000
    assert comparison.cpu.median == 3000
    assert comparison.cpu_ratio == spread([3, 3])
    assert comparison.total_ratio == spread([3, 3])


def test_every_statement_is_explained() -> None:
    examples = query_plans.examples("!r", "@a", "@b", ["!r"], now=5)
    explained = dict(query_plans.methods())
    assert {
        "Seats.taken_by_others",
        "Situations.of",
        "Groups.count_by_mode",
        "AccountData.m_direct",
    } <= set(explained)
    for method in explained.values():
        query_plans.arguments(method, examples)


_EVERY_ROW = {
    # All rooms of the concierge: when it moves to another name, and in `remove`.
    "Chats.all_rooms",
    # The module's own accounts, of which there are a few.
    "Accounts.all",
    # Synapse has no index on the creators of rooms. When the concierge has moved, and in `remove`.
    "Memberships.rooms_made_by",
    # What has changed since the last sweep, and a row for each mode.
    "Groups.count_by_mode",
}  # fmt: skip
"""What is about each row of a table, so that no index would help."""


_AN_ADMINS = {
    # In `remove` and `concierge --rename`, and when the concierge has moved.
    "Groups.count",
    "SeriesSpaces.rooms",
}
"""What PostgreSQL reads from end to end although there is an index."""


def test_on_a_large_server_no_statement_reads_a_table_from_end_to_end_but_an_admins() -> None:
    """As `python -m benchmarks large` has found it at its full scale."""
    page = (HERE / report.RESULTS / "query-plans-large.md").read_text()
    assert "at the scale of 1." in page
    (said,) = re.findall(r"from one end to the other: (.*)\.", page)
    assert set(re.findall(r"`(.*?)`", said)) <= _EVERY_ROW | _AN_ADMINS


@pytest.mark.both_engines
@pytest.mark.parametrize("engine", ["postgres"])
def test_postgresql_has_an_index_for_every_statement(start: Starter, engine: str) -> None:
    server = start(engine, module={})
    # A server makes the tables when it begins to answer.
    expect(server.person().call("GET", f"{API}/series"))
    connection = server.connection()
    # PostgreSQL reads small tables from end to end, unless it is told not to where it can.
    connection.cursor().execute("SET enable_seqscan = off")
    connection.commit()
    examples = query_plans.examples("!r", "@a", "@b", ["!r", "!s"], now=int(1000 * time.time()))
    steps = query_plans.explain(connection, examples)
    connection.close()
    for table in ("SeriesRows", "SeriesGroups", "Outbox", "AssignmentRows", "Requests"):
        assert any(step.method.startswith(f"{table}.") for step in steps)
    read = {step.method: step.plan for step in steps if "Seq Scan" in step.plan}
    assert set(read) == _EVERY_ROW, read
