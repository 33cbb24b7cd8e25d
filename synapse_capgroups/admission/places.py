"""Places in a series: which of its groups is filled now, and who may come in by a live code.

The decision is made under the series' lock, so the groups fill in order however many people come at
once. `is_full` is a hint that spares the count of groups that were full when somebody last looked.
"""

from collections.abc import Sequence

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.config import Config
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.inside.tables.outside import Outside
from synapse_capgroups.rules.verdict import Reason, Refusal
from synapse_capgroups.storage.code_invitations import CodeInvitations
from synapse_capgroups.storage.codes import Code
from synapse_capgroups.storage.database import lock_room
from synapse_capgroups.storage.seats import Seats, seatless_invitees
from synapse_capgroups.storage.series import (
    Series,
    SeriesGroup,
    SeriesGroups,
    SeriesHelpers,
    SeriesRows,
    SeriesState,
)

_AT_ONCE = 20


@attrs.frozen
class Place:
    """A group of a series that takes people.

    Attributes:
        inviter: in whose name they come in.
        people: how many are in it, its organisers not counted; seats held for others included.
        left: how many more it takes by live codes.
    """

    number: int
    room_id: str
    inviter: str
    people: int
    left: int


def may_share_series(txn: LoggingTransaction, code: Code) -> bool:
    """Whether the sharer of a live code still organises its series, and it has not ended."""
    series = SeriesRows.by_id(txn, code.room_id)
    return (
        series is not None
        and series.state is not SeriesState.ENDED
        and code.sharer in SeriesHelpers.organisers(txn, series)
    )


class Places:
    """Finds places, inside the transaction that gives them away."""

    def __init__(self, server_name: str, config: Config) -> None:
        self._limits = config.limits
        self._seatless = seatless_invitees(server_name, guarded=config.is_guarded)

    def take(
        self,
        txn: LoggingTransaction,
        series: Series,
        organisers: Sequence[str],
        user_id: str,
        waiting: str | None,
        now: int,
    ) -> Place | None:
        """The first group with a place for somebody, None if all are full.

        The caller holds the series' lock, and holds the lock of the place's group afterwards.

        Args:
            organisers: of the series, those first in whose name people rather come in.
            waiting: the group in which they have a seat already, if any.
        """
        part = SeriesGroups.of_room(txn, waiting) if waiting else None
        if part is not None and part.room_id is not None:
            lock_room(txn, part.room_id)
            if place := self._place(txn, series, organisers, part, user_id, now):
                return place
        while parts := SeriesGroups.maybe_with_place(txn, series.series_id, _AT_ONCE):
            for part in parts:
                assert part.room_id is not None
                lock_room(txn, part.room_id)
                place = self._place(txn, series, organisers, part, user_id, now)
                if place is None:
                    SeriesGroups.has_no_place(txn, series.series_id, part.number)
                    # Who has left between these two may have found no hint to take back.
                    place = self._place(txn, series, organisers, part, user_id, now)
                    if place is not None:
                        SeriesGroups.may_have_place(txn, part.room_id)
                if place is not None:
                    return place
        return None

    def look(
        self, txn: LoggingTransaction, series: Series, organisers: Sequence[str], now: int
    ) -> Place | None:
        """The group that is filled now, None if none is known to have a place. Locks nothing."""
        for part in SeriesGroups.maybe_with_place(txn, series.series_id, _AT_ONCE):
            if place := self._place(txn, series, organisers, part, "", now):
                return place
        return None

    def any_left(
        self, txn: LoggingTransaction, series: Series, part: SeriesGroup, now: int
    ) -> bool:
        """Whether a group has a place. Locks nothing."""
        organisers = SeriesHelpers.organisers(txn, series)
        return self._place(txn, series, organisers, part, "", now) is not None

    def of_group(
        self,
        txn: LoggingTransaction,
        series: Series,
        organisers: Sequence[str],
        part: SeriesGroup,
        now: int,
    ) -> tuple[int, int]:
        """How many people are in a group of a series, organisers not counted, and places left."""
        if part.room_id is None:
            return 0, 0
        present = Memberships.members_among(txn, part.room_id, organisers)
        return self._people_and_left(txn, series, part.room_id, len(present), "", now)

    def with_invitations(
        self,
        txn: LoggingTransaction,
        series: Series,
        organisers: Sequence[str],
        part: SeriesGroup,
        now: int,
    ) -> tuple[int, int]:
        """The same, where everybody counts whose invitation is open."""
        people, left = self.of_group(txn, series, organisers, part, now)
        if part.room_id is None:
            return people, left
        # The others have their seats.
        invited = Outside.invited(txn, part.room_id, self._seatless) - set(organisers)
        return people + len(invited), left - len(invited)

    def _place(
        self,
        txn: LoggingTransaction,
        series: Series,
        organisers: Sequence[str],
        part: SeriesGroup,
        user_id: str,
        now: int,
    ) -> Place | None:
        assert part.room_id is not None
        present = Memberships.members_among(txn, part.room_id, organisers)
        inviter = next((who for who in organisers if who in present), None)
        if inviter is None:
            return None
        others = len(present - {user_id})
        people, left = self._people_and_left(txn, series, part.room_id, others, user_id, now)
        return Place(part.number, part.room_id, inviter, people, left) if left > 0 else None

    def _people_and_left(
        self,
        txn: LoggingTransaction,
        series: Series,
        room_id: str,
        organisers: int,
        user_id: str,
        now: int,
    ) -> tuple[int, int]:
        taken = Seats.taken_by_others(txn, room_id, user_id, now, self._seatless)
        people = max(0, taken - organisers)
        # Organisers take no place of the series, but of the group they do.
        return people, min(series.fill - people, self._limits.code_limit - taken)


def standing_in_series(
    txn: LoggingTransaction, series: Series, code: Code, user_id: str, now: int
) -> tuple[Refusal | None, str | None]:
    """How somebody at a live code's door stands in the series' groups.

    Returns:
        Why they cannot come in, None if nothing is against it; and the group in which they have a
        seat by a join that is under way, or an invitation by a code, None if there is none.
    """
    waiting = None
    for room_id, number, membership, sender, stream_ordering in SeriesGroups.standings(
        txn, series.series_id, user_id
    ):
        name = series.group_name(number)
        if membership == "join":
            return Refusal(Reason.ALREADY_IN_SERIES, always=True, group=name), None
        if membership == "ban":
            return Refusal(Reason.BANNED, always=True), None
        if (
            membership == "leave"
            and sender != user_id
            and stream_ordering > (code.after_stream_ordering or 0)
        ):
            return Refusal(Reason.INVITE_REQUIRED, always=True), None
        if membership == "invite" and CodeInvitations.code_of(txn, room_id, user_id) is not None:
            waiting = room_id
    for room_id, _ in SeriesGroups.seats_of(txn, series.series_id, user_id, now):
        waiting = room_id
    return None, waiting
