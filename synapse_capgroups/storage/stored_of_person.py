"""What the module's tables have of one person: the answer to somebody who asks what is stored."""

from typing import Any

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.storage.forgetting import PEOPLE

_ALSO = (
    ("capgroups_seats", "user_id"),
    ("capgroups_remote_invitations", "user_id"),
    ("capgroups_accounts", "user_id"),
)
"""What goes by itself after a minute or a week, and the module's own accounts."""

TABLES = (*PEOPLE, *_ALSO)

NOT_SHOWN = "not shown"
_SECRET = ("secret", "content", "link_hash", "token_hash")
"""A code's secret lets anybody in, and the text of an announcement is a message. A hash opens
nothing, and tells nobody anything."""


@attrs.frozen
class Stored:
    """Rows of one table that name a person.

    Attributes:
        column: the one in which they are named.
        more: whether there are more rows than these.
    """

    table: str
    column: str
    rows: list[dict[str, Any]]
    more: bool


class StoredOfPerson:
    """Reads every table that names people."""

    @staticmethod
    def of(txn: LoggingTransaction, user_id: str, most: int) -> list[Stored]:
        """All of it, without tables that have nothing; `most` rows of each."""
        found = []
        for table, column in TABLES:
            txn.execute(f"SELECT * FROM {table} WHERE {column} = ? LIMIT ?", (user_id, most + 1))
            names = [described[0] for described in txn.description or ()]
            rows = [
                {
                    name: NOT_SHOWN if name in _SECRET and value is not None else value
                    for name, value in zip(names, row, strict=True)
                }
                for row in txn.fetchall()
            ]
            if rows:
                found.append(Stored(table, column, rows[:most], len(rows) > most))
        return found
