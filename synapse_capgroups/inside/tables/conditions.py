"""Conditions and columns on Synapse's tables, for statements of the module's own."""

JOINED_USERS = """
    SELECT state_key AS user_id FROM current_state_events
    WHERE room_id = ? AND type = 'm.room.member' AND membership = 'join'
"""
"""The members of a room, as a sub-query with the room ID as its parameter.

`current_state_events` is written in the transaction that persists a join, so a statement that
reads it sees a join either wholly or not at all. By the unique index on (room_id, type, state_key).
"""


SEATED_USERS = """
    SELECT state_key AS user_id FROM current_state_events
    WHERE room_id = ? AND type = 'm.room.member'
    AND (membership = 'join' OR (membership = 'invite' AND state_key NOT LIKE ?))
"""
"""Who has a seat in a room without a reservation: its members, and the invited people of other
servers, whose own server may let them in (rule 10). The parameters are the room ID and a pattern
of those whose invitations take no seat.
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


IS_INVITED = _STANDS % "'invite'"
"""The same for somebody who is invited."""


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
    COALESCE((SELECT %s FROM users AS account WHERE account.name = {row}.{user}), FALSE)
"""
"""Not `EXISTS`: for that, PostgreSQL reads all accounts to find the few that are suspended."""


IS_SUSPENDED = _ACCOUNT % "account.suspended"
"""A condition: the account named in a row is suspended."""


IS_DEACTIVATED = _ACCOUNT % "account.deactivated = 1"
"""The same: it is deactivated."""


IS_ACTIVE = _ACCOUNT % (
    "account.deactivated = 0 AND NOT account.locked AND NOT COALESCE(account.shadow_banned, FALSE)"
)
"""The same: it is there, and neither deactivated nor locked nor shadow-banned."""


IS_OPEN_TOKEN = """
    (COALESCE({row}.uses_allowed, 0) = 0 OR {row}.pending + {row}.completed < {row}.uses_allowed)
    AND (COALESCE({row}.expiry_time, 0) = 0 OR {row}.expiry_time >= ?)
"""
"""A condition on a registration token, as Synapse decides it: an account can be made by it now."""


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
