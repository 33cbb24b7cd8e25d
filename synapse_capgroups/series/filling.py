"""Fills the groups of a series in order: the way of somebody who comes by a live code (rule 11)."""

import logging

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_capgroups.admission.deciding import Deciding
from synapse_capgroups.admission.decision import Elsewhere, JoinDecision
from synapse_capgroups.admission.places import Places
from synapse_capgroups.admission.ways import ByLiveCode
from synapse_capgroups.config import Config
from synapse_capgroups.groups.scope import Scope
from synapse_capgroups.rules.scope import Group
from synapse_capgroups.rules.verdict import Reason, Refusal
from synapse_capgroups.series.next_group import GroupMaking
from synapse_capgroups.storage.codes import Code
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.series import (
    Series,
    SeriesGroups,
    SeriesHelpers,
    SeriesRows,
    SeriesState,
)

logger = logging.getLogger(__name__)

_MOST_TURNS = 100
"""Each turn is a group that was full, or was made, while somebody waited."""

_NEARLY_FULL = 10
"""The next group is made when the last has less than a tenth of its places left, or one."""


@attrs.frozen
class Filled:
    """The group of a series that is filled now.

    Attributes:
        title: what the groups are called together.
        model: the room ID of the group that the others are like.
        name: what the group is called; None if the series takes nobody.
        number: of the group; if it is not there yet, its number once it is made.
        groups: how many groups the series may have.
        people: how many are in the group, its organisers not counted.
        places: how many it takes.
        closed: why nobody comes in, None if people do.
    """

    title: str
    model: str
    name: str | None
    number: int
    groups: int
    people: int
    places: int
    closed: Reason | None


class Filling:
    """Finds a place for each person at a live code's door, and has the next group made."""

    def __init__(
        self,
        api: ModuleApi,
        database: Database,
        scope: Scope,
        deciding: Deciding,
        making: GroupMaking,
    ) -> None:
        self._api = api
        self._database = database
        self._scope = scope
        self._deciding = deciding
        self._making = making
        self._last: dict[str, str] = {}

    async def enter(
        self, code: Code, user_id: str, *, invites: bool
    ) -> tuple[Group | None, JoinDecision]:
        """Decide for somebody at a live code's door; they may wait until a group is made.

        Args:
            invites: whether the person is only invited now, and is judged again when they join.

        Returns:
            The group that they come into, None if the decision is about no group.
        """
        way, series_id = ByLiveCode(code, invites), code.room_id
        group = await self._group(self._last.get(series_id))
        for _ in range(_MOST_TURNS):
            found = await self._deciding.enter_series(group, user_id, way)
            if isinstance(found, JoinDecision):
                if group is not None and found.admission is not None:
                    self._prepare(series_id, group, found)
                return group, found
            if isinstance(found, Elsewhere) and found.room_id is not None:
                group = await self._group(found.room_id)
            elif (refusal := await self._make(series_id)) is not None:
                return None, JoinDecision(refusal)
        logger.warning("Could not find a place for %s in series %s", user_id, series_id)
        return None, JoinDecision(Refusal(Reason.UNDECIDED, always=True))

    async def _group(self, room_id: str | None) -> Group | None:
        return None if room_id is None else await self._scope.group(room_id)

    async def _make(self, series_id: str) -> Refusal | None:
        """Have a group made; returns why there is none."""
        try:
            made = await self._making.make_room(series_id)
        except SynapseError as e:
            # Said to the organiser, not to whoever stands at the door.
            logger.warning("Could not make a group of series %s: %s", series_id, e)
            return Refusal(Reason.UNDECIDED, always=True)
        return None if made else Refusal(Reason.SERIES_FULL, always=True)

    def _prepare(self, series_id: str, group: Group, decision: JoinDecision) -> None:
        if len(self._last) >= 1000:
            self._last.clear()
        self._last[series_id] = group.room_id
        left, admission = decision.places_left, decision.admission
        if left is None or admission is None:
            return
        if left <= max(1, admission.members_after // _NEARLY_FULL):
            self._making.prepare_soon(series_id)


class Glances:
    """Looks at what a series fills now, for people who hold a live code."""

    def __init__(self, api: ModuleApi, database: Database, config: Config) -> None:
        self._api = api
        self._database = database
        self._places = Places(api.server_name, config)

    async def filled(self, series_id: str) -> Filled | None:
        """The group that is filled now; None if there is no such series."""

        def look(txn: LoggingTransaction) -> Filled | None:
            series = SeriesRows.by_id(txn, series_id)
            return None if series is None else self._filled(txn, series)

        return await self._database.run("series_filled", look)

    async def title(self, series_id: str) -> str | None:
        """What the groups of a series are called together."""
        series = await self._database.look_up(
            "series_title", lambda txn: SeriesRows.by_id(txn, series_id)
        )
        return series.title if series else None

    def _filled(self, txn: LoggingTransaction, series: Series) -> Filled:
        organisers = SeriesHelpers.organisers(txn, series)
        count, last = SeriesGroups.count_and_last(txn, series.series_id)
        most = series.max_groups

        def filled(number: int, people: int, places: int, closed: Reason | None = None) -> Filled:
            name = None if closed else series.group_name(number)
            return Filled(series.title, series.model, name, number, most, people, places, closed)

        if series.state is SeriesState.PAUSED:
            return filled(count, 0, 0, Reason.SERIES_PAUSED)
        now = self._api.get_current_time_msec()
        if place := self._places.look(txn, series, organisers, now):
            return filled(place.number, place.people, place.people + place.left)
        if count < most:
            return filled(last + 1, 0, series.fill)
        return filled(count, 0, 0, Reason.SERIES_FULL)
