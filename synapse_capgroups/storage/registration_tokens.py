"""Registration tokens that codes carry: columns of `capgroups_codes`, apart from `Code`.

Synapse has the token itself, in `registration_tokens`. Here is whose it is, so that it ends with
its code whatever happens to the process that made it.
"""

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.tables.conditions import IS_OPEN_TOKEN


@attrs.frozen
class CarriedToken:
    """A token, and the code that carries it.

    Attributes:
        code_id: the code's.
        made_at: when the code was made, milliseconds since 1970.
    """

    code_id: str
    token: str = attrs.field(repr=False)
    made_at: int


class RegistrationTokens:
    """The statements on these columns."""

    @staticmethod
    def given_since(txn: LoggingTransaction, sharer: str, since: int) -> int:
        """How many accounts could be made by all codes that somebody made since a time."""
        txn.execute(
            """
            SELECT COALESCE(SUM(registrations), 0) FROM capgroups_codes
            WHERE sharer = ? AND created_at > ? AND registrations IS NOT NULL
            """,
            (sharer, since),
        )
        row = txn.fetchone()
        return int(row[0]) if row else 0

    @staticmethod
    def give(txn: LoggingTransaction, code_id: str, token: str, registrations: int) -> bool:
        """Note the token of a code, and for how many accounts; False if the code is dead."""
        txn.execute(
            """
            UPDATE capgroups_codes SET registration_token = ?, registrations = ?
            WHERE code_id = ? AND died_of IS NULL
            """,
            (token, registrations, code_id),
        )
        return txn.rowcount > 0

    @staticmethod
    def is_carried(txn: LoggingTransaction, code_id: str) -> bool:
        """Whether a code lives and its token was not ended."""
        txn.execute(
            """
            SELECT 1 FROM capgroups_codes
            WHERE code_id = ? AND died_of IS NULL AND registrations_ended_at IS NULL
            """,
            (code_id,),
        )
        return txn.fetchone() is not None

    @staticmethod
    def usable(txn: LoggingTransaction, code_id: str, now: int) -> str | None:
        """A living code's token, if somebody can begin to make an account by it."""
        txn.execute(
            f"""
            SELECT code.registration_token FROM capgroups_codes AS code
            JOIN registration_tokens AS known ON known.token = code.registration_token
            WHERE code.code_id = ? AND code.died_of IS NULL
            AND code.registrations_ended_at IS NULL AND {IS_OPEN_TOKEN.format(row="known")}
            """,
            (code_id, now),
        )
        row = txn.fetchone()
        return str(row[0]) if row else None

    @staticmethod
    def of_dead(txn: LoggingTransaction, most: int) -> list[CarriedToken]:
        """Tokens that were not ended yet although their codes are dead."""
        return _some(
            txn,
            """
            registration_token IS NOT NULL AND registrations_ended_at IS NULL AND died_at > 0
            LIMIT ?
            """,
            most,
        )

    @staticmethod
    def of_all(txn: LoggingTransaction, most: int) -> list[CarriedToken]:
        """Tokens that were not ended yet, whether their codes are dead or not."""
        return _some(
            txn, "registration_token IS NOT NULL AND registrations_ended_at IS NULL LIMIT ?", most
        )

    @staticmethod
    def ended_before(txn: LoggingTransaction, before: int, most: int) -> list[CarriedToken]:
        """Tokens that were ended before a time."""
        return _some(
            txn,
            "registration_token IS NOT NULL AND registrations_ended_at < ? LIMIT ?",
            before,
            most,
        )

    @staticmethod
    def end(txn: LoggingTransaction, code_id: str, now: int) -> None:
        """Note that a code's token is good for no account any more."""
        txn.execute(
            "UPDATE capgroups_codes SET registrations_ended_at = ? WHERE code_id = ?",
            (now, code_id),
        )

    @staticmethod
    def forget(txn: LoggingTransaction, code_id: str) -> None:
        """Forget a code's token."""
        txn.execute(
            "UPDATE capgroups_codes SET registration_token = NULL WHERE code_id = ?", (code_id,)
        )

    @staticmethod
    def remove_all(txn: LoggingTransaction) -> None:
        """Take all of them from Synapse's table, for `capgroups remove`: nobody else ends them."""
        txn.execute(
            """
            DELETE FROM registration_tokens WHERE token IN (
                SELECT registration_token FROM capgroups_codes
                WHERE registration_token IS NOT NULL
            )
            """
        )


def _some(txn: LoggingTransaction, where: str, *parameters: object) -> list[CarriedToken]:
    txn.execute(
        f"SELECT code_id, registration_token, created_at FROM capgroups_codes WHERE {where}",
        parameters,
    )
    return [CarriedToken(*row) for row in txn.fetchall()]
