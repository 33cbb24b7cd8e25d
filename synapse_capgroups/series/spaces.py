"""Organisers' spaces: rooms of the concierge that show organisers their groups as a folder.

Members of the groups see nothing of them: no group names a space as its parent. Each person is
invited once. Who has left a space, or declined, is left alone.
"""

import contextlib
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.inside.creations import create_plain_room
from synapse_capgroups.inside.membership_changes import set_membership
from synapse_capgroups.rules.scope import SPACE
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.series import Series, SeriesGroup
from synapse_capgroups.storage.series_spaces import SeriesSpaces
from synapse_capgroups.words.lookup import Words

logger = logging.getLogger(__name__)

CHILD = "m.space.child"
MOST_CHILDREN = 50
"""Synapse shows no more rooms of a space than these."""
_NAME = "m.room.name"


class Spaces:
    """Makes spaces and keeps them as the rows say. The caller lets no other process do so."""

    def __init__(self, api: ModuleApi, database: Database, concierge: str, words: Words) -> None:
        self._api = api
        self._database = database
        self._concierge = concierge
        self._words = words

    async def arrange(
        self, series: Series, organisers: Sequence[str], groups: Collection[SeriesGroup]
    ) -> None:
        """Let a series' spaces show its groups to its organisers, and nothing else to nobody else.

        Raises:
            SynapseError: a space cannot be made or changed.
        """
        spaces = await self._spaces(series.series_id)
        wanted = {group.room_id: group.number for group in groups if group.room_id is not None}
        shown = [await self._children(space) for space in spaces]
        for space, children in zip(spaces, shown, strict=True):
            for room_id in children.keys() - wanted.keys():
                await self._send(space, CHILD, {}, room_id)
                del children[room_id]
        missing = [room for room in wanted if not any(room in children for children in shown)]
        while not spaces or len(missing) > sum(MOST_CHILDREN - len(there) for there in shown):
            spaces.append(await self._make(series, len(spaces) + 1))
            shown.append({})
        for space, children in zip(spaces, shown, strict=True):
            while missing and len(children) < MOST_CHILDREN:
                room_id = missing.pop(0)
                content = {
                    "via": [self._api.server_name],
                    "order": f"{wanted[room_id]:06}",
                    "suggested": False,
                }
                await self._send(space, CHILD, content, room_id)
                children[room_id] = content
        for number, space in enumerate(spaces, 1):
            await self._call(space, self._name(series, number))
        await self._gather(series, organisers, spaces)

    async def agreed(self, series_id: str, helpers: Collection[str]) -> set[str]:
        """Those helpers who have joined the first space: they agree to help."""
        spaces = await self._spaces(series_id)
        standings = await self._standings(series_id, helpers)
        return {
            helper
            for helper in helpers
            if spaces and standings.get((spaces[0], helper), ("",))[0] == "join"
        }

    async def invite(self, series_id: str, user_id: str) -> None:
        """Invite somebody to the first space, also if they have left it before.

        Raises:
            SynapseError: they want no such invitation.
        """
        for space in (await self._spaces(series_id))[:1]:
            there = (await self._standings(series_id, [user_id])).get((space, user_id), ("",))[0]
            if there not in ("join", "invite"):
                await set_membership(self._api, self._concierge, user_id, space, "invite")

    async def remove(self, series_id: str, user_id: str) -> None:
        """Let somebody see the spaces no longer."""
        standings = await self._standings(series_id, [user_id])
        for (space, _), (membership, _) in standings.items():
            if membership in ("join", "invite", "knock"):
                await set_membership(self._api, self._concierge, user_id, space, "kick")

    async def delete(self, series_id: str) -> None:
        """Delete all spaces of a series."""
        for space in await self._spaces(series_id):
            with contextlib.suppress(SynapseError):  # It is being deleted already.
                await self._api.delete_room(space)

    async def _gather(
        self, series: Series, organisers: Sequence[str], spaces: Sequence[str]
    ) -> None:
        """Bring people into the spaces that are theirs. Helpers are asked when they are named."""
        standings = await self._standings(series.series_id, organisers)
        if (spaces[0], series.organiser) not in standings:
            await self._bring(series.organiser, spaces[0])
        for user_id in await self.agreed(series.series_id, organisers):
            for space in spaces[1:]:
                if (space, user_id) not in standings:
                    await self._bring(user_id, space)

    async def _bring(self, user_id: str, space: str) -> None:
        """Invite somebody to a space and join them, unless they or another module are against."""
        try:
            await set_membership(
                self._api, self._concierge, user_id, space, "invite", needs_consent=False
            )
            await set_membership(self._api, user_id, user_id, space, "join", needs_consent=False)
        except SynapseError as e:
            logger.info("Could not bring %s into a space of theirs: %s", user_id, e)

    async def _make(self, series: Series, number: int) -> str:
        room_id = await create_plain_room(
            self._api,
            self._concierge,
            {
                "preset": "private_chat",
                "name": self._name(series, number),
                "topic": self._words.say("series_space_topic", organiser=series.organiser),
                "creation_content": {"type": SPACE, "m.federate": False},
                "power_level_content_override": {
                    "events_default": 100, "state_default": 100, "invite": 100, "kick": 100,
                    "ban": 100, "redact": 100,
                },
                "initial_state": [
                    {"type": "m.room.guest_access", "content": {"guest_access": "forbidden"}}
                ],
            },
        )  # fmt: skip

        def add(txn: LoggingTransaction) -> bool:
            return SeriesSpaces.add(txn, series.series_id, number, room_id)

        # The row comes before the people: a room without one is cleared up at the next start.
        await self._database.run("series_space", add)
        return room_id

    def _name(self, series: Series, number: int) -> str:
        key = "series_space" if number == 1 else "series_next_space"
        return self._words.say(key, series=series.name, number=number)

    async def _call(self, space: str, name: str) -> None:
        event = (await self._api.get_room_state(space, [(_NAME, "")])).get((_NAME, ""))
        if event is None or event.content.get("name") != name:
            await self._send(space, _NAME, {"name": name}, "")

    async def _children(self, space: str) -> dict[str, Mapping[str, Any]]:
        state = await self._api.get_room_state(space, [(CHILD, None)])
        return {room_id: event.content for (_, room_id), event in state.items() if event.content}

    async def _send(
        self, space: str, event_type: str, content: Mapping[str, Any], state_key: str
    ) -> None:
        await self._api.create_and_send_event_into_room(
            {
                "type": event_type,
                "state_key": state_key,
                "room_id": space,
                "sender": self._concierge,
                "content": dict(content),
            }
        )

    async def _spaces(self, series_id: str) -> list[str]:
        return await self._database.look_up(
            "series_spaces", lambda txn: SeriesSpaces.of(txn, series_id)
        )

    async def _standings(
        self, series_id: str, user_ids: Collection[str]
    ) -> dict[tuple[str, str], tuple[str, str]]:
        return await self._database.run(
            "space_members", lambda txn: SeriesSpaces.standings(txn, series_id, list(user_ids))
        )
