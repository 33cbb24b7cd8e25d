"""Who may invite whom (rule 2): an invitation that could only fail is refused when it is sent."""

from functools import partial

from synapse.module_api import NOT_SPAM, ModuleApi

from synapse_capgroups.admission.decision import being_invited
from synapse_capgroups.admission.invitations import Invitations
from synapse_capgroups.callbacks.answers import Answer, Answers
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.inside.membership_changes import membership_change
from synapse_capgroups.rules.verdict import Verdict
from synapse_capgroups.words.lookup import Audience


class Inviting:
    """Decides invitations to groups."""

    def __init__(
        self, api: ModuleApi, answers: Answers, scope: Scope, invitations: Invitations
    ) -> None:
        self._api = api
        self._answers = answers
        self._scope = scope
        self._invitations = invitations

    async def user_may_invite(self, inviter: str, invitee: str, room_id: str) -> Answer:
        """Decide the invitation of a user."""
        if invitee == self._scope.concierge:
            return NOT_SPAM  # It declines, and takes no seat.
        if being_invited.get() == (room_id, invitee):
            return NOT_SPAM
        if await self._by_server_admin():
            return NOT_SPAM
        decide = partial(self._invitation, inviter, invitee, room_id)
        return await self._answers.give(
            "invitation", Audience.INVITING, decide, group=room_id, user=invitee, by=inviter
        )

    async def _invitation(self, inviter: str, invitee: str, room_id: str) -> Verdict | None:
        group = await self._scope.group(room_id)
        if group is None:
            return None
        return group.concerned(await self._invitations.invitation(group, inviter, invitee))

    async def _by_server_admin(self) -> bool:
        """Whether a server admin acts in somebody else's name, as in `make_room_admin`."""
        change = membership_change.get()
        if change is None or change.authority in (change.sender, self._api.server_name):
            return False
        return await self._api.is_user_admin(change.authority)

    async def user_may_send_3pid_invite(
        self, inviter: str, medium: str, address: str, room_id: str
    ) -> Answer:
        """Decide the invitation of an e-mail address or phone number that has no account yet."""
        decide = partial(self._address_invitation, inviter, room_id)
        return await self._answers.give(
            "invitation", Audience.INVITING, decide, group=room_id, by=inviter
        )

    async def _address_invitation(self, inviter: str, room_id: str) -> Verdict | None:
        group = await self._scope.group(room_id)
        if group is None:
            return None
        return group.concerned(await self._invitations.address_invitation(group, inviter))
