"""What a trial counts is bounded, in memory and in the database."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from synapse.module_api import ModuleApi

from synapse_capgroups.report.trial_counts import TrialCounts
from synapse_capgroups.rules.verdict import Reason
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.would_be import MOST_ROOMS, OTHER_ROOMS, WouldBe, WouldBeRows
from tests.conftest import Starter
from tests.test_storage import ENGINES, written

pytestmark = pytest.mark.both_engines

DAY = "2026-11-29"


@ENGINES
def test_a_day_keeps_a_thousand_rooms_and_counts_the_others_together(
    start: Starter, engine: str
) -> None:
    server = start(engine, module={})
    server.homeserver.stop()
    with written(server) as txn:
        for first in (0, 900):  # The hundred in the middle twice.
            rooms = range(first, first + 1000)
            WouldBeRows.add(txn, {WouldBe(DAY, "full", "join", f"!{n}"): 1 for n in rooms})
        WouldBeRows.add(txn, {WouldBe("2026-11-30", "full", "join", "!1950"): 1})
        txn.execute("SELECT day, room_id, times FROM capgroups_would_be")
        rows = txn.fetchall()
    assert len([room for day, room, _ in rows if day == DAY]) == MOST_ROOMS + 1
    assert (DAY, OTHER_ROOMS, 900) in rows
    assert (DAY, "!950", 2) in rows
    assert ("2026-11-30", "!1950", 1) in rows
    assert sum(times for _, _, times in rows) == 2001


def test_while_the_database_is_away_memory_stays_bounded_and_nothing_is_lost() -> None:
    written: list[dict[WouldBe, int]] = []
    away = True

    async def run(name: str, work: Any) -> None:
        if away:
            raise ConnectionError
        # Only what `work` closes over is of interest.
        written.append(work.__closure__[0].cell_contents)

    api = SimpleNamespace(get_current_time_msec=lambda: 1_796_000_000_000)
    database = SimpleNamespace(run=run)
    counts = TrialCounts(cast(ModuleApi, api), cast(Database, database))
    for minute in range(3):
        for number in range(minute * 800, (minute + 1) * 800):
            counts.count("join", Reason.FULL, f"!{number}")
        with pytest.raises(ConnectionError):
            asyncio.run(counts._write())
        assert len(counts._counts) <= MOST_ROOMS + 1
    away = False
    asyncio.run(counts._write())
    (kept,) = written
    assert len(kept) == MOST_ROOMS + 1
    assert sum(kept.values()) == 2400
    assert not counts._counts
