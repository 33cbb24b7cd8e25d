"""Making the module's account, and hearing of accounts that are suspended."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from synapse.api.constants import UserTypes
from synapse.module_api import ModuleApi, UserID
from synapse.types import create_requester

logger = logging.getLogger(__name__)


def server_notices_user(api: ModuleApi) -> str | None:
    """The Matrix ID that sends the server's notices. The `ModuleApi` does not tell."""
    return api._hs.config.servernotices.server_notices_mxid


def has_guests(api: ModuleApi) -> bool:
    """Whether anybody can have an account as a guest. The `ModuleApi` does not tell."""
    return bool(api._hs.config.registration.allow_guest_access)


def check_not_reserved(api: ModuleApi, user_id: str) -> None:
    """See that an application service or the server's notices do not claim a name for themselves.

    `make_account` does not ask for it.

    Raises:
        SynapseError: 400, one does.
    """
    api._hs.get_registration_handler().check_user_id_not_appservice_exclusive(user_id)


async def make_account(api: ModuleApi, user_id: str, name: str) -> None:
    """Make an account for the server's own use, with which nobody can log in.

    `ModuleApi.register_user` makes a person: the first one of a fresh server creates the rooms of
    `auto_join_rooms` and the others join them, another module may deny it, and it needs consent and
    a place below `max_mau_value` to do anything.
    """
    await api._hs.get_registration_handler().register_with_store(
        user_id,
        create_profile_with_displayname=name,
        user_type=UserTypes.SUPPORT,
        approved=True,
    )


async def deactivate_account(api: ModuleApi, user_id: str) -> None:
    """Deactivate an account of the module's, with erasure, as an admin would."""
    await api._hs.get_deactivate_account_handler().deactivate_account(
        user_id, True, create_requester(user_id), by_admin=True
    )


async def revive_account(api: ModuleApi, user_id: str, name: str) -> None:
    """Use an account again that was deactivated, perhaps with erasure, which took its name."""
    await api._hs.get_deactivate_account_handler().activate_account(user_id)
    user = UserID.from_string(user_id)
    await api._hs.get_profile_handler().set_displayname(
        target_user=user,
        requester=create_requester(user),
        new_displayname=name,
        by_admin=True,
    )


async def set_avatar(api: ModuleApi, user_id: str, uri: str) -> None:
    """Give an account of the module's a picture, which the rooms that it is in do not show."""
    user = UserID.from_string(user_id)
    await api._hs.get_profile_handler().set_avatar_url(
        target_user=user,
        requester=create_requester(user),
        new_avatar_url=uri,
        by_admin=True,
        propagate=False,
    )


async def make_support(api: ModuleApi, user_id: str) -> None:
    """Let Synapse count an account that exists among no people.

    Synapse itself remembers for whom it has asked (`is_support_user`, `is_real_user`), and forgets
    it on no process when this changes.
    """
    store = api._hs.get_datastores().main
    await store.set_user_type(UserID.from_string(user_id), UserTypes.SUPPORT)
    for remembered in (store.is_support_user, store.is_real_user):
        remembered.invalidate((user_id,))
        await store.send_invalidation_to_replication(remembered.__name__, (user_id,))


def delegates_authentication(api: ModuleApi) -> bool:
    """Whether accounts are made by the Matrix Authentication Service."""
    config = api._hs.config
    # Until Synapse 1.150 or so it could be an experiment as well.
    experiment = getattr(config.experimental, "msc3861", None)
    return bool(config.mas.enabled or (experiment is not None and experiment.enabled))


def takes_registrations(api: ModuleApi) -> bool:
    """Whether Synapse itself lets anybody create an account."""
    return bool(api._hs.config.registration.enable_registration)


def asks_for_token(api: ModuleApi) -> bool:
    """Whether it does so only with a registration token."""
    return bool(api._hs.config.registration.registration_requires_token)


async def create_token(api: ModuleApi, token: str, uses: int, expires_at: int) -> bool:
    """Make a registration token, as Synapse's Admin API does; False if there is one of that name.

    Args:
        uses: for how many accounts; 0 would be without a limit.
        expires_at: milliseconds since 1970.
    """
    store = api._hs.get_datastores().main
    return bool(await store.create_registration_token(token, uses, expires_at))


async def expire_token(api: ModuleApi, token: str, at: int) -> bool:
    """Let nobody begin to make an account by a registration token; False if there is none.

    Who has begun can finish. Without the row, they would get an account and an error
    (`use_registration_token`).
    """
    store = api._hs.get_datastores().main
    return await store.update_registration_token(token, {"expiry_time": at}) is not None


async def delete_token(api: ModuleApi, token: str) -> None:
    """Delete a registration token, if it is there."""
    await api._hs.get_datastores().main.delete_registration_token(token)


def has_single_sign_on(api: ModuleApi) -> bool:
    """Whether a first sign-in elsewhere makes an account (`m.login.sso`)."""
    config = api._hs.config
    return bool(config.oidc.oidc_enabled or config.cas.cas_enabled or config.saml2.saml2_enabled)


def federates_with_all(api: ModuleApi) -> bool:
    """Whether accounts of every other server can be used here, as far as Synapse decides."""
    return api._hs.config.federation.federation_domain_whitelist is None


async def authentication_issuer(api: ModuleApi) -> str | None:
    """The public address of the Matrix Authentication Service; None if there is none.

    Synapse itself asks the service for it, once.

    Raises:
        Exception: the service does not answer.
    """
    if not api._hs.config.mas.enabled:
        return None
    issuer = await api._hs.get_auth().issuer()  # type: ignore[attr-defined]
    return str(issuer)


Sanctioned = Callable[[str, bool], Awaitable[None]]


def watch_sanctions(api: ModuleApi, then: Sanctioned) -> None:
    """Let the module know of each local account that is suspended, locked or shadow-banned.

    The callbacks and the `ModuleApi` know nothing of it, and it may be taken back a moment later.

    Args:
        then: called with the Matrix ID, and whether the account was suspended.
    """
    store = api._hs.get_datastores().main
    for name in ("set_user_suspended_status", "set_user_locked_status", "set_shadow_banned"):
        _watch_sanction(store, name, then)


def _watch_sanction(store: Any, name: str, then: Sanctioned) -> None:
    change = getattr(store, name)

    async def watched(user: Any, sanctioned: bool) -> None:
        await change(user, sanctioned)
        if sanctioned:
            try:
                user_id = user if isinstance(user, str) else user.to_string()
                await then(user_id, name == "set_user_suspended_status")
            except Exception:
                # The account is suspended all the same; entries and the sweep see it.
                logger.exception("Could not end the codes of a suspended account")

    setattr(store, name, watched)
