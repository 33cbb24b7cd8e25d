"""Where a person and a group stand: what a decision about a seat is made of."""

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.tables.conditions import SEATED_USERS
from synapse_capgroups.inside.tables.memberships import MEMBERSHIP, Membership
from synapse_capgroups.rules.joining import Mode
from synapse_capgroups.storage.seats import Attempt, Seats

_SITUATION = f"""
    SELECT own.membership, own.sender, own.stream_ordering, own.received_ts,
        (SELECT COUNT(*) FROM ({SEATED_USERS}) AS taken WHERE user_id <> ?),
        EXISTS (SELECT 1 FROM capgroups_seats
            WHERE room_id = ? AND user_id <> ? AND expires_at > ?),
        EXISTS (SELECT 1 FROM capgroups_seats WHERE room_id = ? AND user_id = ?),
        (SELECT is_guest FROM users WHERE name = ?),
        (SELECT membership FROM current_state_events
            WHERE room_id = ? AND type = 'm.room.member' AND state_key = COALESCE(
                ?, CASE WHEN own.membership = 'invite' THEN own.sender END
            )),
        (SELECT mode FROM capgroups_groups WHERE room_id = ?),
        EXISTS (SELECT 1 FROM capgroups_approval WHERE room_id = ?),
        EXISTS (SELECT 1 FROM capgroups_requests
            WHERE room_id = ? AND user_id = ? AND answered_at IS NULL),
        EXISTS (SELECT 1 FROM capgroups_codes WHERE room_id = ? AND died_of IS NULL)
    FROM (SELECT 1) AS always
    LEFT JOIN ({MEMBERSHIP}) AS own ON TRUE
"""


@attrs.frozen
class Situation:
    """What is known of a person and a group.

    Attributes:
        standing: the person's membership.
        attempt: a join of theirs that was allowed before; it may have expired by now.
        seats_taken: how many seats everybody else holds, as a member or by a reservation.
        is_guest: whether the person has a guest account here.
        inviter: who vouches for the person, None if nobody does.
        inviter_is_member: whether that is a member now.
        mode_on_record: the group's mode at its last decision, None before its first.
        has_approval: whether a moderator agrees to each newcomer (rule 13).
        waits: whether the person has a request in the group that nobody has answered.
        has_codes: whether a code of the group lives.
    """

    standing: Membership
    attempt: Attempt | None
    seats_taken: int
    is_guest: bool
    inviter: str | None
    inviter_is_member: bool
    mode_on_record: Mode | None
    has_approval: bool = False
    waits: bool = False
    has_codes: bool = False


class Situations:
    """The statement on several tables. Others wait for the group while it runs.

    What is seldom needed is asked for by itself: PostgreSQL plans a statement for longer than it
    runs it.
    """

    @staticmethod
    def of(
        txn: LoggingTransaction,
        room_id: str,
        user_id: str,
        inviter: str | None,
        now: int,
        seatless: str,
    ) -> Situation:
        """The situation at this moment.

        By one statement, where nobody else joins and this person did not try before: to the
        database and back takes longer than to look any of this up.

        Args:
            inviter: who vouches for the person; None is the sender of the invitation that stands.
            seatless: a pattern of those whose invitations take no seat.
        """
        txn.execute(
            _SITUATION,
            (
                room_id, seatless, user_id, room_id, user_id, now, room_id, user_id,
                user_id, room_id, inviter, room_id, room_id, room_id, user_id, room_id,
                room_id, user_id,
            ),
        )  # fmt: skip
        row = txn.fetchone()
        assert row is not None
        standing = Membership() if row[2] is None else Membership(*row[:4])
        if inviter is None and standing.membership == "invite":
            inviter = standing.sender
        taken, reserved, attempts, is_guest, inviters_membership, mode = row[4:10]
        has_approval, waits, has_codes = row[10:]
        attempt = None
        if attempts:
            attempt = Seats.attempt(txn, room_id, user_id, standing.stream_ordering)
        if reserved:
            taken = Seats.taken_by_others(txn, room_id, user_id, now, seatless)
        return Situation(
            standing=standing,
            attempt=attempt,
            seats_taken=int(taken),
            is_guest=bool(is_guest),
            inviter=inviter,
            inviter_is_member=inviters_membership == "join",
            mode_on_record=None if mode is None else Mode(mode),
            has_approval=bool(has_approval),
            waits=bool(waits),
            has_codes=bool(has_codes),
        )
