"""Who may create which group (rules 1 and 2), decided before anything of the room exists."""

from synapse.module_api import JsonDict, ModuleApi

from synapse_capgroups.admission.assembly import AdmissionParts
from synapse_capgroups.admission.contacts import Contacts
from synapse_capgroups.config import Config
from synapse_capgroups.inside.creations import (
    makes_creators_of_all_power,
    preset_levels,
    why_no_event,
)
from synapse_capgroups.rules import creation, seclusion
from synapse_capgroups.rules.federation import guarded_creation
from synapse_capgroups.rules.power_levels import fits
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.rules.text import MalformedRequest
from synapse_capgroups.rules.verdict import ALLOWED, Reason, Refusal, Verdict
from synapse_capgroups.storage.database import Database


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
        self,
        api: ModuleApi,
        database: Database,
        admission: AdmissionParts,
        config: Config,
    ) -> None:
        self._api = api
        self._is_guarded = config.is_guarded
        self._local_only = config.federation == "local"
        self._contacts = Contacts(api, database, config.verified_contact)
        self._invitations = admission.invitations
        self._record = admission.record

    async def decide(self, creator: str, request: JsonDict, *, by_admin: bool) -> Verdict:
        """Decide whether a group may be created.

        Args:
            request: the body of `createRoom`.
            by_admin: whether a server admin asks, who needs no verified contact.
        """
        verdict = seclusion.decide_creation(request)
        if verdict == ALLOWED and self._is_guarded:
            verdict = self._with_remote(creator, request)
        if verdict == ALLOWED and not by_admin:
            verdict = await self._contacts.creation(creator)
        if verdict == ALLOWED:
            verdict = await self._invitations.creation_invitations(
                creator, seclusion.invitees(request), seclusion.address_invitations(request)
            )
        return verdict

    def _with_remote(self, creator: str, request: JsonDict) -> Verdict:
        """Decide whether people of other servers may be invited as asked."""
        if all(self._api.is_mine(user) for user in seclusion.invitees(request)):
            return ALLOWED
        if self._local_only:
            return Refusal(Reason.LOCAL_ONLY)
        levels = self.shaped(creator, request).get("power_level_content_override", {})
        return ALLOWED if fits(levels) else Refusal(Reason.TOO_MANY_REMOTE)

    def shaped(self, creator: str, request: JsonDict) -> JsonDict:
        """The body of `createRoom` for a group that keeps its rules across servers (rule 10)."""
        if not self._is_guarded:
            return request
        if self._local_only:
            kind = request.get("creation_content")
            content = {**(kind if isinstance(kind, dict) else {}), "m.federate": False}
            return {**request, "creation_content": content}
        return guarded_creation(
            request,
            creator,
            self._api.server_name,
            creators_have_all_power=makes_creators_of_all_power(self._api, request),
            preset_levels=preset_levels(self._api),
        )

    async def record(self, room_id: str, creator: str) -> None:
        """Put a group that was just created on record, with its creator."""
        now = self._api.get_current_time_msec()
        await self._record.created(Group(room_id, creator, now))
