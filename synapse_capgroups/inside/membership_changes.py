"""Changing memberships, and hearing of each change before it is made."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any, Protocol

import attrs
from synapse.module_api import ModuleApi, UserID
from synapse.types import create_requester

from synapse_capgroups.inside.upgrades import upgrade_under_way

logger = logging.getLogger(__name__)


async def set_membership(
    api: ModuleApi,
    sender: str,
    user_id: str,
    room_id: str,
    membership: str,
    content: Mapping[str, Any] | None = None,
    *,
    needs_consent: bool = True,
) -> None:
    """Invite, join, leave or remove as a local user, without rate limits.

    `ModuleApi.update_room_membership` counts against the limits of the one who invites: after nine
    people at a door the sharer could neither invite nor write.

    Args:
        needs_consent: whether the sender must have agreed to the server's policy, where it has one.
            The refusal names the page on which they agree, which is for nobody else.
    """
    await api._hs.get_room_member_handler().update_membership(
        create_requester(sender),
        UserID.from_string(user_id),
        room_id,
        membership,
        ratelimit=False,
        content=dict(content) if content else None,
        require_consent=needs_consent,
    )


async def withdraw(api: ModuleApi, user_id: str, room_id: str) -> None:
    """Take a local person out of what has failed half-way, or take their invitation back.

    They leave by themselves, since who is removed stays out. The server does it for them: somebody
    who is suspended or has not consented could not.
    """
    try:
        await api._hs.get_room_member_handler().update_membership(
            create_requester(user_id, authenticated_entity=api.server_name),
            UserID.from_string(user_id),
            room_id,
            "leave",
            ratelimit=False,
            require_consent=False,
        )
        await forget(api, user_id, room_id)
    except Exception:
        logger.exception("Could not take %s out of %s", user_id, room_id)


async def remove_as_server(
    api: ModuleApi, sender: str, user_id: str, room_id: str, reason: str
) -> None:
    """Remove somebody, or take their invitation back, in a local person's name.

    The server does it for the person, who may be suspended or not have consented.

    Raises:
        SynapseError: the room does not allow it, or they are not in it.
    """
    await api._hs.get_room_member_handler().update_membership(
        create_requester(sender, authenticated_entity=api.server_name),
        UserID.from_string(user_id),
        room_id,
        "kick",
        ratelimit=False,
        content={"reason": reason},
        require_consent=False,
    )


async def forget(api: ModuleApi, user_id: str, room_id: str) -> None:
    """Let a room that somebody has left disappear from their clients."""
    await api._hs.get_room_member_handler().forget(UserID.from_string(user_id), room_id)


Names = Callable[[str, str, Any], Awaitable[Any]]


def shape_joins(api: ModuleApi, named: Names) -> None:
    """Let the names in each local person's join be decided before its event is made.

    Synapse itself rejoins people to all their rooms when their profile changes, and asks no
    callback what their name shall be (`ProfileHandler._update_join_states_task`). It does so by
    `update_membership` too. To be called before `watch_endings`.

    Args:
        named: called with the Matrix ID, the room ID and the content that is asked for, if any;
            returns the content that the event shall have.
    """
    handler = api._hs.get_room_member_handler()
    update = handler.update_membership

    async def shaped(
        requester: Any, target: Any, room_id: str, action: str, *args: Any, **kwargs: Any
    ) -> Any:
        own = requester.user == target
        # Who creates a room is joined before it is there; who upgrades one was in the old one.
        is_new = kwargs.get("new_room") and upgrade_under_way.get() is None
        if action == "join" and own and api._hs.is_mine(target) and not is_new:
            kwargs["content"] = await named(target.to_string(), room_id, kwargs.get("content"))
        return await update(requester, target, room_id, action, *args, **kwargs)

    handler.update_membership = shaped  # type: ignore[method-assign]


rooms_begun: ContextVar[list[str] | None] = ContextVar("capgroups_rooms_begun", default=None)
"""The rooms whose creator has joined, within `create_room`; see `watch_memberships`."""


@attrs.frozen
class MembershipChange:
    """What Synapse is about to do to a membership, on behalf of a local account.

    Attributes:
        sender: the account in whose name it is done.
        target: whose membership changes; the sender's own in a join or a leave.
        action: `join`, `invite`, `leave`, `kick`, `ban`, `unban`, `knock`.
        authority: who asked for it: the sender, the admin who acts for them, or the server's name.
        content: what the event shall have beside the membership; None if nothing was asked for.
        limited: whether it counts against Synapse's rate limits, as what a client asks for does.
        new_room: whether it belongs to the creation of the room.
        requester: who asks, as Synapse knows them.
    """

    sender: str
    target: str
    room_id: str
    action: str
    authority: str
    content: Any
    limited: bool
    new_room: bool
    requester: Any = attrs.field(repr=False)


membership_change: ContextVar[MembershipChange | None] = ContextVar(
    "capgroups_membership_change", default=None
)
"""The change within which a callback is called; see `watch_memberships`."""


class Watcher(Protocol):
    """Who hears of each change of a membership."""

    async def membership_changes(self, change: MembershipChange) -> None:
        """Called under Synapse's lock of the room; raises `SynapseError` to refuse."""

    async def membership_changed(self, change: MembershipChange) -> None:
        """Called when the change has come to pass, under the same lock: it must not wait."""


def watch_memberships(api: ModuleApi, *watchers: Watcher) -> None:
    """Let the module know of each change of a membership that this server makes.

    No callback sees all of them: `user_may_join_room` and `user_may_invite` are not asked about
    server admins, and none about leaving. `update_membership_locked` is what all of them go
    through; the invitations of a creation come to it directly.
    """
    handler = api._hs.get_room_member_handler()
    update = handler.update_membership_locked

    async def watched(
        requester: Any, target: Any, room_id: str, action: str, *args: Any, **kwargs: Any
    ) -> Any:
        change = MembershipChange(
            requester.user.to_string(),
            target.to_string(),
            room_id,
            action,
            requester.authenticated_entity,
            kwargs.get("content"),
            kwargs.get("ratelimit", True),
            bool(kwargs.get("new_room")),
            requester,
        )
        token = membership_change.set(change)
        try:
            for watcher in watchers:
                await watcher.membership_changes(change)
            result = await update(requester, target, room_id, action, *args, **kwargs)
            begun = rooms_begun.get()
            if begun is not None and change.new_room and action == "join":
                begun.append(room_id)
            for watcher in watchers:
                await watcher.membership_changed(change)
        finally:
            membership_change.reset(token)
        return result

    handler.update_membership_locked = watched  # type: ignore[method-assign]


async def is_asked_of_nobody(api: ModuleApi, change: MembershipChange) -> bool:
    """Whether Synapse asks no `user_may_join_room` about this join: it is a server admin's.

    With the Matrix Authentication Service an admin is known by the token, not by the account.
    """
    return bool(await api._hs.get_auth().is_server_admin(change.requester))
