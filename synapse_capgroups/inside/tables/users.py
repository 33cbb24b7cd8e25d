"""Statements on accounts: `users` and what belongs to it."""

from collections.abc import Collection

import attrs
from synapse.api.constants import UserTypes
from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.transactions import batches


def of_open_id_token(txn: LoggingTransaction, token: str, now: int) -> str | None:
    """Who an OpenID token tells others that they are; None if it is none, or too old.

    A client asks Synapse for it (`POST …/openid/request_token`) and gives it to a widget.
    """
    txn.execute(
        "SELECT user_id FROM open_id_tokens WHERE token = ? AND ts_valid_until_ms >= ?",
        (token, now),
    )
    row = txn.fetchone()
    return None if row is None else str(row[0])


@attrs.frozen
class Account:
    """What a local account may do.

    Attributes:
        is_active: whether it is there, and neither deactivated nor locked nor shadow-banned.
        is_gone: whether it is not there, or deactivated.
        is_shadow_banned: whether what it does is to come to nothing, without its being told.
    """

    is_active: bool
    is_suspended: bool
    is_shadow_banned: bool
    is_gone: bool
    is_locked: bool
    is_there: bool

    @classmethod
    def of_row(
        cls, deactivated: object, locked: object, shadow_banned: object, suspended: object
    ) -> "Account":
        """From the columns of `users`, which are all None if there is no such account."""
        here = deactivated is not None
        return cls(
            is_active=here and not (deactivated or locked or shadow_banned),
            is_suspended=bool(suspended),
            is_shadow_banned=bool(shadow_banned),
            is_gone=not here or bool(deactivated),
            is_locked=bool(locked),
            is_there=here,
        )


class Users:
    """Statements on `users` and the tables of how people log in."""

    @staticmethod
    def account(txn: LoggingTransaction, user_id: str) -> Account:
        txn.execute(
            "SELECT deactivated, locked, shadow_banned, suspended FROM users WHERE name = ?",
            (user_id,),
        )
        return Account.of_row(*(txn.fetchone() or (None,) * 4))

    @staticmethod
    def ignores(txn: LoggingTransaction, user_id: str, other: str) -> bool:
        """Whether a local person wants to see nothing of somebody."""
        txn.execute(
            "SELECT 1 FROM ignored_users WHERE ignorer_user_id = ? AND ignored_user_id = ?",
            (user_id, other),
        )
        return txn.fetchone() is not None

    @staticmethod
    def is_guest(txn: LoggingTransaction, user_id: str) -> bool:
        txn.execute("SELECT is_guest FROM users WHERE name = ?", (user_id,))
        row = txn.fetchone()
        return bool(row and row[0])

    @staticmethod
    def kinds(txn: LoggingTransaction, user_ids: Collection[str]) -> dict[str, bool]:
        """Those accounts that are there and not deactivated, each with whether it is a guest's."""
        found: dict[str, bool] = {}
        for batch in batches(sorted(user_ids)):
            txn.execute(
                f"""
                SELECT name, is_guest FROM users
                WHERE deactivated = 0 AND name IN ({", ".join("?" * len(batch))})
                """,
                batch,
            )
            found |= {name: bool(is_guest) for name, is_guest in txn}
        return found

    @staticmethod
    def is_support(txn: LoggingTransaction, user_id: str) -> bool | None:
        """Whether Synapse counts an account among no people; None if there is none."""
        txn.execute("SELECT user_type FROM users WHERE name = ?", (user_id,))
        row = txn.fetchone()
        return row[0] == UserTypes.SUPPORT if row else None

    @staticmethod
    def is_left_behind(txn: LoggingTransaction, user_id: str) -> bool:
        """Whether an account counts among no people, is deactivated, and nobody can log in to it.

        The module's own is so after its removal: nobody else's gets that type without an admin.
        """
        is_gone = Users.account(txn, user_id).is_gone
        return (
            is_gone
            and bool(Users.is_support(txn, user_id))
            and not Users.somebody_can_log_in(txn, user_id)
        )

    @staticmethod
    def somebody_can_log_in(txn: LoggingTransaction, user_id: str) -> bool:
        """Whether an account has a password, another way to log in, or is logged in somewhere.

        As far as Synapse knows: where another service logs people in, it may know of nothing.
        """
        for table, condition in (
            ("users", "name = ? AND password_hash IS NOT NULL"),
            ("user_external_ids", "user_id = ?"),
            ("access_tokens", "user_id = ?"),
            ("devices", "user_id = ? AND NOT hidden"),
        ):
            txn.execute(f"SELECT 1 FROM {table} WHERE {condition} LIMIT 1", (user_id,))
            if txn.fetchone():
                return True
        return False

    @staticmethod
    def is_application_service_user(txn: LoggingTransaction, user_id: str) -> bool:
        txn.execute("SELECT appservice_id FROM users WHERE name = ?", (user_id,))
        row = txn.fetchone()
        return bool(row and row[0] is not None)

    @staticmethod
    def verified_contacts(txn: LoggingTransaction, user_id: str) -> frozenset[str]:
        """Of which kinds somebody has a verified address: `email`, `msisdn`."""
        txn.execute("SELECT medium FROM user_threepids WHERE user_id = ?", (user_id,))
        return frozenset(medium for (medium,) in txn)
