"""Where a person and a group stand: what a decision about a seat is made of."""

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.tables.memberships import Membership, Memberships
from synapse_capgroups.rules.joining import Mode
from synapse_capgroups.storage.seats import Attempt, Seats


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


class Situations:
    """The statements on several tables. Others wait for the group while they run."""

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

        Args:
            inviter: who vouches for the person; None is the sender of the invitation that stands.
            seatless: a pattern of those whose invitations take no seat.
        """
        # First the reservations and attempts, then the memberships: a join that is persisted in
        # between is seen by both, and none by neither.
        reserved = Seats.reserved(txn, room_id)
        attempt = Seats.attempt(txn, room_id, user_id) if user_id in reserved else None
        standing = Memberships.membership(txn, room_id, user_id)
        if inviter is None and standing.membership == "invite":
            inviter = standing.sender
        # To the database and back takes longer than to look any of these up.
        txn.execute(
            """
            SELECT (SELECT is_guest FROM users WHERE name = ?),
                (SELECT membership FROM current_state_events
                    WHERE room_id = ? AND type = 'm.room.member' AND state_key = ?),
                (SELECT mode FROM capgroups_groups WHERE room_id = ?),
                EXISTS (SELECT 1 FROM capgroups_approval WHERE room_id = ?),
                EXISTS (SELECT 1 FROM capgroups_requests
                    WHERE room_id = ? AND user_id = ? AND answered_at IS NULL)
            """,
            (user_id, room_id, inviter, room_id, room_id, room_id, user_id),
        )
        row = txn.fetchone()
        assert row is not None
        is_guest, inviters_membership, mode, has_approval, waits = row
        if any(expires_at > now for who, expires_at in reserved.items() if who != user_id):
            taken = Seats.taken_by_others(txn, room_id, user_id, now, seatless)
        else:
            taken = Seats.taken_unreserved(txn, room_id, user_id, seatless)
        return Situation(
            standing=standing,
            attempt=attempt,
            seats_taken=taken,
            is_guest=bool(is_guest),
            inviter=inviter,
            inviter_is_member=inviters_membership == "join",
            mode_on_record=None if mode is None else Mode(mode),
            has_approval=bool(has_approval),
            waits=bool(waits),
        )
