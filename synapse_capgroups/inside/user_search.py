"""The search of the user directory."""

import json
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from synapse.module_api import ModuleApi

logger = logging.getLogger(__name__)

Find = Callable[[Collection[str], int], Awaitable[Any]]
Shown = Callable[[str, int, Find], Awaitable[Any]]

MOST_LOOKED_AT = 1000
"""How many people Synapse is asked for at most."""

NARROWED: dict[str, tuple[str, Callable[[list[str]], object]]] = {
    "vector @@ to_tsquery('simple', ?)": ("user_id = ANY(?)", lambda people: people),
    "value MATCH ?": ("t.user_id IN (SELECT value FROM json_each(?))", json.dumps),
}
"""The conditions in which Synapse's statements look for the words, on PostgreSQL and on SQLite.
For each, the condition that is put before it, and its parameter as made from Matrix IDs."""


def narrow_user_search(api: ModuleApi, shown: Shown) -> None:
    """Let somebody decide among whom each search of the user directory looks.

    Synapse ranks everybody whom it finds. To look among a few people from the start costs less
    than to filter what it found, and finds them however many strangers match better.

    Args:
        shown: called with who searches, how many people they asked for, and a search: it takes the
            Matrix IDs of those among whom it looks and how many it returns at most, and answers
            as Synapse's own (`limited` and `results`), with the same words, order and settings.
    """
    store = api._hs.get_datastores().main
    search = store.search_user_dir

    async def narrowed(
        user_id: str, search_term: str, limit: int, show_locked_users: bool = False
    ) -> Any:
        async def find(people: Collection[str], most: int) -> Any:
            few: Any = _Few(store, people)
            try:
                return await type(store).search_user_dir(
                    few, user_id, search_term, most, show_locked_users
                )
            except UnknownStatementError:
                logger.warning("Synapse searches the user directory in an unknown way.")
            found = await search(user_id, search_term, MOST_LOOKED_AT, show_locked_users)
            kept = [result for result in found["results"] if result["user_id"] in people]
            return {"limited": found["limited"] or len(kept) > most, "results": kept[:most]}

        return await shown(user_id, limit, find)

    store.search_user_dir = narrowed  # type: ignore[method-assign]


class UnknownStatementError(Exception):
    """Synapse's statement is another one than those that are known here."""


class _Few:
    """Synapse's store, in which a search of the directory finds only some people."""

    def __init__(self, store: Any, people: Collection[str]) -> None:
        self._store = store
        self.db_pool = _Narrowing(store.db_pool, people)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class _Narrowing:
    """Runs Synapse's statement with one more condition."""

    def __init__(self, db_pool: Any, people: Collection[str]) -> None:
        self._db_pool = db_pool
        self._people = people

    async def execute(self, desc: str, query: str, *args: Any) -> Any:
        for words, (among, parameter) in NARROWED.items():
            before, found, after = query.partition(words)
            if found and words not in after:
                place = before.count("?")
                people = parameter(list(self._people))
                query = f"{before}{among} AND {words}{after}"
                return await self._db_pool.execute(
                    desc, query, *args[:place], people, *args[place:]
                )
        raise UnknownStatementError
