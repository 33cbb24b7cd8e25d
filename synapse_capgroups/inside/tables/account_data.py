"""Statements on `m.direct`, the list of a person's direct chats."""

import contextlib
import json
from collections.abc import Collection

from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.transactions import batches, is_postgres

_LISTED = """
    SELECT split_part(split_part(content, ?, 2), '"]', 1) FROM account_data
    WHERE user_id = ? AND account_data_type = 'm.direct'
"""


class AccountData:
    """Statements on `account_data`, and on invitations to direct chats."""

    @staticmethod
    def m_direct(txn: LoggingTransaction, user_id: str) -> dict[str, object]:
        """The content of a local user's `m.direct`; empty if there is none or it is no object."""
        return AccountData.m_directs(txn, [user_id]).get(user_id, {})

    @staticmethod
    def m_direct_to_change(txn: LoggingTransaction, user_id: str) -> dict[str, object]:
        """The same, to be written back: what cannot be read is not taken for empty.

        Raises:
            ValueError: it cannot be read.
        """
        txn.execute(
            """
            SELECT content FROM account_data
            WHERE user_id = ? AND account_data_type = 'm.direct'
            """,
            (user_id,),
        )
        row = txn.fetchone()
        direct = json.loads(row[0]) if row else {}
        if not isinstance(direct, dict):
            raise ValueError("m.direct is no object")
        return direct

    @staticmethod
    def listed_as_direct(txn: LoggingTransaction, owner: str, other: str) -> object:
        """What a local user's `m.direct` has for somebody else, None if nothing.

        Of 10,000 chats, PostgreSQL cuts out that part, since sending and reading all of it takes
        longer than all the rest of a decision. Synapse stores what `json.dumps` makes, where a
        quotation mark inside a text has a backslash before it: nothing but a key can look like one,
        and a text that ends followed by a bracket ends a list.
        """
        if not is_postgres(txn):
            return AccountData.m_direct(txn, owner).get(other)
        txn.execute(_LISTED, (f"{json.dumps(other)}:", owner))
        row = txn.fetchone()
        return _read_listed(row[0]) if row and row[0] else None

    @staticmethod
    def listed_by_one(txn: LoggingTransaction, a: str, b: str) -> object:
        """What the first of two people lists for the other, or the second where that is nothing.

        None if neither lists anything; an empty list if it cannot be read. By a single statement,
        which leaves the second one's list alone where it is not needed.
        """
        if not is_postgres(txn):
            direct = AccountData.m_directs(txn, [a, b])
            listed = direct.get(a, {}).get(b) or direct.get(b, {}).get(a)
            return listed or None
        txn.execute(
            f"SELECT COALESCE(NULLIF(({_LISTED}), ''), ({_LISTED}))",
            (f"{json.dumps(b)}:", a, f"{json.dumps(a)}:", b),
        )
        row = txn.fetchone()
        return (_read_listed(row[0]) or []) if row and row[0] else None

    @staticmethod
    def m_directs(
        txn: LoggingTransaction, user_ids: Collection[str], *, longest: int | None = None
    ) -> dict[str, dict[str, object]]:
        """The same of several local users, without those who have none.

        Args:
            longest: how many characters one may have; longer ones are left out.
        """
        found: dict[str, dict[str, object]] = {}
        for batch in batches(sorted(user_ids)):
            txn.execute(
                f"""
                SELECT user_id, content FROM account_data
                WHERE account_data_type = 'm.direct'
                AND user_id IN ({", ".join("?" * len(batch))})
                AND LENGTH(content) <= ?
                """,
                (*batch, longest or 2**31),
            )
            for user_id, content in txn.fetchall():
                if direct := read_m_direct(content):
                    found[user_id] = direct
        return found

    @staticmethod
    def m_direct_versions(txn: LoggingTransaction, user_ids: Collection[str]) -> dict[str, int]:
        """A number for each local user's `m.direct` that is another one after each change.

        What was listed stays unread, however long it is.
        """
        found: dict[str, int] = {}
        for batch in batches(sorted(user_ids)):
            txn.execute(
                f"""
                SELECT user_id, stream_id FROM account_data
                WHERE account_data_type = 'm.direct'
                AND user_id IN ({", ".join("?" * len(batch))})
                """,
                batch,
            )
            found.update(txn.fetchall())
        return found

    @staticmethod
    def content(txn: LoggingTransaction, user_id: str, kind: str) -> dict[str, object]:
        """A local user's account data of a type; empty if there is none or it is no object."""
        txn.execute(
            "SELECT content FROM account_data WHERE user_id = ? AND account_data_type = ?",
            (user_id, kind),
        )
        row = txn.fetchone()
        with contextlib.suppress(ValueError, RecursionError):
            if row and isinstance(content := json.loads(row[0]), dict):
                return content
        return {}

    @staticmethod
    def is_invited_as_direct(txn: LoggingTransaction, room_id: str, user_id: str) -> bool:
        """Whether the invitation that stands says that the room is a direct chat."""
        txn.execute(
            """
            SELECT j.json FROM (
                SELECT event_id FROM current_state_events WHERE room_id = ?
                AND type = 'm.room.member' AND state_key = ? AND membership = 'invite' LIMIT 1
            ) AS own JOIN event_json AS j ON j.event_id = own.event_id
            """,
            (room_id, user_id),
        )
        row = txn.fetchone()
        content = json.loads(row[0]).get("content") if row else None
        return isinstance(content, dict) and content.get("is_direct") is True


def _read_listed(part: str) -> object:
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(f'{part}"]')
    return None


def read_m_direct(content: str) -> dict[str, object]:
    """What an `m.direct` lists; nothing if it cannot be read. It is its client's to fill."""
    with contextlib.suppress(ValueError, RecursionError):
        if isinstance(direct := json.loads(content), dict):
            return direct
    return {}
