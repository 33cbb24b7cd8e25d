"""Tells moderators who asks to come in: people who are in no group yet, by what they are called."""

from collections.abc import Callable

from synapse.module_api import ModuleApi

from synapse_capgroups.concierge.voice import one_line
from synapse_capgroups.concierge.who_is_who import WhoIsWho
from synapse_capgroups.groups.names import group_name, person_name
from synapse_capgroups.storage.requests import Request
from synapse_capgroups.words.lookup import Words


class Newcomers:
    """Tells of requests, a line for each."""

    def __init__(self, api: ModuleApi, who: WhoIsWho, words: Words) -> None:
        self._api = api
        self._who = who
        self._words = words

    async def lines(self, reader: str, requests: list[Request]) -> list[str]:
        """What a moderator reads of requests."""
        called = await self._who.to(reader)
        groups = {room: await self.group(room) for room in {r.room_id for r in requests}}
        return [
            self._words.say(
                "request_line",
                who=await self.person(request.user_id, called),
                group=groups[request.room_id],
                number=request.number,
            )
            for request in requests
        ]

    def more(self) -> str:
        """The last line where there are more requests than a message has place for."""
        return self._words.say("more_requests")

    def is_here(self, user_id: str) -> bool:
        """Whether somebody has an account on this server."""
        return self._api.is_mine(user_id)

    async def person(self, user_id: str, called: Callable[[str], str]) -> str:
        """Their Matrix ID, with their own name for themselves if this server knows it.

        They choose it, so it is one short line, whatever is in it. A reader's remark goes before.
        """
        known = called(user_id)
        if known != user_id or not self._api.is_mine(user_id):
            return known
        name = one_line(await person_name(self._api, user_id))
        return known if name in ("", user_id) else f"{name} ({user_id})"

    async def group(self, room_id: str) -> str:
        """What a group is called."""
        name = one_line(await group_name(self._api, room_id) or "")
        return name or self._words.say("unnamed")
