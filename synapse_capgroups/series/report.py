"""What organisers read of a series: who came by which label, and how much place is left."""

from collections.abc import Sequence

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.contacts import Contacts
from synapse_capgroups.admission.facts import Facts
from synapse_capgroups.admission.places import Places
from synapse_capgroups.config import Config
from synapse_capgroups.inside.tables.account_data import AccountData
from synapse_capgroups.limits.spending import RateLimits
from synapse_capgroups.limits.table import SERIES_REPORTS
from synapse_capgroups.series.organisers import Organiser
from synapse_capgroups.storage.admissions import DAY_MS
from synapse_capgroups.storage.database import Database
from synapse_capgroups.storage.series import SeriesGroup, SeriesGroups, SeriesHelpers
from synapse_capgroups.storage.series_counts import Came, SeriesCounts

MOST_DAYS = 366
_SAMPLED_GROUPS = 10
_SAMPLED_MEMBERS = 10
_FEWEST = 10
"""Of so few people no share is told: it could tell of one person whether they have a friend."""
_MOST_LISTED = 100


@attrs.frozen
class Report:
    """A series at this moment, and who came lately.

    Attributes:
        came: by day and label.
        groups: how many it has; those being made do not count.
        members: memberships in all of them together, organisers included.
        places_left: how many more come in by live codes, groups that can be made included.
        with_a_friend: the share of members who have a friend in their group, from 0 to 1, of a
            sample of local members; None if there are too few. Only the direct chats that a member
            lists themselves are looked at.
    """

    came: Sequence[Came]
    groups: int
    members: int
    places_left: int
    with_a_friend: float | None


class Reports:
    """Counts for organisers."""

    def __init__(
        self, api: ModuleApi, database: Database, limits: RateLimits, config: Config
    ) -> None:
        self._api = api
        self._database = database
        self._limits = limits
        self._places = Places(api.server_name, config)
        self._facts = Facts(api, Contacts(api, database, config.verified_contact), config)

    async def report(self, organiser: Organiser, days: int) -> Report:
        """Count the people of a series.

        Args:
            days: how far back it is looked who came; at most `MOST_DAYS`.

        Raises:
            SynapseError: 429, it is asked for too often.
        """
        await self._limits.spend(SERIES_REPORTS, organiser.user_id)
        now = self._api.get_current_time_msec()
        since = (now // DAY_MS - min(days, MOST_DAYS) + 1) * DAY_MS
        series_id = organiser.series.series_id

        def count(txn: LoggingTransaction) -> Report:
            organisers = SeriesHelpers.organisers(txn, organiser.series)
            groups = SeriesGroups.of(txn, series_id)
            made = [group for group in groups if group.room_id is not None]
            return Report(
                came=SeriesCounts.came(txn, series_id, organisers, since),
                groups=len(made),
                members=SeriesCounts.members(txn, series_id),
                places_left=self._places_left(txn, organiser, organisers, groups, now),
                with_a_friend=None,
            )

        report = await self._database.run("series_report", count)
        share = await self._database.run(
            "series_friends", lambda txn: self._share(txn, series_id, now)
        )
        return attrs.evolve(report, with_a_friend=share)

    async def twice(
        self, organiser: Organiser, after: str, most: int
    ) -> list[tuple[str, list[int]]]:
        """Who is in several groups of a series, each with the numbers of their groups.

        Args:
            after: the last Matrix ID of the page before; empty for the first page.

        Raises:
            SynapseError: 429, it is asked for too often.
        """
        await self._limits.spend(SERIES_REPORTS, organiser.user_id)
        series_id = organiser.series.series_id

        def look(txn: LoggingTransaction) -> list[tuple[str, list[int]]]:
            organisers = SeriesHelpers.organisers(txn, organiser.series)
            found = SeriesCounts.in_several(txn, series_id, organisers, after, most)
            return [
                (
                    user_id,
                    [
                        number
                        for _, number, membership, *_ in SeriesGroups.standings(
                            txn, series_id, user_id
                        )
                        if membership == "join"
                    ],
                )
                for user_id in found
            ]

        return await self._database.run("series_twice", look)

    def _places_left(
        self,
        txn: LoggingTransaction,
        organiser: Organiser,
        organisers: Sequence[str],
        groups: Sequence[SeriesGroup],
        now: int,
    ) -> int:
        series = organiser.series
        open_groups = (group for group in groups if not group.is_full and group.label is None)
        left = sum(
            max(0, self._places.of_group(txn, series, organisers, group, now)[1])
            for group in open_groups
        )
        return left + max(0, series.max_groups - len(groups)) * series.fill

    def _share(self, txn: LoggingTransaction, series_id: str, now: int) -> float | None:
        """The share of sampled members who have a friend in their group."""
        rooms = [part.room_id for part in SeriesGroups.of(txn, series_id) if part.room_id]
        step = max(1, len(rooms) // _SAMPLED_GROUPS)
        sampled = [
            self._has_friend(txn, room_id, user_id, now)
            for room_id in rooms[::step][:_SAMPLED_GROUPS]
            for user_id in SeriesCounts.sample(
                txn, room_id, self._api.server_name, _SAMPLED_MEMBERS
            )
        ]
        return sum(sampled) / len(sampled) if len(sampled) >= _FEWEST else None

    def _has_friend(self, txn: LoggingTransaction, room_id: str, user_id: str, now: int) -> bool:
        listed = [
            other
            for other in AccountData.m_direct(txn, user_id)
            if other != user_id and other.isprintable()
        ]
        here = SeriesCounts.joined_among(txn, room_id, listed[:_MOST_LISTED])
        return any(self._facts.are_friends(txn, user_id, other, now) for other in here)
