"""Brings somebody from a door into the group, by an invitation in the sharer's name and a join."""

from collections.abc import Mapping

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import Codes as ErrorCodes
from synapse.module_api.errors import SynapseError

from synapse_capgroups.admission.decision import admitting
from synapse_capgroups.admission.presence import Presence
from synapse_capgroups.groups.names import member_name
from synapse_capgroups.inside.invited_joins import InvitedJoin
from synapse_capgroups.inside.membership_changes import set_membership, withdraw
from synapse_capgroups.rules.names import Alias
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.rules.verdict import Reason
from synapse_capgroups.storage.code_invitations import CodeInvitations
from synapse_capgroups.storage.database import Database
from synapse_capgroups.words.lookup import Words

_WHY_NOT_INVITED = {
    # The sharer's account: of an invitation, Synapse asks about no other.
    ErrorCodes.USER_ACCOUNT_SUSPENDED.value: Reason.SUSPENDED,
    ErrorCodes.INVITE_BLOCKED.value: Reason.INVITATIONS_BLOCKED,
}


class NotInvitedError(Exception):
    """Somebody at a door cannot be invited, for a reason that the module has words for."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


def _raise_known(error: Exception) -> None:
    """Raise that somebody cannot be invited, if the module has words for the reason."""
    if isinstance(error, SynapseError) and error.errcode in _WHY_NOT_INVITED:
        raise NotInvitedError(_WHY_NOT_INVITED[error.errcode]) from error


class BringingIn:
    """Changes the memberships of people at doors. They must have been let in before."""

    def __init__(
        self, api: ModuleApi, database: Database, presence: Presence, words: Words
    ) -> None:
        """
        Args:
            words: what is written into the history of groups, in the server's language.
        """
        self._api = api
        self._database = database
        self._presence = presence
        self._words = words

    async def join(self, group: Group, sharer: str, user_id: str, alias: Alias | None) -> None:
        """Invite a local person and join them.

        Raises:
            NotInvitedError: they cannot be invited, for a reason that the module has words for.
            SynapseError: Synapse or another module is against it. No invitation is left.
        """
        # The invitation shows a name, too.
        look = {**(attrs.asdict(alias) if alias else {}), **await self._reason(group, sharer)}
        both = InvitedJoin(sharer, user_id, group.room_id, look)
        token = admitting.set((group.room_id, user_id))
        try:
            await both.take(self._api)
        except Exception as e:
            # An invitation that stays would be a way in when the code is dead.
            if not both.was_invited and await self._presence.is_invited(group.room_id, user_id):
                await withdraw(self._api, user_id, group.room_id)
            if not both.is_invited:
                _raise_known(e)
            raise
        finally:
            admitting.reset(token)

    async def invite_remote(self, group: Group, sharer: str, user_id: str) -> None:
        """Invite a remote user, unless they are a member: only their own server can join them.

        Raises:
            NotInvitedError: they cannot be invited, for a reason that the module has words for.
            SynapseError: they cannot be invited, for another reason.
        """
        if await self._presence.is_member(group.room_id, user_id):
            return
        was_invited = await self._presence.is_invited(group.room_id, user_id)
        try:
            await self._invite(group, sharer, user_id, await self._reason(group, sharer))
        except Exception:
            if not was_invited:

                def forget(txn: LoggingTransaction) -> None:
                    CodeInvitations.remove(txn, group.room_id, user_id)

                await self._database.run("uninvited", forget)
            raise

    async def _reason(self, group: Group, sharer: str) -> dict[str, str]:
        """How they came, for whoever reads the history: the sharer did nothing just now."""
        name = await member_name(self._api, group.room_id, sharer)
        return {"reason": self._words.say("came_by_code_of", sharer=name)}

    async def _invite(
        self, group: Group, sharer: str, user_id: str, look: Mapping[str, object]
    ) -> None:
        token = admitting.set((group.room_id, user_id))
        try:
            await set_membership(
                self._api, sharer, user_id, group.room_id, "invite", look, needs_consent=False
            )
        except SynapseError as e:
            _raise_known(e)
            raise
        finally:
            admitting.reset(token)
