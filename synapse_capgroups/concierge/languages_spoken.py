"""In which language the concierge talks: the server's, or the one that its person wrote to it in.

Only what is said in the chat follows the person. A door, a card or an announcement is read by
others, and stays in the server's language.
"""

import contextlib
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.config import Config
from synapse_capgroups.rules.verdict import Refusal
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.readers import Readers
from synapse_capgroups.words.lookup import Audience, Words, in_language

_MOST_KNOWN = 10_000

# Each background process has a value of its own, which those that it starts inherit. So whatever
# writes to somebody says first to whom.
_spoken: ContextVar[str | None] = ContextVar("capgroups_spoken", default=None)


class SpokenWords(Words):
    """The texts in the language of whoever the concierge is talking to now."""

    def say(self, key: str, /, **values: object) -> str:
        """As `Words.say`."""
        return self._now().say(key, **values)

    def refusal(self, refusal: Refusal, audience: Audience) -> str:
        """As `Words.refusal`."""
        return self._now().refusal(refusal, audience)

    def _now(self) -> Words:
        return in_language(_spoken.get() or self.language)


@attrs.frozen
class SpokenConfig(Config):
    """The configuration as the concierge reads it."""

    @classmethod
    def of(cls, config: Config) -> "SpokenConfig":
        """The same settings, with texts that follow the person."""
        return cls(**{field.name: getattr(config, field.name) for field in attrs.fields(Config)})

    @property
    def words(self) -> Words:
        """What the concierge says."""
        return SpokenWords(self.language)


class Languages:
    """Knows who wrote in which language last. `ModuleApi` takes it for a cache."""

    __name__ = "capgroups_languages"

    def __init__(self, api: ModuleApi, database: Database, servers: str) -> None:
        """
        Args:
            servers: the server's language.
        """
        self._api = api
        self._database = database
        self._servers = servers
        self._known: dict[str, str | None] = {}
        api.register_cached_function(self)  # type: ignore[arg-type]

    @contextlib.asynccontextmanager
    async def speaking_to(self, user_id: str, wrote: str | None = None) -> AsyncIterator[None]:
        """Within this, the texts are in somebody's language.

        Args:
            wrote: the language in which they have written now, if that is clear.
        """
        language = await self._of(user_id)
        if wrote is not None and wrote != (language or self._servers):
            language = None if wrote == self._servers else wrote
            await self._remember(user_id, language)
        token = _spoken.set(language)
        try:
            yield
        finally:
            _spoken.reset(token)

    async def _of(self, user_id: str) -> str | None:
        if user_id not in self._known:

            def look(txn: LoggingTransaction) -> str | None:
                return Readers.language(txn, user_id)

            language = await self._database.run("language", look)
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[user_id] = language
        return self._known[user_id]

    async def _remember(self, user_id: str, language: str | None) -> None:
        def note(txn: LoggingTransaction) -> None:
            Readers.set_language(txn, user_id, language)

        await self._database.run("language", note)
        await self._api.invalidate_cache(self, (user_id,))  # type: ignore[arg-type]

    def invalidate(self, key: tuple[Any, ...]) -> None:
        """A process has heard somebody write in another language."""
        self._known.pop(str(key[0]), None)

    def invalidate_all(self) -> None:
        """Read all again when they are asked for."""
        self._known.clear()
