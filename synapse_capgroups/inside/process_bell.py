"""Calls one process's part from all processes, by the notice that Synapse sends for its caches."""

from collections.abc import Callable
from typing import Any

from synapse.module_api import ModuleApi


class ProcessBell:
    """Rings on every process. `ModuleApi` takes it for a cache. A notice can be lost."""

    def __init__(self, api: ModuleApi, name: str, ring: Callable[[str], None]) -> None:
        """
        Args:
            name: the same on all processes, and no other bell's.
            ring: called with what there is something to do about.
        """
        self.__name__ = name
        self._api = api
        self._ring = ring
        api.register_cached_function(self)  # type: ignore[arg-type]

    async def call(self, key: str) -> None:
        """Ring on all processes, on this one too."""
        await self._api.invalidate_cache(self, (key,))  # type: ignore[arg-type]

    def invalidate(self, key: tuple[Any, ...]) -> None:
        """Ring on this process."""
        self._ring(key[0])

    def invalidate_all(self) -> None:
        """Do nothing: Synapse never sends this for the name."""
