"""What can be wrong with a table. Each value names a sentence in the languages' files."""

from enum import Enum

import attrs

from synapse_capgroups.rules.text import MalformedRequest


class TableFlaw(Enum):
    """Why nothing in a table can be read."""

    TOO_LARGE = "table_too_large"
    ENCODING = "table_encoding"
    NUL = "table_nul"
    EMPTY = "table_empty"
    SEPARATORS = "table_separators"
    HEADER_QUOTES = "table_header_quotes"
    UNNAMED_COLUMN = "table_unnamed_column"
    SAME_NAME = "table_same_name"
    NO_USER_COLUMN = "table_no_user_column"
    UNKNOWN_COLUMN = "table_unknown_column"
    TOO_MANY_COLUMNS = "table_too_many_columns"
    TOO_MANY_ROWS = "table_too_many_rows"
    NOT_JSON = "table_not_json"
    NOT_PEOPLE = "table_not_people"
    GROUP_AND_SIZES = "table_group_and_sizes"


class RowFlaw(Enum):
    """Why one row cannot be read. The others can."""

    RAGGED = "row_ragged"
    LONG_CELL = "row_long_cell"
    QUOTES = "row_quotes"
    NO_USER = "row_no_user"
    NO_MATRIX_ID = "row_no_matrix_id"
    NO_OBJECT = "row_no_object"
    NO_TEXT = "row_no_text"
    SAME_NAME = "row_same_name"


class UnreadableTable(MalformedRequest):
    """A table of which nothing can be read."""

    def __init__(self, flaw: TableFlaw, **values: object) -> None:
        """
        Args:
            values: what its sentence names.
        """
        super().__init__(flaw.value)
        self.flaw = flaw
        self.values = values


@attrs.frozen
class BadRow:
    """A row that is left out.

    Attributes:
        line: the first line of it, from 1; in JSON, the place in the list.
        end: the last line of it.
        values: what the flaw's sentence names.
    """

    line: int
    end: int
    flaw: RowFlaw
    values: dict[str, object] = attrs.field(factory=dict)
