"""Who may create which group (rules 1 and 2), decided before anything of the room exists."""

from synapse.module_api import JsonDict, ModuleApi

from synapse_capgroups.admission.contacts import Contacts
from synapse_capgroups.admission.invitations import Invitations
from synapse_capgroups.admission.record import Record
from synapse_capgroups.inside.creations import why_no_event
from synapse_capgroups.rules import creation, seclusion
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.rules.text import MalformedRequest
from synapse_capgroups.rules.verdict import ALLOWED, Verdict


def check_shape(api: ModuleApi, request: JsonDict) -> None:
    """Find what Synapse would fail on half way through a creation, leaving half a room behind.

    Raises:
        MalformedRequest: with a sentence that says what to mend.
    """
    creation.check_shape(request)
    for event in creation.events(request):
        if wrong := why_no_event(api, *event):
            raise MalformedRequest(wrong)


class Creations:
    """Decides creations of groups, and puts new groups on record."""

    def __init__(
        self, api: ModuleApi, contacts: Contacts, invitations: Invitations, record: Record
    ) -> None:
        self._api = api
        self._contacts = contacts
        self._invitations = invitations
        self._record = record

    async def decide(self, creator: str, request: JsonDict, *, by_admin: bool) -> Verdict:
        """Decide whether a group may be created.

        Args:
            request: the body of `createRoom`.
            by_admin: whether a server admin asks, who needs no verified contact.
        """
        verdict = seclusion.decide_creation(request)
        if verdict == ALLOWED and not by_admin:
            verdict = await self._contacts.creation(creator)
        if verdict == ALLOWED:
            verdict = await self._invitations.creation_invitations(
                creator, seclusion.invitees(request), seclusion.address_invitations(request)
            )
        return verdict

    async def record(self, room_id: str, creator: str) -> None:
        """Put a group that was just created on record, with its creator."""
        now = self._api.get_current_time_msec()
        await self._record.created(Group(room_id, creator, now))
