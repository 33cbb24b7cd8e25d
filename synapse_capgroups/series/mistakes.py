"""Why a deed of an organiser cannot be done."""

from enum import Enum


class SeriesProblem(Enum):
    """Why something cannot be done. The value is the key of the sentence that says so."""

    NAME = "series_name"
    PATTERN = "series_pattern"
    FILL = "series_fill"
    MAX_GROUPS = "series_max_groups"
    NAME_TAKEN = "series_name_taken"
    TOO_MANY = "series_too_many"
    IN_SERIES = "series_has_it"
    IS_SPACE = "series_no_space"
    REPLACED = "series_replaced"
    NOT_ENTITLED = "series_not_entitled"
    HAS_ALL = "series_has_all"
    NO_SUCH_GROUP = "series_no_such_group"
    HELPER = "series_helper"
    TOO_MANY_HELPERS = "series_helpers"
    NO_SUCH_HELPER = "series_no_such_helper"
    HAS_NOT_AGREED = "series_not_agreed"
    ORGANISER_ONLY = "series_organiser_only"
    ENDED = "series_is_over"
    SUSPENDED = "series_suspended"

    @property
    def is_malformed(self) -> bool:
        """Whether the request could never be carried out, whoever makes it."""
        return self in _MALFORMED

    @property
    def is_missing(self) -> bool:
        """Whether what the request is about is not there."""
        return self in (SeriesProblem.NO_SUCH_GROUP, SeriesProblem.NO_SUCH_HELPER)


_MALFORMED = frozenset(
    (
        SeriesProblem.NAME,
        SeriesProblem.PATTERN,
        SeriesProblem.FILL,
        SeriesProblem.MAX_GROUPS,
        SeriesProblem.HELPER,
    )
)


class SeriesRequestError(Exception):
    """Somebody asked for what cannot be done with a series.

    Attributes:
        limit: the number that the sentence names, where there is one.
    """

    def __init__(self, problem: SeriesProblem, limit: int | None = None) -> None:
        super().__init__(problem.value)
        self.problem = problem
        self.limit = limit
