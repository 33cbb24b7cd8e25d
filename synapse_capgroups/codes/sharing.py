"""The deeds of people who share codes: making, listing and revoking them, and their pictures.

Whoever may not do something, and whoever asks for a code that does not exist, gets an error of
its own type. The HTTP API and the concierge put these into words.
"""

from synapse_capgroups.codes.cards import Cards
from synapse_capgroups.codes.closing import Closing
from synapse_capgroups.codes.life import CodeLife, CodeState
from synapse_capgroups.codes.making import Making, Terms
from synapse_capgroups.groups.members import Member, Members, NoSuchGroupError, Sharer
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.limits.table import PICTURES
from synapse_capgroups.rules.verdict import Reason
from synapse_capgroups.storage.codes import Code, Codes, Page
from synapse_capgroups.storage.database import Database


class NotASharerError(Exception):
    """The member has not the power to make codes for this group."""


class NoSuchCodeError(Exception):
    """There is no such code, or the person may not know of it: nobody learns which."""


class DeadCodeError(Exception):
    """A dead code has no picture."""

    def __init__(self, died_of: Reason) -> None:
        super().__init__(died_of.value)
        self.died_of = died_of


class Sharing:
    """What the HTTP API and the concierge do for the owners of codes."""

    def __init__(
        self,
        database: Database,
        members: Members,
        making: Making,
        life: CodeLife,
        closing: Closing,
    ) -> None:
        self._database = database
        self._members = members
        self._making = making
        self._life = life
        self._closing = closing

    async def sharer(self, member: Member) -> Sharer:
        """A member as one who may make codes.

        Raises:
            NotASharerError: they may not.
        """
        if not await self._may_share(member):
            raise NotASharerError
        return Sharer(member.group, member.user_id)

    async def make(self, member: Member, terms: Terms) -> Code:
        """Make a code of a group.

        Raises:
            CodeRequestError: it cannot be made, or the member may not make it.
            SynapseError: 429, too many were made.
        """
        return await self._making.make(member.group, member.user_id, terms)

    async def make_personal(self, user_id: str, terms: Terms) -> Code:
        """Make a code that opens a direct chat with this local person.

        Raises:
            CodeRequestError: it cannot be made.
            SynapseError: 429, too many were made.
        """
        return await self._making.make_personal(user_id, terms)

    def url(self, code: Code) -> str:
        """The link that a code's picture holds."""
        return self._making.link(code)

    async def page(self, sharer: Sharer, page: Page) -> list[CodeState]:
        """A group's living and recently dead codes of all sharers, the newest first."""
        return await self._life.page(sharer.group, page)

    async def page_of_person(self, user_id: str, page: Page) -> list[CodeState]:
        """A person's own personal codes, living and recently dead, the newest first."""
        return await self._life.page_of_person(user_id, page)

    async def revoke_of_group(self, member: Member, code_id: str) -> None:
        """Revoke a code of this group. A dead code stays dead of its own cause.

        Raises:
            NoSuchCodeError: the group has no such code.
            NotASharerError: the code is not the member's own, and they may not make codes.
        """
        code = await self.code(member, code_id)
        if code.sharer != member.user_id:
            await self.sharer(member)
        await self._closing.revoke(code, member.user_id)

    async def revoke(self, user_id: str, code_id: str) -> None:
        """Revoke a code of any group that the person is in, or their own personal code.

        Raises:
            NoSuchCodeError: there is no such code, or they may not revoke it.
        """
        code = await self._by_id(code_id)
        if code is None or not await self._may_revoke(user_id, code):
            raise NoSuchCodeError
        await self._closing.revoke(code, user_id)

    async def code(self, member: Member, code_id: str) -> Code:
        """A code of this group.

        Raises:
            NoSuchCodeError: the group has no such code.
        """
        code = await self._by_id(code_id)
        if code is None or code.room_id != member.group.room_id:
            raise NoSuchCodeError
        return code

    async def personal_code(self, user_id: str, code_id: str) -> Code:
        """One of a person's own personal codes.

        Raises:
            NoSuchCodeError: they have no such code.
        """
        code = await self._by_id(code_id)
        if code is None or not code.is_personal or code.sharer != user_id:
            raise NoSuchCodeError
        return code

    async def living(self, code: Code) -> Code:
        """The same code, if it lives.

        Raises:
            DeadCodeError: it is dead.
        """
        died_of, _ = await self._life.state(code)
        if died_of is not None:
            raise DeadCodeError(died_of)
        return code

    async def revoke_personal(self, user_id: str, code_id: str) -> None:
        """Revoke a personal code. A dead code stays dead of its own cause.

        Raises:
            NoSuchCodeError: they have no such code.
        """
        await self._closing.revoke(await self.personal_code(user_id, code_id))

    async def _may_revoke(self, user_id: str, code: Code) -> bool:
        if code.is_personal or code.is_live:
            return code.sharer == user_id
        try:
            member = await self._members.member(user_id, code.room_id)
        except NoSuchGroupError:
            return False
        return code.sharer == user_id or await self._may_share(member)

    async def _may_share(self, member: Member) -> bool:
        return await self._making.may_make(member.group, member.user_id)

    async def _by_id(self, code_id: str) -> Code | None:
        if not code_id.isalnum():  # PostgreSQL cannot even look for some characters.
            return None
        return await self._database.run("code", lambda txn: Codes.by_id(txn, code_id))


class CodePictures:
    """Pictures of living codes, for those who may share them."""

    def __init__(self, sharing: Sharing, cards: Cards, limits: RateLimits) -> None:
        self._sharing = sharing
        self._cards = cards
        self._limits = limits

    async def png(self, sharer: Sharer, code_id: str) -> bytes:
        """The card of a code, as a PNG picture.

        Raises:
            NoSuchCodeError: the group has no such code.
            DeadCodeError: it is dead.
            SynapseError: 429, too many pictures were asked for.
        """
        return await self._cards.png(await self._code(sharer, code_id))

    async def svg(self, sharer: Sharer, code_id: str) -> bytes:
        """The QR code alone, as an SVG picture. Raises what `png` raises."""
        return await self._cards.svg(await self._code(sharer, code_id))

    async def personal_svg(self, user_id: str, code_id: str) -> bytes:
        """A person's own code alone, as an SVG picture. Raises what `png` raises."""
        await self._limits.spend(PICTURES, user_id)
        code = await self._sharing.personal_code(user_id, code_id)
        return await self._cards.svg(await self._sharing.living(code))

    async def of_new(self, code: Code) -> bytes:
        """The card of a code that was just made: the limit on making codes holds for it too."""
        return await self._cards.png(code)

    async def _code(self, sharer: Sharer, code_id: str) -> Code:
        await self._limits.spend(PICTURES, sharer.user_id)
        return await self._sharing.living(await self._sharing.code(sharer, code_id))
