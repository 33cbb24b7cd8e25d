"""Keeps what belongs to a series as its rows say: spaces, and the helpers' place in each group.

Everything here can be repeated. What a killed process has left undone, the sweep does.
"""

import logging
from collections.abc import Collection, Sequence

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.inside.locks import one_process_at_a_time
from synapse_capgroups.inside.membership_changes import set_membership
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.series.powers import Powers
from synapse_capgroups.series.spaces import Spaces
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.series import (
    Series,
    SeriesGroup,
    SeriesGroups,
    SeriesHelpers,
    SeriesRows,
    SeriesState,
)
from synapse_capgroups.storage.series_spaces import SeriesSpaces

logger = logging.getLogger(__name__)


@attrs.frozen
class Tended:
    """What could not be done for helpers.

    Attributes:
        without_power: for each helper, the numbers of the groups in which nobody can give them
            power.
        with_power: the same for each former helper, where nobody can take it.
        outside: for each helper who has agreed, the numbers of the groups that they are not in.
    """

    without_power: dict[str, list[int]] = attrs.field(factory=dict)
    with_power: dict[str, list[int]] = attrs.field(factory=dict)
    outside: dict[str, list[int]] = attrs.field(factory=dict)


@attrs.frozen
class Whole:
    """A series with all that belongs to it."""

    series: Series
    organisers: Sequence[str]
    leaving: Sequence[str]
    groups: Sequence[SeriesGroup]

    @property
    def helpers(self) -> list[str]:
        """The organisers without the organiser."""
        return [user_id for user_id in self.organisers if user_id != self.series.organiser]


class Tending:
    """Brings spaces, powers and memberships into line, for one series at a time."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        spaces: Spaces,
        powers: Powers,
        *,
        enforce: bool,
    ) -> None:
        """
        Args:
            enforce: false in a trial, in which nothing is done that anybody could notice.
        """
        self._api = api
        self._database = database
        self._spaces = spaces
        self._powers = powers
        self._enforce = enforce
        self._waiting: set[str] = set()

    def tend_soon(self, series_id: str) -> None:
        """Tend a series in the background."""
        self._api.run_as_background_process("capgroups_series", self.tend_safely, series_id)

    def joined_soon(self, space: str, user_id: str) -> None:
        """Bring a helper into their groups who has joined a space.

        A change of their name is a join, too, and costs no more than a look.
        """
        self._api.run_as_background_process("capgroups_space", self._joined, space, user_id)

    async def _joined(self, space: str, user_id: str) -> None:
        def look(txn: LoggingTransaction) -> str | None:
            series_id = SeriesSpaces.series_of(txn, space)
            if series_id is None or user_id not in SeriesHelpers.of(txn, series_id):
                return None
            known = len(SeriesGroups.standings(txn, series_id, user_id))
            return series_id if known < SeriesGroups.count_and_last(txn, series_id)[0] else None

        series_id = await self._database.run("space_joined", look)
        if series_id is not None:
            await self.tend_safely(series_id)

    async def group_made(self, series: Series, _: SeriesGroup) -> None:
        """Tend a series that has got another group."""
        await self.tend_safely(series.series_id)

    async def tend_safely(self, series_id: str) -> None:
        """Tend a series, unless somebody here waits to do so already; what goes wrong is logged."""
        if series_id in self._waiting:
            return
        self._waiting.add(series_id)
        try:
            await self.tend(series_id)
        except Exception:
            logger.exception("Could not tend series %s; the sweep tries again", series_id)
        finally:
            self._waiting.discard(series_id)

    async def tend(self, series_id: str, invited: str | None = None) -> Tended:
        """Do what is missing in a series. In one that has ended nothing changes any more.

        Args:
            invited: a helper who is invited to the organisers' space, also if they have left it.

        Raises:
            SynapseError: a space cannot be made or changed, or the helper wants no invitation.
        """
        done = Tended()
        if not self._enforce:
            return done
        async with one_process_at_a_time(self._api, "series_care", series_id):
            self._waiting.discard(series_id)  # What changes from now on, this one may not see.
            whole = await self.whole(series_id)
            if whole is None or whole.series.state is SeriesState.ENDED:
                return done
            for helper in whole.leaving:
                await self._dismiss(whole, helper, done)
            await self._spaces.arrange(whole.series, whole.organisers, whole.groups)
            if invited is not None:
                await self._spaces.invite(series_id, invited)
            if whole.helpers:
                await self._give_power(whole, done)
                for helper in await self._spaces.agreed(series_id, whole.helpers):
                    await self._bring(whole, helper, done)
        return done

    async def released(self, whole: Whole, group: SeriesGroup) -> bool:
        """Take the helpers' power in a group that is no longer in its series.

        Returns:
            Whether nobody has kept it.
        """
        assert group.room_id is not None
        room_id, by = group.room_id, whole.organisers
        return all([await self._powers.take(room_id, who, by) for who in whole.helpers])

    async def agreed(self, series_id: str, helpers: Collection[str]) -> set[str]:
        """Those helpers who have joined the organisers' space."""
        return await self._spaces.agreed(series_id, helpers)

    async def _dismiss(self, whole: Whole, helper: str, done: Tended) -> None:
        """Take the power of somebody who is helper no more, and the spaces."""
        await self._spaces.remove(whole.series.series_id, helper)
        for group in whole.groups:
            assert group.room_id is not None
            if not await self._powers.take(group.room_id, helper, whole.organisers):
                done.with_power.setdefault(helper, []).append(group.number)
        await self._database.run(
            "helper_gone", lambda txn: SeriesHelpers.gone(txn, whole.series.series_id, helper)
        )

    async def whole(self, series_id: str) -> Whole | None:
        """A series with its groups and organisers; None if there is none."""

        def look(txn: LoggingTransaction) -> Whole | None:
            series = SeriesRows.by_id(txn, series_id)
            if series is None:
                return None
            groups = [part for part in SeriesGroups.of(txn, series_id) if part.room_id is not None]
            leaving = SeriesHelpers.leaving(txn, series_id)
            return Whole(series, SeriesHelpers.organisers(txn, series), leaving, groups)

        return await self._database.run("whole_series", look)

    async def _give_power(self, whole: Whole, done: Tended) -> None:
        for group in whole.groups:
            assert group.room_id is not None
            for helper in await self._powers.give(group.room_id, whole.helpers, whole.organisers):
                done.without_power.setdefault(helper, []).append(group.number)

    async def _bring(self, whole: Whole, helper: str, done: Tended) -> None:
        """Join a helper to the groups in which they have never been, or are invited to."""
        series_id = whole.series.series_id

        def look(txn: LoggingTransaction) -> dict[str, str]:
            standings = SeriesGroups.standings(txn, series_id, helper)
            return {room_id: membership for room_id, _, membership, _, _ in standings}

        known = await self._database.run("helper_standings", look)
        for group in whole.groups:
            assert group.room_id is not None
            membership = known.get(group.room_id)
            if membership in ("join", "leave", "ban"):
                continue  # Who has left or was removed is not brought back by this.
            if not await self._join(group.room_id, helper, whole.organisers, membership):
                done.outside.setdefault(helper, []).append(group.number)

    async def _join(
        self, room_id: str, helper: str, organisers: Sequence[str], membership: str | None
    ) -> bool:
        """Invite and join a helper, as the callbacks decide it; False if that cannot be."""

        def look(txn: LoggingTransaction) -> list[str]:
            return [who for who in organisers if Memberships.is_member(txn, room_id, who)]

        inviters = await self._database.run("inviters", look)
        if membership != "invite" and not inviters:
            return False
        try:
            if membership != "invite":
                await set_membership(
                    self._api, inviters[0], helper, room_id, "invite", needs_consent=False
                )
            await set_membership(self._api, helper, helper, room_id, "join", needs_consent=False)
        except SynapseError as e:
            # An invitation stays: it takes no seat, and they or the sweep may try again.
            logger.info("Could not bring the helper %s into %s: %s", helper, room_id, e)
            return False
        return True
