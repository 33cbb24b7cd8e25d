"""Draws the pictures of a process: one at a time, and once for all who wait for the same one."""

from collections.abc import Callable, Hashable
from typing import Any

from synapse.module_api import ModuleApi, make_deferred_yieldable
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from synapse_capgroups.inside.start import tell

Drawing = tuple[Callable[[Any], bytes], Hashable]


class Easel:
    """A picture takes tens of milliseconds of processor time, and a few megabytes meanwhile.

    However many are asked for at once, that is all that they take; and the other threads of the
    process are left to Synapse.
    """

    def __init__(self, api: ModuleApi) -> None:
        self._api = api
        self._waiting: dict[Drawing, list[Deferred[bytes]]] = {}
        self._is_drawing = False

    async def drawn(self, draw: Callable[[Any], bytes], what: Hashable) -> bytes:
        """The picture that `draw` makes of `what`, off the reactor's thread; raises what it does.

        Args:
            draw: a function whose result depends on its argument alone.
        """
        mine: Deferred[bytes] = Deferred()
        self._waiting.setdefault((draw, what), []).append(mine)
        if not self._is_drawing:
            self._is_drawing = True
            self._api.run_as_background_process("capgroups_pictures", self._draw_all)
        return await make_deferred_yieldable(mine)

    async def _draw_all(self) -> None:
        try:
            while self._waiting:
                drawing = next(iter(self._waiting))  # Who came first is first.
                picture = await self._drawn(*drawing)
                for waiting in self._waiting.pop(drawing):
                    tell(waiting, picture)
        finally:
            self._is_drawing = False

    async def _drawn(self, draw: Callable[[Any], bytes], what: Hashable) -> bytes | Failure:
        try:
            return await self._api.defer_to_thread(draw, what)
        except Exception:
            return Failure()  # type: ignore[no-untyped-call]
