"""The picture of a join code, with its words in the server's language."""

import datetime

from synapse.module_api import ModuleApi

from synapse_capgroups.codes.card_words import Card
from synapse_capgroups.codes.easel import Easel
from synapse_capgroups.codes.links import code_link
from synapse_capgroups.groups.names import group_name, member_name, person_name
from synapse_capgroups.series.filling import Glances
from synapse_capgroups.storage.codes import Code
from synapse_capgroups.words.lookup import Words


class Cards:
    """Draws cards, whose words are in the server's language."""

    def __init__(self, api: ModuleApi, glances: Glances, words: Words) -> None:
        self._api = api
        self._titles = glances
        self._words = words
        self._easel = Easel(api)

    async def png(self, code: Code) -> bytes:
        """The card of a code, as a PNG picture."""
        if code.is_personal:
            sharer = await person_name(self._api, code.sharer)
            title = self._words.say("personal_door_name", name=sharer)
        elif code.is_live:
            sharer = await person_name(self._api, code.sharer)
            title = await self._titles.title(code.room_id) or self._words.say("unnamed")
        else:
            name = await group_name(self._api, code.room_id)
            sharer = await member_name(self._api, code.room_id, code.sharer)
            title = name or self._words.say("unnamed")
        card = Card(
            url=code_link(self._api, code.secret),
            group=title,
            sharer=sharer,
            valid_until=self._words.say("valid_until", until=date(code.expires_at)),
            shared_by=self._words.say("shared_by", sharer=sharer),
        )
        return await self._easel.drawn(_png, card)

    async def svg(self, code: Code) -> bytes:
        """The bare code, as an SVG picture."""
        return await self._easel.drawn(_svg, code_link(self._api, code.secret))


# What draws is imported when something is drawn, on the thread that does it: with its fonts it
# takes some 3 MB, and many processes of a homeserver never draw.
def _png(card: Card) -> bytes:
    from synapse_capgroups.codes.pictures import qr_png

    return qr_png(card)


def _svg(url: str) -> bytes:
    from synapse_capgroups.codes.pictures import qr_svg

    return qr_svg(url)


def date(ms: int) -> str:
    """A moment, given in milliseconds since 1970, as people of any language read it."""
    at = datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc)
    return f"{at:%Y-%m-%d %H:%M} UTC"
