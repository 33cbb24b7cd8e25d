"""Where somebody who has no account gets one, as the join page tells them."""

import logging
from urllib.parse import urlsplit

import attrs
from synapse.module_api import ModuleApi

from synapse_capgroups.config import Config
from synapse_capgroups.inside.registration import (
    asks_for_token,
    authentication_issuer,
    delegates_authentication,
    federates_with_all,
    has_single_sign_on,
    takes_registrations,
)

logger = logging.getLogger(__name__)

_OF_EVERYBODY = ("app.element.io", "develop.element.io", "staging.element.io")
"""Elements that suggest matrix.org. No link can tell them of another homeserver."""

_PAUSE_MS = 60 * 1000


@attrs.frozen
class Offer:
    """How somebody gets an account.

    Attributes:
        way: "page" (at an address), "app" (in any app that is told the server's name) or "ask"
            (nobody can get one without being given it).
        url: the page's address.
        token: whether a registration token is asked for.
        elsewhere: whether an account on any other server will do, too.
    """

    way: str
    url: str | None = None
    token: bool = False
    elsewhere: bool = True


class SignUp:
    """Knows what this server offers to people who have no account."""

    def __init__(self, api: ModuleApi, config: Config) -> None:
        self._api = api
        self._accounts = config.join_page.accounts
        self._elsewhere = config.federation != "local" and federates_with_all(api)
        self._element = config.codes.element_url.rstrip("/")
        self._issuer: str | None = None
        self._asked_at: int | None = None

    def offer(self) -> Offer:
        """What is known now. The address of an authentication service may be known a moment later.

        With `accounts: auto`, Synapse's own configuration tells.
        """
        return attrs.evolve(self._own(), elsewhere=self._elsewhere)

    def _own(self) -> Offer:
        if self._accounts == "none":
            return Offer("ask")
        if self._accounts != "auto":
            return Offer("page", self._accounts)
        if delegates_authentication(self._api):
            self._ask_issuer()
            return Offer("page", f"{self._issuer}/register") if self._issuer else Offer("app")
        if takes_registrations(self._api):
            return self._in_element("register", token=asks_for_token(self._api))
        if has_single_sign_on(self._api):
            return self._in_element("login")
        return Offer("ask")

    def _in_element(self, screen: str, *, token: bool = False) -> Offer:
        if not is_own_element(self._element):
            return Offer("app", token=token)
        return Offer("page", f"{self._element}/#/{screen}", token)

    def _ask_issuer(self) -> None:
        now = self._api.get_current_time_msec()
        if self._issuer or (self._asked_at is not None and now - self._asked_at < _PAUSE_MS):
            return
        self._asked_at = now
        self._api.run_as_background_process("capgroups_sign_up", self._learn_issuer)

    async def _learn_issuer(self) -> None:
        try:
            issuer = await authentication_issuer(self._api)
        except Exception as e:
            logger.info("The authentication service did not tell its address: %s", e)
            return
        if issuer and urlsplit(issuer).scheme in ("http", "https"):
            self._issuer = issuer.rstrip("/")


def is_own_element(url: str) -> bool:
    """Whether an Element on the web is the server's own, which opens with this homeserver."""
    return urlsplit(url).hostname not in _OF_EVERYBODY
