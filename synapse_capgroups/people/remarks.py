"""Remarks: what a person calls others, for their own eyes only.

They are in the person's own account data, as MSC3865 proposes, so clients that support it show
them too.
"""

from collections.abc import Mapping
from typing import Any

from synapse.module_api import ModuleApi

from synapse_capgroups.inside.locks import one_process_at_a_time

# The name that MSC3865 asks for until it is accepted.
ACCOUNT_DATA_TYPE = "work.banananet.msc3865.user_given.user.displayname"

_LONGEST = 256
_LONGEST_ID = 255
_MOST = 2000


class RemarkError(Exception):
    """The name is too long, or the person has too many remarks."""


class NotAPersonError(Exception):
    """What is given is no Matrix ID."""


class NoSuchPersonError(Exception):
    """This server has no such account."""


class Remarks:
    """Reads and writes remarks."""

    def __init__(self, api: ModuleApi) -> None:
        self._api = api
        self._data = api.account_data_manager

    async def of(self, user_id: str) -> dict[str, str]:
        """A local person's remarks, by Matrix ID."""
        content: Mapping[str, Any] | None = await self._data.get_global(user_id, ACCOUNT_DATA_TYPE)
        return {who: name for who, name in (content or {}).items() if isinstance(name, str)}

    async def set(self, user_id: str, other: str, name: str) -> None:
        """Set the name that a person has for another; an empty one removes it.

        Raises:
            NotAPersonError: the other is no Matrix ID.
            NoSuchPersonError: the other would be of this server, and has no account there.
            RemarkError: the name is too long, or there are too many.
        """
        if not (other.startswith("@") and ":" in other and other.isprintable()) or (
            len(other) > _LONGEST_ID
        ):
            raise NotAPersonError
        if name and self._api.is_mine(other) and await self._api.check_user_exists(other) is None:
            raise NoSuchPersonError
        # All remarks are one object, and two that are written at once would lose one.
        async with one_process_at_a_time(self._api, "remarks", user_id):
            content = dict(await self._data.get_global(user_id, ACCOUNT_DATA_TYPE) or {})
            content.pop(other, None)
            if name:
                content[other] = name
            if len(name) > _LONGEST or len(content) > _MOST:
                raise RemarkError
            await self._data.put_global(user_id, ACCOUNT_DATA_TYPE, content)
