"""Everything that is taken from inside Synapse, beyond its `ModuleApi`.

Each use stands here with the reason why the `ModuleApi` is not enough, and is named in
`tests/test_inside.py`, which fails when Synapse renames it. Read in Synapse 1.143 to 1.163.
"""

import contextlib
import io
import json
import logging
import os
import re
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import attrs
from canonicaljson import encode_canonical_json
from synapse.api.constants import MAX_PDU_SIZE, UserTypes
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.events import make_event_from_dict
from synapse.events.validator import EventValidator
from synapse.http.site import SynapseRequest
from synapse.logging.context import PreserveLoggingContext
from synapse.media.filepath import MediaFilePaths
from synapse.module_api import EventBase, LoggingTransaction, ModuleApi, RoomAlias, UserID
from synapse.module_api.errors import SynapseError
from synapse.storage.engines import PostgresEngine
from synapse.storage.engines._base import IsolationLevel
from synapse.types import create_requester
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

logger = logging.getLogger(__name__)

T = TypeVar("T")

JOINED_USERS = """
    SELECT state_key AS user_id FROM current_state_events
    WHERE room_id = ? AND type = 'm.room.member' AND membership = 'join'
"""
"""The members of a room, as a sub-query with the room ID as its parameter.

`current_state_events` is written in the transaction that persists a join, so a statement that
reads it sees a join either wholly or not at all. By the unique index on (room_id, type, state_key).
"""

JOINED_SINCE = """
    (EXISTS (
        SELECT 1 FROM room_memberships AS later
        WHERE later.room_id = {seat}.room_id AND later.user_id = {seat}.user_id
        AND later.membership = 'join' AND later.event_stream_ordering > {seat}.after_stream_ordering
    ) AND NOT EXISTS (
        SELECT 1 FROM current_state_events AS unchanged
        WHERE unchanged.room_id = {seat}.room_id AND unchanged.type = 'm.room.member'
        AND unchanged.state_key = {seat}.user_id
        AND COALESCE(unchanged.event_stream_ordering, 0) <= {seat}.after_stream_ordering
    ))
"""
"""A condition: the user of a row has joined the room after the row's `after_stream_ordering`.

`room_memberships` keeps each membership event that was ever accepted, written in the transaction
that persists it. By the index on its user_id or its room_id. That alone is not enough: a change of
name that one process makes while another lets the person leave is a join too, and can be persisted
long after the leaving, but it never becomes the room's state.
"""


_STANDS = """
    EXISTS (
        SELECT 1 FROM current_state_events AS standing
        WHERE standing.room_id = {row}.room_id AND standing.type = 'm.room.member'
        AND standing.state_key = {row}.{user} AND standing.membership IN (%s)
    )
"""

IS_JOINED = _STANDS % "'join'"
"""A condition: a person named in a row is a member of the row's room. By the unique index."""

IS_OUT = _STANDS % "'leave', 'ban'"
"""The same for somebody who has left the room, declined to join it, or was removed."""

SHARER_COLUMNS = """
    account.deactivated, account.locked, account.shadow_banned, account.suspended,
    (SELECT own.membership FROM current_state_events AS own
        WHERE own.room_id = {row}.room_id AND own.type = 'm.room.member'
        AND own.state_key = {row}.sharer LIMIT 1),
    (SELECT own.event_stream_ordering FROM current_state_events AS own
        WHERE own.room_id = {row}.room_id AND own.type = 'm.room.member'
        AND own.state_key = {row}.sharer LIMIT 1)
"""
"""How the sharer of a row stands: their account, joined as `account`, and their membership.

Sub-queries, since PostgreSQL might read all of `current_state_events` for a join with many rows.
"""

_ACCOUNT = """
    EXISTS (SELECT 1 FROM users AS account WHERE account.name = {row}.{user} AND (%s))
"""

IS_SUSPENDED = _ACCOUNT % "account.suspended"
"""A condition: the account named in a row is suspended."""

IS_ACTIVE = _ACCOUNT % (
    "account.deactivated = 0 AND NOT account.locked AND NOT COALESCE(account.shadow_banned, FALSE)"
)
"""The same: it is there, and neither deactivated nor locked nor shadow-banned."""

_MARK = """
    (SELECT mark.event_id FROM current_state_events AS mark
        WHERE mark.room_id = {row}.room_id AND mark.type = '%s' AND mark.state_key = %s LIMIT 1)
"""

SHARER_MARKS = ", ".join(
    (
        _MARK % ("m.room.member", "{row}.sharer"),
        _MARK % ("m.room.power_levels", "''"),
        _MARK % ("m.room.tombstone", "''"),
    )
)
"""The IDs of the events on which a sharer's right rests: while they stay, so does what follows."""


_MOST_HISTORY = 1000


@attrs.frozen
class Membership:
    """One person's standing in one room.

    Attributes:
        membership: as in `m.room.member`, None if they never had one there.
        sender: who sent that event.
        stream_ordering: its place in this server's order of events, 0 if there is none.
        since: when this server received it, in milliseconds since 1970.
    """

    membership: str | None = None
    sender: str | None = None
    stream_ordering: int = 0
    since: int = 0


@attrs.frozen
class Account:
    """What a local account may do.

    Attributes:
        is_active: whether it is there, and neither deactivated nor locked nor shadow-banned.
        is_shadow_banned: whether what it does is to come to nothing, without its being told.
    """

    is_active: bool
    is_suspended: bool
    is_shadow_banned: bool

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
        )


MOST_CHANGES = 2000
"""How many changes of memberships of one room are read while others wait for a group."""

NEVER = 2**62
"""A time that does not come."""


class SynapseTables:
    """The statements on Synapse's own tables. All of them only read.

    The `ModuleApi` can tell a room's state, but not inside a transaction of ours, and a join is
    decided in one transaction.
    """

    @staticmethod
    def membership(txn: LoggingTransaction, room_id: str, user_id: str) -> Membership:
        # events.stream_ordering and not current_state_events.event_stream_ordering: the latter is
        # NULL in rows that are older than Synapse 1.80. LIMIT tells PostgreSQL what the unique
        # index does not: in a large group it expects many rows, and reads all events for them.
        txn.execute(
            """
            SELECT own.membership, e.sender, e.stream_ordering, COALESCE(e.received_ts, 0)
            FROM (
                SELECT membership, event_id FROM current_state_events
                WHERE room_id = ? AND type = 'm.room.member' AND state_key = ? LIMIT 1
            ) AS own JOIN events AS e ON e.event_id = own.event_id
            """,
            (room_id, user_id),
        )
        row = txn.fetchone()
        return Membership(*row) if row else Membership()

    @staticmethod
    def is_member(txn: LoggingTransaction, room_id: str, user_id: str) -> bool:
        txn.execute(
            """
            SELECT membership FROM current_state_events
            WHERE room_id = ? AND type = 'm.room.member' AND state_key = ?
            """,
            (room_id, user_id),
        )
        row = txn.fetchone()
        return row is not None and row[0] == "join"

    @staticmethod
    def joined_rooms(txn: LoggingTransaction, user_id: str) -> list[str]:
        txn.execute(
            """
            SELECT room_id FROM current_state_events
            WHERE type = 'm.room.member' AND state_key = ? AND membership = 'join'
            """,
            (user_id,),
        )
        return [room_id for (room_id,) in txn]

    @staticmethod
    def names_of_members(txn: LoggingTransaction, room_id: str) -> list[str]:
        txn.execute(
            """
            SELECT m.display_name
            FROM current_state_events AS c JOIN room_memberships AS m ON m.event_id = c.event_id
            WHERE c.room_id = ? AND c.type = 'm.room.member' AND c.membership = 'join'
            """,
            (room_id,),
        )
        return [name for (name,) in txn if name]

    @staticmethod
    def account(txn: LoggingTransaction, user_id: str) -> Account:
        txn.execute(
            "SELECT deactivated, locked, shadow_banned, suspended FROM users WHERE name = ?",
            (user_id,),
        )
        return Account.of_row(*(txn.fetchone() or (None,) * 4))

    @staticmethod
    def latest_stream_ordering(txn: LoggingTransaction) -> int:
        """The place of the latest event in this server's order of events."""
        txn.execute("SELECT MAX(stream_ordering) FROM events")
        row = txn.fetchone()
        return int(row[0] or 0) if row else 0

    @staticmethod
    def was_out_since(
        txn: LoggingTransaction,
        room_id: str,
        user_id: str,
        *,
        place: int | None,
        time: int,
        by_others: bool,
    ) -> bool | None:
        """Whether somebody was out of a room at any time since, whatever they are now.

        Args:
            place: since which place in the order of events; None if only the time is known.
            time: since when, in milliseconds since 1970.
            by_others: whether only removals count, and not that they left by themselves.

        Returns:
            None if their history there is too long to be read while others wait: somebody has
            changed their name a thousand times.
        """
        since = "e.received_ts >= ?" if place is None else "e.stream_ordering > ?"
        txn.execute(
            f"""
            SELECT COUNT(*), MAX(CASE WHEN history.membership IN ('leave', 'ban')
                AND {"history.sender <> history.user_id AND" if by_others else ""}
                {since} THEN 1 ELSE 0 END)
            FROM (
                SELECT user_id, sender, membership, event_id FROM room_memberships
                WHERE user_id = ? AND room_id = ? LIMIT ?
            ) AS history LEFT JOIN events AS e ON e.event_id = history.event_id
            """,
            (time if place is None else place, user_id, room_id, _MOST_HISTORY + 1),
        )
        row = txn.fetchone()
        assert row is not None
        events, was_out = row
        if was_out:
            return True
        return None if events > _MOST_HISTORY else False

    @staticmethod
    def became_state(txn: LoggingTransaction, event_id: str) -> bool:
        """Whether an event is or was the state of its room: it was neither refused nor ignored.

        By the index on `stream_id`: a change is written with the place of the first event of the
        few that are persisted together.
        """
        txn.execute(
            """
            SELECT 1 FROM events AS e JOIN current_state_delta_stream AS change
            ON change.room_id = e.room_id AND change.event_id = e.event_id
            AND change.stream_id > e.stream_ordering - 1000
            AND change.stream_id <= e.stream_ordering
            WHERE e.event_id = ?
            """,
            (event_id,),
        )
        return txn.fetchone() is not None

    @staticmethod
    def is_guest(txn: LoggingTransaction, user_id: str) -> bool:
        txn.execute("SELECT is_guest FROM users WHERE name = ?", (user_id,))
        row = txn.fetchone()
        return bool(row and row[0])

    @staticmethod
    def is_support(txn: LoggingTransaction, user_id: str) -> bool | None:
        """Whether Synapse counts an account among no people; None if there is none."""
        txn.execute("SELECT user_type FROM users WHERE name = ?", (user_id,))
        row = txn.fetchone()
        return row[0] == UserTypes.SUPPORT if row else None

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
    def m_direct(txn: LoggingTransaction, user_id: str) -> dict[str, object]:
        """The content of a local user's `m.direct`; empty if there is none or it is no object."""
        return SynapseTables.m_directs(txn, [user_id]).get(user_id, {})

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
            return SynapseTables.m_direct(txn, owner).get(other)
        txn.execute(
            """
            SELECT split_part(split_part(content, ?, 2), '"]', 1) FROM account_data
            WHERE user_id = ? AND account_data_type = 'm.direct'
            """,
            (f"{json.dumps(other)}:", owner),
        )
        row = txn.fetchone()
        try:
            return json.loads(f'{row[0]}"]') if row and row[0] else None
        except (ValueError, RecursionError):
            return None

    @staticmethod
    def m_directs(
        txn: LoggingTransaction, user_ids: Collection[str]
    ) -> dict[str, dict[str, object]]:
        """The same of several local users, without those who have none."""
        found: dict[str, dict[str, object]] = {}
        for batch in _batches(sorted(user_ids)):
            txn.execute(
                f"""
                SELECT user_id, content FROM account_data
                WHERE account_data_type = 'm.direct'
                AND user_id IN ({", ".join("?" * len(batch))})
                """,
                batch,
            )
            for user_id, content in txn.fetchall():
                with contextlib.suppress(ValueError, RecursionError):
                    # It belongs to the client, and can be anything.
                    if isinstance(direct := json.loads(content), dict):
                        found[user_id] = direct
        return found

    @staticmethod
    def joined_by_both(
        txn: LoggingTransaction, room_ids: Collection[str], a: str, b: str
    ) -> list[str]:
        """Those of the rooms in which both are members. One look-up per room and person."""
        found: list[str] = []
        for batch in _batches(sorted(room_ids)):
            txn.execute(
                f"""
                SELECT one.room_id
                FROM current_state_events AS one JOIN current_state_events AS two
                ON two.room_id = one.room_id
                WHERE one.type = 'm.room.member' AND one.state_key = ? AND one.membership = 'join'
                AND two.type = 'm.room.member' AND two.state_key = ? AND two.membership = 'join'
                AND one.room_id IN ({", ".join("?" * len(batch))})
                """,
                (a, b, *batch),
            )
            found.extend(room_id for (room_id,) in txn)
        return found

    @staticmethod
    def joined_by(txn: LoggingTransaction, room_ids: Collection[str], user_id: str) -> list[str]:
        """Those of the rooms in which somebody is a member. One look-up per room."""
        found: list[str] = []
        for batch in _batches(sorted(room_ids)):
            txn.execute(
                f"""
                SELECT room_id FROM current_state_events
                WHERE type = 'm.room.member' AND state_key = ? AND membership = 'join'
                AND room_id IN ({", ".join("?" * len(batch))})
                """,
                (user_id, *batch),
            )
            found.extend(room_id for (room_id,) in txn)
        return found

    @staticmethod
    def present_in(
        txn: LoggingTransaction, room_ids: Collection[str]
    ) -> dict[str, list[tuple[str, str]]]:
        """Who is joined or invited in each of the rooms, with the membership."""
        found: dict[str, list[tuple[str, str]]] = {}
        for batch in _batches(sorted(room_ids)):
            txn.execute(
                f"""
                SELECT room_id, state_key, membership FROM current_state_events
                WHERE type = 'm.room.member' AND membership IN ('join', 'invite')
                AND room_id IN ({", ".join("?" * len(batch))})
                """,
                batch,
            )
            for room_id, user_id, membership in txn:
                found.setdefault(room_id, []).append((user_id, membership))
        return found

    @staticmethod
    def known_rooms(txn: LoggingTransaction, room_ids: Collection[str]) -> set[str]:
        """Those of the rooms that this server has; a deleted one is gone from here first."""
        found: set[str] = set()
        for batch in _batches(sorted(room_ids)):
            txn.execute(
                f"SELECT room_id FROM rooms WHERE room_id IN ({', '.join('?' * len(batch))})", batch
            )
            found.update(room_id for (room_id,) in txn)
        return found

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

    @staticmethod
    def rooms_of_two(txn: LoggingTransaction, user_id: str, most: int) -> list[tuple[str, str]]:
        """The latest rooms that somebody shares with one other person and nobody else.

        In each room no more than three rows are read, as nobody else may be invited either.

        Args:
            most: how many of their rooms are looked at.

        Returns:
            The room's ID and the other person's.
        """
        others = """
            SELECT state_key, membership FROM current_state_events AS there
            WHERE there.room_id = mine.room_id AND there.type = 'm.room.member'
            AND there.membership IN ('join', 'invite') ORDER BY there.state_key
        """  # Without an order, PostgreSQL may look for three rows of a room in the whole table.
        txn.execute(
            f"""
            SELECT mine.room_id, (
                SELECT state_key FROM ({others} LIMIT 2) AS two WHERE state_key <> ?
                AND membership = 'join' LIMIT 1
            ) FROM (
                SELECT room_id FROM current_state_events
                WHERE type = 'm.room.member' AND state_key = ? AND membership = 'join'
                ORDER BY COALESCE(event_stream_ordering, 0) DESC LIMIT ?
            ) AS mine
            WHERE (SELECT COUNT(*) FROM ({others} LIMIT 3) AS three) = 2
            """,
            (user_id, user_id, most),
        )
        return [(room_id, other) for room_id, other in txn.fetchall() if other is not None]

    @staticmethod
    def verified_contacts(txn: LoggingTransaction, user_id: str) -> frozenset[str]:
        """Of which kinds somebody has a verified address: `email`, `msisdn`."""
        txn.execute("SELECT medium FROM user_threepids WHERE user_id = ?", (user_id,))
        return frozenset(medium for (medium,) in txn)

    @staticmethod
    def present(txn: LoggingTransaction, room_id: str, most: int) -> list[tuple[str, str]]:
        """Who is joined or invited, with the membership; `most` of them at most."""
        txn.execute(
            """
            SELECT state_key, membership FROM current_state_events
            WHERE room_id = ? AND type = 'm.room.member' AND membership IN ('join', 'invite')
            LIMIT ?
            """,
            (room_id, most),
        )
        return [(user, membership) for user, membership in txn]

    @staticmethod
    def joined_since(txn: LoggingTransaction, room_id: str, user_id: str) -> int:
        """When a member's unbroken membership began, in milliseconds since 1970.

        By this server's clock (`received_ts`): the other timestamp of an event is its sender's
        word. A name change is a join after a join and begins nothing. Others wait for the group
        meanwhile, so a room with more changes than `MOST_CHANGES` is not read: nobody is a member
        there for any time at all.
        """
        txn.execute(
            """
            SELECT changes.user_id, changes.membership, e.received_ts
            FROM (
                SELECT event_id, user_id, membership FROM room_memberships WHERE room_id = ?
                LIMIT ?
            ) AS changes JOIN events AS e ON e.event_id = changes.event_id
            ORDER BY e.stream_ordering DESC
            """,
            (room_id, MOST_CHANGES + 1),
        )
        changes = txn.fetchall()
        if len(changes) > MOST_CHANGES:
            return NEVER
        since = 0
        for who, membership, received_ts in changes:
            if who == user_id:
                if membership != "join":
                    break
                since = received_ts or 0
        return since

    @staticmethod
    def is_listed(txn: LoggingTransaction, room_id: str) -> bool:
        """Whether the room directory shows the room."""
        txn.execute("SELECT is_public FROM rooms WHERE room_id = ?", (room_id,))
        row = txn.fetchone()
        return bool(row and row[0])

    @staticmethod
    def has_address(txn: LoggingTransaction, room_id: str) -> bool:
        txn.execute("SELECT 1 FROM room_aliases WHERE room_id = ? LIMIT 1", (room_id,))
        return txn.fetchone() is not None

    @staticmethod
    def has_one_address_of(
        txn: LoggingTransaction, room_id: str, addresses: Collection[str]
    ) -> bool:
        """Whether a room has one of these addresses. By the unique index on the address."""
        txn.execute(
            f"""
            SELECT 1 FROM room_aliases
            WHERE room_alias IN ({", ".join("?" * len(addresses))}) AND room_id = ? LIMIT 1
            """,
            (*addresses, room_id),
        )
        return txn.fetchone() is not None


def _batches(items: list[str], size: int = 500) -> Iterator[list[str]]:
    # SQLite takes 999 parameters where it is old.
    for start in range(0, len(items) or 1, size):
        if batch := items[start : start + size]:
            yield batch


def is_postgres(txn: LoggingTransaction) -> bool:
    """Locks and isolation levels are words of PostgreSQL that SQLite does not know."""
    return isinstance(txn.database_engine, PostgresEngine)


async def run_read_committed(
    api: ModuleApi, name: str, work: Callable[[LoggingTransaction], T]
) -> T:
    """Run a transaction in which each statement sees what was committed before it.

    `ModuleApi.run_db_interaction` passes the level on to `DatabasePool.runInteraction`, but does
    not tell of it. PostgreSQL is told as the transaction begins, without a statement of its own.
    """
    return await api.run_db_interaction(
        name,
        work,
        isolation_level=IsolationLevel.READ_COMMITTED,  # type: ignore[call-arg]
    )


async def run_single_statement(
    api: ModuleApi, name: str, work: Callable[[LoggingTransaction], T]
) -> T:
    """Run one statement without the BEGIN and COMMIT around it, which take longer than it does.

    A level of isolation must not be given beside `db_autocommit`: psycopg2's `set_isolation_level`
    turns autocommit off again.
    """
    return await api.run_db_interaction(name, work, db_autocommit=True)  # type: ignore[call-arg]


def server_notices_user(api: ModuleApi) -> str | None:
    """The Matrix ID that sends the server's notices. The `ModuleApi` does not tell."""
    return api._hs.config.servernotices.server_notices_mxid


_own_address: ContextVar[bool] = ContextVar("capgroups_own_address", default=False)
"""Whether it is the module itself that asks for an address just now; see `watch_directory`."""


def why_no_event(
    api: ModuleApi, event_type: str, state_key: str, content: Mapping[str, Any]
) -> str | None:
    """What Synapse has against a state event, as it will say when it makes it; None if nothing.

    `createRoom` makes one event after the other, and leaves the room behind when one fails.
    """
    try:
        event = make_event_from_dict(
            {
                "type": event_type, "state_key": state_key, "content": dict(content),
                "room_id": f"!room:{api.server_name}", "sender": f"@user:{api.server_name}",
                "origin_server_ts": 1, "depth": 1, "prev_events": [], "auth_events": [],
                "hashes": {}, "signatures": {},
            },
            KNOWN_ROOM_VERSIONS["10"],
        )  # fmt: skip
        EventValidator().validate_new(event, api._hs.config)
        if len(encode_canonical_json(event.get_pdu_json())) > MAX_PDU_SIZE:
            return f"{event_type} is too large"
        if max(len(event_type.encode()), len(state_key.encode())) > 255:
            return "The type or the state key of an event is too long"
    except SynapseError as e:
        return f"{event_type}: {e.msg}"
    except Exception as e:
        return f"{event_type}: {e}"
    return None


def lobbies(api: ModuleApi) -> list[str]:
    """The rooms that each new account is put into, and that Synapse makes if they are not there."""
    registration = api._hs.config.registration
    return list(registration.auto_join_rooms) if registration.autocreate_auto_join_rooms else []


async def create_plain_room(api: ModuleApi, creator: str, request: dict[str, Any]) -> str:
    """Create a room as a local user, without encryption even where the server turns it on.

    `ModuleApi.create_room` cannot say `ignore_forced_encryption`; nobody could read an encrypted
    door's notice before they are in it.

    Returns:
        The room's ID.
    """
    token = _own_address.set(True)
    try:
        room_id, _, _ = await api._hs.get_room_creation_handler().create_room(
            create_requester(creator), request, ratelimit=False, ignore_forced_encryption=True
        )
    finally:
        _own_address.reset(token)
    return room_id


_rooms_begun: ContextVar[list[str] | None] = ContextVar("capgroups_rooms_begun", default=None)
"""The rooms whose creator has joined, within `create_room`; see `watch_memberships`."""


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


async def create_room(api: ModuleApi, creator: str, request: dict[str, Any]) -> str:
    """Create a room as a local user would, without rate limits; returns its ID.

    `ModuleApi.create_room` does it as the admin of the server, who may do more than the user.

    Raises:
        SynapseError: it was refused, perhaps half-way: Synapse invites people last. Of what was
            made by then nothing is left in the creator's list of rooms.
    """
    begun: list[str] = []
    token = _rooms_begun.set(begun)
    try:
        room_id, _, _ = await api._hs.get_room_creation_handler().create_room(
            create_requester(creator), request, ratelimit=False
        )
    except Exception:
        for room_id in begun:
            await withdraw(api, creator, room_id)
        raise
    finally:
        _rooms_begun.reset(token)
    return room_id


async def set_membership(
    api: ModuleApi,
    sender: str,
    user_id: str,
    room_id: str,
    membership: str,
    content: Mapping[str, Any] | None = None,
    *,
    needs_consent: bool = True,
) -> None:
    """Invite, join, leave or remove as a local user, without rate limits.

    `ModuleApi.update_room_membership` counts against the limits of the one who invites: after nine
    people at a door the sharer could neither invite nor write.

    Args:
        needs_consent: whether the sender must have agreed to the server's policy, where it has one.
            The refusal names the page on which they agree, which is for nobody else.
    """
    await api._hs.get_room_member_handler().update_membership(
        create_requester(sender),
        UserID.from_string(user_id),
        room_id,
        membership,
        ratelimit=False,
        content=dict(content) if content else None,
        require_consent=needs_consent,
    )


async def withdraw(api: ModuleApi, user_id: str, room_id: str) -> None:
    """Take a local person out of what has failed half-way, or take their invitation back.

    They leave by themselves, since who is removed stays out. The server does it for them: somebody
    who is suspended or has not consented could not.
    """
    try:
        await api._hs.get_room_member_handler().update_membership(
            create_requester(user_id, authenticated_entity=api.server_name),
            UserID.from_string(user_id),
            room_id,
            "leave",
            ratelimit=False,
            require_consent=False,
        )
        await forget(api, user_id, room_id)
    except Exception:
        logger.exception("Could not take %s out of %s", user_id, room_id)


async def forget(api: ModuleApi, user_id: str, room_id: str) -> None:
    """Let a room that somebody has left disappear from their clients."""
    await api._hs.get_room_member_handler().forget(UserID.from_string(user_id), room_id)


async def delete_address(api: ModuleApi, address: str) -> None:
    """Make an address unknown at once. Deleting its room does so too, but some time later."""
    await api._hs.get_datastores().main.delete_room_alias(RoomAlias.from_string(address))


async def lead_address(
    api: ModuleApi, address: str, room_id: str, creator: str, moved_from: str | None
) -> None:
    """Let an address lead to this room, wherever it led before.

    `ModuleApi` can only make rooms with an address; it cannot move one.

    Args:
        moved_from: the room whose only address this is. From there it moves in one transaction, so
            that there is no moment in which the address is unknown.
    """
    store = api._hs.get_datastores().main
    alias = RoomAlias.from_string(address)
    known = await store.get_association_from_room_alias(alias)
    if known is not None and known.room_id == room_id:
        return
    if known is not None and known.room_id == moved_from:
        await store.update_aliases_for_room(known.room_id, room_id, creator)
        return
    await store.delete_room_alias(alias)
    with contextlib.suppress(SynapseError):  # Another process was faster.
        await store.create_room_alias_association(alias, room_id, [api.server_name], creator)


@contextlib.asynccontextmanager
async def one_process_at_a_time(api: ModuleApi, what: str, which: str) -> AsyncIterator[None]:
    """A lock that all processes of this server respect; for what is rare, and done outside SQL.

    `WorkerLocksHandler.acquire_lock` does not serve: it wakes those who wait before the lock is
    free, and then lets them wait for 5 seconds, 10, 20, and so on (`WaitingLock`).
    """
    store = api._hs.get_datastores().main
    while (lock := await store.try_acquire_lock(f"capgroups_{what}", which)) is None:
        await api.sleep(0.1)
    async with lock:
        yield


async def upload(api: ModuleApi, user_id: str, media_type: str, content: bytes) -> str:
    """Store a file as if this user had uploaded it; returns its `mxc:` address."""
    uri = await api._hs.get_media_repository().create_or_update_content(
        media_type, None, io.BytesIO(content), len(content), UserID.from_string(user_id)
    )
    return str(uri)


@attrs.frozen
class SmallPicture:
    """One of the thumbnails that Synapse made of a picture when it was uploaded.

    Attributes:
        side: its shorter side, in pixels.
        length: its size in bytes.
    """

    file: Path
    media_type: str
    side: int
    length: int


async def small_pictures(api: ModuleApi, media_id: str) -> list[SmallPicture]:
    """The thumbnails of a picture that was uploaded here; none if this process may not read it.

    Not in the `ModuleApi`. Media in quarantine is not to be shown to anybody.
    """
    store = api._hs.get_datastores().main
    folder = getattr(api._hs.config.media, "media_store_path", None)  # Not on every worker.
    media = await store.get_local_media(media_id)
    if folder is None or media is None or media.quarantined_by is not None:
        return []
    paths = MediaFilePaths(folder)
    return [
        SmallPicture(
            Path(
                paths.local_media_thumbnail(
                    media_id, made.width, made.height, made.type, made.method
                )
            ),
            made.type,
            min(made.width, made.height),
            made.length,
        )
        for made in await store.get_local_media_thumbnails(media_id)
    ]


def allows_per_room_profiles(api: ModuleApi) -> bool:
    """Whether Synapse lets anybody have a name of their own in a room."""
    return bool(api._hs.config.server.allow_per_room_profiles)


def has_creators_of_all_power(created: EventBase) -> bool:
    """Whether in this version of rooms, 12 and later, creators stand above the power levels."""
    return created.room_version.msc4289_creator_power_enabled


def stop_the_start(message: str) -> NoReturn:
    """End this process with a message, before it serves anybody by the wrong rules.

    A module is constructed before the database can be asked, and an exception in a background
    process stops nothing; Synapse itself ends a failed start in this way (`app/_base.py`).
    """
    logger.critical(message)
    sys.stderr.write(f"\n{'*' * 79}\n{message}\n{'*' * 79}\n")
    logging.shutdown()
    sys.stderr.flush()
    os._exit(1)


def tell(waiting: Deferred[T], outcome: T | Failure) -> None:
    """Let what waits for a result go on with it.

    It goes on in a logging context of its own, which must not be left in place of the caller's;
    the `ModuleApi` has the other half of this, `make_deferred_yieldable`, alone.
    """
    with PreserveLoggingContext():
        if not waiting.called:
            waiting.callback(outcome)


def keep_out_of_logs(pattern: re.Pattern[str], replacement: str) -> None:
    """Replace text in all that Synapse logs, and in the paths of requests wherever they are told.

    Clients name a door's address in the path of their requests. Synapse logs all paths, some errors
    with them, and at DEBUG the values of all statements; so it is done where all records are made.
    `SynapseRequest.get_redacted_uri` is also what tracing (`trace_servlet`) and the fields of
    structured logs take the path from. A second homeserver in the same process changes nothing.
    """
    make_record = logging.getLogRecordFactory()
    if getattr(make_record, "keeps_out", None) != pattern:

        def make_clean_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
            record = make_record(*args, **kwargs)
            with contextlib.suppress(Exception):  # A line that cannot be formatted is no line.
                _clean(record, pattern, replacement)
            return record

        make_clean_record.keeps_out = pattern  # type: ignore[attr-defined]
        logging.setLogRecordFactory(make_clean_record)

    get_redacted_uri = SynapseRequest.get_redacted_uri
    if getattr(get_redacted_uri, "keeps_out", None) != pattern:

        def get_clean_uri(request: SynapseRequest) -> str:
            return pattern.sub(replacement, get_redacted_uri(request))

        get_clean_uri.keeps_out = pattern  # type: ignore[attr-defined]
        SynapseRequest.get_redacted_uri = get_clean_uri  # type: ignore[method-assign, assignment]


def _clean(record: logging.LogRecord, pattern: re.Pattern[str], replacement: str) -> None:
    text = record.getMessage()
    if pattern.search(text):
        record.msg, record.args = pattern.sub(replacement, text), ()
    if record.exc_info and record.exc_info[0] is not None:
        told = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        if pattern.search(told):
            # What formats the record takes the text where there is no exception.
            record.exc_info, record.exc_text = None, pattern.sub(replacement, told)


WhenDone = Callable[[bool, Any], Awaitable[None]]

_when_done: ContextVar[list[WhenDone] | None] = ContextVar("capgroups_when_done", default=None)


def when_done(then: WhenDone) -> bool:
    """Have something done once the join or the creation that is being decided has ended.

    Args:
        then: called with whether it succeeded, and what Synapse's method returned if so.

    Returns:
        False if nobody will tell: it came by a way that is not watched.
    """
    waiting = _when_done.get()
    if waiting is None:
        return False
    waiting.append(then)
    return True


Shown = Callable[[str, Any, int], Awaitable[Any]]


def filter_user_search(api: ModuleApi, most: int, shown: Shown) -> None:
    """Let somebody decide what each search of the user directory shows.

    `check_username_for_spam` is asked for one person after the other, and only for as many as the
    client asked for: a friend further down would never be found.

    Args:
        most: how many people to search for.
        shown: called with who searches, what was found and how many they asked for.
    """
    handler = api._hs.get_user_directory_handler()
    search = handler.search_users

    async def filtered(user_id: str, search_term: str, limit: int) -> Any:
        return await shown(user_id, await search(user_id, search_term, most), limit)

    handler.search_users = filtered  # type: ignore[method-assign]


def delegates_authentication(api: ModuleApi) -> bool:
    """Whether accounts are made by the Matrix Authentication Service."""
    config = api._hs.config
    # Until Synapse 1.150 or so it could be an experiment as well.
    experiment = getattr(config.experimental, "msc3861", None)
    return bool(config.mas.enabled or (experiment is not None and experiment.enabled))


Names = Callable[[str, str, Any], Awaitable[Any]]


def shape_joins(api: ModuleApi, named: Names) -> None:
    """Let the names in each local person's join be decided before its event is made.

    Synapse itself rejoins people to all their rooms when their profile changes, and asks no
    callback what their name shall be (`ProfileHandler._update_join_states_task`). It does so by
    `update_membership` too. To be called before `watch_endings`.

    Args:
        named: called with the Matrix ID, the room ID and the content that is asked for, if any;
            returns the content that the event shall have.
    """
    handler = api._hs.get_room_member_handler()
    update = handler.update_membership

    async def shaped(
        requester: Any, target: Any, room_id: str, action: str, *args: Any, **kwargs: Any
    ) -> Any:
        own = requester.user == target
        # Who creates a room is joined before it is there; who upgrades one was in the old one.
        is_new = kwargs.get("new_room") and upgrade_under_way.get() is None
        if action == "join" and own and api._hs.is_mine(target) and not is_new:
            kwargs["content"] = await named(target.to_string(), room_id, kwargs.get("content"))
        return await update(requester, target, room_id, action, *args, **kwargs)

    handler.update_membership = shaped  # type: ignore[method-assign]


def watch_endings(api: ModuleApi) -> None:
    """Let callbacks learn what becomes of a join or a creation that they allow.

    Callbacks are asked early, and much can go wrong after them: an event that is too large, a full
    disk. All joins of local users go through `update_membership`, all creations through
    `create_room`; within these the callbacks are called.
    """
    _watch_ending(api._hs.get_room_member_handler(), "update_membership")
    _watch_ending(api._hs.get_room_creation_handler(), "create_room")


async def _done(then: WhenDone, succeeded: bool, result: Any) -> None:
    try:
        await then(succeeded, result)
    except Exception:
        # What was joined or created is so; the sweep minds the rest.
        logger.exception("Could not finish what was decided")


def _watch_ending(handler: object, method: str) -> None:
    original = getattr(handler, method)

    async def watched(*args: Any, **kwargs: Any) -> Any:
        waiting: list[WhenDone] = []
        token = _when_done.set(waiting)
        succeeded, result = False, None
        try:
            result = await original(*args, **kwargs)
            succeeded = True
            return result
        finally:
            _when_done.reset(token)
            for then in waiting:
                await _done(then, succeeded, result)

    setattr(handler, method, watched)


@attrs.frozen
class MembershipChange:
    """What Synapse is about to do to a membership, on behalf of a local account.

    Attributes:
        sender: the account in whose name it is done.
        target: whose membership changes; the sender's own in a join or a leave.
        action: `join`, `invite`, `leave`, `kick`, `ban`, `unban`, `knock`.
        authority: who asked for it: the sender, the admin who acts for them, or the server's name.
        content: what the event shall have beside the membership; None if nothing was asked for.
        limited: whether it counts against Synapse's rate limits, as what a client asks for does.
        new_room: whether it belongs to the creation of the room.
        requester: who asks, as Synapse knows them.
    """

    sender: str
    target: str
    room_id: str
    action: str
    authority: str
    content: Any
    limited: bool
    new_room: bool
    requester: Any = attrs.field(repr=False)


membership_change: ContextVar[MembershipChange | None] = ContextVar(
    "capgroups_membership_change", default=None
)
"""The change within which a callback is called; see `watch_memberships`."""

MembershipHook = Callable[[MembershipChange], Awaitable[None]]


def watch_memberships(api: ModuleApi, before: MembershipHook, after: MembershipHook) -> None:
    """Let the module know of each change of a membership that this server makes.

    No callback sees all of them: `user_may_join_room` and `user_may_invite` are not asked about
    server admins, and none about leaving. `update_membership_locked` is what all of them go
    through; the invitations of a creation come to it directly.

    Args:
        before: called under Synapse's lock of the room; raises `SynapseError` to refuse.
        after: called when the change has come to pass, under the same lock: it must not wait.
    """
    handler = api._hs.get_room_member_handler()
    update = handler.update_membership_locked

    async def watched(
        requester: Any, target: Any, room_id: str, action: str, *args: Any, **kwargs: Any
    ) -> Any:
        change = MembershipChange(
            requester.user.to_string(),
            target.to_string(),
            room_id,
            action,
            requester.authenticated_entity,
            kwargs.get("content"),
            kwargs.get("ratelimit", True),
            bool(kwargs.get("new_room")),
            requester,
        )
        token = membership_change.set(change)
        try:
            await before(change)
            result = await update(requester, target, room_id, action, *args, **kwargs)
            begun = _rooms_begun.get()
            if begun is not None and change.new_room and action == "join":
                begun.append(room_id)
            await after(change)
        finally:
            membership_change.reset(token)
        return result

    handler.update_membership_locked = watched  # type: ignore[method-assign]


async def is_asked_of_nobody(api: ModuleApi, change: MembershipChange) -> bool:
    """Whether Synapse asks no `user_may_join_room` about this join: it is a server admin's.

    With the Matrix Authentication Service an admin is known by the token, not by the account.
    """
    return bool(await api._hs.get_auth().is_server_admin(change.requester))


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


async def is_unlimited(api: ModuleApi, user_id: str) -> bool:
    """Whether a server admin has lifted the rate limits of a local person.

    `/_synapse/admin/v1/users/<user_id>/override_ratelimit`; 0 messages a second is no limit.
    """
    override = await api._hs.get_datastores().main.get_ratelimit_for_user(user_id)  # type: ignore[call-arg, arg-type, misc]
    return override is not None and not override.messages_per_second


judged_remote_join: ContextVar[tuple[Any, str] | None] = ContextVar(
    "capgroups_judged_remote_join", default=None
)
"""The Matrix ID and the room ID of the join that `watch_remote_joins` has had judged."""


def watch_remote_joins(api: ModuleApi, ask: Callable[[str, str], Awaitable[None]]) -> None:
    """Have a person of another server who joins through this one judged, too.

    Synapse asks no callback that could answer them: of `on_send_join_request` the other server
    passes a refusal on to its user as it is, sentence and all.

    Args:
        ask: called with the Matrix ID and the room ID; raises `SynapseError` to refuse.
    """
    server = api._hs.get_federation_server()
    send_join = server.on_send_join_request

    async def judged(origin: str, content: Any, room_id: str, *args: Any, **kwargs: Any) -> Any:
        user_id = content.get("sender")
        # Anything else than somebody's own join is refused by Synapse itself.
        if isinstance(user_id, str) and user_id.endswith(f":{origin}"):
            await ask(user_id, room_id)
        token = judged_remote_join.set((user_id, room_id))
        try:
            return await send_join(origin, content, room_id, *args, **kwargs)
        finally:
            judged_remote_join.reset(token)

    server.on_send_join_request = judged  # type: ignore[method-assign]
    _watch_ending(server, "on_send_join_request")


@attrs.frozen
class Upgrade:
    """A room is being replaced by a new one."""

    old_room_id: str
    new_room_id: str


upgrade_under_way: ContextVar[Upgrade | None] = ContextVar("capgroups_upgrade", default=None)


def watch_upgrades(api: ModuleApi) -> None:
    """Let `user_may_create_room` know the successor's room ID in an upgrade.

    It is called within `clone_existing_room`, which knows. Like creations and joins, upgrades tell
    those who ask by `when_done` how they ended.
    """
    handler = api._hs.get_room_creation_handler()
    _watch_ending(handler, "clone_existing_room")
    clone = handler.clone_existing_room

    async def watched(
        requester: Any, old_room_id: str, new_room_id: str, *args: Any, **kwargs: Any
    ) -> None:
        token = upgrade_under_way.set(Upgrade(old_room_id, new_room_id))
        try:
            await clone(requester, old_room_id, new_room_id, *args, **kwargs)
        finally:
            upgrade_under_way.reset(token)

    handler.clone_existing_room = watched  # type: ignore[method-assign]


async def acts_for_server(api: ModuleApi, requester: Any) -> bool:
    """Whether somebody is a server admin, or the server itself acts in their name.

    With the Matrix Authentication Service an admin is known by the token only, not by the account.
    """
    if requester.authenticated_entity == api.server_name:
        return True
    return bool(await api._hs.get_auth().is_server_admin(requester))


class _Shutdown:
    """A room is being deleted with a notice, for which one room will be made."""

    def __init__(self, creator: str | None) -> None:
        self.creator = creator


_shutdown: ContextVar[_Shutdown | None] = ContextVar("capgroups_shutdown", default=None)


def makes_notice_room(creator: str) -> bool:
    """Whether the creation that is being decided is that of a deletion's notice room.

    True once for each deletion: what else that process makes is nothing special.
    """
    shutdown = _shutdown.get()
    if shutdown is None or shutdown.creator != creator:
        return False
    shutdown.creator = None
    return True


def watch_shutdowns(api: ModuleApi, resumed: Callable[[str], Awaitable[None]]) -> None:
    """Let `on_create_room` know the notice room of a deletion (`new_room_user_id`).

    Synapse makes it as any room, public and in a member's name, in `shutdown_room`. A deletion that
    a restart interrupted comes back with the room that it had made.

    Args:
        resumed: called with the ID of such a room, before people are moved into it.
    """
    handler = api._hs.get_room_shutdown_handler()
    shut_down = handler.shutdown_room

    async def watched(room_id: str, params: Any, result: Any = None, *args: Any, **kw: Any) -> Any:
        creator = params["new_room_user_id"]
        if creator is not None and result and result.get("new_room_id"):
            await resumed(result["new_room_id"])
        token = _shutdown.set(_Shutdown(creator))
        try:
            return await shut_down(room_id, params, result, *args, **kw)
        finally:
            _shutdown.reset(token)

    handler.shutdown_room = watched  # type: ignore[method-assign]


@attrs.frozen
class AddressWanted:
    """Somebody asks for an address for this room.

    Attributes:
        by_server: whether that is a server admin, or the server itself, as in `auto_join_rooms`.
    """

    room_id: str
    by_server: bool


@attrs.frozen
class ListingWanted:
    """Somebody asks that the room directory show this room, or stop showing it."""

    room_id: str
    listed: bool


directory_request: ContextVar[AddressWanted | ListingWanted | None] = ContextVar(
    "capgroups_directory_request", default=None
)
"""What the request that is being served asks of the directory; see `watch_directory`."""


AddressGuard = Callable[[str, str], Awaitable[None]]


def watch_directory(api: ModuleApi, guard: AddressGuard) -> None:
    """Let callbacks know what the directory is asked to do.

    `user_may_create_room_alias(user, alias)` is not told the room, and `user_may_publish_room(user,
    room)` is not told whether the room is to be shown or hidden. Both are called within these two
    methods of `DirectoryHandler`, which know.

    Args:
        guard: called with each address that anybody asks for but the module itself, and the room's
            ID; raises `SynapseError` to refuse. No callback is asked about application services.
    """
    handler = api._hs.get_directory_handler()
    create_association = handler.create_association
    edit_published_room_list = handler.edit_published_room_list

    async def watched_association(
        requester: Any, room_alias: Any, room_id: str, *args: Any, **kwargs: Any
    ) -> None:
        if not _own_address.get():
            await guard(room_alias.to_string(), room_id)
        by_server = await acts_for_server(api, requester)
        token = directory_request.set(AddressWanted(room_id, by_server))
        try:
            await create_association(requester, room_alias, room_id, *args, **kwargs)
        finally:
            directory_request.reset(token)

    async def watched_list(requester: Any, room_id: str, visibility: Any) -> None:
        token = directory_request.set(ListingWanted(room_id, visibility == "public"))
        try:
            await edit_published_room_list(requester, room_id, visibility)
        finally:
            directory_request.reset(token)

    handler.create_association = watched_association  # type: ignore[method-assign]
    handler.edit_published_room_list = watched_list  # type: ignore[method-assign]
