"""The command about the console: `console`, and `console end`."""

from synapse_capgroups.concierge.asking import Answer, Asked, sorry
from synapse_capgroups.concierge.understanding import about
from synapse_capgroups.console.sessions import Consoles
from synapse_capgroups.words.lookup import Words
from synapse_capgroups.words.phrases import everywhere, plain


class ConsoleCommands:
    """Gives links to the console, and ends sessions."""

    def __init__(self, consoles: Consoles, words: Words) -> None:
        self._consoles = consoles
        self._words = words

    def answers(self) -> dict[str, Answer]:
        """All commands about the console, by their words."""
        return {"console": self._console}

    async def _console(self, asked: Asked) -> str:
        said = plain(about(asked.rest))
        if not said:
            url = await self._consoles.link(asked.user_id)
            return self._words.say("console_link", url=url)
        if said not in everywhere().end:
            raise sorry(self._words, "which_console")
        ended = await self._consoles.end_all(asked.user_id)
        return self._words.say("console_ended", sessions=ended)
