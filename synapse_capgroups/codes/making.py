"""How a code is made: the request is checked, then the row is written, then the door is made.

A code's door is an unlisted public room of the concierge's, empty but for one notice, whose address
`#j-<secret>:server` is the secret. To join it is to prove that one holds the code.
"""

import secrets
from typing import TypeGuard

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.places import may_share_series
from synapse_capgroups.admission.presence import Presence
from synapse_capgroups.codes.account_tokens import AccountTokens
from synapse_capgroups.codes.closing import Closing
from synapse_capgroups.codes.door_rooms import DoorRooms
from synapse_capgroups.codes.links import code_link, new_secret
from synapse_capgroups.codes.problems import CodeProblem, CodeRequestError
from synapse_capgroups.config import Config
from synapse_capgroups.groups.rights import SharingRights
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.limits.table import CODES
from synapse_capgroups.rules.codes import MAX_LIVING_CODES
from synapse_capgroups.rules.joining import Mode
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.rules.verdict import Reason
from synapse_capgroups.series.organisers import Organiser
from synapse_capgroups.storage.codes import Code, Codes
from synapse_capgroups.storage.database import Database, lock_person
from synapse_capgroups.storage.series import Series

_LONGEST_LABEL = 64


@attrs.frozen
class Terms:
    """What somebody asks of a new code. They may have asked for anything.

    Attributes:
        lifetime: milliseconds; None is the server's default.
        max_uses: how many people may use it; None is the server's default.
        label: what its sharer writes on it, a line of 1 to 64 characters; None for nothing.
    """

    lifetime: object = None
    max_uses: object = None
    label: object = None


class Workshop:
    """Makes the row of a code, its door, and the registration token that it carries."""

    def __init__(
        self,
        database: Database,
        limits: RateLimits,
        rooms: DoorRooms,
        closing: Closing,
        tokens: AccountTokens,
    ) -> None:
        self._database = database
        self._limits = limits
        self._rooms = rooms
        self._closing = closing
        self._tokens = tokens

    async def make(self, code: Code, opens: Group | Series | None, places: int = 0) -> Code:
        """Make a code and its door.

        Args:
            opens: the group or the series that the code opens; None for a personal code.
            places: how many people can come into the group by codes yet; 0 for other codes.

        Raises:
            CodeRequestError: this cannot be.
            SynapseError: 429, too many codes were asked for.
        """
        rooms = self._rooms
        match opens:
            case Group():
                plate = await rooms.of_group(opens)
            case Series():
                plate = await rooms.of_series(opens)
            case None:
                plate = await rooms.of_person(code.sharer)
        await self._limits.spend(CODES, code.sharer)
        made = await self._database.run("make_code", lambda txn: self._add(txn, code))
        if made.died_of is not None:
            await self._closing.revoke(made)
            return made
        # The row comes first: if the process is killed now, the sweep finds the door by it.
        door = await rooms.make(plate, code.secret)
        if await self._database.run("door", lambda txn: Codes.set_door(txn, code.code_id, door)):
            self._closing.clear_up_soon()
        if places > 0:
            await self._tokens.give(code, places)
        return attrs.evolve(code, door=door)

    @staticmethod
    def _add(txn: LoggingTransaction, code: Code) -> Code:
        lock_person(txn, code.sharer)  # Else two at once would both find a place free.
        account = Users.account(txn, code.sharer)
        if account.is_suspended:
            raise CodeRequestError(CodeProblem.SUSPENDED)
        # A member who leaves later kills their codes; one who has just left must leave none behind.
        if code.is_live:
            if not may_share_series(txn, code):
                raise CodeRequestError(CodeProblem.SERIES_ENDED)
        elif not code.is_personal and not Memberships.is_member(txn, code.room_id, code.sharer):
            raise CodeRequestError(CodeProblem.NOT_ENTITLED)
        if Codes.count_living(txn, code.room_id, code.sharer) >= MAX_LIVING_CODES:
            raise CodeRequestError(CodeProblem.TOO_MANY)
        if account.is_shadow_banned:
            # Dead from birth, and looks like any other to the sharer, who must not be told.
            code = attrs.evolve(code, died_of=Reason.CODE_REVOKED, died_at=code.created_at)
        Codes.add(txn, code)
        return code


class Making:
    """Makes codes for those who may have them."""

    def __init__(
        self,
        api: ModuleApi,
        presence: Presence,
        rights: SharingRights,
        workshop: Workshop,
        config: Config,
    ) -> None:
        self._api = api
        self._presence = presence
        self._rights = rights
        self._workshop = workshop
        self._config = config.codes
        self._limits = config.limits

    async def may_make(self, group: Group, user_id: str) -> bool:
        """Whether a member has the power to make codes for their group."""
        return await self._rights.may_share(group, user_id)

    def link(self, code: Code) -> str:
        """The link that a code's picture holds."""
        return code_link(self._api, code.secret)

    async def make(self, group: Group, sharer: str, terms: Terms) -> Code:
        """Make a code that opens a group, and its door.

        Args:
            sharer: a member of the group.

        Raises:
            CodeRequestError: this cannot be.
            SynapseError: 429, it was asked for too often.
        """
        if await self._rights.is_replaced(group):
            raise CodeRequestError(CodeProblem.REPLACED)
        if not await self._rights.may_share(group, sharer):
            raise CodeRequestError(CodeProblem.NOT_ENTITLED)
        code = self._new(group.room_id, sharer, terms)
        taken = await self._presence.seats_taken(group)
        if self._limits.mode(taken) is not Mode.OPEN:
            raise CodeRequestError(CodeProblem.CLOSED, taken)
        return await self._workshop.make(code, group, self._limits.code_limit - taken)

    async def make_live(self, organiser: Organiser, terms: Terms) -> Code:
        """Make a code that opens a series, and its door. Raises what `make` raises."""
        series = organiser.series
        code = self._new(series.series_id, organiser.user_id, terms)
        return await self._workshop.make(code, series)

    async def make_personal(self, user_id: str, terms: Terms) -> Code:
        """Make a code that opens a direct chat with this local person, and its door.

        Raises what `make` raises.
        """
        return await self._workshop.make(self._new(user_id, user_id, terms), None)

    def _new(self, opens: str, sharer: str, terms: Terms) -> Code:
        lifetime, max_uses, label = terms.lifetime, terms.max_uses, terms.label
        lifetime = self._config.lifetime if lifetime is None else lifetime
        if not _is_number(lifetime) or not 1 <= lifetime <= self._config.max_lifetime:
            raise CodeRequestError(CodeProblem.LIFETIME)
        max_uses = self._config.max_uses if max_uses is None else max_uses
        if max_uses is not None and not (_is_number(max_uses) and 1 <= max_uses < 2**31):
            raise CodeRequestError(CodeProblem.USES)
        if label is not None and not (
            isinstance(label, str) and 1 <= len(label) <= _LONGEST_LABEL and label.isprintable()
        ):
            raise CodeRequestError(CodeProblem.LABEL)
        now = self._api.get_current_time_msec()
        return Code(
            code_id=secrets.token_hex(5),
            secret=new_secret(),
            room_id=opens,
            sharer=sharer,
            created_at=now,
            expires_at=now + lifetime,
            max_uses=max_uses,
            label=label,
        )


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
