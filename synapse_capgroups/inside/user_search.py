"""The search of the user directory."""

from collections.abc import Awaitable, Callable
from typing import Any

from synapse.module_api import ModuleApi

Shown = Callable[[str, Any, int], Awaitable[Any]]


def filter_user_search(api: ModuleApi, most: int, shown: Shown) -> None:
    """Let somebody decide what each search of the user directory shows.

    `check_username_for_spam` is asked for one person after the other, and only for as many as the
    client asked for: a friend further down would never be found.

    Args:
        most: how many people to search for.
        shown: called with who searches, what was found and how many they asked for.
    """
    handler = api._hs.get_user_directory_handler()
    search = handler.search_users

    async def filtered(user_id: str, search_term: str, limit: int) -> Any:
        return await shown(user_id, await search(user_id, search_term, most), limit)

    handler.search_users = filtered  # type: ignore[method-assign]
