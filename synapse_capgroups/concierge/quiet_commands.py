"""The command about what the concierge says unasked: `quiet`."""

from synapse.module_api import LoggingTransaction

from synapse_capgroups.concierge.asking import Answer, Asked, sorry
from synapse_capgroups.concierge.understanding import about
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.readers import Readers
from synapse_capgroups.words.lookup import Words
from synapse_capgroups.words.phrases import everywhere, plain


class QuietCommands:
    """Turns the news off and on for the people who ask."""

    def __init__(self, database: Database, words: Words) -> None:
        self._database = database
        self._words = words

    def answers(self) -> dict[str, Answer]:
        """The command by its word."""
        return {"quiet": self._quiet}

    async def _quiet(self, asked: Asked) -> str:
        said = plain(about(asked.rest))
        phrases = everywhere()
        if said and said not in phrases.on | phrases.off:
            raise sorry(self._words, "which_quiet")
        is_quiet = said not in phrases.off

        def note(txn: LoggingTransaction) -> None:
            Readers.set_quiet(txn, asked.user_id, is_quiet=is_quiet)

        await self._database.run("quiet", note)
        return self._words.say("quiet_on" if is_quiet else "quiet_off")
