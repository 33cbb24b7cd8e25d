"""Plans an assignment of 100,000 people: `python -m benchmarks.planning`.

Prints the processor time and the memory of a process that does nothing else, from the bytes of a
CSV file with eight columns to the plan's JSON and hash.
"""

import argparse
import json
import random
import re
import time
from pathlib import Path
from typing import Any

from canonicaljson import encode_canonical_json

from synapse_capgroups.rules.assignment.asking import read_request
from synapse_capgroups.rules.assignment.csv_text import decoded
from synapse_capgroups.rules.assignment.facts import PresentGroup, SeriesFacts, Why
from synapse_capgroups.rules.assignment.planning import make_plan

CITIES, LEVELS = 200, 5


def table(people: int) -> bytes:
    """A file as a school or a company has it."""
    chance = random.Random(14)
    lines = ["user,first name,last name,phone,mail,city,level,note"]
    for number in range(people):
        city, level = chance.randrange(CITIES), chance.randrange(LEVELS)
        lines.append(
            f"@person{number:06}:chat.example.com,First{number},Last{number},+49 {number:09},"
            f"person{number}@example.com,City of {city},A{level},"
        )
    chance.shuffle(lines_of_people := lines[1:])
    return "\n".join([lines[0], *lines_of_people]).encode()


def facts(people: int) -> SeriesFacts:
    """A series that has some of the people already, and cannot take some of the others."""
    groups = tuple(
        PresentGroup(n, 20, 70, (("city", f"City of {n % CITIES}"), ("level", f"A{n % LEVELS}")))
        for n in range(1, 1001)
    )
    ids = [f"@person{number:06}:chat.example.com" for number in range(people)]
    placed = {user: 1 + number % 1000 for number, user in enumerate(ids[:20_000])}
    barred = dict.fromkeys(ids[-1_000:], Why.NO_ACCOUNT)
    return SeriesFacts(groups, 1001, 100, 5000, 1, placed, barred)


def _most_memory() -> int:
    """The most memory that this process has had, in MB.

    `ru_maxrss` would count the one that has started it.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return round(int(found[1]) / 1024)


def measure(people: int) -> dict[str, Any]:
    """Plan once, and say what it took."""
    data, series = table(people), facts(people)
    start = time.process_time()
    body = {"csv": decoded(data), "by": ["city", "level"], "size": {"min": 20, "max": 60}}
    request = read_request(body, "chat.example.com")
    read = time.process_time()
    plan = make_plan(request.table.people, request.asked, series)
    planned = time.process_time()
    text = encode_canonical_json(plan.to_json())
    assert len(plan.hash()) == 64
    written = time.process_time()
    return {
        "people": people,
        "file_mb": round(len(data) / 1e6, 1),
        "answer_mb": round(len(text) / 1e6, 1),
        "totals": plan.to_json()["totals"],
        "read_s": round(read - start, 2),
        "plan_s": round(planned - read, 2),
        "json_and_hash_s": round(written - planned, 2),
        "all_s": round(written - start, 2),
        "memory_mb": _most_memory(),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=100_000)
    print(json.dumps(measure(parser.parse_args().people), indent=2))
