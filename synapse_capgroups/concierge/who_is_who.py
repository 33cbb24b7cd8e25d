"""What people are called in an answer: the reader's remarks go before Matrix IDs."""

from collections.abc import Callable, Mapping

from synapse.module_api import ModuleApi

from synapse_capgroups.concierge.voice import one_line
from synapse_capgroups.people.remarks import Remarks
from synapse_capgroups.storage.forgetting import ERASED
from synapse_capgroups.words.lookup import Words


class WhoIsWho:
    """Knows by what name each reader knows others."""

    def __init__(self, api: ModuleApi, remarks: Remarks, words: Words) -> None:
        self._api = api
        self._remarks = remarks
        self._words = words

    async def to(self, reader: str, names: Mapping[str, str] | None = None) -> Callable[[str], str]:
        """What to call each person when this reader is told of them.

        Args:
            names: what they call themselves. They choose it, so it is one short line.
        """
        remarks = await self._remarks.of(reader) if self._api.is_mine(reader) else {}
        own = {who: one_line(name) for who, name in (names or {}).items()}
        known = {who: f"{name} ({who})" for who, name in own.items() if name not in ("", who)}
        known |= {who: f"{name} ({who})" for who, name in remarks.items()}
        known[ERASED] = self._words.say("erased")
        return lambda who: known.get(who, who)
