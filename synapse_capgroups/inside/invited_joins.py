"""Inviting somebody and joining them, in one step of the room's where that is possible.

Each event costs Synapse some forty database transactions: a state group, the persisting, and what
the user directory, the statistics and others do with a change of a room's state. For an invitation
that is answered at once, half of that is for nothing. Synapse itself writes the events of a new
room in one batch (`RoomCreationHandler._send_events_for_new_room`), and so are these two.

All that Synapse checks is checked: it goes through `update_membership_locked` for both, under one
lock of the room. Only at the end of it, in `_local_membership_update`, the invitation waits for its
join.
"""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

import attrs
from synapse.module_api import ModuleApi, UserID
from synapse.types import create_requester

from synapse_capgroups.inside.membership_changes import set_membership
from synapse_capgroups.inside.probe import has_what_batches_need

_MEMBER = "m.room.member"


@attrs.define(eq=False)
class InvitedJoin:
    """A local person who is invited in a local member's name, and joins.

    Attributes:
        content: what both events shall have beside the membership.
        is_invited: whether everybody who is asked about invitations has agreed.
        was_invited: whether the person had an invitation before, or may have had one.
    """

    sharer: str
    user_id: str
    room_id: str
    content: Mapping[str, Any]
    is_invited: bool = attrs.field(default=False, init=False)
    was_invited: bool = attrs.field(default=True, init=False)
    _waiting: "tuple[dict[str, Any], _Ground] | None" = attrs.field(default=None, init=False)

    async def take(self, api: ModuleApi) -> None:
        """Do both, without rate limits. The sharer need not have consented to the policy.

        Raises:
            SynapseError: one of them is refused. If the invitation was written, it is still there.
        """
        if api not in _watched:
            self.was_invited = await _is_invited(api, self.room_id, self.user_id)
            await set_membership(
                api, self.sharer, self.user_id, self.room_id, "invite", self.content,
                needs_consent=False,
            )  # fmt: skip
            self.is_invited = True
        token = _under_way.set(self)
        try:
            await set_membership(
                api, self.user_id, self.user_id, self.room_id, "join", self.content
            )
        finally:
            _under_way.reset(token)


_under_way: ContextVar[InvitedJoin | None] = ContextVar("capgroups_invited_join", default=None)

_watched: "WeakSet[ModuleApi]" = WeakSet()
"""Those whose Synapse has what a batch needs."""


def _of(user_id: str, room_id: str) -> InvitedJoin | None:
    pair = _under_way.get()
    return pair if pair is not None and (pair.user_id, pair.room_id) == (user_id, room_id) else None


async def _is_invited(api: ModuleApi, room_id: str, user_id: str) -> bool:
    store = api._hs.get_datastores().main
    found, _ = await store.get_local_current_membership_for_user_in_room(user_id, room_id)
    return bool(found == "invite")


def join_invited(api: ModuleApi) -> None:
    """Let `InvitedJoin` invite and join in one step. To be called after `watch_memberships`.

    It changes nothing where Synapse does not have what that needs: then both are made one after the
    other.
    """
    if not has_what_batches_need(api):
        return
    handler = api._hs.get_room_member_handler()
    batches = _Batches(api, handler._local_membership_update)
    update, inviter = handler.update_membership_locked, handler._get_inviter

    async def invited_first(
        requester: Any, target: Any, room_id: str, action: str, *args: Any, **kwargs: Any
    ) -> Any:
        pair = _of(target.to_string(), room_id)
        if pair is not None and action == "join" and not pair.is_invited:
            await update(
                create_requester(pair.sharer), target, room_id, "invite",
                ratelimit=False, content=dict(pair.content), require_consent=False,
            )  # fmt: skip
            pair.is_invited = True
            if pair._waiting is not None:
                # Synapse has just looked it up.
                profile = pair._waiting[0].get("content") or {}
                name = {"displayname": profile["displayname"]} if "displayname" in profile else {}
                kwargs["content"] = {**name, **(kwargs.get("content") or {})}
        return await update(requester, target, room_id, action, *args, **kwargs)

    async def with_waiting(user_id: str, room_id: str) -> Any:
        # What other modules are told of a join: whether there is an invitation.
        pair = _of(user_id, room_id)
        if pair is not None and pair._waiting is not None:
            return UserID.from_string(pair.sharer)
        return await inviter(user_id, room_id)

    handler.update_membership_locked = invited_first  # type: ignore[method-assign]
    handler._get_inviter = with_waiting  # type: ignore[method-assign]
    handler._local_membership_update = batches.update  # type: ignore[method-assign]
    _watched.add(api)


@attrs.frozen
class _Ground:
    """The state of a room after some events, on which others can be built."""

    events: tuple[str, ...]
    group: int
    state: Mapping[tuple[str, str], str]


class _Batches:
    """Makes both events of an invited join at once, in place of `_local_membership_update`."""

    def __init__(self, api: ModuleApi, update: Any) -> None:
        """
        Args:
            update: Synapse's own way, for everything else.
        """
        self._api = api
        self._update = update
        self._hs = api._hs
        self._store = api._hs.get_datastores().main
        self._events = api._hs.get_event_creation_handler()

    async def update(self, **change: Any) -> Any:
        """Make the event of a membership change that was checked."""
        user_id, room_id = change["target"].to_string(), change["room_id"]
        pair = _of(user_id, room_id)
        if pair is None:
            return await self._update(**change)
        if change["membership"] == "invite":
            ground = await self._ground(room_id, user_id, change["prev_event_ids"])
            if ground is not None:
                pair.was_invited, pair._waiting = False, (change, ground)
                return "", 0  # Nobody asks for it.
            pair.was_invited = await _is_invited(self._api, room_id, user_id)
            return await self._update(**change)
        if pair._waiting is None:
            return await self._update(**change)
        invitation, ground = pair._waiting
        pair._waiting = None
        latest = change["prev_event_ids"]
        if ground.events != tuple(latest):
            ground = await self._ground(room_id, user_id, latest)
        if ground is None:  # Changed meanwhile, from another server: the lock is for this one.
            await self._update(**invitation)
            latest = await self._store.get_prev_events_for_room(room_id)
            return await self._update(**{**change, "prev_event_ids": latest})
        return await self._write(ground, invitation, change)

    async def _ground(
        self, room_id: str, user_id: str, latest: Sequence[str] | None
    ) -> _Ground | None:
        """What a batch can be built on; None if both events must be made one after the other."""
        callbacks = self._hs.get_module_api_callbacks().third_party_event_rules
        if not latest or callbacks._check_event_allowed_callbacks:
            return None  # Those are given the room's state, which would lack the invitation.
        if await self._store.is_partial_state_room(room_id):  # type: ignore[call-arg,arg-type]
            return None
        version = await self._store.get_room_version(room_id)
        if getattr(version, "msc4242_state_dags", False):
            return None
        states = self._hs.get_storage_controllers().state
        groups = await states.get_state_group_for_events(latest, await_full_state=False)
        if set(groups) != set(latest) or len(set(groups.values())) != 1:
            return None  # Synapse makes one state of several, and knows how.
        group = groups[latest[0]]
        state = await states.get_state_ids_for_group(group)
        # Of others, who are members already or could come in without an invitation, Synapse
        # treats a join in its own way.
        if await self._said(state, (_MEMBER, user_id), "membership") not in (None, "leave"):
            return None
        if await self._said(state, ("m.room.join_rules", ""), "join_rule") != "invite":
            return None
        return _Ground(tuple(latest), group, state)

    async def _said(
        self, state: Mapping[tuple[str, str], str], key: tuple[str, str], field: str
    ) -> Any:
        event_id = state.get(key)
        if event_id is None:
            return None
        return (await self._store.get_event(event_id)).content.get(field)

    async def _write(
        self,
        ground: _Ground,
        invitation: Mapping[str, Any],
        join: Mapping[str, Any],
    ) -> tuple[str, int]:
        invited, its_context = await self._event(invitation, ground)
        key = (invited.type, invited.state_key)
        after = {**ground.state, key: invited.event_id}
        between = _Ground((invited.event_id,), its_context.state_group, after)
        joined, context = await self._event(join, between, depth=invited.depth + 1)
        # Without it, Synapse would load and compare all of the state before and after.
        context.state_group_deltas[ground.group, context.state_group] = {key: joined.event_id}
        written = await self._events.handle_new_client_event(
            join["requester"],
            events_and_context=[(invited, its_context), (joined, context)],
            extra_users=[join["target"]],
            ratelimit=False,
        )
        assert written.internal_metadata.stream_ordering
        return written.event_id, written.internal_metadata.stream_ordering

    async def _event(
        self,
        change: Mapping[str, Any],
        ground: _Ground,
        *,
        depth: int | None = None,
    ) -> tuple[Any, Any]:
        """An event with its context. The state group is made as for a single event: those that
        Synapse makes for batches are added to a chain that nobody keeps short.
        """
        requester, membership = change["requester"], change["membership"]
        content = {**(change.get("content") or {}), "membership": membership}
        if requester.is_guest:
            content["kind"] = "guest"
        event, context = await self._events.create_event(
            requester,
            {
                "type": _MEMBER,
                "content": content,
                "room_id": change["room_id"],
                "sender": requester.user.to_string(),
                "state_key": change["target"].to_string(),
                "membership": membership,  # As Synapse does, "for backwards compatibility".
                "origin_server_ts": change.get("origin_server_ts"),
            },
            prev_event_ids=list(ground.events),
            depth=depth,
            require_consent=change.get("require_consent", True),
            state_map=dict(ground.state),
            for_batch=True,
            current_state_group=ground.group,
        )
        return event, await context.persist(event)
