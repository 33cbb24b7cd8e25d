"""Helpers of a series: naming and removing them, and handing the series over to one."""

from collections.abc import Callable

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.limits.table import HELPERS, HELPERS_ASKED
from synapse_capgroups.rules.series import MOST_HELPERS
from synapse_capgroups.rules.verdict import Reason
from synapse_capgroups.series.beginning import check_name_is_free
from synapse_capgroups.series.mistakes import SeriesProblem, SeriesRequestError
from synapse_capgroups.series.organisers import Organiser, still_runs
from synapse_capgroups.series.tending import Tended, Tending
from synapse_capgroups.storage.codes import Codes
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.dead_codes import DeadCodes
from synapse_capgroups.storage.series import SeriesHelpers, SeriesRows
from synapse_capgroups.telemetry import journal


@attrs.frozen
class Helper:
    """A helper of a series.

    Attributes:
        has_agreed: whether they have joined the organisers' space.
    """

    user_id: str
    has_agreed: bool


class Helpers:
    """Names helpers and removes them."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        limits: RateLimits,
        tending: Tending,
        codes_died: Callable[[], None],
    ) -> None:
        """
        Args:
            codes_died: has the doors of dead codes closed.
        """
        self._api = api
        self._database = database
        self._limits = limits
        self._tending = tending
        self._codes_died = codes_died

    async def all(self, organiser: Organiser) -> list[Helper]:
        """The helpers of a series, by Matrix ID."""
        series_id = organiser.series.series_id
        found = await self._database.look_up(
            "helpers", lambda txn: SeriesHelpers.of(txn, series_id)
        )
        agreed = await self._tending.agreed(series_id, found)
        return [Helper(user_id, user_id in agreed) for user_id in found]

    async def name(self, organiser: Organiser, user_id: str) -> Tended:
        """Name a helper: they are invited to the organisers' space, and get power in each group.

        Naming somebody again invites them again.

        Returns:
            What could not be done.

        Raises:
            NoSuchSeriesError: the person no longer runs the series.
            SeriesRequestError: this cannot be.
            SynapseError: 429, they do it too often; or the helper accepts no such invitation.
        """
        await self._limits.spend(HELPERS, organiser.user_id)
        await self._limits.spend(HELPERS_ASKED, organiser.user_id, f"{organiser.user_id} {user_id}")
        series_id = organiser.series.series_id
        is_new, may_ask = await self._database.run(
            "name_helper", lambda txn: self._add(txn, organiser, user_id)
        )
        try:
            tended = await self._tending.tend(series_id, invited=user_id if may_ask else None)
        except SynapseError:
            if is_new:
                await self._database.run(
                    "unname_helper", lambda txn: SeriesHelpers.remove(txn, series_id, user_id)
                )
            raise
        journal.series("helper", series_id, organiser.user_id, user=user_id)
        return tended

    def _add(
        self, txn: LoggingTransaction, organiser: Organiser, user_id: str
    ) -> tuple[bool, bool]:
        """Returns whether they were no helper before, and whether they may be bothered."""
        series = still_runs(txn, organiser).series
        if user_id == series.organiser or not self._can_help(txn, user_id):
            raise SeriesRequestError(SeriesProblem.HELPER)
        helpers = SeriesHelpers.of(txn, series.series_id)
        if user_id not in helpers and len(helpers) >= MOST_HELPERS:
            raise SeriesRequestError(SeriesProblem.TOO_MANY_HELPERS, MOST_HELPERS)
        # The concierge invites, so what keeps the organiser's own invitations away is asked here.
        # Whoever is kept away must not learn it.
        may_ask = not (
            Users.ignores(txn, user_id, organiser.user_id)
            or Users.account(txn, organiser.user_id).is_shadow_banned
        )
        return SeriesHelpers.add(txn, series.series_id, user_id), may_ask

    def _can_help(self, txn: LoggingTransaction, user_id: str) -> bool:
        """Whether this is a person of this server."""
        return (
            user_id.isprintable()
            and self._api.is_mine(user_id)
            and Users.account(txn, user_id).is_active
            and not Users.is_guest(txn, user_id)
            and not Users.is_support(txn, user_id)
        )

    async def remove(self, organiser: Organiser, user_id: str) -> list[int]:
        """Remove a helper: they lose their power, their live codes and the organisers' space.

        A helper can remove themselves.

        Returns:
            The numbers of the groups in which nobody could take their power.

        Raises:
            NoSuchSeriesError: the person no longer runs the series.
            SeriesRequestError: this is no helper.
            SynapseError: 429, they do it too often.
        """
        await self._limits.spend(HELPERS, organiser.user_id)
        series_id, now = organiser.series.series_id, self._api.get_current_time_msec()

        def remove(txn: LoggingTransaction) -> int:
            still_runs(txn, organiser)
            if not SeriesHelpers.remove(txn, series_id, user_id):
                raise SeriesRequestError(SeriesProblem.NO_SUCH_HELPER)
            return DeadCodes.kill_of_sharer(txn, series_id, user_id, Reason.CODE_REVOKED, now)

        if await self._database.run("remove_helper", remove):
            self._codes_died()
        journal.series("drop", series_id, organiser.user_id, user=user_id)
        return (await self._tending.tend(series_id)).with_power.get(user_id, [])

    async def hand_over(self, organiser: Organiser, user_id: str) -> Organiser:
        """Hand a series to a helper who has agreed. The one who gives it becomes a helper.

        Their live codes are the new organiser's from now on, so that posters go on working.

        Raises:
            NoSuchSeriesError: the person no longer runs the series.
            SeriesRequestError: they are a helper themselves, or the other cannot have it.
        """
        series_id = organiser.series.series_id
        agreed = await self._tending.agreed(series_id, [user_id])

        def hand(txn: LoggingTransaction) -> Organiser:
            there = still_runs(txn, organiser)
            if there.is_helper:
                raise SeriesRequestError(SeriesProblem.ORGANISER_ONLY)
            if user_id not in SeriesHelpers.of(txn, series_id):
                raise SeriesRequestError(SeriesProblem.NO_SUCH_HELPER)
            if user_id not in agreed or not Users.account(txn, user_id).is_active:
                raise SeriesRequestError(SeriesProblem.HAS_NOT_AGREED)
            check_name_is_free(txn, user_id, series_id, there.series.name)
            after = attrs.evolve(there.series, organiser=user_id)
            SeriesRows.update(txn, after)
            SeriesHelpers.remove(txn, series_id, user_id)
            SeriesHelpers.add(txn, series_id, organiser.user_id)
            Codes.pass_on(txn, series_id, organiser.user_id, user_id)
            return Organiser(after, organiser.user_id)

        after = await self._database.run("hand_over", hand)
        journal.series("hand", series_id, organiser.user_id, user=user_id)
        self._tending.tend_soon(series_id)
        return after
