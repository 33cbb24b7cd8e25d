"""A table of people: which columns it has, and what its cells say."""

import unicodedata
from collections.abc import Mapping, Sequence

import attrs

from synapse_capgroups.rules.assignment.facts import Candidate
from synapse_capgroups.rules.assignment.flaws import BadRow, RowFlaw, TableFlaw, UnreadableTable
from synapse_capgroups.rules.assignment.user_ids import matrix_id

USER, GROUP = "user", "group"
MAX_BYTES = 20_000_000
MAX_CELL = 10_000
"""Characters."""
MAX_COLUMNS = 100
MAX_ROWS = 200_000

_SHOWN = 40  # How much of a cell a sentence quotes.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet compute a cell, once it has opened a file."""


@attrs.frozen
class Table:
    """What was read.

    Attributes:
        people: one for each good row, with their values in the columns that were asked for.
        bad_rows: those that are left out.
        has_groups: whether the values are from the column `group`.
    """

    people: list[Candidate]
    bad_rows: list[BadRow]
    has_groups: bool


def column_name(said: str) -> str:
    """A column's name: capital letters and white space around it do not matter."""
    return tidy(said).casefold()


def tidy(cell: str) -> str:
    """A cell's text: composed characters, single spaces, and no apostrophe before a formula."""
    text = " ".join(unicodedata.normalize("NFC", cell).split())
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA_STARTS) else text


def checked_columns(names: Sequence[str]) -> list[str]:
    """The names of all columns.

    Raises:
        UnreadableTable: one has no name or that of another, there are too many, or none is `user`.
    """
    if len(names) > MAX_COLUMNS:
        raise UnreadableTable(TableFlaw.TOO_MANY_COLUMNS, limit=MAX_COLUMNS)
    columns: list[str] = []
    for place, said in enumerate(names, start=1):
        name = column_name(said)
        if not name:
            raise UnreadableTable(TableFlaw.UNNAMED_COLUMN, column=place)
        if name in columns:
            raise UnreadableTable(TableFlaw.SAME_NAME, name=shown(name))
        columns.append(name)
    if USER not in columns:
        raise UnreadableTable(TableFlaw.NO_USER_COLUMN, columns=listed(columns))
    return columns


def chosen_columns(columns: Sequence[str], by: Sequence[str]) -> tuple[str, ...]:
    """Which of the columns are read: those asked for, or else `group` if there is one.

    Raises:
        UnreadableTable: one that is asked for is not there.
    """
    for name in by:
        if name not in columns:
            flaw = TableFlaw.UNKNOWN_COLUMN
            raise UnreadableTable(flaw, name=shown(name), columns=listed(columns))
    if by:
        return tuple(by)
    return (GROUP,) if GROUP in columns else ()


def check_count(rows: int) -> None:
    """
    Raises:
        UnreadableTable: there are more rows than are read, blank ones included.
    """
    if rows > MAX_ROWS:
        raise UnreadableTable(TableFlaw.TOO_MANY_ROWS, limit=MAX_ROWS)


@attrs.define
class Rows:
    """Collects the rows of a table, good and bad."""

    server_name: str
    columns: tuple[str, ...]
    people: list[Candidate] = attrs.field(factory=list)
    bad: list[BadRow] = attrs.field(factory=list)
    # Cities and classes are said again and again.
    _known: dict[tuple[str, ...], tuple[str, ...]] = attrs.field(factory=dict)

    def add(self, line: int, end: int, cells: Mapping[str, str]) -> None:
        """Take a row. Its cells are text that can be stored."""
        if any(len(cell) > MAX_CELL for cell in cells.values()):
            self.refuse(line, end, RowFlaw.LONG_CELL, limit=MAX_CELL)
        elif not (said := tidy(cells.get(USER, ""))):
            self.refuse(line, end, RowFlaw.NO_USER)
        elif (user := matrix_id(said, self.server_name)) is None:
            self.refuse(line, end, RowFlaw.NO_MATRIX_ID, said=shown(said), server=self.server_name)
        else:
            values = tuple(tidy(cells.get(name, "")) for name in self.columns)
            self.people.append(Candidate(user, self._known.setdefault(values, values)))

    def refuse(self, line: int, end: int, flaw: RowFlaw, **values: object) -> None:
        """Leave a row out."""
        self.bad.append(BadRow(line, end, flaw, values))

    def table(self) -> Table:
        """What was collected."""
        return Table(self.people, self.bad, has_groups=self.columns == (GROUP,))


def shown(text: str) -> str:
    """The beginning of a text, for a sentence that quotes it."""
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def listed(columns: Sequence[str]) -> str:
    """The names of columns, for a sentence."""
    return ", ".join(shown(name) for name in columns[:20])
