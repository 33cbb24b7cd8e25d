"""What is in the database in the end, and everything in it that may not be there."""

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from synapse_capgroups.rules.announcements import MARKER

_JOINED = "there.type = 'm.room.member' AND there.membership = 'join'"

LEFT_BEHIND = "rooms of the concierge's that nothing knows"
"""A process was killed before it wrote down what a room is for. Nobody else was ever in one. The
next start clears up those that are older than some minutes."""

MUST_BE_NONE: Mapping[str, str] = {
    "seats that are still held": "SELECT room_id, user_id FROM capgroups_seats",
    "members of groups who are not on record": f"""
        SELECT there.room_id, there.state_key FROM current_state_events AS there
        JOIN capgroups_groups AS g ON g.room_id = there.room_id
        WHERE {_JOINED} AND NOT EXISTS (
            SELECT 1 FROM capgroups_admissions AS a
            WHERE a.room_id = there.room_id AND a.user_id = there.state_key
        )
    """,
    "people on record who never came": """
        SELECT a.room_id, a.user_id FROM capgroups_admissions AS a WHERE NOT EXISTS (
            SELECT 1 FROM room_memberships AS m
            WHERE m.room_id = a.room_id AND m.user_id = a.user_id AND m.membership = 'join'
        )
    """,
    "rooms of three and more that are no group on record": f"""
        SELECT there.room_id, COUNT(*) FROM current_state_events AS there
        WHERE {_JOINED} AND NOT EXISTS (
            SELECT 1 FROM capgroups_groups AS g WHERE g.room_id = there.room_id
        ) AND NOT EXISTS (SELECT 1 FROM capgroups_codes AS c WHERE c.door = there.room_id)
        GROUP BY there.room_id HAVING COUNT(*) > 2
    """,
    "people who came by a code where there were as many as the code limit": """
        SELECT room_id, user_id, members_after FROM capgroups_admissions
        WHERE how IN ('code', 'approved') AND (mode <> 'open' OR members_after > {code_limit})
    """,
    # A request takes no use and outlives its code: a moderator's yes may go beyond (rule 13).
    "codes that let in more people than they may": """
        SELECT c.code_id, c.uses, c.max_uses FROM capgroups_codes AS c
        WHERE c.max_uses < (
            SELECT COUNT(*) FROM capgroups_code_uses AS u WHERE u.code_id = c.code_id
            AND NOT EXISTS (
                SELECT 1 FROM capgroups_admissions AS a WHERE a.code_id = u.code_id
                AND a.user_id = u.user_id AND a.admitted_at = u.used_at AND a.how = 'approved'
            )
        )
    """,
    "codes whose uses are miscounted": """
        SELECT c.code_id, c.uses FROM capgroups_codes AS c WHERE c.uses <> (
            SELECT COUNT(*) FROM capgroups_code_uses AS u WHERE u.code_id = c.code_id
        )
    """,
    "uses of codes without an admission": """
        SELECT u.code_id, u.user_id FROM capgroups_code_uses AS u
        JOIN capgroups_codes AS c ON c.code_id = u.code_id
        WHERE c.room_id <> c.sharer AND NOT EXISTS (
            SELECT 1 FROM capgroups_admissions AS a
            WHERE a.code_id = u.code_id AND a.user_id = u.user_id
        )
    """,
    "dead codes whose door is not closed": """
        SELECT code_id, died_of FROM capgroups_codes
        WHERE died_of IS NOT NULL AND door_closed_at IS NULL
    """,
    "doors of dead codes that are rooms still": """
        SELECT c.code_id, c.door FROM capgroups_codes AS c JOIN rooms AS r ON r.room_id = c.door
        WHERE c.died_of IS NOT NULL
    """,
    "living codes without a door": """
        SELECT c.code_id FROM capgroups_codes AS c WHERE c.died_of IS NULL
        AND NOT EXISTS (SELECT 1 FROM rooms AS r WHERE r.room_id = c.door)
    """,
    "codes that live although their time, their uses or their group are at an end": """
        SELECT c.code_id FROM capgroups_codes AS c WHERE c.died_of IS NULL AND (
            c.expires_at < {now} OR c.uses >= c.max_uses OR EXISTS (
                SELECT 1 FROM capgroups_groups AS g WHERE g.room_id = c.room_id AND (
                    SELECT COUNT(*) FROM current_state_events AS there
                    WHERE there.room_id = g.room_id AND """
    + _JOINED
    + """
                ) >= {code_limit}
            )
        )
    """,
    "addresses of codes that lead neither to a living door nor to a dead end": """
        SELECT a.room_alias, a.room_id FROM room_aliases AS a WHERE a.room_alias LIKE '#j-%'
        AND NOT EXISTS (
            SELECT 1 FROM capgroups_codes AS c WHERE c.door = a.room_id AND c.died_of IS NULL
        ) AND NOT EXISTS (SELECT 1 FROM capgroups_dead_ends AS d WHERE d.room_id = a.room_id)
    """,
    "visitors in doors": f"""
        SELECT there.room_id, there.state_key FROM current_state_events AS there
        JOIN capgroups_codes AS c ON c.door = there.room_id
        WHERE {_JOINED} AND there.state_key <> '{{concierge}}'
    """,
    "visits on record": "SELECT door, user_id FROM capgroups_visits",
    "chats of the concierge with somebody beside its one person": f"""
        SELECT c.room_id, there.state_key FROM capgroups_chats AS c
        JOIN current_state_events AS there ON there.room_id = c.room_id
        WHERE {_JOINED} AND there.state_key NOT IN ('{{concierge}}', c.user_id)
    """,
    "groups of series with more people than places": f"""
        SELECT g.room_id, COUNT(*) FROM capgroups_series_groups AS g
        JOIN capgroups_series AS s ON s.series_id = g.series_id
        JOIN current_state_events AS there ON there.room_id = g.room_id
        WHERE {_JOINED} AND there.state_key <> s.organiser
        GROUP BY g.room_id, s.fill HAVING COUNT(*) > s.fill
    """,
    "people who are twice in a series": f"""
        SELECT g.series_id, there.state_key FROM capgroups_series_groups AS g
        JOIN capgroups_series AS s ON s.series_id = g.series_id
        JOIN current_state_events AS there ON there.room_id = g.room_id
        WHERE {_JOINED} AND there.state_key <> s.organiser
        GROUP BY g.series_id, there.state_key HAVING COUNT(*) > 1
    """,
    "announcements that are neither delivered nor given up": """
        SELECT announcement_id, room_id FROM capgroups_outbox WHERE state IN ('due', 'sending')
    """,
    "requests of people who are in": f"""
        SELECT q.room_id, q.user_id FROM capgroups_requests AS q
        JOIN current_state_events AS there
        ON there.room_id = q.room_id AND there.state_key = q.user_id
        WHERE q.answered_at IS NULL AND {_JOINED}
    """,
}
"""What may not be there, each with the statement that finds it. A row is one fault."""

_COUNTED: Mapping[str, str] = {
    "people": "SELECT COUNT(*) FROM users",
    "events": "SELECT COUNT(*) FROM events",
    "groups on record": "SELECT COUNT(*) FROM capgroups_groups",
    "admissions": "SELECT COUNT(*) FROM capgroups_admissions",
    "living codes": "SELECT COUNT(*) FROM capgroups_codes WHERE died_of IS NULL",
    "dead codes": "SELECT COUNT(*) FROM capgroups_codes WHERE died_of IS NOT NULL",
    "groups of series": "SELECT COUNT(*) FROM capgroups_series_groups",
    "copies of announcements": "SELECT COUNT(*) FROM capgroups_outbox",
    "chats with the concierge": "SELECT COUNT(*) FROM capgroups_chats",
    LEFT_BEHIND: """
        SELECT COUNT(*) FROM rooms AS r JOIN current_state_events AS there
        ON there.room_id = r.room_id AND there.type = 'm.room.create'
        WHERE r.creator = '{concierge}'
        AND NOT EXISTS (SELECT 1 FROM capgroups_codes AS c WHERE c.door = r.room_id)
        AND NOT EXISTS (SELECT 1 FROM capgroups_chats AS c WHERE c.room_id = r.room_id)
        AND NOT EXISTS (SELECT 1 FROM capgroups_dead_ends AS d WHERE d.room_id = r.room_id)
        AND NOT EXISTS (SELECT 1 FROM capgroups_series_spaces AS s WHERE s.room_id = r.room_id)
    """,
    "what the concierge said": """
        SELECT COUNT(*) FROM events WHERE sender = '{concierge}' AND type = 'm.room.message'
    """,
}

Membership = tuple[str, str, str | None]
"""A room, a person and what they were there from then on."""


@attrs.frozen
class State:
    """The state of a database.

    Attributes:
        offenders: by what may not be there, who or what it is.
        counts: how much there is of what.
    """

    offenders: dict[str, list[str]]
    counts: dict[str, int]

    @property
    def is_clean(self) -> bool:
        return not any(self.offenders.values())


def look(cursor: Any, cap: int, code_limit: int, concierge: str, now: int) -> State:
    """Look at a database.

    Args:
        concierge: its Matrix ID.
        now: milliseconds since 1970.
    """
    values = {"code_limit": code_limit, "concierge": concierge, "now": now}

    def rows(statement: str) -> list[tuple[Any, ...]]:
        cursor.execute(statement)
        return list(cursor.fetchall())

    offenders = {
        what: [" ".join(map(str, row)) for row in rows(statement.format(**values))]
        for what, statement in MUST_BE_NONE.items()
    }
    changes = rows(_CHANGES)
    offenders[f"groups that ever had more than {cap} members"] = [
        f"{room} {most}" for room, most in most_members(changes).items() if most > cap
    ]
    on_record = Counter(
        (room, user) for room, user in rows("SELECT room_id, user_id FROM capgroups_admissions")
    )
    offenders["people who are on record more or less often than they came"] = [
        f"{room} {user}: came {came}, on record {recorded}"
        for (room, user), (came, recorded) in differences(
            comings((room, user, how) for _, room, user, how in changes), on_record
        ).items()
    ]
    offenders["announcements that a group has twice"] = twice(
        (room, json.loads(event)) for room, event in rows(_ANNOUNCED)
    )
    counts = {what: int(rows(sql.format(**values))[0][0]) for what, sql in _COUNTED.items()}
    return State(offenders, counts)


# Of the room's state: a new name that is written after its owner has left on another worker is an
# event with membership "join", and never becomes state.
_CHANGES = """
    SELECT d.stream_id, d.room_id, d.state_key, m.membership
    FROM current_state_delta_stream AS d
    JOIN capgroups_groups AS g ON g.room_id = d.room_id
    LEFT JOIN room_memberships AS m ON m.event_id = d.event_id
    WHERE d.type = 'm.room.member' ORDER BY d.stream_id
"""
_ANNOUNCED = f"""
    SELECT j.room_id, j.json FROM event_json AS j
    JOIN capgroups_series_groups AS g ON g.room_id = j.room_id WHERE j.json LIKE '%{MARKER}%'
"""


def most_members(changes: Iterable[tuple[int, str, str, str | None]]) -> dict[str, int]:
    """The most members that each room ever had.

    Args:
        changes: of the current state: place in the order, room, person and membership. What has one
            place was written in one transaction.
    """
    present: dict[str, set[str]] = {}
    most: dict[str, int] = {}
    for _, together in itertools.groupby(changes, key=lambda change: change[0]):
        changed = set()
        for _, room, user, membership in together:
            there = present.setdefault(room, set())
            (there.add if membership == "join" else there.discard)(user)
            changed.add(room)
        for room in changed:
            most[room] = max(most.get(room, 0), len(present[room]))
    return most


def comings(memberships: Iterable[Membership]) -> Counter[tuple[str, str]]:
    """How often each person came into each room; a name that changes is no coming.

    Args:
        memberships: in their order.
    """
    found: Counter[tuple[str, str]] = Counter()
    present: set[tuple[str, str]] = set()
    for room, user, membership in memberships:
        who = (room, user)
        if membership != "join":
            present.discard(who)
        elif who not in present:
            present.add(who)
            found[who] += 1
    return found


def differences(
    came: Counter[tuple[str, str]], on_record: Counter[tuple[str, str]]
) -> dict[tuple[str, str], tuple[int, int]]:
    """Who is on record another number of times than they came; both numbers."""
    return {
        who: (came[who], on_record[who])
        for who in sorted(came.keys() | on_record.keys())
        if came[who] != on_record[who]
    }


def twice(events: Iterable[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """The room and marker of each announcement of which a room has several events."""
    found = Counter(
        (room, str(event["content"][MARKER]).partition(".")[0])
        for room, event in events
        if MARKER in event.get("content", {})
    )
    return [f"{room} {marker}: {number}" for (room, marker), number in found.items() if number > 1]


def first(offenders: Sequence[str], most: int = 3) -> str:
    """Some of them, in a line."""
    more = f" and {len(offenders) - most} more" if len(offenders) > most else ""
    return "; ".join(offenders[:most]) + more
