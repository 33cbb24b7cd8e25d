"""The network between homeservers on loopback, whose lines can be cut and healed one by one.

A connection to a port on loopback does not show which server makes it. So each server has a
proxy of its own (Synapse's `https_proxy`) and asks it for each connection to another server
(`CONNECT`): the proxy knows both ends. TLS goes through it untouched.
"""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

_Answer = TypeVar("_Answer")

_PIECE = 64 * 1024  # bytes


class Line:
    """What one server calls another by: the requests of the one, the answers of the other."""

    def __init__(self) -> None:
        self.is_cut = False
        self.flows = asyncio.Event()
        self.flows.set()
        self.connections: set[asyncio.Task[None]] = set()


class Network:
    """Runs the proxies in a thread of their own. Servers are named by their `host:port`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._lines: dict[tuple[str, str], Line] = {}

    def proxy(self, caller: str) -> int:
        """Open the proxy of a server and return its port."""
        return self._run(self._listen(caller))

    def cut(self, caller: str, called: str) -> None:
        """End the connections of this line and refuse new ones: fails at once, as a closed port."""
        self._run(self._cut(caller, called))

    def stall(self, caller: str, called: str) -> None:
        """Let this line be there and carry nothing: the caller waits, as for a slow server."""
        self._run(self._set_flow(caller, called, flows=False))

    def heal(self, caller: str, called: str) -> None:
        """End what `cut` or `stall` did to this line. What was stalled arrives now."""
        self._run(self._set_flow(caller, called, flows=True))

    def is_open(self, caller: str, called: str) -> bool:
        line = self._line(caller, called)
        return line.flows.is_set() and not line.is_cut

    def stop(self) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, doing: Coroutine[Any, Any, _Answer]) -> _Answer:
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(30)

    def _line(self, caller: str, called: str) -> Line:
        return self._lines.setdefault((caller, called), Line())

    async def _listen(self, caller: str) -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await self._serve(caller, reader, writer)
            except (OSError, asyncio.IncompleteReadError):
                pass  # One of the two servers has ended.
            finally:
                writer.close()

        # The system chooses the port: the proxy listens for as long as the lab is there.
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        return int(server.sockets[0].getsockname()[1])

    async def _serve(
        self, caller: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        called = head.split(b" ")[1].decode()
        line = self._line(caller, called)
        host, _, port = called.rpartition(":")
        if line.is_cut:
            writer.write(b"HTTP/1.1 502 The line is cut\r\n\r\n")
            return
        try:
            their_reader, their_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.write(b"HTTP/1.1 502 Nobody listens there\r\n\r\n")
            return
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        both = asyncio.ensure_future(
            self._relay(line, (reader, their_writer), (their_reader, writer))
        )
        line.connections.add(both)
        try:
            await asyncio.wait([both])
        finally:
            line.connections.discard(both)
            their_writer.close()

    @staticmethod
    async def _relay(line: Line, *ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while piece := await reader.read(_PIECE):
                await line.flows.wait()
                writer.write(piece)
                await writer.drain()

        tasks = [asyncio.ensure_future(one(*way)) for way in ways]
        try:
            # HTTP over TLS has no half-closed connections: the first end is the end.
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _cut(self, caller: str, called: str) -> None:
        line = self._line(caller, called)
        line.is_cut = True
        ending = list(line.connections)
        for connection in ending:
            connection.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def _set_flow(self, caller: str, called: str, *, flows: bool) -> None:
        line = self._line(caller, called)
        if flows:
            line.is_cut = False
            line.flows.set()
        else:
            line.flows.clear()

    async def _end(self) -> None:
        for caller, called in list(self._lines):
            await self._cut(caller, called)
