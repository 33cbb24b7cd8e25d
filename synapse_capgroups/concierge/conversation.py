"""The concierge: the module's account, which talks to people in an unencrypted room, one for each.

It hears messages through `check_event_for_spam`, which gets nothing but the event. A message from
anybody but the person of one of its rooms costs one look into memory (rule 9, `KnownChats`).
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus

from synapse.module_api import EventBase, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.concierge.asking import FORWARDED, Answer, Asked, Misunderstanding, sorry
from synapse_capgroups.concierge.chats import ConciergeChats
from synapse_capgroups.concierge.forwarding import MEDIA
from synapse_capgroups.concierge.lines import MOST_LINES, commands, dropped
from synapse_capgroups.concierge.understanding import Understood
from synapse_capgroups.concierge.voice import parts, shortened
from synapse_capgroups.config import Config
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.limits.table import COMMANDS
from synapse_capgroups.storage.chats import Chat
from synapse_capgroups.words.lookup import Words

logger = logging.getLogger(__name__)

_MOST_TOLD_OFF = 1000


class Concierge:
    """Reads what people write in their chats and runs the commands of each noun."""

    def __init__(
        self,
        api: ModuleApi,
        chats: ConciergeChats,
        limits: RateLimits,
        answers: Mapping[str, Answer],
        config: Config,
    ) -> None:
        """
        Args:
            answers: the commands by their words; `help`, `courtesy` and `language` are the
                concierge's own.
        """
        self._api = api
        self._chats = chats
        self._limits = limits
        self._answers = {
            "help": self._help,
            "courtesy": self._welcome,
            "language": self._language,
            **answers,
        }
        self._enforce = config.enforce
        self._words = config.words
        self._told_off: set[str] = set()

    async def hears(self, event: EventBase) -> bool:
        """Whether a message is for the concierge.

        Asked for every event: outside of its chats it only reads memory.
        """
        return (
            event.type in ("m.room.message", "m.room.encrypted")
            and event.content.get("msgtype") != "m.notice"  # A bot's; two would talk for ever.
            and await self._chats.known.is_of(event.room_id, event.sender)
        )

    def answer_soon(self, event: EventBase) -> None:
        """Answer in the background: Synapse writes one event of a room at a time."""
        self._api.run_as_background_process("capgroups_concierge", self._answer, event)

    async def _answer(self, event: EventBase) -> None:
        try:
            await self._answer_all(event.room_id, event.sender, event)
        except SynapseError as e:
            # The person has left, or something else keeps the concierge from speaking.
            logger.info("The concierge cannot answer in %s: %s", event.room_id, e)

    async def _answer_all(self, room_id: str, user_id: str, event: EventBase) -> None:
        kind, body = event.content.get("msgtype"), event.content.get("body")
        # The body of a picture is the name of its file.
        meant = commands(body) if kind == "m.text" and isinstance(body, str) else []
        wrote = next((one.language for one in meant if one.language is not None), None)
        async with self._chats.languages.speaking_to(user_id, wrote):
            await self._answer_each(room_id, user_id, event, meant)

    async def _answer_each(
        self, room_id: str, user_id: str, event: EventBase, meant: list[Understood]
    ) -> None:
        kind, body = event.content.get("msgtype"), event.content.get("body")
        if not self._enforce:
            await self._say_if_allowed(room_id, user_id, self._words.say("trial"))
        elif event.type == "m.room.encrypted":
            if await self._allows(room_id, user_id):
                await self._say_encrypted(room_id, user_id)
        elif isinstance(kind, str) and kind in MEDIA and FORWARDED in self._answers:
            if await self._allows(room_id, user_id):
                forwarded = Understood(FORWARDED)
                await self._say(room_id, await self._carried_out(event, forwarded))
        elif kind != "m.text" or not isinstance(body, str):
            await self._say_if_allowed(room_id, user_id, self._words.say("text_only"))
        else:
            for command in meant or [Understood("help")]:
                if not await self._allows(room_id, user_id):
                    return
                await self._say(room_id, await self._carried_out(event, command))
            if left_out := dropped(body):
                text = self._words.say("dropped", most=MOST_LINES, dropped=left_out)
                await self._say(room_id, text)

    async def _say_encrypted(self, room_id: str, user_id: str) -> None:
        """Say that this cannot be read; a chat that can have nothing else is replaced."""
        key = ("m.room.encryption", "")
        if key not in await self._api.get_room_state(room_id, [key]):
            await self._say(room_id, self._words.say("encrypted"))
            return
        try:
            await self._chats.replace(Chat(user_id, room_id, True))
        except SynapseError:
            await self._say(room_id, self._words.say("too_often"))

    async def _say_if_allowed(self, room_id: str, user_id: str, text: str) -> None:
        if await self._allows(room_id, user_id):
            await self._say(room_id, text)

    async def _allows(self, room_id: str, user_id: str) -> bool:
        """Whether somebody may ask for one more thing. They read once that they may not."""
        try:
            await self._limits.spend(COMMANDS, user_id)
        except SynapseError:
            if user_id not in self._told_off:
                if len(self._told_off) >= _MOST_TOLD_OFF:
                    self._told_off.clear()
                self._told_off.add(user_id)
                await self._say(room_id, self._words.say("too_often"))
            return False
        self._told_off.discard(user_id)
        return True

    async def _carried_out(self, event: EventBase, command: Understood) -> str:
        """The answer to a command. There is one, whatever happens."""
        answer = self._answers.get(command.word)
        try:
            if answer is None:
                raise _unclear(self._words, command)
            return await answer(Asked(event.room_id, event.sender, command.rest, event.content))
        except Misunderstanding as e:
            return str(e)
        except SynapseError as e:
            # Synapse or another module refused it, or the person asked too often.
            if e.code == HTTPStatus.TOO_MANY_REQUESTS:
                return self._words.say("too_often")
            return self._words.say("refused", error=shortened(e.msg, 300))
        except Exception:
            # Not `command.rest`: people may have pasted a code there.
            logger.exception("The concierge could not carry out %r", command.word[:20])
            return self._words.say("broken")

    async def _say(self, room_id: str, text: str) -> None:
        for part in parts(text, self._words.say("and_more")):
            await self._chats.say(room_id, part)

    async def _help(self, asked: Asked) -> str:
        return self._words.say("help")

    async def _welcome(self, asked: Asked) -> str:
        return self._words.say("welcome")

    async def _language(self, asked: Asked) -> str:
        return self._words.say("language")


def _unclear(words: Words, command: Understood) -> Misunderstanding:
    """The answer to what may mean something else, to be raised."""
    first, *second = [shortened(f"“{perhaps}”", 60) for perhaps in command.perhaps]
    if second:
        said = shortened(command.rest, 60)
        return sorry(words, "hint", said=said, first=first, second=second[0])
    return sorry(words, "did_you_mean", first=first)
