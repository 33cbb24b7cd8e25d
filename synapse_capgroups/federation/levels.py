"""The power levels of groups: nobody of another server can invite, or do what moderators do.

Every server enforces power levels, so they hold where nothing here is asked. They are written
before somebody of another server is invited, and one after the other on all processes: of two that
are written at the same time, one is lost with its entries, and who had them could invite.
"""

from collections.abc import Collection, Mapping
from typing import Any

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.inside.locks import one_process_at_a_time
from synapse_capgroups.inside.power_levels import Send, send_state
from synapse_capgroups.inside.tables.power import PowerTables
from synapse_capgroups.rules import level_changes
from synapse_capgroups.rules.power_levels import (
    POWER_LEVELS,
    LevelFacts,
    fits,
    is_guarded,
    level_of,
    named_level,
)
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.rules.verdict import ALLOWED, Reason, Refusal, Verdict
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.seats import Seats


@attrs.frozen
class Standing:
    """Who has which power in a group at this moment.

    Attributes:
        content: of the power levels as they are.
        local: this server's people who are members.
        federates: whether people of other servers can be in the group at all.
    """

    content: Mapping[str, Any]
    facts: LevelFacts
    local: Collection[str]
    federates: bool

    def remover(self, user_id: str) -> str | None:
        """In whose name the server removes somebody; None if nobody may."""
        return level_changes.strongest_for("kick", user_id, self.content, self.local, self.facts)

    def sender(self, event_type: str) -> str | None:
        """In whose name the server sends a state event; None if nobody may."""
        return level_changes.strongest_sender(event_type, self.content, self.local, self.facts)

    def mended(self, wanted: Mapping[str, Any], sender: str) -> Mapping[str, Any]:
        """What somebody wants to send, guarded as far as they have the power for that.

        In a group from before, others may stand as high as they do.
        """
        levels = level_changes.mended(self.content, wanted, self.facts, sender)
        if level_changes.may_replace(self.content, levels, sender, self.facts):
            return levels
        return wanted  # Synapse refuses it, as it would without the module.

    def next(self) -> tuple[str, Mapping[str, Any]] | None:
        """The guarded power levels and their sender; None if nobody here can write them."""
        return level_changes.towards_guarded(self.content, self.local, self.facts)

    def restated(self) -> tuple[str, Mapping[str, Any]] | None:
        """The power levels once more and their sender, as `level_changes.restated` has them."""
        return level_changes.restated(self.content, self.local, self.facts)


class Levels:
    """Keeps the power levels of groups as `rules.power_levels` has them."""

    def __init__(self, api: ModuleApi, database: Database, scope: Scope) -> None:
        self._api = api
        self._database = database
        self._scope = scope

    async def send(self, room_id: str, sender: str, content: Mapping[str, Any], send: Send) -> Any:
        """Send power levels of a local person, mended where they would give remote people power.

        Returns:
            What `send` returns.
        """
        group = await self._scope.group(room_id)
        if group is None or not isinstance(content, Mapping):
            return await send(content)
        async with one_process_at_a_time(self._api, "power_levels", room_id):
            there = await self.standing(group)
            return await send(there.mended(content, sender) if there.federates else content)

    async def ensure(self, group: Group, invitee: str | None = None) -> Verdict:
        """Bring a group's power levels into their form.

        Args:
            invitee: a person of another server who is going to be invited, and needs an entry.

        Returns:
            A refusal if this person must not be invited, since they could invite others.
        """
        there = await self.standing(group, invitee)
        # Even where an invitee has an entry: somebody may be writing power levels without it.
        if not there.federates or (invitee is None and is_guarded(there.content, there.facts)):
            return ALLOWED
        async with one_process_at_a_time(self._api, "power_levels", group.room_id):
            there = await self.standing(group, invitee)
            if is_guarded(there.content, there.facts):
                return ALLOWED
            found = there.next()
            if found is None:
                return Refusal(Reason.NO_LOCAL_MODERATOR)
            sender, levels = found
            if not fits(levels):
                return Refusal(Reason.TOO_MANY_REMOTE)
            await send_state(self._api, sender, group.room_id, POWER_LEVELS, levels)
        if invitee is not None and _can_invite(invitee, levels, there.facts):
            return Refusal(Reason.NO_LOCAL_MODERATOR)
        return ALLOWED

    async def put_right(
        self, group: Group, event_type: str, state_key: str, content: Mapping[str, Any]
    ) -> bool:
        """Replace state of a group, and see that what was there does not come back.

        Returns:
            Whether somebody here had the power.
        """
        async with one_process_at_a_time(self._api, "power_levels", group.room_id):
            there = await self.standing(group)
            sender = there.sender(event_type)
            if sender is None:
                return False
            await send_state(
                self._api, sender, group.room_id, event_type, content, state_key=state_key
            )
            again = there.restated()
            if again is not None:
                await send_state(self._api, again[0], group.room_id, POWER_LEVELS, again[1])
            return True

    async def standing(self, group: Group, invitee: str | None = None) -> Standing:
        """Who has which power in a group now, with invitees counted among those who are there.

        An entry is written before its invitation: whoever writes power levels in between must not
        take it away.
        """

        def look(txn: LoggingTransaction) -> Standing:
            room = PowerTables.of(txn, group.room_id)
            invited = Seats.being_invited(txn, group.room_id, self._api.get_current_time_msec())
            people = {*room.present, *invited, *([invitee] if invitee else [])}
            remote = frozenset(user for user in people if not self._api.is_mine(user))
            joined = (user for user, membership in room.present.items() if membership == "join")
            return Standing(
                room.content or {},
                LevelFacts(self._api.server_name, remote, room.creators),
                [user for user in joined if user not in remote],
                room.federates,
            )

        return await self._database.run("power", look)


def _can_invite(user_id: str, content: Mapping[str, Any], facts: LevelFacts) -> bool:
    needed = named_level(content, "invite")
    return needed is None or level_of(user_id, content, facts) >= needed
