"""What is known of a series and of the people in a table, at the moment of the plan."""

from collections.abc import Collection

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.admission.places import Places
from synapse_capgroups.config import Config
from synapse_capgroups.inside.tables.memberships import Memberships
from synapse_capgroups.inside.tables.outside import Outside
from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.inside.transactions import batches
from synapse_capgroups.rules.assignment.facts import PresentGroup, SeriesFacts, Why
from synapse_capgroups.rules.assignment.labels import labelled
from synapse_capgroups.series.organisers import Organiser
from synapse_capgroups.storage.assignments import AssignmentRows
from synapse_capgroups.storage.series import Series, SeriesGroup, SeriesGroups, SeriesHelpers

DAY_MS = 24 * 60 * 60 * 1000
MOST_A_DAY = 5
"""So often one person puts another one into groups by assignments, in whatever series."""


class FactsOfSeries:
    """Gathers the facts, in statements whose number grows with the table and the series."""

    def __init__(self, api: ModuleApi, concierge: str, config: Config) -> None:
        self._api = api
        self._concierge = concierge
        self._code_limit = config.code_limit
        self._local_only = config.is_guarded and config.federation == "local"
        self._places = Places(api.server_name, config)

    def gather(
        self, txn: LoggingTransaction, organiser: Organiser, people: Collection[str]
    ) -> SeriesFacts:
        """The facts about a series, and about these people in it."""
        series, now = organiser.series, self._api.get_current_time_msec()
        organisers = SeriesHelpers.organisers(txn, series)
        groups = SeriesGroups.of(txn, series.series_id)
        _, last = SeriesGroups.count_and_last(txn, series.series_id)
        numbers = {group.room_id: group.number for group in groups if group.room_id is not None}
        barred = self._barred(txn, organiser, people, now)
        barred |= {
            user_id: Why.BANNED if membership == "ban" else Why.REMOVED
            for user_id, membership in Outside.removed_from(txn, numbers)
        }
        barred |= dict.fromkeys(organisers, Why.ORGANISER)
        barred[self._concierge] = Why.NO_ACCOUNT
        placed: dict[str, int] = {}
        for room_id, present in Memberships.present_in(txn, numbers).items():
            for user_id, _ in present:
                placed[user_id] = min(numbers[room_id], placed.get(user_id, numbers[room_id]))
        for user_id in organisers:
            placed.pop(user_id, None)
        staff = len(organisers)
        return SeriesFacts(
            groups=tuple(self._group(txn, series, organisers, group, now) for group in groups),
            next_number=last + 1,
            fill=min(series.fill + staff, self._code_limit),
            max_groups=series.max_groups,
            staff=staff,
            placed=placed,
            barred=barred,
        )

    def _group(
        self,
        txn: LoggingTransaction,
        series: Series,
        organisers: list[str],
        group: SeriesGroup,
        now: int,
    ) -> PresentGroup:
        people, left = self._places.with_invitations(txn, series, organisers, group, now)
        return PresentGroup(
            group.number,
            people,
            max(0, left),
            labelled(group.label) if group.label is not None else (),
            series.group_name(group.number),
        )

    def _barred(
        self, txn: LoggingTransaction, organiser: Organiser, people: Collection[str], now: int
    ) -> dict[str, Why]:
        barred: dict[str, Why] = {}
        local = sorted(user_id for user_id in people if self._api.is_mine(user_id))
        accounts = Users.kinds(txn, local)
        for user_id in local:
            if user_id not in accounts:
                barred[user_id] = Why.NO_ACCOUNT
            elif accounts[user_id]:
                barred[user_id] = Why.GUEST
        if self._local_only:
            remote = (user_id for user_id in people if not self._api.is_mine(user_id))
            barred |= dict.fromkeys(remote, Why.REMOTE)
        for batch in batches(sorted(people)):
            often = AssignmentRows.invitations_since(txn, organiser.user_id, batch, now - DAY_MS)
            barred |= {who: Why.OVER_LIMIT for who, count in often.items() if count >= MOST_A_DAY}
        return barred
