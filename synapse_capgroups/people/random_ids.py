"""Identifiers that tell nothing (`names.random_ids`): a new account gets a random localpart."""

import logging
import secrets
from typing import Any

from synapse.module_api import ModuleApi

from synapse_capgroups.inside.registration import delegates_authentication

logger = logging.getLogger(__name__)

_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"
_SYLLABLES = 5  # 70 to the fifth: 1.7 billion names


def random_ids(api: ModuleApi) -> None:
    """Give accounts whose owner chose no name a random, pronounceable one.

    Where another service registers accounts, this is impossible, and the log says so.
    """
    if delegates_authentication(api):
        logger.warning(
            "synapse-capgroups: names.random_ids has no effect, because accounts are made by the "
            "Matrix Authentication Service; let that choose the names"
        )
        return

    async def username(uia_results: Any, params: dict[str, Any]) -> str | None:
        if params.get("username"):
            return None
        while True:
            localpart = pronounceable()
            if await api.check_user_exists(api.get_qualified_user_id(localpart)) is None:
                return localpart

    api.register_password_auth_provider_callbacks(get_username_for_registration=username)


def pronounceable() -> str:
    """A random localpart such as `bivokatune`."""
    return "".join(secrets.choice(_CONSONANTS) + secrets.choice(_VOWELS) for _ in range(_SYLLABLES))
