"""Pictures are drawn one at a time, once for all who wait for the same one."""

from collections.abc import Callable
from typing import Any, cast

from synapse.module_api import ModuleApi
from twisted.internet.defer import Deferred, ensureDeferred

from synapse_capgroups.codes.easel import Easel


class SlowApi:
    """What is drawn takes until `finish` is called."""

    def __init__(self) -> None:
        self.drawing: list[tuple[Deferred[None], str]] = []

    def run_as_background_process(self, _: str, work: Callable[[], Any]) -> None:
        ensureDeferred(work())

    async def defer_to_thread(self, draw: Callable[[str], bytes], what: str) -> bytes:
        done: Deferred[None] = Deferred()
        self.drawing.append((done, what))
        await done
        return draw(what)

    def finish(self) -> None:
        done, _ = self.drawing[-1]
        done.callback(None)


def encoded(what: str) -> bytes:
    if what == "broken":
        raise ValueError(what)
    return what.encode()


def test_one_is_drawn_at_a_time_and_shared_by_those_who_wait_for_it() -> None:
    api = SlowApi()
    easel = Easel(cast(ModuleApi, api))
    waiting = [
        ensureDeferred(easel.drawn(encoded, what)) for what in ("a", "b", "a", "broken", "a", "b")
    ]
    for drawn, what in enumerate(["a", "b", "broken"], 1):
        assert [started for _, started in api.drawing][drawn - 1 :] == [what]
        api.finish()
    assert len(api.drawing) == 3
    failures: list[Any] = []
    waiting[3].addErrback(failures.append)
    assert [w.result for w in waiting if w is not waiting[3]] == [b"a", b"b", b"a", b"a", b"b"]
    assert failures[0].check(ValueError)
    again = ensureDeferred(easel.drawn(encoded, "a"))
    api.finish()
    assert again.result == b"a"
