"""The limits: one row for each operation that costs the server or another person something.

Each process counts for itself, as Synapse's own rate limits do. A server admin can lift all of them
for one person with Synapse's own call (`POST /_synapse/admin/v1/users/<user_id>/override_ratelimit`
with `messages_per_second` 0).
"""

import attrs

SECOND, MINUTE, HOUR, DAY = 1, 60, 60 * 60, 24 * 60 * 60


@attrs.frozen
class Limit:
    """How often something may be done.

    Attributes:
        name: what metrics and log lines call it.
        burst: how often at once, after a time without.
        period: seconds until one more is allowed.
        key: what is counted.
    """

    name: str
    burst: int
    period: float
    key: str


PREVIEWS = Limit("previews", 60, SECOND / 10, "network address")
"""Looking at a code: a page asks once for each scan, and a school class may share one address."""

CODES = Limit("codes", 30, 2 * MINUTE, "person")
"""Making a join code, which makes a room. A person may make codes for twenty groups at once."""

SCANS = Limit("scans", 10, 30 * SECOND, "person")
"""Scanning again while still at the door. Synapse has no limit on that, and each can be a join."""

CHATS_BY_CODE = Limit("chats_by_code", 10, 6 * MINUTE, "person who scans")
"""Opening a direct chat by somebody's personal code, which makes a room and invites its owner."""

CHATS_WITH_ONE = Limit("chats_with_one", 2, 12 * HOUR, "person who scans and owner")
"""The same for one owner, so that nobody invites them again and again by scanning and leaving."""

PICTURES = Limit("pictures", 30, 2 * SECOND, "person")
"""Drawing a code, as PNG or SVG."""

COMMANDS = Limit("commands", 30, 2 * SECOND, "person")
"""Writing to the concierge."""

CONCIERGE_CHATS = Limit("concierge_chats", 5, 10 * MINUTE, "person")
"""Opening a chat with the concierge after leaving the last one, which makes a room."""

SERIES = Limit("series", 10, 10 * MINUTE, "person")
"""Starting a series, which makes a space."""

SERIES_GROUPS = Limit("series_groups", 40, MINUTE, "person")
"""Taking a group into a series, or letting one go, which writes into it."""

HELPERS = Limit("helpers", 10, 10 * MINUTE, "person")
"""Naming a helper, which invites them and writes into each group; removing one, too."""

HELPERS_ASKED = Limit("helpers_asked", 2, 12 * HOUR, "person and helper")
"""The same for one helper, so that nobody is invited again and again."""

SERIES_REPORTS = Limit("series_reports", 10, MINUTE / 2, "person")
"""Counting who came into all groups of a series."""

CALLS = Limit("calls", 60, SECOND / 5, "person")
"""Any call of the HTTP API with a login, including calls that are counted above."""

ANNOUNCEMENTS = Limit("announcements", 20, 30 * SECOND, "person")
"""Drafting, changing or retrying an announcement: each counts people in all groups of a series, or
sends to all of them. `series.announcements_per_day` counts those that are confirmed."""

ASSIGNMENTS = Limit("assignments", 10, 2 * MINUTE, "person")
"""Having an assignment planned: reading a table, and seconds of processor time for a large one."""

ADMIN_REPORTS = Limit("admin_reports", 3, 5 * MINUTE, "server admin")
"""A report on the whole server, for which each room is looked at."""

ADMIN_LOOKS = Limit("admin_looks", 60, 2 * SECOND, "server admin")
"""A report on one person or group, or a page of the groups that break a rule."""

VIEWS = Limit("views", 30, 2 * SECOND, "person")
"""Listing groups, who waits in all of them, or the record and growth of one."""

MEMBER_LISTS = Limit("member_lists", 10, 6 * SECOND, "person")
"""A page of a group's members: whose friends are inside takes many small statements for each."""

CONSOLE_LINKS = Limit("console_links", 10, MINUTE, "person")
"""Asking for a link to the console."""

CONSOLE_SESSIONS = Limit("console_sessions", 60, SECOND / 5, "network address")
"""Opening a session of the console by a link."""

ACCOUNTS_BY_CODES_A_DAY = 200
"""How many accounts the codes that one person makes within 24 hours may allow together
(`codes.registration`). No row of the table: it is counted in the database, for all processes."""

ALL = (
    PREVIEWS, CODES, SCANS, CHATS_BY_CODE, CHATS_WITH_ONE, PICTURES, COMMANDS, CONCIERGE_CHATS,
    SERIES, SERIES_GROUPS, HELPERS, HELPERS_ASKED, SERIES_REPORTS, CALLS, ANNOUNCEMENTS,
    ASSIGNMENTS, VIEWS, MEMBER_LISTS, ADMIN_REPORTS, ADMIN_LOOKS,
    CONSOLE_LINKS, CONSOLE_SESSIONS,
)  # fmt: skip
