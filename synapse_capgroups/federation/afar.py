"""What other servers do to groups: what breaks a rule is undone by a local member at once.

In a group of the guarded form, people of other servers have no power, so there is nothing to undo.
A group from before gets that form when the first of them does something here.
"""

import logging
from collections import OrderedDict

from synapse.module_api import EventBase, ModuleApi

from synapse_capgroups.federation.levels import Levels
from synapse_capgroups.federation.removing import Removing
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.inside.received import becomes_state, is_state, lets_in
from synapse_capgroups.rules import seclusion
from synapse_capgroups.rules.federation import put_right
from synapse_capgroups.rules.power_levels import POWER_LEVELS
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.rules.verdict import Reason, Refusal
from synapse_capgroups.telemetry import journal, metrics

logger = logging.getLogger(__name__)

_MEMBER = "m.room.member"
_REMEMBERED_JOINS = 10_000
_PAUSES = (0.1, 0.5, 2, 5)
"""Seconds before a look whether a group is still closed."""
_CONCERNED = seclusion.SECLUDING | {_MEMBER, POWER_LEVELS}


class Afar:
    """Looks at the state events that people of other servers send into groups."""

    def __init__(self, api: ModuleApi, scope: Scope, levels: Levels, removing: Removing) -> None:
        self._api = api
        self._scope = scope
        self._levels = levels
        self._removing = removing
        self._joined: OrderedDict[tuple[str, str], None] = OrderedDict()

    def may_be(self, event: EventBase) -> bool:
        """Whether an event of another server's may have to be undone. In memory, for each one."""
        return event.type in _CONCERNED and event.is_state() and not self._is_rename(event)

    def _is_rename(self, event: EventBase) -> bool:
        """Whether somebody joins who was seen to join before: they may do that every second."""
        if event.type != _MEMBER or event.content.get("membership") != "join":
            return False
        who = (event.room_id, event.state_key)
        if who in self._joined:
            return True
        self._joined[who] = None
        if len(self._joined) > _REMEMBERED_JOINS:
            self._joined.popitem(last=False)
        return False

    def look_soon(self, event: EventBase) -> None:
        """Look at an event once it is the state of a group."""
        self._api.run_as_background_process("capgroups_afar", self._look, event)

    async def _look(self, event: EventBase) -> None:
        group = await self._scope.group(event.room_id)
        if group is None:
            return
        takes_effect = lets_in if _is_invitation(event) else becomes_state
        if not await takes_effect(self._api, event):
            self._joined.pop((event.room_id, event.state_key), None)
            return
        try:
            await self._levels.ensure(group)
            if _is_invitation(event):
                await self._brought_in(group, event)
            elif event.type in seclusion.SECLUDING:
                await self._opened(group, event)
        except Exception:
            logger.exception("Could not put right what %s did", event.event_id)

    async def _brought_in(self, group: Group, event: EventBase) -> None:
        """Remove somebody whom another server has invited, if they have come already or not."""
        if event.state_key != self._scope.concierge:
            by_email = self._api.is_mine(event.sender)  # Else it would be made here.
            reason = Reason.INVITE_REQUIRED if by_email else Reason.REMOTE_NO_INVITE
            await self._removing.remove(group, event.state_key, Refusal(reason))

    async def _opened(self, group: Group, event: EventBase) -> None:
        """Close a group that a person of another server has opened.

        Whoever writes something at this moment can follow the opening, and not what closes it; then
        the group is open again.
        """
        content = put_right(event.type, event.content, None)
        if content is None:
            return
        done = False
        for pause in _PAUSES:
            if not await self._levels.put_right(group, event.type, event.state_key, content):
                break
            await self._api.sleep(pause)
            if done := not await is_state(self._api, event):
                break
        metrics.PUT_RIGHT.labels("yes" if done else "no").inc()
        journal.put_right(group.room_id, event.sender, event.type, done=done)


def _is_invitation(event: EventBase) -> bool:
    return event.type == _MEMBER and event.content.get("membership") == "invite"
