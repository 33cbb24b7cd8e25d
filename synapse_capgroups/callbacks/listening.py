"""What the module listens to without ever answering no: events, and the ends of accounts."""

import logging
from typing import Literal

from synapse.module_api import NOT_SPAM, EventBase, ModuleApi

from synapse_capgroups.callbacks.federating import Federating
from synapse_capgroups.codes.life import Deaths
from synapse_capgroups.codes.remote_entry import RemoteEntry
from synapse_capgroups.concierge.conversation import Concierge
from synapse_capgroups.groups.breaches import Breaches
from synapse_capgroups.groups.rights import POWER_LEVELS, TOMBSTONE
from synapse_capgroups.helpdesk.account_forgetting import AccountForgetting
from synapse_capgroups.inside.remote_joins import judged_remote_join

logger = logging.getLogger(__name__)


class Listening:
    """Passes each event on to the part of the module that it concerns."""

    def __init__(
        self,
        api: ModuleApi,
        concierge: Concierge,
        breaches: Breaches,
        from_afar: "FromAfar",
        deaths: Deaths,
    ) -> None:
        self._api = api
        self._concierge = concierge
        self._breaches = breaches
        self._from_afar = from_afar
        self._deaths = deaths

    async def check_event_for_spam(self, event: EventBase) -> Literal["NOT_SPAM"]:
        """Let the concierge hear what people write to it, and codes what may end them.

        Synapse calls this for each event of every room: an event that concerns nobody here costs a
        few comparisons and no database access (rule 9). Nothing is ever refused.
        """
        if await self._concierge.hears(event):
            self._concierge.answer_soon(event)
            return NOT_SPAM
        if self._is_from_afar(event):
            await self._from_afar.hear(event)
        if self._breaches.may_be(event):
            self._breaches.look_soon(event)
        elif event.type in (POWER_LEVELS, TOMBSTONE) or self._is_remote_removal(event):
            self._deaths.watch_soon(event)
        return NOT_SPAM

    def _is_from_afar(self, event: EventBase) -> bool:
        """Whether another server has made an event.

        It can do so in a local person's name: who invites an e-mail address invites, in the end,
        the person of whom that person's own server says that it is theirs.
        """
        return not self._api.is_mine(event.sender) or (
            event.type == "m.room.member" and "third_party_invite" in event.content
        )

    def _is_remote_removal(self, event: EventBase) -> bool:
        """Whether a remote person removes a local one, or claims to."""
        return (
            event.type == "m.room.member"
            and event.content.get("membership") in ("leave", "ban")
            and not self._api.is_mine(event.sender)
            and self._api.is_mine(event.state_key)
        )


class FromAfar:
    """Passes on what people of other servers do."""

    def __init__(self, remote_entry: RemoteEntry, federating: Federating) -> None:
        self._remote_entry = remote_entry
        self._federating = federating

    async def hear(self, event: EventBase) -> None:
        """Look at an event of another server's. In memory, but for joins that nobody was asked
        about.
        """
        self._federating.hear(event)
        if self._is_unjudged_join(event):
            try:
                await self._remote_entry.overhear(event.room_id, event.sender)
            except Exception:
                logger.exception(
                    "Could not judge the join of %s in %s", event.sender, event.room_id
                )

    @staticmethod
    def _is_unjudged_join(event: EventBase) -> bool:
        """Whether a remote person joins in a way that `Unasked.remote_join` is not asked about."""
        return (
            event.type == "m.room.member"
            and event.content.get("membership") == "join"
            and judged_remote_join.get() != (event.sender, event.room_id)
        )


class Deactivations:
    """Has deactivated accounts forgotten, and their series passed on."""

    def __init__(self, forgetting: AccountForgetting) -> None:
        self._forgetting = forgetting

    async def on_user_deactivation_status_changed(
        self, user_id: str, deactivated: bool, by_admin: bool
    ) -> None:
        """Forget a deactivated account (rule 15). A reactivated one begins anew.

        Synapse logs what is raised here.
        """
        if deactivated:
            await self._forgetting.deactivated(user_id)
