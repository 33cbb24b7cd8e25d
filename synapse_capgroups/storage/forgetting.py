"""What is forgotten with an account, a room or time (rule 15): statements on several tables.

They are in one place, not with their tables, because nothing may be left in any table: here one
list says which columns name people, and one which tables name rooms.

All of them run by an index, and each sweep reads a bounded slice of a table: the caller keeps the
place where the last slice ended.
"""

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.tables.conditions import IS_DEACTIVATED
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.rules.verdict import Reason
from synapse_capgroups.storage.announcements import Announcements
from synapse_capgroups.storage.assignments import Assignments
from synapse_capgroups.storage.dead_codes import DeadCodes
from synapse_capgroups.storage.groups import Groups
from synapse_capgroups.storage.series import SeriesRows
from synapse_capgroups.storage.slices import Slice

ERASED = "an erased account"
"""What stands in place of a Matrix ID whose owner asked that they be erased. It is none."""

DELETED_ROOM = "a deleted room"
"""The same in place of a room ID, in the row of a code that says for 30 days why it is dead."""

ROOM_TABLES = (
    "capgroups_groups",
    "capgroups_admissions",
    "capgroups_codes",
    "capgroups_code_invitations",
    "capgroups_aliases",
    "capgroups_server_rooms",
    "capgroups_outbox",
    "capgroups_assignment_groups",
    "capgroups_series_groups",
    "capgroups_series_spaces",
    "capgroups_approval",
    "capgroups_requests",
    "capgroups_told",
    "capgroups_would_be",
    "capgroups_nearly_full",
)
"""The tables with rows of rooms that do not go by themselves."""

_MOST_ON_RECORD = 20
PEOPLE = (
    ("capgroups_admissions", "user_id"),
    ("capgroups_admissions", "inviter"),
    ("capgroups_codes", "sharer"),
    ("capgroups_code_uses", "user_id"),
    ("capgroups_code_invitations", "user_id"),
    ("capgroups_visits", "user_id"),
    ("capgroups_aliases", "user_id"),
    ("capgroups_chats", "user_id"),
    ("capgroups_series", "organiser"),
    ("capgroups_series_helpers", "user_id"),
    ("capgroups_approval", "set_by"),
    ("capgroups_requests", "user_id"),
    ("capgroups_requests", "answered_by"),
    ("capgroups_told", "user_id"),
    ("capgroups_notices", "user_id"),
    ("capgroups_announcements", "author"),
    ("capgroups_announcements", "deleted_by"),
    ("capgroups_assignments", "author"),
    ("capgroups_assignments", "applied_by"),
    ("capgroups_assignment_rows", "user_id"),
    ("capgroups_owner_outbox", "user_id"),
    ("capgroups_readers", "user_id"),
    ("capgroups_news", "user_id"),
    ("capgroups_console_links", "user_id"),
    ("capgroups_console_sessions", "user_id"),
    ("capgroups_console_widgets", "user_id"),
)
"""The columns that name people."""


class Forgetting:
    """Finds and removes what nobody needs any more."""

    @staticmethod
    def deactivate(txn: LoggingTransaction, user_id: str, now: int) -> None:
        """An account is deactivated: its codes are dead, and it stands and waits at no door."""
        DeadCodes.kill_of_account(txn, user_id, Reason.CODE_REVOKED, now)
        for table in (
            "visits", "requests", "told", "notices", "owner_outbox", "readers", "news",
            "console_links", "console_sessions", "console_widgets",
        ):  # fmt: skip
            txn.execute(f"DELETE FROM capgroups_{table} WHERE user_id = ?", (user_id,))
        Announcements.forget_author(txn, user_id)
        Assignments.forget_person(txn, user_id)

    @staticmethod
    def erase(txn: LoggingTransaction, user_id: str) -> None:
        """Name a deactivated account nowhere any more.

        What others need stays: that somebody came in, and what became of a code. Where somebody
        stood in the server's order of events would tell who they were.
        """
        txn.execute(
            """
            UPDATE capgroups_admissions SET user_id = ?, after_stream_ordering = NULL
            WHERE user_id = ?
            """,
            (ERASED, user_id),
        )
        txn.execute(
            "UPDATE capgroups_admissions SET inviter = ? WHERE inviter = ?", (ERASED, user_id)
        )
        txn.execute(
            """
            UPDATE capgroups_codes
            SET room_id = CASE WHEN room_id = sharer THEN ? ELSE room_id END, sharer = ?,
                after_stream_ordering = NULL
            WHERE sharer = ?
            """,
            (ERASED, ERASED, user_id),
        )
        txn.execute(
            "UPDATE capgroups_requests SET answered_by = ? WHERE answered_by = ?",
            (ERASED, user_id),
        )
        Announcements.forget_author(txn, user_id)
        Assignments.forget_person(txn, user_id)
        for column in ("author", "applied_by"):
            txn.execute(
                f"UPDATE capgroups_assignments SET {column} = ? WHERE {column} = ?",
                (ERASED, user_id),
            )
        txn.execute(
            "UPDATE capgroups_announcements SET deleted_by = ? WHERE deleted_by = ?",
            (ERASED, user_id),
        )
        txn.execute("UPDATE capgroups_approval SET set_by = ? WHERE set_by = ?", (ERASED, user_id))
        # A series that has not ended is passed on or ended first, by a sweep if need be.
        txn.execute(
            """
            UPDATE capgroups_series SET organiser = ?
            WHERE organiser = ? AND ended_at IS NOT NULL
            """,
            (ERASED, user_id),
        )
        txn.execute("DELETE FROM capgroups_series_helpers WHERE user_id = ?", (user_id,))
        for table in (
            "code_uses", "code_invitations", "visits", "aliases", "chats", "requests", "told",
            "notices", "readers", "news",
        ):  # fmt: skip
            txn.execute(f"DELETE FROM capgroups_{table} WHERE user_id = ?", (user_id,))

    @staticmethod
    def is_erased(txn: LoggingTransaction, user_id: str) -> bool:
        txn.execute("SELECT 1 FROM erased_users WHERE user_id = ?", (user_id,))
        return txn.fetchone() is not None

    @staticmethod
    def erased_accounts(txn: LoggingTransaction, after: str, most: int) -> Slice:
        """Erased accounts that are still named: a process was killed before it forgot them."""
        named = " OR ".join(
            f"EXISTS (SELECT 1 FROM {table} AS t WHERE t.{column} = erased.user_id)"
            for table, column in PEOPLE
        )
        txn.execute(
            f"""
            SELECT erased.user_id, {named} FROM (
                SELECT user_id FROM erased_users WHERE user_id > ? ORDER BY user_id LIMIT ?
            ) AS erased ORDER BY erased.user_id
            """,
            (after, most),
        )
        return Slice.of_rows(txn.fetchall(), most)

    @staticmethod
    def deactivated_requesters(txn: LoggingTransaction, after: str, most: int) -> Slice:
        """Deactivated accounts that wait for an answer."""
        deactivated = IS_DEACTIVATED.format(row="person", user="user_id")
        txn.execute(
            f"""
            SELECT person.user_id, {deactivated} AND EXISTS (
                SELECT 1 FROM capgroups_requests AS request
                WHERE request.user_id = person.user_id AND request.answered_at IS NULL
                AND request.asked_at > 0
            ) FROM (
                SELECT DISTINCT user_id FROM capgroups_requests WHERE user_id > ?
                ORDER BY user_id LIMIT ?
            ) AS person ORDER BY person.user_id
            """,
            (after, most),
        )
        return Slice.of_rows(txn.fetchall(), most)

    @staticmethod
    def chats_of_deactivated(txn: LoggingTransaction, after: str, most: int) -> Slice:
        """Deactivated accounts with whom the concierge still has a chat."""
        deactivated = IS_DEACTIVATED.format(row="chat", user="user_id")
        txn.execute(
            f"""
            SELECT chat.user_id, {deactivated} FROM (
                SELECT user_id FROM capgroups_chats WHERE user_id > ? ORDER BY user_id LIMIT ?
            ) AS chat ORDER BY chat.user_id
            """,
            (after, most),
        )
        return Slice.of_rows(txn.fetchall(), most)

    @staticmethod
    def deleted_rooms(txn: LoggingTransaction, table: str, after: str, most: int) -> Slice:
        """Rooms in one of `ROOM_TABLES` that Synapse does not have any more."""
        txn.execute(
            f"SELECT room_id FROM {table} WHERE room_id > ? ORDER BY room_id LIMIT ?",
            (after, most),
        )
        found = [room_id for (room_id,) in txn.fetchall()]
        # Of a personal code, the person stands there.
        rooms = {room_id for room_id in found if room_id.startswith("!")}
        gone = rooms - Memberships.known_rooms(txn, rooms)
        return Slice(tuple(sorted(gone)), found[-1] if len(found) == most else "")

    @staticmethod
    def delete_room(txn: LoggingTransaction, room_id: str, now: int) -> None:
        """Forget a room that is deleted. Its codes are dead, and say so for as long as others."""
        txn.execute(
            """
            DELETE FROM capgroups_code_uses WHERE code_id IN (
                SELECT code_id FROM capgroups_codes WHERE room_id = ?
            )
            """,
            (room_id,),
        )
        DeadCodes.kill_of_group(txn, room_id, Reason.CODE_REVOKED, now)
        txn.execute(
            "UPDATE capgroups_codes SET room_id = ? WHERE room_id = ?", (DELETED_ROOM, room_id)
        )
        Groups.forget(txn, room_id)
        for table in ROOM_TABLES:
            txn.execute(f"DELETE FROM {table} WHERE room_id = ?", (room_id,))
        SeriesRows.choose_model(txn, room_id)
        txn.execute("DELETE FROM capgroups_seats WHERE room_id = ?", (room_id,))

    @staticmethod
    def small_groups(txn: LoggingTransaction, after: str, most: int) -> Slice:
        """Groups in mode `open`, in which nobody came by a code and two are on record at most."""
        txn.execute(
            "SELECT room_id, mode = 'open' FROM capgroups_groups WHERE room_id > ? "
            "ORDER BY room_id LIMIT ?",
            (after, most),
        )
        looked_at = Slice.of_rows(txn.fetchall(), most)
        small = []
        for room_id in looked_at.found:
            ways = Forgetting._on_record(txn, room_id)
            people = {user_id for user_id, _ in ways}
            by_code = any(how in ("code", "approved") for _, how in ways)
            if len(people) <= 2 and not by_code and len(ways) < _MOST_ON_RECORD:
                small.append(room_id)
        return attrs.evolve(looked_at, found=tuple(small))

    @staticmethod
    def people_on_record(txn: LoggingTransaction, room_id: str) -> frozenset[str]:
        """Who is on record in a group, of a number that `small_groups` has bounded."""
        return frozenset(user_id for user_id, _ in Forgetting._on_record(txn, room_id))

    @staticmethod
    def _on_record(txn: LoggingTransaction, room_id: str) -> list[tuple[str, str]]:
        txn.execute(
            "SELECT user_id, how FROM capgroups_admissions WHERE room_id = ? LIMIT ?",
            (room_id, _MOST_ON_RECORD),
        )
        return [(user_id, how) for user_id, how in txn.fetchall()]

    @staticmethod
    def strike_group(txn: LoggingTransaction, room_id: str) -> None:
        """Take a direct chat off the record."""
        Groups.forget(txn, room_id)
        txn.execute("DELETE FROM capgroups_admissions WHERE room_id = ?", (room_id,))

    @staticmethod
    def old_admissions(txn: LoggingTransaction, before: int, most: int) -> int:
        """Forget the oldest admissions, of those from before a time; about `most` of them.

        Returns:
            How many it were.
        """
        txn.execute(
            """
            SELECT admitted_at FROM capgroups_admissions WHERE admitted_at < ?
            ORDER BY admitted_at LIMIT 1 OFFSET ?
            """,
            (before, most - 1),
        )
        row = txn.fetchone()
        txn.execute(
            "DELETE FROM capgroups_admissions WHERE admitted_at < ?",
            (before if row is None else row[0] + 1,),
        )
        return txn.rowcount
