"""Opens and ends sessions of the console.

Somebody asks the concierge for a link, which works once, or for a widget. Their browser gets a
token for it that is good for the module's own calls, and for nothing of Synapse's.

A widget has a key, and tells by an OpenID token who looks at it. The token alone would not do:
whatever other widget somebody allows to know who they are has one, too.
"""

import hashlib
import secrets
from collections.abc import Callable

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.codes.links import new_secret
from synapse_capgroups.inside.tables.users import of_open_id_token
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.limits.table import CONSOLE_LINKS
from synapse_capgroups.storage.console_sessions import ConsoleSession, ConsoleSessions
from synapse_capgroups.storage.database import Database
from synapse_capgroups.telemetry import journal

MINUTE = 60 * 1000
LINK_LIFETIME_MS = 10 * MINUTE
SESSION_LIFETIME_MS = 12 * 60 * MINUTE
MOST_SESSIONS = 10
"""Of one person. Whoever opens another loses the oldest one."""
TOKEN_PREFIX = "cgs-"
"""No token of Synapse's begins like this."""
_LONGEST_SECRET = 100


class NoSuchLinkError(Exception):
    """A link is unknown, used, or too old. Which of these is not told."""


class NoSuchWidgetError(Exception):
    """A key is not that of a widget of whoever the OpenID token belongs to."""


class NoSuchSessionError(Exception):
    """A token or an ID belongs to no session that goes on."""


class Consoles:
    """Opens, finds and ends sessions."""

    def __init__(self, api: ModuleApi, database: Database, limits: RateLimits) -> None:
        self._api = api
        self._database = database
        self._limits = limits

    async def link(self, user_id: str) -> str:
        """The address of the console, with a secret that opens one session within ten minutes.

        An address from before is worth nothing any more.

        Raises:
            SynapseError: 429, they ask too often.
        """
        await self._limits.spend(CONSOLE_LINKS, user_id)
        secret = new_secret()
        ends = self._api.get_current_time_msec() + LINK_LIFETIME_MS
        await self._database.run(
            "console_link",
            lambda txn: ConsoleSessions.offer(txn, user_id, _hash(secret), ends),
        )
        base = self._api.public_baseurl
        # What follows the # is never sent to a server, so no log has it.
        return f"{base}_synapse/client/capgroups/console#{secret}"

    async def widget(self, user_id: str) -> str:
        """The address of somebody's widget, with its key. One from before opens nothing any more.

        Raises:
            SynapseError: 429, they ask too often.
        """
        await self._limits.spend(CONSOLE_LINKS, user_id)
        key = new_secret()
        await self._database.run(
            "console_widget",
            lambda txn: ConsoleSessions.offer_widget(txn, user_id, _hash(key)),
        )
        return f"{self._api.public_baseurl}_synapse/client/capgroups/widget#widget={key}"

    async def open(self, secret: str) -> tuple[str, ConsoleSession]:
        """Open a session by the secret of a link: its token, and what is known of it.

        Raises:
            NoSuchLinkError: the link opens nothing.
        """
        if len(secret) > _LONGEST_SECRET:
            raise NoSuchLinkError
        now = self._api.get_current_time_msec()
        opened = await self._open(lambda txn: ConsoleSessions.redeem(txn, _hash(secret), now), now)
        if opened is None:
            raise NoSuchLinkError
        return opened

    async def open_in_widget(self, key: str, open_id_token: str) -> tuple[str, ConsoleSession]:
        """Open a session in a widget: its token, and what is known of it.

        Args:
            open_id_token: what the client gave the widget, to tell who looks at it.

        Raises:
            NoSuchWidgetError: the widget is not theirs.
        """
        if max(len(key), len(open_id_token)) > _LONGEST_SECRET:
            raise NoSuchWidgetError
        now = self._api.get_current_time_msec()

        def owner(txn: LoggingTransaction) -> str | None:
            user_id = of_open_id_token(txn, open_id_token, now)
            if user_id is None or not ConsoleSessions.has_widget(txn, user_id, _hash(key)):
                return None
            return user_id

        opened = await self._open(owner, now)
        if opened is None:
            raise NoSuchWidgetError
        return opened

    async def _open(
        self, owner: Callable[[LoggingTransaction], str | None], now: int
    ) -> tuple[str, ConsoleSession] | None:
        token = TOKEN_PREFIX + new_secret()

        def begin(txn: LoggingTransaction) -> ConsoleSession | None:
            user_id = owner(txn)
            if user_id is None:
                return None
            session = ConsoleSession(secrets.token_hex(8), user_id, now, now + SESSION_LIFETIME_MS)
            ConsoleSessions.open(txn, session, _hash(token), most=MOST_SESSIONS)
            return session

        session = await self._database.run("console_open", begin)
        if session is None:
            return None
        journal.console("open", session.user_id, session.session_id)
        return token, session

    async def by_token(self, token: str) -> ConsoleSession:
        """The session that a token belongs to.

        Raises:
            NoSuchSessionError: it belongs to none, or its owner may do nothing at present.
        """
        hashed, now = _hash(token), self._api.get_current_time_msec()
        found = await self._database.look_up(
            "console", lambda txn: ConsoleSessions.by_token(txn, hashed, now)
        )
        if found is None or not found[1].is_active or found[1].is_suspended:
            raise NoSuchSessionError
        return found[0]

    async def of_person(self, user_id: str) -> list[ConsoleSession]:
        """Somebody's sessions that go on, the latest first."""
        now = self._api.get_current_time_msec()
        return await self._database.look_up(
            "console", lambda txn: ConsoleSessions.of_person(txn, user_id, now)
        )

    async def end(self, user_id: str, session_id: str) -> None:
        """End one of a person's sessions.

        Raises:
            NoSuchSessionError: they have none of this ID.
        """
        if not await self._database.run(
            "console_end", lambda txn: ConsoleSessions.end(txn, user_id, session_id)
        ):
            raise NoSuchSessionError
        journal.console("end", user_id, session_id)

    async def end_all(self, user_id: str) -> int:
        """End somebody's sessions, their link and their widget; how many sessions it were."""
        number = await self._database.run(
            "console_end", lambda txn: ConsoleSessions.end_all(txn, user_id)
        )
        if number:
            journal.console("end_all", user_id, None)
        return number


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
