"""The deeds of organisers with live codes: making, listing, and revoking them."""

from synapse_capgroups.codes.cards import Cards
from synapse_capgroups.codes.closing import Closing
from synapse_capgroups.codes.life import CodeLife, CodeState
from synapse_capgroups.codes.making import Making, Terms
from synapse_capgroups.codes.sharing import DeadCodeError, NoSuchCodeError
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.limits.table import PICTURES
from synapse_capgroups.series.organisers import Organiser
from synapse_capgroups.storage.codes import Code, Codes, Page
from synapse_capgroups.storage.database import Database


class LiveCodes:
    """What the HTTP API and the concierge do for organisers."""

    def __init__(
        self, database: Database, making: Making, life: CodeLife, closing: Closing
    ) -> None:
        self._database = database
        self._making = making
        self._life = life
        self._closing = closing

    async def make(self, organiser: Organiser, terms: Terms) -> Code:
        """Make a code that opens the series.

        Raises:
            CodeRequestError: it cannot be made.
            SynapseError: 429, too many were made.
        """
        return await self._making.make_live(organiser, terms)

    def url(self, code: Code) -> str:
        """The link that a code's picture holds."""
        return self._making.link(code)

    async def page(self, organiser: Organiser, page: Page) -> list[CodeState]:
        """The series' living and recently dead codes of all organisers, the newest first."""
        return await self._life.page_of_series(organiser.series.series_id, page)

    async def revoke(self, organiser: Organiser, code_id: str) -> None:
        """Revoke a code of the series. A dead code stays dead of its own cause.

        Raises:
            NoSuchCodeError: the series has no such code.
        """
        await self._closing.revoke(await self.code(organiser, code_id))

    async def code(self, organiser: Organiser, code_id: str) -> Code:
        """A code of the series.

        Raises:
            NoSuchCodeError: the series has no such code.
        """
        code = None
        if code_id.isalnum():  # PostgreSQL cannot even look for some characters.
            code = await self._database.run("code", lambda txn: Codes.by_id(txn, code_id))
        if code is None or code.room_id != organiser.series.series_id:
            raise NoSuchCodeError
        return code

    async def living_code(self, organiser: Organiser, code_id: str) -> Code:
        """A living code of the series.

        Raises:
            NoSuchCodeError: the series has no such code.
            DeadCodeError: it is dead.
        """
        code = await self.code(organiser, code_id)
        died_of, _ = await self._life.state(code)
        if died_of is not None:
            raise DeadCodeError(died_of)
        return code


class LiveCodePictures:
    """Pictures of living codes of series, for those who run them."""

    def __init__(self, live: LiveCodes, cards: Cards, limits: RateLimits) -> None:
        self._live = live
        self._cards = cards
        self._limits = limits

    async def png(self, organiser: Organiser, code_id: str) -> bytes:
        """The card of a code, as a PNG picture.

        Raises:
            NoSuchCodeError: the series has no such code.
            DeadCodeError: it is dead.
            SynapseError: 429, too many pictures were asked for.
        """
        return await self._cards.png(await self._code(organiser, code_id))

    async def svg(self, organiser: Organiser, code_id: str) -> bytes:
        """The QR code alone, as an SVG picture. Raises what `png` raises."""
        return await self._cards.svg(await self._code(organiser, code_id))

    async def _code(self, organiser: Organiser, code_id: str) -> Code:
        await self._limits.spend(PICTURES, organiser.user_id)
        return await self._live.living_code(organiser, code_id)
