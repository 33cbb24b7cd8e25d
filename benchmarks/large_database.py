"""Makes a database large, by SQL: groups, admissions, codes, series, and many direct chats.

Room IDs are hashes, as Synapse's are. Each group has one member here: more members would be more
rows of the same index. PostgreSQL only.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import md5
from typing import Any

from synapse_capgroups.admission.code_states import judged_by
from synapse_capgroups.codes.sweep import short_form
from synapse_capgroups.config import Config
from synapse_capgroups.inside.tables.conditions import SHARER_MARKS

DAY_MS = 24 * 60 * 60 * 1000

_ROOM = "'!' || md5({n}::text) || substr(md5({n}::text || 'x'), 1, 11)"
_SPACE = "'!' || md5('space' || i)"
_EVENT = "'$' || md5({n}::text || {salt}) || substr(md5({n}::text || {salt} || 'x'), 1, 11)"


def grow(
    cursor: Any, groups: range, admissions: range, now: int, people: int | None = None
) -> None:
    """Add groups, each with a member; admissions to these groups, and to those before them; codes.

    Args:
        groups, admissions: by number, continuing where the last growth ended.
        now: milliseconds since 1970.
        people: how many make the groups in turn; each group has a maker of its own if not given.
    """
    room = _ROOM.format(n="i")
    of_any_group = _ROOM.format(n=f"mod(i, {groups.stop})")
    creator = _creator(people)
    cursor.execute("SET maintenance_work_mem = '512MB'")
    with _without_indexes(cursor, "capgroups_groups"):
        cursor.execute(
            f"""
            INSERT INTO capgroups_groups (room_id, mode)
            SELECT {room}, CASE WHEN mod(i, 1000) = 0 THEN 'full' WHEN mod(i, 20) = 0 THEN 'friends'
                ELSE 'open' END
            FROM generate_series(%s, %s) AS i
            """,
            _ends(groups),
        )
    with _without_indexes(cursor, "capgroups_admissions"):
        # Spread over all groups and a third as many people.
        cursor.execute(
            f"""
            INSERT INTO capgroups_admissions
                (room_id, user_id, how, inviter, inviter_was_friend, mode, members_after,
                 admitted_at)
            SELECT {of_any_group}, '@person' || i / 3 || ':localhost', 'invite',
                '@person' || mod(i, 1000003) || ':localhost', mod(i, 20) = 0,
                CASE WHEN mod(i, 20) = 0 THEN 'friends' ELSE 'open' END, mod(i, 100),
                %s - i * 60
            FROM generate_series(%s, %s) AS i
            """,
            (now, *_ends(admissions)),
        )
    with _without_indexes(cursor, "current_state_events"):
        cursor.execute(
            f"""
            INSERT INTO current_state_events (event_id, room_id, type, state_key, membership)
            SELECT {_EVENT.format(n="i", salt="'g'")}, {room}, 'm.room.member', {creator}, 'join'
            FROM generate_series(%s, %s) AS i
            """,
            _ends(groups),
        )
    # Of each hundred groups one, an open one, has a living code, and nine a dead one that is
    # still remembered.
    cursor.execute(
        f"""
        INSERT INTO capgroups_codes
            (code_id, secret, room_id, sharer, created_at, expires_at, max_uses, uses, door,
             died_of, died_at, door_closed_at)
        SELECT 'code' || i, md5('secret' || i), {room}, {creator}, %s, %s, NULL, 3,
            '!' || md5('door' || i), dead, CASE WHEN dead IS NOT NULL THEN %s END,
            CASE WHEN dead IS NOT NULL THEN %s END
        FROM (
            SELECT i, CASE WHEN mod(i, 100) <> 1 THEN 'code_expired' END AS dead
            FROM generate_series(%s, %s) AS i WHERE mod(i, 100) BETWEEN 1 AND 10
        ) AS numbered
        """,
        (now - DAY_MS, now + 7 * DAY_MS, now - DAY_MS, now - DAY_MS, *_ends(groups)),
    )

    _fill_series(cursor, groups, creator)
    _fill_the_rest(cursor, groups, now)


def _creator(people: int | None) -> str:
    number = "i" if people is None else f"mod(i, {people})"
    return f"'@person' || {number} || ':localhost'"


def populate(cursor: Any, people: int) -> None:
    """Make accounts: those that make the groups of `grow`."""
    cursor.execute(
        """
        INSERT INTO users (name, creation_ts, admin, is_guest, deactivated)
        SELECT '@person' || i || ':localhost', 1, 0, 0, 0 FROM generate_series(0, %s) AS i
        """,
        (people - 1,),
    )


def give_rooms(cursor: Any, groups: range, people: int, now: int) -> None:
    """Make rooms of the groups of `grow` and of their spaces, or the sweep would forget them, and
    four times as many living codes as those have; and count the groups by mode, as a server does
    that makes them.
    """
    room, creator = _ROOM.format(n="i"), _creator(people)
    with _without_indexes(cursor, "rooms"):
        cursor.execute(
            f"""
            INSERT INTO rooms (room_id, is_public, creator, room_version)
            SELECT {room}, FALSE, {creator}, '10' FROM generate_series(%s, %s) AS i
            """,
            _ends(groups),
        )
        cursor.execute(
            f"""
            INSERT INTO rooms (room_id, is_public, creator, room_version)
            SELECT {_SPACE}, FALSE, {creator}, '10' FROM generate_series(%s, %s) AS i
            WHERE mod(i, 100) = 0
            """,
            _ends(groups),
        )
    cursor.execute(
        f"""
        INSERT INTO capgroups_codes
            (code_id, secret, room_id, sharer, created_at, expires_at, uses, door)
        SELECT 'code' || i, md5('secret' || i), {room}, {creator}, %s, %s, 3,
            '!' || md5('door' || i)
        FROM generate_series(%s, %s) AS i WHERE mod(i, 100) BETWEEN 11 AND 14
        """,
        (now - DAY_MS, now + 7 * DAY_MS, *_ends(groups)),
    )
    # Or the sweep would begin to forget what is old, and to make addresses of all dead codes.
    for table, columns in (
        ("capgroups_requests", "asked_at told_at"),
        ("capgroups_announcements", "created_at confirmed_at"),
        ("capgroups_assignments", "created_at"),
        ("capgroups_notices", "sent_at"),
        ("capgroups_series", "created_at"),
    ):
        changes = ", ".join(f"{column} = {now}" for column in columns.split())
        cursor.execute(f"UPDATE {table} SET {changes}")
    cursor.execute(
        "UPDATE capgroups_requests SET answered_at = asked_at WHERE answered_at IS NOT NULL"
    )
    cursor.execute(
        "UPDATE capgroups_codes SET address_moved_at = door_closed_at WHERE died_of IS NOT NULL"
    )
    # Those of `grow` would be closed one by one.
    cursor.execute(
        "DELETE FROM capgroups_chats AS chat WHERE NOT EXISTS "
        "(SELECT 1 FROM rooms WHERE rooms.room_id = chat.room_id)"
    )
    cursor.execute("DELETE FROM capgroups_group_changes")
    cursor.execute("DELETE FROM capgroups_group_counts")
    cursor.execute(
        """
        INSERT INTO capgroups_group_counts (mode, number)
        SELECT mode, COUNT(*) FROM capgroups_groups GROUP BY mode
        """
    )


def judge(cursor: Any, module: dict[str, Any]) -> None:
    """Note that all living codes were judged, or the first sweeps would find that these groups have
    no events.

    Args:
        module: its configuration.
    """
    rules = judged_by(Config.from_yaml(module))
    marks = SHARER_MARKS.format(row="code")
    cursor.execute(
        f"SELECT code.code_id, {marks} FROM capgroups_codes AS code WHERE code.died_of IS NULL"
    )
    judged = [(code_id, short_form(tuple(found), rules)) for code_id, *found in cursor.fetchall()]
    cursor.execute("CREATE TEMPORARY TABLE judged (code_id TEXT PRIMARY KEY, marks TEXT)")
    for begin in range(0, len(judged), 1000):
        some = judged[begin : begin + 1000]
        values = ", ".join(["(%s, %s)"] * len(some))
        cursor.execute(f"INSERT INTO judged VALUES {values}", [x for row in some for x in row])
    cursor.execute(
        "UPDATE capgroups_codes AS code SET judged_marks = judged.marks FROM judged "
        "WHERE judged.code_id = code.code_id"
    )
    cursor.execute("DROP TABLE judged")


def _fill_the_rest(cursor: Any, groups: range, now: int) -> None:
    """Some rows in the small tables, or PostgreSQL would read them without an index."""
    cursor.execute(
        f"""
        INSERT INTO capgroups_seats
            (room_id, user_id, attempt, after_stream_ordering, admitted_at, expires_at)
        SELECT {_ROOM.format(n="i")}, '@late' || i || ':localhost', 'late' || i, 0, %s, %s
        FROM generate_series(%s, %s) AS i WHERE mod(i, 500) = 0
        """,
        (now, now + DAY_MS, *_ends(groups)),
    )
    for statement in (
        """
        INSERT INTO capgroups_code_uses (code_id, user_id, used_at)
        SELECT 'code' || i, '@user' || n || ':localhost', 0
        FROM generate_series(%s, %s) AS i, generate_series(1, 3) AS n
        WHERE mod(i, 100) BETWEEN 1 AND 10
        """,
        """
        INSERT INTO capgroups_visits (door, user_id, leave_at)
        SELECT '!' || md5('door' || i), '@user1:localhost', 9e15
        FROM generate_series(%s, %s) AS i WHERE mod(i, 100) = 1
        """,
        f"""
        INSERT INTO capgroups_code_invitations (room_id, user_id, code_id)
        SELECT {_ROOM.format(n="i")}, '@remote' || i || ':elsewhere', 'code' || i
        FROM generate_series(%s, %s) AS i WHERE mod(i, 100) = 1
        """,
        """
        INSERT INTO capgroups_chats (user_id, room_id)
        SELECT '@person' || i || ':localhost', '!' || md5('concierge' || i)
        FROM generate_series(%s, %s) AS i WHERE mod(i, 5) = 0
        """,
    ):
        cursor.execute(statement, _ends(groups))


def _fill_series(cursor: Any, groups: range, person: str) -> None:
    """Series of ten groups each, with announcements, assignments and people who ask to come in."""
    room = _ROOM.format(n="i")
    series = "'series' || i / 100"
    for statement in (
        f"""
        INSERT INTO capgroups_series
            (series_id, organiser, name, pattern, fill, max_groups, model, state, created_at)
        SELECT {series}, {person}, 'tea', 'Tea {{n}}', 50, 20, {room}, 'running', i
        FROM generate_series(%s, %s) AS i WHERE mod(i, 100) = 0
        """,
        f"""
        INSERT INTO capgroups_series_groups
            (series_id, number, room_id, begun_at, begun_after, is_full)
        SELECT {series}, mod(i, 100) / 10 + 1, {room}, 1, 1, mod(i, 100) < 80
        FROM generate_series(%s, %s) AS i WHERE mod(i, 10) = 0
        """,
        f"""
        INSERT INTO capgroups_series_helpers (series_id, user_id)
        SELECT {series}, {person} FROM generate_series(%s, %s) AS i
        WHERE mod(i, 100) BETWEEN 1 AND 2
        """,
        f"""
        INSERT INTO capgroups_series_spaces (series_id, number, room_id)
        SELECT {series}, 1, {_SPACE}
        FROM generate_series(%s, %s) AS i WHERE mod(i, 100) = 0
        """,
        f"""
        INSERT INTO capgroups_announcements
            (announcement_id, series_id, author, content, mention_room, pin, state, revision,
             created_at, confirmed_at)
        SELECT 'news' || i / 50, {series}, '@person' || i / 100 * 100 || ':localhost', '{{}}',
            FALSE, FALSE, 'done', 1, i, i
        FROM generate_series(%s, %s) AS i WHERE mod(i, 50) = 0
        """,
        f"""
        INSERT INTO capgroups_outbox
            (announcement_id, room_id, number, marker, state, revision, tried, tries)
        SELECT 'news' || i / 50, {room}, mod(i, 100) / 10 + 1, 'm' || i, 'sent', 1, 1, 0
        FROM generate_series(%s, %s) AS i WHERE mod(i, 10) = 0
        """,
        f"""
        INSERT INTO capgroups_assignments
            (assignment_id, series_id, author, hash, state, created_at)
        SELECT 'plan' || i / 50, {series}, '@person' || i / 100 * 100 || ':localhost', 'hash',
            'done', i
        FROM generate_series(%s, %s) AS i WHERE mod(i, 50) = 0
        """,
        f"""
        INSERT INTO capgroups_assignment_groups
            (assignment_id, number, room_id, label, is_new, was_empty, is_reserved)
        SELECT 'plan' || i / 50, mod(i, 100) / 10 + 1, {room}, '{{}}', FALSE, FALSE, FALSE
        FROM generate_series(%s, %s) AS i WHERE mod(i, 10) = 0
        """,
        f"""
        INSERT INTO capgroups_assignment_rows (assignment_id, user_id, number, state, invited_at)
        SELECT 'plan' || i / 50, {person}, mod(i, 10) + 1, 'done', i
        FROM generate_series(%s, %s) AS i
        """,
        f"""
        INSERT INTO capgroups_approval (room_id, set_by, set_at)
        SELECT {room}, {person}, i FROM generate_series(%s, %s) AS i WHERE mod(i, 50) = 1
        """,
        f"""
        INSERT INTO capgroups_requests
            (number, room_id, user_id, code_id, asked_at, told_at, answered_at, answered_by,
             approved)
        SELECT i, {room}, '@asks' || i || ':localhost', 'code' || i, i, i,
            CASE WHEN mod(i, 100) = 1 THEN i END, CASE WHEN mod(i, 100) = 1 THEN {person} END,
            CASE WHEN mod(i, 100) = 1 THEN TRUE END
        FROM generate_series(%s, %s) AS i WHERE mod(i, 50) = 1
        """,
        f"""
        INSERT INTO capgroups_told (room_id, user_id, told_until)
        SELECT {room}, {person}, i FROM generate_series(%s, %s) AS i WHERE mod(i, 50) = 1
        """,
        f"""
        INSERT INTO capgroups_notices (user_id, sent_at)
        SELECT {person}, i FROM generate_series(%s, %s) AS i WHERE mod(i, 50) = 1
        ON CONFLICT DO NOTHING
        """,
    ):
        cursor.execute(statement, _ends(groups))


def add_chats(cursor: Any, chat: str, concierge: str, person: str, number: int) -> None:
    """Give the concierge so many more chats like one that it has, each with another person.

    They have what Synapse keeps of a membership, and one event each: the concierge's join.

    Args:
        chat: the room ID of that one, with this person invited to it.
    """
    room, joined = "'!' || md5('talk' || i)", "'$' || md5('talk' || i)"
    invited, other = "'$' || md5('asked' || i)", "'@visitor' || i || ':localhost'"
    place = {"stream_ordering": "-1000 - i", "event_stream_ordering": "-1000 - i"}
    own = {"room_id": room, "event_id": joined, "membership_event_id": joined, **place}
    theirs = {"room_id": room, "event_id": invited, "user_id": other, "state_key": other}
    of_person = "room_id = %s AND user_id = %s"
    of_state = "room_id = %s AND type = 'm.room.member' AND state_key = %s"
    joins = (
        "event_id IN (SELECT event_id FROM room_memberships WHERE room_id = %s AND user_id = %s)"
    )
    for table, condition, who, values in (
        ("rooms", "room_id = %s", None, {"room_id": room}),
        ("capgroups_chats", "room_id = %s", None, {"room_id": room, "user_id": other}),
        ("events", joins, concierge, own),
        ("event_json", joins, concierge, own),
        ("room_memberships", of_person, concierge, own),
        ("room_memberships", of_person, person, theirs),
        ("local_current_membership", of_person, concierge, own),
        ("local_current_membership", of_person, person, theirs),
        ("current_state_events", of_state, concierge, own),
        ("current_state_events", of_state, person, theirs),
        ("sliding_sync_membership_snapshots", of_person, concierge, own),
    ):
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s", (table,)
        )
        columns = [column for (column,) in cursor.fetchall()]
        chosen = [values.get(column, column) for column in columns]
        cursor.execute(
            f"""
            INSERT INTO {table} ({", ".join(columns)}) SELECT {", ".join(chosen)}
            FROM {table}, generate_series(1, %s) AS i WHERE {condition}
            """,
            (number, chat) if who is None else (number, chat, who),
        )


def give_chats(cursor: Any, user_id: str, chats: range) -> None:
    """Give a local person direct chats, listed in their `m.direct`, with as many others."""
    for who, salt in (("%s", "'a'"), ("'@friend' || i || ':localhost'", "'b'")):
        event = _EVENT.format(n="i", salt=salt)
        parameters = (user_id,) if who == "%s" else ()
        for table, columns, more in (
            ("current_state_events", "type, state_key, membership", f"'m.room.member', {who}"),
            ("room_memberships", "user_id, sender, membership", f"{who}, {who}"),
        ):
            given = parameters * more.count("%s")
            cursor.execute(
                f"""
                INSERT INTO {table} (event_id, room_id, {columns})
                SELECT {event}, '!' || md5('chat' || i), {more}, 'join'
                FROM generate_series(%s, %s) AS i
                """,
                (*given, *_ends(chats)),
            )
    listed = _m_direct(cursor, user_id)
    listed |= {f"@friend{number}:localhost": [chat_room(number)] for number in chats}
    _set_m_direct(cursor, user_id, listed)


def list_chats(cursor: Any, user_id: str, friend: str, chats: range) -> None:
    """Let somebody's `m.direct` list all these rooms for one friend, before what it lists."""
    listed = _m_direct(cursor, user_id)
    # Clients append, and only the last of them are looked up.
    listed[friend] = [*(chat_room(number) for number in chats), *listed.get(friend, [])]
    _set_m_direct(cursor, user_id, listed)


def _m_direct(cursor: Any, user_id: str) -> Any:
    cursor.execute(
        "SELECT content FROM account_data WHERE user_id = %s AND account_data_type = 'm.direct'",
        (user_id,),
    )
    return json.loads(cursor.fetchone()[0])


def _set_m_direct(cursor: Any, user_id: str, listed: Any) -> None:
    # As Synapse writes it.
    cursor.execute(
        "UPDATE account_data SET content = %s "
        "WHERE user_id = %s AND account_data_type = 'm.direct'",
        (json.dumps(listed, separators=(",", ":")), user_id),
    )


def chat_room(number: int) -> str:
    """The room ID of one of these chats, as the statements make it."""
    return f"!{md5(f'chat{number}'.encode()).hexdigest()}"


def _ends(numbers: range) -> Sequence[int]:
    return numbers.start, numbers.stop - 1


@contextmanager
def _without_indexes(cursor: Any, table: str) -> Iterator[None]:
    """Make a table's indexes anew at the end: filling them row by row takes minutes."""
    cursor.execute(
        """
        SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s AND NOT EXISTS (
            SELECT 1 FROM pg_constraint WHERE conname = indexname
        )
        """,
        (table,),
    )
    indexes = cursor.fetchall()
    for name, _ in indexes:
        cursor.execute(f"DROP INDEX {name}")
    yield
    for _, definition in indexes:
        cursor.execute(definition)
