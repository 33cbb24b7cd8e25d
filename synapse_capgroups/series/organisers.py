"""Who runs a series: its organiser, and the helpers they named."""

import attrs
from synapse.module_api import LoggingTransaction

from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.series.mistakes import SeriesProblem, SeriesRequestError
from synapse_capgroups.storage.database import Database, lock_series
from synapse_capgroups.storage.series import Series, SeriesRows, SeriesState


class NoSuchSeriesError(Exception):
    """There is no such series, or the person does not run it: nobody learns which."""


class SeriesEndedError(SeriesRequestError):
    """The series has ended, and nothing in it changes any more."""

    def __init__(self) -> None:
        super().__init__(SeriesProblem.ENDED)


@attrs.frozen
class Organiser:
    """A person who runs a series. Only `Organisers` makes one, after it has looked.

    Every deed of organisers takes one, so no caller can forget to look.

    Attributes:
        series: as it was when they were looked up.
    """

    series: Series
    user_id: str

    @property
    def is_helper(self) -> bool:
        """Whether somebody else is the organiser, who named this person a helper."""
        return self.user_id != self.series.organiser


class Organisers:
    """Looks up what series a person runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def organiser(self, user_id: str, series_id: str) -> Organiser:
        """A person as an organiser of this series.

        Raises:
            NoSuchSeriesError: there is no such series, or they do not run it.
        """
        # PostgreSQL stores no NUL, and no series has anything else that cannot be printed.
        if not series_id.isprintable():
            raise NoSuchSeriesError
        series = await self._database.look_up(
            "organiser", lambda txn: SeriesRows.run_by(txn, series_id, user_id)
        )
        if series is None:
            raise NoSuchSeriesError
        return Organiser(series, user_id)

    async def of_person(self, user_id: str) -> list[Organiser]:
        """What somebody runs, the oldest first and those that they help with last."""

        def look(txn: LoggingTransaction) -> list[Series]:
            own = SeriesRows.of_organiser(txn, user_id)
            return own + [s for s in SeriesRows.of_helper(txn, user_id) if s not in own]

        series = await self._database.run("series_of", look)
        return [Organiser(one, user_id) for one in series]


def still_runs(txn: LoggingTransaction, organiser: Organiser) -> Organiser:
    """Lock a series; returns the same person and their series as it is now.

    Raises:
        NoSuchSeriesError: the series is gone, or they no longer run it.
        SeriesEndedError: it has ended.
        SeriesRequestError: their account is suspended.
    """
    lock_series(txn, organiser.series.series_id)
    series = SeriesRows.run_by(txn, organiser.series.series_id, organiser.user_id)
    if series is None:
        raise NoSuchSeriesError
    if series.state is SeriesState.ENDED:
        raise SeriesEndedError
    check_not_suspended(txn, organiser.user_id)
    return Organiser(series, organiser.user_id)


def check_not_suspended(txn: LoggingTransaction, user_id: str) -> None:
    """Stop a person whose account is suspended from organising anything.

    Raises:
        SeriesRequestError: it is.
    """
    if Users.account(txn, user_id).is_suspended:
        raise SeriesRequestError(SeriesProblem.SUSPENDED)
