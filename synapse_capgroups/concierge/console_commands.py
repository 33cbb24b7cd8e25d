"""The command about the console: `console`, `console widget` and `console end`."""

from typing import Any

from synapse.module_api import JsonDict, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.concierge.asking import Answer, Asked, sorry
from synapse_capgroups.concierge.understanding import about
from synapse_capgroups.console.sessions import Consoles
from synapse_capgroups.words.lookup import Words
from synapse_capgroups.words.phrases import everywhere, plain

# The name by which Element and others know widgets (MSC1236), and ours among those of a room.
WIDGET = ("im.vector.modular.widgets", "capgroups_console")


class ConsoleCommands:
    """Gives links to the console, shows it as a widget, and ends sessions."""

    def __init__(self, api: ModuleApi, consoles: Consoles, concierge: str, words: Words) -> None:
        """
        Args:
            concierge: its Matrix ID.
        """
        self._api = api
        self._consoles = consoles
        self._concierge = concierge
        self._words = words

    def answers(self) -> dict[str, Answer]:
        """All commands about the console, by their words."""
        return {"console": self._console}

    async def _console(self, asked: Asked) -> str:
        said = plain(about(asked.rest))
        if not said:
            url = await self._consoles.link(asked.user_id)
            return self._words.say("console_link", url=url)
        if said in everywhere().widget:
            return await self._widget(asked)
        if said not in everywhere().end:
            raise sorry(self._words, "which_console")
        ended = await self._consoles.end_all(asked.user_id)
        if await self._has_widget(asked.room_id):
            await self._put_widget(asked.room_id, {})
        return self._words.say("console_ended", sessions=ended)

    async def _widget(self, asked: Asked) -> str:
        url = await self._consoles.widget(asked.user_id)
        widget = {
            "type": "m.custom",
            "name": self._words.say("console_widget_name"),
            "url": url,
            "creatorUserId": self._concierge,
            "id": WIDGET[1],
            "data": {},
        }
        if await self._put_widget(asked.room_id, widget):
            return self._words.say("console_widget")
        return self._words.say("console_widget_by_hand", url=url)

    async def _has_widget(self, room_id: str) -> bool:
        state: Any = await self._api.get_room_state(room_id, [WIDGET])
        return bool(state[WIDGET].content) if WIDGET in state else False

    async def _put_widget(self, room_id: str, content: JsonDict) -> bool:
        """False if the concierge may not: somebody else made the chat."""
        try:
            await self._api.create_and_send_event_into_room(
                {
                    "type": WIDGET[0],
                    "state_key": WIDGET[1],
                    "room_id": room_id,
                    "sender": self._concierge,
                    "content": content,
                }
            )
        except SynapseError:
            return False
        return True
