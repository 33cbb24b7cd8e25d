"""State, addresses and listings of rooms that exist: none of them may open a group (rule 1)."""

from typing import Any

from synapse.module_api import NOT_SPAM, JsonDict

from synapse_capgroups.callbacks.answers import Answer, Answers, raise_refusal
from synapse_capgroups.codes.links import is_like_a_code
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.inside.addresses import AddressWanted, ListingWanted, directory_request
from synapse_capgroups.rules import seclusion
from synapse_capgroups.rules.verdict import ALLOWED, Reason, Refusal, Verdict
from synapse_capgroups.words.lookup import Audience


class Secluding:
    """Decides what could make a group public, readable or known by an address."""

    def __init__(self, answers: Answers, scope: Scope) -> None:
        self._answers = answers
        self._scope = scope

    async def user_may_send_state_event(
        self, user_id: str, room_id: str, event_type: str, state_key: str, content: JsonDict
    ) -> Answer:
        """Decide a state event.

        Raises:
            SynapseError: the event is refused. Of this callback alone, Synapse takes an error code
                but no sentence (`SpamCheckerModuleApiCallbacks.user_may_send_state_event`); an
                exception carries both.
        """
        if event_type not in seclusion.SECLUDING:
            return NOT_SPAM

        async def decide() -> Verdict | None:
            return await self._for_group(room_id, seclusion.decide_state(event_type, content))

        answer = await self._answers.give(
            "state", Audience.CREATING, decide, group=room_id, user=user_id, type=event_type
        )
        raise_refusal(answer)
        return NOT_SPAM

    async def user_may_create_room_alias(self, user_id: str, alias: Any) -> Answer:
        """Decide an address. An exempt one would take its room out of the rules."""
        wanted = directory_request.get()
        room_id, by_server = None, False
        if isinstance(wanted, AddressWanted):
            room_id, by_server = wanted.room_id, wanted.by_server

        async def decide() -> Verdict | None:
            if self._scope.is_exempt_address(alias.to_string()):
                return None if by_server else seclusion.decide_address()
            if room_id is None:  # Called from an unknown place in Synapse: the safe answer.
                return seclusion.decide_address()
            return await self._for_group(room_id, seclusion.decide_address())

        return await self._answers.give(
            "address", Audience.CREATING, decide, group=room_id, user=user_id
        )

    async def user_may_publish_room(self, user_id: str, room_id: str) -> Answer:
        """Decide a listing in the room directory. Taking a room out of it always works."""
        wanted = directory_request.get()
        listed = wanted.listed if isinstance(wanted, ListingWanted) else True

        async def decide() -> Verdict | None:
            return await self._for_group(room_id, seclusion.decide_listing(wanted=listed))

        return await self._answers.give(
            "listing", Audience.CREATING, decide, group=room_id, user=user_id
        )

    async def _for_group(self, room_id: str, verdict: Verdict) -> Verdict | None:
        """The verdict, if the room is a group. The rules do not concern other rooms."""
        if verdict == ALLOWED:
            return verdict
        group = await self._scope.group(room_id)
        return None if group is None else group.concerned(verdict)

    async def guard_address(self, address: str, room_id: str) -> None:
        """Refuse an address to everybody, server admins included (rule 5).

        A door has one address, the secret one, and no other room has one like it.

        Raises:
            SynapseError: the address is refused.
        """
        refusal = Refusal(Reason.NO_ADDRESSES)
        if await self._scope.is_concierges(room_id):
            raise_refusal(self._answers.refused(refusal, Audience.ADDRESSING_A_DOOR))
        if self._answers.enforce and is_like_a_code(address):
            raise_refusal(self._answers.refused(refusal, Audience.ADDRESSING_LIKE_A_CODE))
