"""Who acts for the server, and whom its limits spare."""

from typing import Any

from synapse.module_api import ModuleApi


async def is_unlimited(api: ModuleApi, user_id: str) -> bool:
    """Whether a server admin has lifted the rate limits of a local person.

    `/_synapse/admin/v1/users/<user_id>/override_ratelimit`; 0 messages a second is no limit.
    """
    override = await api._hs.get_datastores().main.get_ratelimit_for_user(user_id)  # type: ignore[call-arg, arg-type, misc]
    return override is not None and not override.messages_per_second


async def acts_for_server(api: ModuleApi, requester: Any) -> bool:
    """Whether somebody is a server admin, or the server itself acts in their name.

    With the Matrix Authentication Service an admin is known by the token only, not by the account.
    """
    if requester.authenticated_entity == api.server_name:
        return True
    return bool(await api._hs.get_auth().is_server_admin(requester))
