"""Live codes for organisers who ask the concierge."""

from synapse_capgroups.codes.cards import date
from synapse_capgroups.codes.live import LiveCodes
from synapse_capgroups.codes.making import Terms
from synapse_capgroups.codes.problems import CodeRequestError
from synapse_capgroups.concierge.asking import Asked, sorry
from synapse_capgroups.concierge.code_commands import not_made
from synapse_capgroups.concierge.picture_messages import PictureMessages
from synapse_capgroups.concierge.series_parsing import live_code_wish
from synapse_capgroups.config import Config
from synapse_capgroups.series.organisers import Organiser


class SeriesCodes:
    """Makes live codes."""

    def __init__(self, live: LiveCodes, pictures: PictureMessages, config: Config) -> None:
        self._live = live
        self._pictures = pictures
        self._config = config
        self._words = config.words

    async def make(self, asked: Asked, organiser: Organiser, what: str) -> str:
        """Make a code and send its picture."""
        wish = live_code_wish(what)
        if wish is None:
            raise sorry(self._words, "how_to_live_code")
        terms = Terms(wish.lifetime, wish.max_uses, wish.label)
        try:
            code = await self._live.make(organiser, terms)
        except CodeRequestError as e:
            raise not_made(e, self._config) from e
        await self._pictures.send(asked.room_id, code, organiser.series.name)
        uses = self._words.say("for_uses", uses=code.max_uses) if code.max_uses else ""
        return self._words.say(
            "live_code",
            series=organiser.series.name,
            until=date(code.expires_at),
            uses=uses,
            url=self._live.url(code),
            code_id=code.code_id,
        )
