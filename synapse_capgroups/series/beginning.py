"""How a series is started: a group becomes its model, and its first group."""

import secrets

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.config import Config
from synapse_capgroups.groups.members import Member
from synapse_capgroups.groups.rights import SharingRights
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.inside.tables.state_history import StateHistory
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.limits.table import SERIES, Limit
from synapse_capgroups.rules.series import (
    MOST_SERIES,
    called_alike,
    is_name,
    is_number,
    is_pattern,
)
from synapse_capgroups.series.mistakes import SeriesProblem, SeriesRequestError
from synapse_capgroups.series.organisers import Organiser, check_not_suspended
from synapse_capgroups.series.tending import Tending
from synapse_capgroups.storage.codes import SERIES_MARK
from synapse_capgroups.storage.database import Database, lock_person
from synapse_capgroups.storage.series import Series, SeriesGroups, SeriesRows, SeriesState
from synapse_capgroups.telemetry import journal


@attrs.frozen
class SeriesWish:
    """What somebody wants of a new series, unchecked. None is the server's default."""

    name: object
    pattern: object
    fill: object = None
    max_groups: object = None


@attrs.frozen
class Settings:
    """What an organiser chooses of a series, checked."""

    name: str
    pattern: str
    fill: int
    max_groups: int


@attrs.frozen
class SeriesBounds:
    """The largest numbers that a series may have; both are the defaults, too."""

    fill: int
    max_groups: int

    @classmethod
    def of(cls, config: Config) -> "SeriesBounds":
        """As the server is configured."""
        return cls(config.code_limit, config.series.max_groups)

    def checked(self, wish: SeriesWish) -> Settings:
        """The settings that somebody wishes.

        Raises:
            SeriesRequestError: one of them cannot be.
        """
        fill = self.fill if wish.fill is None else wish.fill
        most = self.max_groups if wish.max_groups is None else wish.max_groups
        if not is_name(wish.name):
            raise SeriesRequestError(SeriesProblem.NAME)
        if not is_pattern(wish.pattern):
            raise SeriesRequestError(SeriesProblem.PATTERN)
        if not is_number(fill, self.fill):
            raise SeriesRequestError(SeriesProblem.FILL, self.fill)
        if not is_number(most, self.max_groups):
            raise SeriesRequestError(SeriesProblem.MAX_GROUPS, self.max_groups)
        return Settings(wish.name, wish.pattern, fill, most)


def check_name_is_free(txn: LoggingTransaction, organiser: str, series_id: str, name: str) -> None:
    """See to it that an organiser calls no two living series the same.

    Raises:
        SeriesRequestError: they have one that is called so, or too many.
    """
    lock_person(txn, organiser)
    others = [
        series
        for series in SeriesRows.of_organiser(txn, organiser)
        if series.state is not SeriesState.ENDED and series.series_id != series_id
    ]
    if any(called_alike(series.name, name) for series in others):
        raise SeriesRequestError(SeriesProblem.NAME_TAKEN)
    if len(others) >= MOST_SERIES:
        raise SeriesRequestError(SeriesProblem.TOO_MANY, MOST_SERIES)


class Entitlement:
    """Checks whether a member may put their group into a series."""

    def __init__(self, rights: SharingRights, limits: RateLimits) -> None:
        self._rights = rights
        self._limits = limits

    async def check(self, member: Member, limit: Limit) -> None:
        """See to it that they have the power to share a group, which is the right kind of room.

        Raises:
            SeriesRequestError: they have not, or it is not.
            SynapseError: 429, they do it too often.
        """
        if member.group.is_space:
            raise SeriesRequestError(SeriesProblem.IS_SPACE)
        if await self._rights.is_replaced(member.group):
            raise SeriesRequestError(SeriesProblem.REPLACED)
        if not await self._rights.may_share(member.group, member.user_id):
            raise SeriesRequestError(SeriesProblem.NOT_ENTITLED)
        await self.spend(member.user_id, limit)

    async def spend(self, user_id: str, limit: Limit) -> None:
        """Count that somebody does it once more.

        Raises:
            SynapseError: 429, they do it too often.
        """
        await self._limits.spend(limit, user_id)


def put_in(txn: LoggingTransaction, series_id: str, number: int, member: Member, now: int) -> None:
    """Note a group that exists as one of a series.

    Raises:
        SeriesRequestError: it is in a series, or the person has left it meanwhile.
    """
    room_id = member.group.room_id
    if not Memberships.is_member(txn, room_id, member.user_id):
        raise SeriesRequestError(SeriesProblem.NOT_ENTITLED)
    after = StateHistory.latest_stream_ordering(txn)
    if not SeriesGroups.begin(txn, series_id, number, now, after, room_id=room_id):
        raise SeriesRequestError(SeriesProblem.IN_SERIES)


class Starting:
    """Starts series."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        entitlement: Entitlement,
        tending: Tending,
        bounds: SeriesBounds,
    ) -> None:
        self._api = api
        self._database = database
        self._entitlement = entitlement
        self._tending = tending
        self._bounds = bounds

    async def start(self, member: Member, wish: SeriesWish) -> Organiser:
        """Start a series from a member's group, which becomes its number 1 and its model.

        Raises:
            SeriesRequestError: this cannot be, or they may not.
            SynapseError: 429, they start too many.
        """
        settings = self._bounds.checked(wish)
        await self._entitlement.check(member, SERIES)
        series = Series(
            series_id=f"{SERIES_MARK}{secrets.token_hex(8)}",
            organiser=member.user_id,
            model=member.group.room_id,
            state=SeriesState.RUNNING,
            created_at=self._api.get_current_time_msec(),
            **attrs.asdict(settings),
        )

        def add(txn: LoggingTransaction) -> None:
            check_name_is_free(txn, series.organiser, series.series_id, series.name)
            check_not_suspended(txn, series.organiser)
            SeriesRows.add(txn, series)
            put_in(txn, series.series_id, 1, member, series.created_at)

        await self._database.run("start_series", add)
        journal.series("start", series.series_id, member.user_id, group=member.group.room_id)
        self._tending.tend_soon(series.series_id)
        return Organiser(series, member.user_id)
