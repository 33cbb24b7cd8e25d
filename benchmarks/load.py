"""Requests at a given rate, from a process of its own: `python -m benchmarks.load`.

Its argument is a `Plan` as JSON; it prints an `Outcome` as JSON. It speaks just enough HTTP
to be light: on two processors, a client library would take its share of what it measures.
"""

import asyncio
import contextlib
import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import attrs

_MOST_AT_ONCE = 100
_SEEN = re.compile(rb'"next_batch":"([^"]+)"')


@attrs.frozen
class Plan:
    """What to ask, in turn.

    Attributes:
        requests: whole HTTP requests. In them, `%N%` becomes the number of the request, `%SEEN%`
            the `next_batch` of the last answer to the same one, `%ADDRESS%` an address.
        seen: what `%SEEN%` is at first, for each request.
    """

    port: int
    per_second: float
    seconds: float
    requests: list[str]
    seen: list[str]


@attrs.frozen
class Outcome:
    """What came of it.

    Attributes:
        latencies: seconds, from when a request was due to its answer's end.
        statuses: how often each was answered; "none" where no answer came.
        elapsed: seconds until the last answer.
        cpu: CPU seconds of the process that asked.
    """

    latencies: list[float]
    statuses: dict[str, int]
    elapsed: float
    cpu: float


def request(method: str, path: str, body: Any = None, **headers: str) -> str:
    """A request for a plan. Header names are written with `_` for `-`."""
    content = "" if body is None else json.dumps(body)
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines) + "\r\n\r\n" + content


def start(plans: Sequence[Plan]) -> "list[subprocess.Popen[str]]":
    """Start a process for each plan."""
    return [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load", json.dumps(attrs.asdict(plan))],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        for plan in plans
    ]


def outcomes(processes: "Sequence[subprocess.Popen[str]]", seconds: float) -> list[Outcome]:
    """Wait for the processes; end them if they take longer than that."""
    found = []
    try:
        for process in processes:
            output, _ = process.communicate(timeout=seconds)
            found.append(Outcome(**json.loads(output)))
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return found


class _Asker:
    """Sends one request at a time over each of its connections."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._seen = [value.encode() for value in plan.seen]
        self._templates = [text.encode() for text in plan.requests]
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._places = asyncio.Semaphore(_MOST_AT_ONCE)
        self.latencies: list[float] = []
        self.statuses: Counter[str] = Counter()

    async def ask(self, number: int, due: float) -> None:
        which = number % len(self._templates)
        text = self._templates[which].replace(b"%N%", b"%d" % number)
        address = f"10.0.{number // 250 % 250}.{number % 250}".encode()
        text = text.replace(b"%ADDRESS%", address).replace(b"%SEEN%", self._seen[which])
        status = "none"
        with contextlib.suppress(OSError, EOFError):
            async with self._places:
                status, content = await self._exchange(text)
                if found := _SEEN.search(content):
                    self._seen[which] = found[1]
        self.statuses[status] += 1
        self.latencies.append(time.perf_counter() - due)

    async def _exchange(self, text: bytes) -> tuple[str, bytes]:
        if self._free:
            reader, writer = self._free.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._plan.port)
        writer.write(text)
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        content = await (reader.readexactly(int(length[1])) if length else _chunks(reader))
        self._free.append((reader, writer))
        return head[9:12].decode(), content

    async def run(self) -> None:
        start = time.perf_counter()
        tasks = []
        for number in range(max(1, round(self._plan.per_second * self._plan.seconds))):
            due = start + number / self._plan.per_second
            await asyncio.sleep(max(0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(self.ask(number, due)))
        await asyncio.gather(*tasks)
        for _, writer in self._free:
            writer.close()


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    content = b""
    while size := int(await reader.readline(), 16):
        content += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return content


def main() -> None:
    plan = Plan(**json.loads(sys.argv[1]))
    asker = _Asker(plan)
    started, cpu = time.perf_counter(), time.process_time()
    asyncio.run(asker.run())
    outcome = Outcome(
        asker.latencies,
        dict(asker.statuses),
        elapsed=time.perf_counter() - started,
        cpu=time.process_time() - cpu,
    )
    print(json.dumps(attrs.asdict(outcome)))


if __name__ == "__main__":
    main()
