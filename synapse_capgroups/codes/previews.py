"""What a person who holds a code may know of it before they use it."""

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.codes.closing import Closing
from synapse_capgroups.codes.life import CodeLife
from synapse_capgroups.codes.links import door_address
from synapse_capgroups.codes.sharing import NoSuchCodeError
from synapse_capgroups.groups.names import group_name, group_topic, member_name, person_name
from synapse_capgroups.rules.verdict import Reason
from synapse_capgroups.series.filling import Filled, Glances
from synapse_capgroups.storage.approval import Approval
from synapse_capgroups.storage.codes import Code, Codes
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.forgetting import ERASED
from synapse_capgroups.storage.registration_tokens import RegistrationTokens


@attrs.frozen
class Preview:
    """A code as its holder sees it.

    Attributes:
        room_id: the group's; None for a personal code and a live one.
        group: the group's name, None if it has none.
        sharer: the sharer's name; None if the account is erased.
        expires_at: milliseconds since 1970.
        died_of: why nobody comes in by it: the code is dead, or its series full or paused.
        members: how many the group has, seats of joins under way included.
        door: the address of the room to join.
        series: the group that a live code's series fills now; None for other codes.
        approval: whether a moderator of the group is asked then.
        topic: what the group is about; None if it does not say so, or nobody comes in.
        token: a registration token by which the holder can make an account; None if there is none.
    """

    room_id: str | None
    group: str | None
    sharer: str | None
    expires_at: int
    died_of: Reason | None
    members: int
    door: str
    series: Filled | None = None
    approval: bool = False
    topic: str | None = None
    token: str | None = attrs.field(default=None, repr=False)


class Previews:
    """Looks at codes for the people who hold them."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        life: CodeLife,
        closing: Closing,
        glances: Glances,
        *,
        shows_tokens: bool = False,
    ) -> None:
        """
        Args:
            shows_tokens: whether codes carry registration tokens.
        """
        self._shows_tokens = shows_tokens
        self._api = api
        self._database = database
        self._life = life
        self._closing = closing
        self._glances = glances

    @property
    def changes(self) -> int:
        """Grows whenever this process may have changed what a preview says."""
        return self._closing.changes

    async def preview(self, secret: str) -> Preview:
        """Look at the code with this secret.

        Raises:
            NoSuchCodeError: nobody was ever given this secret, or it is forgotten.
        """

        now = self._api.get_current_time_msec()

        def look(txn: LoggingTransaction) -> tuple[Code | None, bool, str | None]:
            code, token = Codes.by_secret(txn, secret), None
            if self._shows_tokens and code is not None:
                token = RegistrationTokens.usable(txn, code.code_id, now)
            return code, code is not None and Approval.is_on(txn, code.room_id), token

        code, approval, token = await self._database.run("preview", look)
        if code is None:
            raise NoSuchCodeError
        died_of, members = await self._life.state(code)
        if code.is_live:
            return await self._of_series(code, died_of)
        return Preview(
            room_id=None if code.is_personal else code.room_id,
            group=None if code.is_personal else await group_name(self._api, code.room_id),
            sharer=await self._sharer(code),
            expires_at=code.expires_at,
            died_of=died_of,
            members=members,
            door=door_address(self._api, code.secret),
            approval=approval,
            # Whoever holds a living code reads it a tap later, inside.
            topic=None
            if code.is_personal or died_of
            else await group_topic(self._api, code.room_id),
            token=None if died_of else token,
        )

    async def _of_series(self, code: Code, died_of: Reason | None) -> Preview:
        filled = await self._glances.filled(code.room_id)
        model = filled.model if filled else ""
        died_of = died_of or (filled.closed if filled else Reason.CODE_REVOKED)
        return Preview(
            room_id=None,
            group=filled.name if filled else None,
            sharer=await self._sharer(code),
            expires_at=code.expires_at,
            died_of=died_of,
            members=filled.people if filled else 0,
            door=door_address(self._api, code.secret),
            series=filled,
            # The groups of a series are alike.
            approval=await self._database.look_up(
                "approval", lambda txn: Approval.is_on(txn, model)
            ),
            topic=None if died_of else await group_topic(self._api, model),
        )

    async def _sharer(self, code: Code) -> str | None:
        if code.sharer == ERASED:
            return None
        if code.is_personal or code.is_live:
            return await person_name(self._api, code.sharer)
        return await member_name(self._api, code.room_id, code.sharer)
